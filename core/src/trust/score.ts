import type { Did } from "../did/did-key.ts";
import { flow } from "./flow.ts";
import type { TrustGraph } from "./graph.ts";
import { type MetricName, type Provenance, provenanceOf, type Score, type TrustMetric } from "./metric.ts";
import { path } from "./path.ts";
import { rank } from "./rank.ts";

/** The metrics by name. */
export const metrics: Readonly<Record<MetricName, TrustMetric>> = { flow, path, rank };

/** The score of one agent and what it was computed from. */
export interface TrustScore {
  readonly target: string;
  readonly score: Score;
  readonly provenance: Provenance;
}

/**
 * The score of one agent as seen from some roots. Without roots everyone is unknown; a root's own score is 1.
 * Nothing but the graph, which holds verified vouches only, and the roots goes into it.
 */
export function trustScore(
  graph: TrustGraph,
  options: { roots: Iterable<Did>; target: string; metric?: MetricName; logSize?: number },
): TrustScore {
  const roots = [...options.roots];
  const metric = metrics[options.metric ?? "flow"];
  return {
    target: options.target,
    score: metric.score(graph, roots, options.target),
    provenance: provenanceOf(metric, graph, roots, options.logSize),
  };
}
