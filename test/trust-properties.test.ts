import fc from "./_properties.ts";
import { describe, expect, it } from "vitest";
import type { EdgeEdit, EdgeGraph } from "../core/src/trust/edge-graph.ts";
import { FlowState } from "../core/src/trust/flow-state.ts";
import { evidenceOf } from "../core/src/trust/flow-view.ts";
import { confidences, graphOf, hopsFromRoots, type Net, nets, plainEvidence } from "./_trust.ts";

const runs = { numRuns: 1000 };
const close = 1e-12;
const anyNet = fc.oneof(nets(), nets({ agents: 24, edges: 140 }), nets({ agents: 40, edges: 60, hub: true }));

function evidenceOfAll(net: Net): number[] {
  const state = new FlowState(graphOf(net), net.roots);
  return Array.from({ length: net.agents }, (_, agent) => state.evidence(agent));
}

/** Attackers 0 … n − 1 among themselves, in any shape. */
function sybils(most = 12): fc.Arbitrary<{ count: number; edges: EdgeEdit[] }> {
  return nets({ agents: most, edges: 80 }).map(({ agents, edges }) => ({ count: agents, edges }));
}

/** Puts attackers behind a network, numbered after its agents. */
function attacked(net: Net, attack: { count: number; edges: EdgeEdit[] }, fooled: EdgeEdit[]): Net {
  const shifted = attack.edges.map((e) => ({ ...e, issuer: e.issuer + net.agents, subject: e.subject + net.agents }));
  return { agents: net.agents + attack.count, edges: [...net.edges, ...shifted, ...fooled], roots: net.roots };
}

