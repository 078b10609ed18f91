import fc from "./_properties.ts";
import { describe, expect, it } from "vitest";
import { buildTrustGraph, type VouchEdge } from "../core/src/trust/graph.ts";
import { explainTrust } from "../core/src/trust/explain.ts";
import { FlowVector, scoreVector } from "../core/src/trust/flow.ts";
import { metrics, trustScore } from "../core/src/trust/score.ts";
import { didOf, graphOf, nets, vouchesOf, vouchOf } from "./_trust.ts";
import { FlowState } from "../core/src/trust/flow-state.ts";

const runs = { numRuns: 1000 };
const target = didOf(3);
/** 0 → 1 → 3 and 0 → 2 → 3. */
const diamond = [vouchOf(0, 1, 100), vouchOf(0, 2, 100), vouchOf(1, 3, 50), vouchOf(2, 3, 40)];

describe("the graph of vouches", () => {
  it("scores agents by DID as the definition does, roots and strangers included", () => {
    const graph = buildTrustGraph(diamond, { scope: "tools" });
    const scoreOf = (did: string): unknown => trustScore(graph, { roots: [didOf(0)], target: did }).score;
    expect(scoreOf(target)).toBe(0.63);
    expect(scoreOf(didOf(0))).toBe(1);
    expect(scoreOf(didOf(9))).toBe("unknown");
  });

  it("A-TRUST-02 a stranger, a fresh DID and everyone under empty or unknown roots is unknown, never a number", () => {
    const graph = buildTrustGraph(diamond);
    for (const metric of Object.values(metrics)) {
      for (const roots of [[], [didOf(8)]]) {
        for (let agent = 0; agent < 5; agent++) {
          const own = roots.includes(didOf(agent));
          expect(metric.score(graph, roots, didOf(agent))).toBe(own ? 1 : "unknown");
        }
        expect(explainTrust(graph, { roots, target }).score).toBe("unknown");
      }
      expect(metric.score(graph, [didOf(0)], didOf(9))).toBe("unknown");
      expect(metric.score(graph, [didOf(0)], target)).toBeGreaterThan(0);
    }
    expect(trustScore(buildTrustGraph([]), { roots: [didOf(0)], target }).score).toBe("unknown");
  });

  it("A-TRUST-03 ignores every score, path or decay that a vouch carries, and scores made for other roots", () => {
    const graph = buildTrustGraph(diamond);
    const boastful = diamond.map((vouch) => {
      Object.assign(vouch, { score: 1, decay: 1, path: [didOf(0)], roots: [didOf(2)] });
      return vouch;
    });
    const roots = [didOf(0)];
    expect(trustScore(buildTrustGraph(boastful), { roots, target })).toEqual(trustScore(graph, { roots, target }));
    const foreign = scoreVector(graph, [target]);
    expect(() => explainTrust(graph, { roots, target, vector: foreign })).toThrow(RangeError);
    expect(explainTrust(graph, { roots, target, vector: scoreVector(graph, roots) }).score).toBe(0.63);
  });

  it("A-TRUST-07 takes verified vouches only: a copy, a cast or a value from a file is ERR_STATEMENT_INVALID", () => {
    const fromFile = JSON.parse(JSON.stringify(diamond)) as VouchEdge[];
    const refused = expect.objectContaining({ code: "ERR_STATEMENT_INVALID" });
    expect(() => buildTrustGraph(fromFile)).toThrow(refused);
    expect(() => buildTrustGraph([{ ...diamond[0]! }])).toThrow(refused);
    const graph = buildTrustGraph(diamond);
    expect(() => graph.apply({ add: [vouchOf(3, 4, 50), fromFile[0]!] })).toThrow(refused);
    expect(graph.vouchCount).toBe(4);
    expect(graph.version).toBe(0);
    graph.apply({ add: [vouchOf(3, 4, 50)] });
    expect(graph.vouchCount).toBe(5);
    expect(() => buildTrustGraph([vouchOf(0, 1, 101)])).toThrow(refused);
    expect(() => buildTrustGraph([vouchOf(0, 1, 0.5)])).toThrow(refused);
  });

  it("scope: only vouches that cover the scope raise anything in it, one vouch may cover several", () => {
    const graph = (scope: string): number | "unknown" =>
      trustScore(
        buildTrustGraph(
          [
            vouchOf(0, 1, 100, { scope: ["code", "tools"] }),
            vouchOf(1, 3, 50, { scope: ["code"] }),
            vouchOf(2, 3, 50, { scope: ["tools"] }),
          ],
          { scope },
        ),
        { roots: [didOf(0)], target },
      ).score;
    expect(graph("code")).toBe(0.35);
    expect(graph("tools")).toBe("unknown");
    expect(graph("co")).toBe("unknown");
  });

  it("scope: adding any vouches of other scopes leaves every score in the scope bit-identical", () => {
    fc.assert(
      fc.property(nets({ agents: 10, edges: 40 }), nets({ agents: 10, edges: 40 }), (net, other) => {
        const elsewhere = other.edges.map((e) =>
          vouchOf(e.issuer, e.subject, e.confidence, { scope: ["code", "mail"] }),
        );
        const roots = net.roots.map(didOf);
        const plain = new Map(scoreVector(buildTrustGraph(vouchesOf(net), { scope: "tools" }), roots).scores());
        const mixed = new Map(
          scoreVector(buildTrustGraph([...vouchesOf(net), ...elsewhere], { scope: "tools" }), roots).scores(),
        );
        expect(mixed).toEqual(plain);
      }),
      runs,
    );
  });

  it("A-TRUST-04 A-TRUST-06 A-TRUST-08 order: any permutation, duplication and partition gives the same scores, digests and explanations", () => {
    fc.assert(
      fc.property(
        nets({ agents: 10, edges: 40 }).chain((net) =>
          fc.tuple(
            fc.constant(net),
            fc.shuffledSubarray([...net.edges, ...net.edges], { minLength: 2 * net.edges.length }),
            fc.integer({ min: 0, max: 2 * net.edges.length }),
          ),
        ),
        ([net, shuffled, cut]) => {
          const vouches = shuffled.map((e) => vouchOf(e.issuer, e.subject, e.confidence));
          const roots = net.roots.map(didOf);
          const once = buildTrustGraph(vouchesOf(net));
          const inOneGo = buildTrustGraph(vouches);
          const grown = buildTrustGraph(vouches.slice(0, cut));
          const vector = scoreVector(grown, roots);
          vector.update(grown.apply({ add: vouches.slice(cut) }));
          expect(inOneGo.digest).toBe(once.digest);
          expect(grown.digest).toBe(once.digest);
          const wanted = sortedScores(scoreVector(once, roots));
          expect(sortedScores(scoreVector(inOneGo, roots))).toEqual(wanted);
          expect(sortedScores(vector)).toEqual(wanted);
          const asked = { roots, target: didOf((cut * 7) % net.agents), threshold: 0.5 };
          expect(explainTrust(inOneGo, asked)).toEqual(explainTrust(once, asked));
          const fromGrown = explainTrust(grown, { ...asked, vector });
          expect(fromGrown).toEqual(explainTrust(once, asked));
        },
      ),
      runs,
    );
  });

  it("A-TRUST-06 lets the newest vouch of a pair count whatever the order, and neither of two with the same date", () => {
    const old = vouchOf(0, 1, 90, { validFrom: 100 });
    const newer = vouchOf(0, 1, 40, { validFrom: 200 });
    const rival = vouchOf(0, 1, 80, { validFrom: 200 });
    const score = (...vouches: VouchEdge[]): unknown =>
      trustScore(buildTrustGraph(vouches), { roots: [didOf(0)], target: didOf(1) }).score;
    expect([score(old, newer), score(newer, old), score(old)]).toEqual([0.4, 0.4, 0.9]);
    for (const order of [
      [old, newer, rival],
      [rival, old, newer],
      [newer, rival, old],
      [newer, rival, newer],
    ]) {
      expect(score(...order)).toBe("unknown");
    }
  });

  it("ignores vouches of an agent for itself and refuses two edges of one pair at the low level", () => {
    const graph = buildTrustGraph([...diamond, vouchOf(3, 3, 100)]);
    graph.apply({ add: [vouchOf(1, 1, 100)] });
    expect(graph.vouchCount).toBe(4);
    expect(trustScore(graph, { roots: [didOf(0)], target }).score).toBe(0.63);
    const edge = { issuer: 0, subject: 1, confidence: 5 };
    expect(() => graphOf({ agents: 2, edges: [edge, edge] })).toThrow(RangeError);
    expect(() => graphOf({ agents: 1, edges: [edge] })).toThrow(RangeError);
    expect(() => graphOf({ agents: 2, edges: [{ ...edge, confidence: 0 }] })).toThrow(RangeError);
    expect(graphOf({ agents: 2, edges: [edge] }).edges).toBe(1);
  });

  it("takes a revoked vouch out, ignores the removal of one that does not count, and compacts to the same graph", () => {
    const graph = buildTrustGraph(diamond);
    const vector = scoreVector(graph, [didOf(0)]);
    expect(vector.update(graph.apply({ remove: [vouchOf(1, 3, 99)] }))).toEqual([]);
    expect(vector.score(target)).toBe(0.63);
    expect(vector.update(graph.apply({ remove: [diamond[2]!] }))).toEqual([target]);
    expect(vector.score(target)).toBe(0.28);
    const replaced = vector.update(
      graph.apply({ remove: [diamond[3]!], add: [vouchOf(0, 3, 70), vouchOf(3, 7, 100)] }),
    );
    expect(new Set(replaced)).toEqual(new Set([target, didOf(7)]));
    expect(vector.score(didOf(7))).toBe(0.49);
    const compact = graph.compacted();
    expect(compact.digest).toBe(graph.digest);
    expect(sortedScores(scoreVector(compact, [didOf(0)]))).toEqual(sortedScores(vector));
    expect(graph.vouch(didOf(0), target)?.confidence).toBe(70);
    expect(graph.vouch(didOf(1), target)).toBeUndefined();
  });

  it("counts a root that first appears in a later vouch, and computes anew when a change was missed", () => {
    const graph = buildTrustGraph(diamond);
    const late = didOf(6);
    const vector = scoreVector(graph, [late]);
    expect(vector.score(late)).toBe(1);
    expect(vector.score(target)).toBe("unknown");
    vector.update(graph.apply({ add: [vouchOf(6, 3, 80)] }));
    expect(vector.score(target)).toBe(0.8);
    graph.apply({ add: [vouchOf(6, 2, 80)] });
    expect(vector.current).toBe(false);
    expect(vector.update(graph.apply({ add: [vouchOf(6, 1, 10)] }))).toBeUndefined();
    expect(sortedScores(vector)).toEqual(sortedScores(scoreVector(graph, [late])));
  });

  it("names metric, parameters, roots, edges and log size in every answer, and changes them only with their object", () => {
    const graph = buildTrustGraph(diamond, { scope: "tools" });
    const ask = { roots: [didOf(0), didOf(1)], target };
    const { provenance } = trustScore(graph, { ...ask, logSize: 17 });
    expect(provenance).toMatchObject({
      metric: "flow",
      parameters: { mu: 0.7, K: 30, L: 6 },
      scope: "tools",
      edgeCount: 4,
      logSize: 17,
    });
    expect(trustScore(graph, { roots: [didOf(1), didOf(0), didOf(1)], target, logSize: 17 }).provenance).toEqual(
      provenance,
    );
    expect(trustScore(graph, { ...ask, roots: [didOf(0)] }).provenance.roots).not.toBe(provenance.roots);
    expect(trustScore(graph, { ...ask, metric: "path" }).provenance.metric).toBe("path");
    graph.apply({ add: [vouchOf(3, 5, 1)] });
    expect(trustScore(graph, ask).provenance.edges).not.toBe(provenance.edges);
  });

  it("path multiplies along the best chain, and rank orders without a threshold", () => {
    const graph = buildTrustGraph(diamond);
    expect(metrics.path.score(graph, [didOf(0)], target)).toBe(0.32);
    expect(metrics.path.orderingOnly).toBe(false);
    expect(metrics.rank.orderingOnly).toBe(true);
    const rank = metrics.rank.scoreVector(graph, [didOf(0)]);
    expect(rank.score(target)).toBe(1);
    expect(rank.score(didOf(1))).toBe(rank.score(didOf(2)));
    for (const name of ["path", "rank"] as const) {
      const vector = metrics[name].scoreVector(graph, [didOf(0)]);
      expect(vector.provenance(3)).toMatchObject({ metric: name, logSize: 3 });
      expect(sortedScores(vector).length).toBe(4);
    }
  });
});

