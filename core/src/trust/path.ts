/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */
import type { Did } from "../did/did-key.ts";
import { WEIGHT } from "./edge-list.ts";
import type { EdgeGraph } from "./edge-graph.ts";
import type { TrustGraph } from "./graph.ts";
import { rootIndices, type ScoreVector, sortedRoots, type TrustMetric, vectorOf } from "./metric.ts";

/** Decay a hop and the longest chain. */
export const PATH: { readonly decay: number; readonly L: number } = { decay: 0.8, L: 6 };

/**
 * The best single chain: the largest product of 0.8 × weight over at most six hops. One fooled voucher lets in any
 * number of fakes, so it is for small closed circles only.
 */
export const path: TrustMetric = {
  name: "path",
  parameters: PATH,
  orderingOnly: false,
  scoreVector: pathVector,
  score: (graph: TrustGraph, roots: Iterable<Did>, target: string) => pathVector(graph, roots).score(target),
};

function pathVector(graph: TrustGraph, roots: Iterable<Did>): ScoreVector {
  const list = sortedRoots(roots);
  return vectorOf(path, graph, list, bestProducts(graph.edges, rootIndices(graph, list)));
}

/** The largest product of `decay` × weight over chains of at most L hops from any root; 1 for roots, 0 where none. */
export function bestProducts(graph: EdgeGraph, roots: readonly number[]): Float64Array {
  const best = new Float64Array(graph.agents);
  for (const root of roots) best[root] = 1;
  let changed = new Map(roots.map((root) => [root, 1]));
  for (let hop = 1; hop <= PATH.L && changed.size > 0; hop++) {
    const next = new Map<number, number>();
    for (const [agent, product] of changed) {
      const run = graph.outgoing(agent);
      for (let i = run.start; i < run.end; i++) {
        const u = run.peers[i]!;
        const through = PATH.decay * product * WEIGHT[run.confidences[i]!]!;
        if (through > best[u]! && through > (next.get(u) ?? 0)) next.set(u, through);
      }
    }
    for (const [agent, product] of next) best[agent] = product;
    changed = next;
  }
  return best;
}