describe("the flow metric", () => {
  it("gives, bit for bit, what the definition gives when it is computed plainly, for all agents and for one", () => {
    fc.assert(
      fc.property(anyNet, (net) => {
        const { evidence } = plainEvidence(net);
        expect(evidenceOfAll(net)).toEqual(evidence);
        const graph = graphOf(net);
        for (let agent = 0; agent < net.agents; agent++) {
          if (!net.roots.includes(agent)) expect(evidenceOf(graph, net.roots, agent)).toBe(evidence[agent]);
        }
      }),
      runs,
    );
  });

  it("dilutes what an agent with more than thirty full vouches passes on, and gives plain results beyond", () => {
    fc.assert(
      fc.property(fc.integer({ min: 25, max: 60 }), confidences, (fans, confidence) => {
        const net: Net = {
          agents: fans + 3,
          roots: [0],
          edges: [
            { issuer: 0, subject: 1, confidence: 100 },
            { issuer: 0, subject: 2, confidence: 100 },
            ...Array.from({ length: fans }, (_, i) => ({ issuer: 1, subject: i + 3, confidence })),
            ...Array.from({ length: fans }, (_, i) => ({ issuer: 2, subject: i + 3, confidence: 100 })),
          ],
        };
        expect(evidenceOfAll(net)).toEqual(plainEvidence(net).evidence);
        expect(
          evidenceOfAll(net)
            .slice(3)
            .reduce((a, b) => a + b),
        ).toBeLessThanOrEqual(2 * 0.7 * 30 + 1e-9);
      }),
      runs,
    );
  });

  it("locality: nothing beyond six hops of the roots changes a score", () => {
    fc.assert(
      fc.property(nets({ agents: 20, edges: 30 }), nets({ agents: 20, edges: 30 }), (net, other) => {
        const hops = hopsFromRoots(net);
        const near = net.edges.filter((e) => hops[e.issuer]! < 6);
        const far = other.edges.filter(
          (e) =>
            e.issuer < net.agents &&
            e.subject < net.agents &&
            hops[e.issuer]! >= 6 &&
            !near.some((n) => n.issuer === e.issuer && n.subject === e.subject),
        );
        expect(evidenceOfAll({ ...net, edges: near })).toEqual(evidenceOfAll(net));
        expect(evidenceOfAll({ ...net, edges: [...near, ...far] })).toEqual(evidenceOfAll(net));
      }),
      runs,
    );
  });

  it("locality: a chain of pairs carries trust for six hops and no further", () => {
    // Each stage has two agents that both agents of the stage before vouch for.
    const stages = 8;
    const edges: EdgeEdit[] = [];
    for (let s = 0; s < stages; s++) {
      for (const subject of [1 + 2 * s, 2 + 2 * s]) {
        const issuers = s === 0 ? [0] : [2 * s - 1, 2 * s];
        for (const issuer of issuers) edges.push({ issuer, subject, confidence: 100 });
      }
    }
    const evidence = evidenceOfAll({ agents: 2 * stages + 1, edges, roots: [0] });
    expect(evidence[11]).toBeGreaterThan(0);
    expect(evidence.slice(13)).toEqual([0, 0, 0, 0]);
  });

  it("monotone: a vouch by an agent that is not diluted lowers no score, and taking it back raises none", () => {
    fc.assert(
      fc.property(nets({ agents: 16, edges: 80 }), fc.nat(15), fc.nat(15), confidences, (net, v, u, confidence) => {
        const [issuer, subject] = [v % net.agents, u % net.agents];
        fc.pre(issuer !== subject && !net.edges.some((e) => e.issuer === issuer && e.subject === subject));
        const before = evidenceOfAll(net);
        const after = evidenceOfAll({ ...net, edges: [...net.edges, { issuer, subject, confidence }] });
        for (let i = 0; i < net.agents; i++) expect(after[i]).toBeGreaterThanOrEqual(before[i]! - close);
      }),
      runs,
    );
  });

  it("A-TRUST-04 self-promotion: what an agent signs for agents that do not lead back to it leaves its score alone", () => {
    fc.assert(
      fc.property(
        nets(),
        fc.nat(13),
        fc.array(fc.tuple(fc.nat(13), confidences), { maxLength: 12, size: "max" }),
        (net, pick, vouches) => {
          const u = pick % net.agents;
          const back = hopsFromRoots({ ...net, roots: [u], edges: net.edges.map(reversed) });
          const own = new Map(
            vouches
              .map(([to, confidence]) => ({ issuer: u, subject: to % net.agents, confidence }))
              .filter((e) => back[e.subject] === Infinity)
              .map((e) => [e.subject, e]),
          );
          const silent = net.edges.filter((e) => e.issuer !== u);
          expect(evidenceOfAll({ ...net, edges: [...silent, ...own.values()] })[u]).toBe(
            evidenceOfAll({ ...net, edges: silent })[u],
          );
        },
      ),
      runs,
    );
  });

  it("A-TRUST-04 self-promotion: fakes of its own that vouch for it in any shape, cycles included, gain it nothing", () => {
    fc.assert(
      fc.property(
        nets(),
        fc.nat(13),
        sybils(8),
        fc.array(fc.tuple(fc.nat(7), confidences), { maxLength: 12, size: "max" }),
        (net, pick, fakes, back) => {
          const u = pick % net.agents;
          fc.pre(!net.roots.includes(u));
          const ties = new Map<string, EdgeEdit>();
          for (const [fake, confidence] of back) {
            const agent = net.agents + (fake % fakes.count);
            ties.set(`to ${agent}`, { issuer: u, subject: agent, confidence });
            ties.set(`from ${agent}`, { issuer: agent, subject: u, confidence });
          }
          const before = evidenceOfAll(net);
          const after = evidenceOfAll(attacked(net, fakes, [...ties.values()]));
          expect(after[u]).toBe(before[u]);
          expect(after.slice(0, net.agents)).toEqual(before);
        },
      ),
      runs,
    );
  });

  it("A-TRUST-01 one edge, one agent: behind one fooled vouch there is one fake with evidence, in any shape", () => {
    fc.assert(
      fc.property(nets(), fc.nat(13), sybils(), confidences, (net, pick, attack, confidence) => {
        const victim = pick % net.agents;
        fc.pre(!net.roots.includes(victim));
        const fooled = { issuer: victim, subject: net.agents, confidence };
        const alone = evidenceOfAll({ ...net, agents: net.agents + 1, edges: [...net.edges, fooled] });
        const evidence = evidenceOfAll(attacked(net, attack, [fooled]));
        expect(evidence.slice(0, net.agents + 1)).toEqual(alone);
        expect(evidence.slice(net.agents + 1).every((e) => e === 0)).toBe(true);
        expect(evidence[net.agents]).toBeLessThanOrEqual(0.7 * (confidence / 100));
      }),
      runs,
    );
  });

  it("A-TRUST-01 two edges, a bounded number: at most μ·K·p(a)/θ fakes reach θ behind an attacker with power p(a)", () => {
    fc.assert(
      fc.property(
        nets(),
        fc.nat(13),
        fc.nat(13),
        sybils(40),
        fc.boolean(),
        fc.constantFrom(0.1, 0.25, 0.5),
        (net, one, two, attack, together, threshold) => {
          const victims = [one % net.agents, two % net.agents];
          fc.pre(victims[0] !== victims[1] && !victims.some((victim) => net.roots.includes(victim)));
          const second = net.agents + (together ? 0 : 1);
          const fooled = victims.map((issuer, i) => ({
            issuer,
            subject: i === 0 ? net.agents : second,
            confidence: 100,
          }));
          const whole = attacked(net, attack, fooled);
          const { evidence, power, given } = plainEvidence(whole);
          expect(evidenceOfAll(whole)).toEqual(evidence);
          const fakes = evidence.slice(net.agents);
          if (!together) {
            // Two attackers with one voucher each have no power: nobody behind them gets anything.
            expect(fakes.slice(2).every((e) => e === 0)).toBe(true);
            return;
          }
          const p = Math.min(1, power[net.agents]!);
          expect(given[net.agents]).toBeLessThanOrEqual(0.7 * 30 * p + 1e-9);
          expect(fakes.slice(1).filter((e) => e >= threshold).length).toBeLessThanOrEqual(
            (0.7 * 30 * p) / threshold + 1e-9,
          );
          expect(power.slice(net.agents + 1).every((q) => q === 0)).toBe(true);
        },
      ),
      runs,
    );
  });

  it("two edges, a bounded number: no agent whatever hands out more than μ·K·p", () => {
    fc.assert(
      fc.property(nets({ agents: 40, edges: 400 }), (net) => {
        const { given } = plainEvidence(net);
        given.forEach((sum, agent) => {
          if (!net.roots.includes(agent)) expect(sum).toBeLessThanOrEqual(0.7 * 30 + 1e-9);
        });
      }),
      runs,
    );
  });

  it("A-TRUST-05 slander: nothing that agents without power sign lowers, or changes, any score", () => {
    fc.assert(
      fc.property(
        nets(),
        sybils(),
        fc.array(fc.tuple(fc.nat(11), fc.nat(13), confidences), { maxLength: 30, size: "max" }),
        (net, attack, slurs) => {
          const into = new Map(
            slurs.map(([from, to, confidence]) => {
              const edge = { issuer: net.agents + (from % attack.count), subject: to % net.agents, confidence };
              return [`${edge.issuer} ${edge.subject}`, edge];
            }),
          );
          const after = evidenceOfAll(attacked(net, attack, [...into.values()]));
          expect(after.slice(0, net.agents)).toEqual(evidenceOfAll(net));
        },
      ),
      runs,
    );
  });

  it("A-TRUST-05 every hop lowers: whatever the chain, the next agent has at most 0.7 of a full vouch", () => {
    fc.assert(
      fc.property(nets({ agents: 20, edges: 60 }), (net) => {
        const { evidence } = plainEvidence(net);
        for (let u = 0; u < net.agents; u++) {
          const run = net.edges.filter((e) => e.subject === u && !net.roots.includes(u));
          const fromRoots = run
            .filter((e) => net.roots.includes(e.issuer))
            .reduce((sum, e) => sum + e.confidence / 100, 0);
          const others = run
            .filter((e) => !net.roots.includes(e.issuer))
            .reduce((sum, e) => sum + e.confidence / 100, 0);
          expect(evidence[u]).toBeLessThanOrEqual(fromRoots + 0.7 * others + close);
        }
      }),
      runs,
    );
  });

  it("A-TRUST-06 A-TRUST-08 order: any permutation of the edges gives the same bits", () => {
    fc.assert(
      fc.property(
        nets({ agents: 20, edges: 120 }).chain((net) =>
          fc.tuple(fc.constant(net), fc.shuffledSubarray(net.edges, { minLength: net.edges.length })),
        ),
        ([net, shuffled]) => {
          expect(evidenceOfAll({ ...net, edges: shuffled })).toEqual(evidenceOfAll(net));
        },
      ),
      runs,
    );
  });

  it("follows any sequence of vouches, changes and revocations, and is bit for bit what a full run gives", () => {
    const step = fc.record({
      issuer: fc.nat(17),
      subject: fc.nat(17),
      confidence: fc.oneof(fc.constant(0), confidences),
    });
    fc.assert(
      fc.property(
        nets({ agents: 14, edges: 60 }),
        fc.array(step, { maxLength: 25 }),
        fc.nat(4),
        (net, steps, batch) => {
          const graph = graphOf(net);
          const state = new FlowState(graph, net.roots);
          let pending: EdgeEdit[] = [];
          for (const edit of steps) {
            while (graph.agents <= Math.max(edit.issuer, edit.subject)) graph.append();
            graph.set(edit);
            pending.push(edit);
            if (pending.length <= batch) continue;
            state.update(pending);
            pending = [];
            expectSame(graph, state, net.roots);
          }
          state.update(pending);
          expectSame(graph, state, net.roots);
        },
      ),
      runs,
    );
  });

  it("leaves graph and scores exactly as they were after asking what a change would do", () => {
    fc.assert(
      fc.property(anyNet, fc.nat(39), fc.nat(39), fc.nat(100), (net, v, u, confidence) => {
        const edit = { issuer: v % net.agents, subject: u % net.agents, confidence };
        fc.pre(edit.issuer !== edit.subject);
        const graph = graphOf(net);
        const state = new FlowState(graph, net.roots);
        const everywhere = new Uint8Array(net.agents);
        const kept = net.edges.filter((e) => e.issuer !== edit.issuer || e.subject !== edit.subject);
        const changed = evidenceOfAll({ ...net, edges: confidence === 0 ? kept : [...kept, edit] });
        for (let agent = 0; agent < net.agents; agent++) {
          if (net.roots.includes(agent)) continue;
          expect(state.evidenceAfter([edit], agent, everywhere)).toBe(changed[agent]);
        }
        expectSame(graph, state, net.roots);
        expect(evidenceOfAll(net)).toEqual(Array.from({ length: net.agents }, (_, i) => state.evidence(i)));
      }),
      runs,
    );
  });
});

function expectSame(graph: EdgeGraph, state: FlowState, roots: readonly number[]): void {
  const edges = [...graph.all()];
  const fresh = plainEvidence({ agents: graph.agents, edges, roots: [...roots] }).evidence;
  expect(Array.from({ length: graph.agents }, (_, agent) => state.evidence(agent))).toEqual(fresh);
  const full = new FlowState(graphOf({ agents: graph.agents, edges }), roots);
  expect(graph.outWeight.slice(0, graph.agents)).toEqual(full.graph.outWeight);
  for (let k = 1; k < 6; k++) {
    expect(state.shares(k).slice(0, graph.agents)).toEqual(full.shares(k));
  }
}

function reversed({ issuer, subject, confidence }: EdgeEdit): EdgeEdit {
  return { issuer: subject, subject: issuer, confidence };
}