describe("hostile graphs", () => {
  it("A-TRUST-01 a ring of 10,000 fakes behind one edge and 10,000 vouches by one agent stay within the bound", () => {
    const fakes = 10_000;
    const edges = [
      { issuer: 0, subject: 1, confidence: 100 },
      { issuer: 0, subject: 2, confidence: 100 },
      { issuer: 1, subject: 3, confidence: 100 },
    ];
    for (let i = 0; i < fakes; i++) edges.push({ issuer: 3 + i, subject: 3 + ((i + 1) % fakes), confidence: 100 });
    const one = new FlowState(graphOf({ agents: fakes + 3, edges }), [0]);
    const admitted = (state: FlowState, threshold: number): number => {
      let count = 0;
      for (let i = 3; i < fakes + 3; i++) if (state.evidence(i) >= threshold) count++;
      return count;
    };
    expect(admitted(one, 1e-9)).toBe(1);
    expect(one.evidence(2)).toBe(1);
    // Two fooled vouchers give the first fake power; it vouches for all others.
    edges.push({ issuer: 2, subject: 3, confidence: 100 });
    const star = edges.slice(0, 3).concat(edges.at(-1)!);
    for (let i = 1; i < fakes; i++) star.push({ issuer: 3, subject: 3 + i, confidence: 100 });
    const two = new FlowState(graphOf({ agents: fakes + 3, edges: star }), [0]);
    expect(admitted(two, 0.01)).toBe(1);
    let sum = 0;
    for (let i = 4; i < fakes + 3; i++) sum += two.evidence(i);
    expect(sum).toBeLessThanOrEqual(0.7 * 30 * 0.7 + 1e-6);
  });

  it("A-TRUST-09 a hub with 10^6 edges, a deep chain and a clique are computed; without its root every gain is gone", () => {
    const fans = 500_000;
    const chain = 50_000;
    const clique = 300;
    const agents = 3 + fans + chain + clique;
    const issuers: number[] = [0, 0, 1];
    const subjects: number[] = [1, 2, 2];
    for (let i = 0; i < fans; i++) {
      issuers.push(2, 3 + i);
      subjects.push(3 + i, 2);
    }
    for (let i = 0; i < chain; i++) {
      issuers.push(i === 0 ? 1 : 2 + fans + i);
      subjects.push(3 + fans + i);
    }
    const first = 3 + fans + chain;
    for (let i = 0; i < clique; i++) {
      for (let j = 0; j < clique; j++) {
        if (i === j) continue;
        issuers.push(first + i);
        subjects.push(first + j);
      }
    }
    issuers.push(1);
    subjects.push(first);
    const input = { agents, issuers, subjects };
    const graph = graphOf({
      agents,
      edges: input.issuers.map((issuer, i) => ({ issuer, subject: input.subjects[i]!, confidence: 100 })),
    });
    const state = new FlowState(graph, [0]);
    expect(state.evidence(3)).toBeCloseTo((0.7 * 30) / fans, 9);
    expect(state.evidence(3 + fans)).toBe(0.7);
    expect(state.evidence(3 + fans + 1)).toBe(0);
    expect(state.evidence(first)).toBe(0.7);
    expect(state.evidence(first + 1)).toBe(0);
    // One vouch at the hub costs one agent, and the same answer as a full run.
    const edit = { issuer: 4, subject: 5, confidence: 100 };
    graph.set(edit);
    state.update([edit]);
    expect(state.evidence(5)).toBe(new FlowState(graph, [0]).evidence(5));
    const gone = [1, 2].map((subject) => ({ issuer: 0, subject, confidence: 0 }));
    gone.forEach((removal) => graph.set(removal));
    state.update(gone);
    for (let agent = 0; agent < agents; agent++) if (state.evidence(agent) !== 0) expect(agent).toBe(-1);
  });
});

function sortedScores(vector: { scores(): Iterable<readonly [string, number]> }): (readonly [string, number])[] {
  return [...vector.scores()].sort(([a], [b]) => (a < b ? -1 : 1));
}

describe("lookups", () => {
  it("answer the same for one agent as the whole vector does", () => {
    fc.assert(
      fc.property(nets({ agents: 12, edges: 60 }), (net) => {
        const graph = buildTrustGraph(vouchesOf(net));
        const roots = net.roots.map(didOf);
        for (const metric of Object.values(metrics)) {
          const vector = metric.scoreVector(graph, roots);
          for (let agent = 0; agent <= net.agents; agent++) {
            expect(metric.score(graph, roots, didOf(agent))).toBe(vector.score(didOf(agent)));
          }
        }
        expect(new FlowVector(graph, roots).current).toBe(true);
      }),
      runs,
    );
  });
});
