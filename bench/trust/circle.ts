import { EdgeGraph } from "../../core/src/trust/edge-graph.ts";
import { FlowState } from "../../core/src/trust/flow-state.ts";
import { hops } from "./metrics.ts";
import { type CircleKind, fooledCircle } from "./synthetic.ts";

/** What 500 fakes behind one fooled agent gain in a circle of 200, seen from every honest agent in turn. */
export interface CircleResult {
  readonly given: number;
  readonly kind: CircleKind;
  /** Honest pairs (viewer, agent) let in, of 200 · 199. */
  readonly pairsByHops: number;
  readonly pairs: number;
  /** Fakes let in by 0.8^hops at 0.5 and by this score at 0.1, by the viewer that lets in most. */
  readonly fakesByHops: number;
  readonly fakes: number;
}

/** Honest agents vouch for `given` others each: 0.8^hops at 0.5 against this score at 0.25 (fakes: at 0.1). */
export function circle(given: number, kind: CircleKind, seed: number): CircleResult {
  const { agents, honest, edges } = fooledCircle(200, 500, given, kind, seed);
  const graph = new EdgeGraph({
    agents,
    issuers: Uint32Array.from(edges, (edge) => edge.issuer),
    subjects: Uint32Array.from(edges, (edge) => edge.subject),
    confidences: Uint8Array.from(edges, (edge) => edge.confidence),
  });
  const result = { given, kind, pairsByHops: 0, pairs: 0, fakesByHops: 0, fakes: 0 };
  for (let viewer = 0; viewer < honest; viewer++) {
    // Three hops are 0.512, four less than the threshold.
    const distance = hops(graph, viewer, 3);
    const state = new FlowState(graph, [viewer]);
    let [fakesByHops, fakes] = [0, 0];
    for (let agent = 0; agent < agents; agent++) {
      if (agent === viewer) continue;
      const byHops = 0.8 ** distance[agent]! >= 0.5;
      if (agent < honest) {
        if (byHops) result.pairsByHops++;
        if (state.evidence(agent) >= 0.25) result.pairs++;
      } else {
        if (byHops) fakesByHops++;
        if (state.evidence(agent) >= 0.1) fakes++;
      }
    }
    result.fakesByHops = Math.max(result.fakesByHops, fakesByHops);
    result.fakes = Math.max(result.fakes, fakes);
  }
  return result;
}
