/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */
import type { Did } from "../did/did-key.ts";
import { WEIGHT } from "./edge-list.ts";
import type { EdgeGraph } from "./edge-graph.ts";
import type { TrustGraph } from "./graph.ts";
import { rootIndices, type ScoreVector, sortedRoots, type TrustMetric, vectorOf } from "./metric.ts";

/** Probability of walking on, and the number of rounds. */
const RANK: { readonly damping: number; readonly rounds: number } = { damping: 0.85, rounds: 50 };

/**
 * Personalised PageRank from the roots, divided by its largest value. It orders agents by closeness and says nothing
 * about how much reason there is to trust one, so no threshold may be put on it.
 */
export const rank: TrustMetric = {
  name: "rank",
  parameters: RANK,
  orderingOnly: true,
  scoreVector: rankVector,
  score: (graph: TrustGraph, roots: Iterable<Did>, target: string) => rankVector(graph, roots).score(target),
};

function rankVector(graph: TrustGraph, roots: Iterable<Did>): ScoreVector {
  const list = sortedRoots(roots);
  const indices = rootIndices(graph, list);
  const ranks = personalisedRank(graph.edges, indices);
  const isRoot = new Set(indices);
  let most = 0;
  ranks.forEach((value, index) => {
    if (value > most && !isRoot.has(index)) most = value;
  });
  return vectorOf(
    rank,
    graph,
    list,
    ranks.map((value) => (value === 0 ? 0 : value / most)),
  );
}

/** Where a walker is who starts at a root, follows vouches by weight, and starts again with probability 1 − damping. */
function personalisedRank(graph: EdgeGraph, roots: readonly number[]): Float64Array {
  let now = new Float64Array(graph.agents);
  if (roots.length === 0) return now;
  for (const root of roots) now[root] = 1 / roots.length;
  const { outWeight } = graph;
  for (let round = 0; round < RANK.rounds; round++) {
    const next = new Float64Array(graph.agents);
    let walked = 0;
    for (let u = 0; u < graph.agents; u++) {
      const run = graph.incoming(u);
      let sum = 0;
      for (let i = run.start; i < run.end; i++) {
        const v = run.peers[i]!;
        if (now[v]! > 0) sum += (now[v]! * WEIGHT[run.confidences[i]!]!) / outWeight[v]!;
      }
      next[u] = RANK.damping * sum;
      walked += next[u]!;
    }
    // Who walks on from an agent without vouches starts again as well.
    for (const root of roots) next[root] = next[root]! + (1 - walked) / roots.length;
    now = next;
  }
  return now;
}
