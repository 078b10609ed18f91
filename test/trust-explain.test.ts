import fc from "./_properties.ts";
import { describe, expect, it } from "vitest";
import { explainTrust, independentVouchers, type Explanation } from "../core/src/trust/explain.ts";
import { FlowState } from "../core/src/trust/flow-state.ts";
import { scoreOf, scoreVector } from "../core/src/trust/flow.ts";
import { formatExplanation } from "../core/src/trust/format-explanation.ts";
import { buildTrustGraph } from "../core/src/trust/graph.ts";
import { agentOf, didOf, graphOf, type Net, nets, vouchesOf, vouchOf } from "./_trust.ts";

const runs = { numRuns: 1000 };
const short = (did: string): string => `agent${agentOf(did)}`;
const nameless = (did: string): string => `<${did.slice(-6)}>`;

function explain(net: Net, target: number, extra: { threshold?: number } = {}): Explanation {
  return explainTrust(buildTrustGraph(vouchesOf(net)), {
    roots: net.roots.map(didOf),
    target: didOf(target),
    ...extra,
  });
}

/** Score by a fresh run over changed edges. */
function rescored(net: Net, target: number, edges = net.edges): number | "unknown" {
  return scoreOf(new FlowState(graphOf({ agents: net.agents, edges }), net.roots).evidence(target));
}

const cases = fc
  .oneof(nets({ agents: 9, edges: 45 }), nets({ agents: 14, edges: 30 }), nets({ agents: 40, edges: 30, hub: true }))
  .chain((net) => fc.tuple(fc.constant(net), fc.nat(net.agents - 1)))
  .filter(([net, target]) => !net.roots.includes(target));

