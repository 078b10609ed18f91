import type { EdgeGraph } from "../../core/src/trust/edge-graph.ts";
import { FlowState } from "../../core/src/trust/flow-state.ts";
import { bestProducts } from "../../core/src/trust/path.ts";

/** A metric as the table compares it: the score of every agent from one root, 0 where there is none. */
export interface Compared {
  readonly name: string;
  readonly scores: (graph: EdgeGraph, root: number) => Float64Array;
}

export const compared: readonly Compared[] = [
  {
    name: "0.8^hops",
    scores: (graph, root) => hops(graph, root).map((distance) => (distance === Infinity ? 0 : 0.8 ** distance)),
  },
  { name: "max-product path", scores: (graph, root) => bestProducts(graph, [root]) },
  {
    name: "this score",
    scores(graph, root) {
      const state = new FlowState(graph, [root]);
      return Float64Array.from({ length: graph.agents }, (_, agent) => Math.min(1, state.evidence(agent)));
    },
  },
];

/** Hops of the shortest chain of vouches from an agent, of at most `most`; Infinity where there is none. */
export function hops(graph: EdgeGraph, from: number, most: number = Infinity): Float64Array {
  const distance = new Float64Array(graph.agents).fill(Infinity);
  distance[from] = 0;
  const queue = [from];
  for (const agent of queue) {
    if (distance[agent] === most) break;
    const run = graph.outgoing(agent);
    for (let i = run.start; i < run.end; i++) {
      const next = run.peers[i]!;
      if (distance[next] !== Infinity) continue;
      distance[next] = distance[agent]! + 1;
      queue.push(next);
    }
  }
  return distance;
}