describe("the explanation of a score", () => {
  it("A-TRUST-08 has contributions that multiply and add up, bit for bit, to the evidence, each with a chain from a root", () => {
    fc.assert(
      fc.property(cases, ([net, target]) => {
        const { contributions, evidence, score, powerless } = explain(net, target);
        let sum = 0;
        for (const { decay, power, dilution, weight, value, voucher, chain } of contributions) {
          expect(decay * power * dilution * weight).toBe(value);
          sum += value;
          expect(net.roots.map(didOf)).toContain(chain[0]!.issuer);
          expect(chain.at(-1)).toMatchObject({ issuer: voucher, subject: didOf(target), value });
          expect(chain.length).toBeLessThanOrEqual(6);
          for (let i = 1; i < chain.length; i++) expect(chain[i]!.issuer).toBe(chain[i - 1]!.subject);
          const visited = [chain[0]!.issuer, ...chain.map(({ subject }) => subject)];
          expect(new Set(visited).size).toBe(visited.length);
        }
        expect(sum).toBe(evidence);
        expect(score).toBe(rescored(net, target));
        const vouchers = net.edges.filter((e) => e.subject === target).length;
        expect(contributions.length + powerless.length).toBe(vouchers);
      }),
      runs,
    );
  });

  it("never leads to the target by way of the target, although the target's own vouches strengthen who vouches for it", () => {
    // 0 vouches for 1 and 2; both for 3 and 4. 3 and 4 vouch for each other, and 3 takes most of its power from 4.
    const net: Net = {
      agents: 5,
      roots: [0],
      edges: [
        { issuer: 0, subject: 1, confidence: 100 },
        { issuer: 0, subject: 2, confidence: 100 },
        { issuer: 0, subject: 4, confidence: 100 },
        { issuer: 1, subject: 3, confidence: 20 },
        { issuer: 2, subject: 3, confidence: 100 },
        { issuer: 4, subject: 3, confidence: 90 },
        { issuer: 3, subject: 4, confidence: 100 },
      ],
    };
    const { contributions } = explain(net, 4);
    expect(contributions.map(({ chain }) => [chain[0]!.issuer, ...chain.map(({ subject }) => subject)])).toEqual([
      [0, 4].map(didOf),
      [0, 1, 3, 4].map(didOf),
    ]);
    // For another target the same agent's strongest way does lead through 4.
    const other = explain({ ...net, agents: 6, edges: [...net.edges, { issuer: 3, subject: 5, confidence: 100 }] }, 5);
    expect(other.contributions[0]!.chain.map(({ issuer }) => issuer)).toEqual([0, 4, 3].map(didOf));
  });

  it("prints chains whose numbers add up, digit for digit, to the printed score, and whose lines can be recomputed", () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 15 }), ([net, target], most) => {
        const explanation = explain(net, target);
        const text = formatExplanation(explanation, { most, name: nameless });
        const printed = /^\S+ {2}(\S+)/.exec(text)![1];
        if (explanation.score === "unknown") {
          expect(printed).toBe("unknown");
          return;
        }
        let micro = 0;
        for (const [, amount, rest] of text.matchAll(/^ {2}(\d\.\d{6}) {2}(?:<|\d+ more)(.*)$/gm)) {
          micro += Math.round(Number(amount) * 1e6);
          const factors = /decay (\S+) × power (\S+) × dilution (\S+) × confidence (\S+)$/.exec(rest!)?.slice(1);
          const word = /a root's word: (\S+)$/.exec(rest!)?.slice(1);
          const product = (factors ?? word)?.map(Number).reduce((a, b) => a * b);
          if (product !== undefined) expect(Math.abs(product - Number(amount))).toBeLessThan(2.5e-6);
        }
        const evidence = /^ {2}(\d+\.\d{6}) {2}evidence/m.exec(text)![1];
        expect((micro / 1e6).toFixed(6)).toBe(evidence);
        expect(printed).toBe(Math.min(1, micro / 1e6).toFixed(6));
      }),
      runs,
    );
  });

  it("names the vouch whose removal costs most, with the score after it, as trying every vouch shows", () => {
    fc.assert(
      fc.property(cases, ([net, target]) => {
        const { holdsUp, score } = explain(net, target);
        const numeric = (s: number | "unknown"): number => (s === "unknown" ? 0 : s);
        let worst = numeric(score);
        for (const edge of net.edges)
          worst = Math.min(
            worst,
            numeric(
              rescored(
                net,
                target,
                net.edges.filter((e) => e !== edge),
              ),
            ),
          );
        if (!holdsUp) {
          expect(worst).toBeGreaterThanOrEqual(numeric(score) - 1e-6);
          return;
        }
        expect(holdsUp.exact).toBe(true);
        const without = net.edges.filter(
          (e) => didOf(e.issuer) !== holdsUp.issuer || didOf(e.subject) !== holdsUp.subject,
        );
        expect(without.length).toBe(net.edges.length - 1);
        expect(rescored(net, target, without)).toBe(holdsUp.scoreAfter);
        expect(numeric(holdsUp.scoreAfter)).toBe(worst);
      }),
      runs,
    );
  });

  it("names vouches that do reach the threshold, with the least confidence, and as few as trying every agent shows", () => {
    fc.assert(
      fc.property(cases, fc.constantFrom(0.1, 0.25, 0.5, 0.9), ([net, target], threshold) => {
        const { raise, score } = explain(net, target, { threshold });
        const reached = (s: number | "unknown"): boolean => s !== "unknown" && s >= threshold;
        expect(raise === undefined).toBe(reached(score));
        if (!raise) return;
        const inGraph = net.edges.some((e) => e.subject === target || e.issuer === target);
        const added = (by: readonly string[], confidence: number): number | "unknown" => {
          const issuers = Array.from({ length: net.agents }, (_, i) => i).filter((i) => by.includes(didOf(i)));
          return rescored(net, target, [
            ...net.edges,
            ...issuers.map((issuer) => ({ issuer, subject: target, confidence })),
          ]);
        };
        for (const { by, confidence, scoreAfter } of raise.options) {
          // The word of a root that is in no vouch yet is added by itself, without what might come back through others.
          const inNoVouch = !net.edges.some((e) => didOf(e.issuer) === by[0] || didOf(e.subject) === by[0]);
          if (inNoVouch) expect(added(by, confidence)).toBeGreaterThanOrEqual(Number(scoreAfter) - 1e-6);
          else expect(added(by, confidence)).toBe(scoreAfter);
          expect(reached(scoreAfter)).toBe(true);
          if (by.length === 1 && confidence > 1) expect(reached(added(by, confidence - 1))).toBe(false);
        }
        const alone = Array.from({ length: net.agents }, (_, i) => i).filter(
          (i) =>
            i !== target &&
            !net.edges.some((e) => e.issuer === i && e.subject === target) &&
            reached(added([didOf(i)], 100)),
        );
        expect(raise.options.some(({ by }) => by.length === 1)).toBe(alone.length > 0);
        if (!inGraph) expect(raise.options.length).toBeGreaterThan(0);
      }),
      runs,
    );
  });

  it("counts independent vouchers: so many agents or direct words of roots would have to fail together", () => {
    fc.assert(
      fc.property(
        nets({ agents: 8, edges: 30 }).chain((net) => fc.tuple(fc.constant(net), fc.nat(net.agents - 1))),
        ([net, target]) => {
          fc.pre(!net.roots.includes(target));
          expect(explain(net, target).independentVouchers).toBe(smallestCut(net, target));
        },
      ),
      runs,
    );
  });

  it("tells an unknown agent's vouchers from its lack of them, and offers a root's word", () => {
    const graph = buildTrustGraph([vouchOf(0, 1, 100), vouchOf(5, 3, 90), vouchOf(6, 3, 90)]);
    const roots = [didOf(0)];
    const known = explainTrust(graph, { roots, target: didOf(3), threshold: 0.25 });
    expect(known.score).toBe("unknown");
    expect(known.powerless).toEqual([didOf(5), didOf(6)]);
    expect(known.raise?.options[0]).toEqual({ by: [didOf(0)], confidence: 25, scoreAfter: 0.25 });
    expect(formatExplanation(known)).toContain("nobody your roots give power to");
    const stranger = explainTrust(graph, { roots, target: didOf(9), threshold: 0.28 });
    expect(stranger).toMatchObject({ score: "unknown", evidence: 0, contributions: [], independentVouchers: 0 });
    expect(stranger.raise?.options).toEqual([{ by: [didOf(0)], confidence: 28, scoreAfter: 0.28 }]);
    expect(formatExplanation(stranger)).toContain("nobody vouches for it");
    expect(explainTrust(graph, { roots: [], target: didOf(9), threshold: 0.28 }).raise?.options).toEqual([]);
  });

  it("offers the word of a root that is in no vouch yet", () => {
    const graph = buildTrustGraph([vouchOf(1, 3, 90)]);
    const { raise } = explainTrust(graph, { roots: [didOf(0)], target: didOf(3), threshold: 0.5 });
    expect(raise?.options).toEqual([{ by: [didOf(0)], confidence: 50, scoreAfter: 0.5 }]);
  });

  it("says of a root that it was chosen, and passes on what was not counted and why", () => {
    const graph = buildTrustGraph([vouchOf(0, 1, 100)]);
    const notCounted = [{ vouch: vouchOf(4, 1, 80), reason: "expired" }];
    const explanation = explainTrust(graph, { roots: [didOf(0)], target: didOf(0), notCounted, logSize: 12 });
    expect(explanation).toMatchObject({ score: 1, root: true, contributions: [], notCounted });
    const text = formatExplanation(explanation, { name: short });
    expect(text).toContain("one of your roots");
    expect(text).toContain("not counted: agent4's vouch, expired");
    expect(text).toContain("log size 12");
    expect(text).toContain(explanation.provenance.edges);
  });

  it("refuses a threshold outside (0, 1]", () => {
    const graph = buildTrustGraph([vouchOf(0, 1, 100)]);
    const ask = (threshold: number) => () => explainTrust(graph, { roots: [didOf(0)], target: didOf(1), threshold });
    for (const threshold of [0, -1, 1.01, NaN]) expect(ask(threshold)).toThrow(RangeError);
    expect(ask(1)()).toMatchObject({ score: 1 });
  });

  it("gives the number of independent vouchers by itself to a policy", () => {
    const vector = scoreVector(
      buildTrustGraph([vouchOf(0, 1, 9), vouchOf(0, 2, 9), vouchOf(1, 3, 9), vouchOf(2, 3, 9)]),
      [didOf(0)],
    );
    expect([3, 1, 0, 7].map((agent) => independentVouchers(vector, didOf(agent)))).toEqual([2, 1, 0, 0]);
  });
});

/** Fewest agents (and direct words of roots) without which no chain of powered agents leads to the target, by trying. */
function smallestCut(net: Net, target: number): number {
  const state = new FlowState(graphOf(net), net.roots);
  const share = (agent: number): number => state.shares(5)[agent]!;
  const direct = net.edges.filter((e) => e.subject === target && net.roots.includes(e.issuer)).length;
  const middle = Array.from({ length: net.agents }, (_, i) => i).filter((i) => i !== target && share(i) > 0);
  let best = middle.length;
  for (let set = 0; set < 1 << middle.length; set++) {
    const gone = new Set(middle.filter((_, i) => set & (1 << i)));
    if (gone.size >= best) continue;
    const seen = new Set(net.roots);
    for (const agent of seen) {
      for (const { issuer, subject } of net.edges) {
        if (issuer !== agent || gone.has(subject)) continue;
        if (subject === target ? !net.roots.includes(issuer) : share(subject) > 0) seen.add(subject);
      }
    }
    if (!seen.has(target)) best = gone.size;
  }
  return best + direct;
}
