import type { Did } from "../did/did-key.ts";
import { type Digest, digest } from "../json/digest.ts";
import type { TrustGraph } from "./graph.ts";

/** Which metric: `flow` is the trust score; `path` suits small closed circles; `rank` only orders. */
export type MetricName = "flow" | "path" | "rank";

/** A number in [0, 1] with at most six decimals, or `unknown` where there is no evidence at all, which is not 0. */
export type Score = number | "unknown";

/** With what a score was computed, so that anybody can compute it again. */
export interface Provenance {
  readonly metric: MetricName;
  readonly parameters: Readonly<Record<string, number>>;
  readonly scope?: string;
  /** Digest of the JSON array of the roots in ascending order, each once. */
  readonly roots: Digest;
  /** Digest of the edge set: SHA-256 over the 32-byte ids of the vouches in ascending order. */
  readonly edges: Digest;
  /** Number of vouches in the edge set. */
  readonly edgeCount: number;
  /** Size of the log from which the vouches were taken, where the caller named it. */
  readonly logSize?: number;
}

/** The scores of all agents as seen from fixed roots. */
export interface ScoreVector {
  /** A lookup. Also answers for agents that are not in the graph. */
  score(did: string): Score;
  /** All agents with a score, in no particular order; roots have 1. */
  scores(): Iterable<readonly [Did, number]>;
  provenance(logSize?: number): Provenance;
}

/** A way to compute trust from vouches, always from roots that the verifier chose. */
export interface TrustMetric {
  readonly name: MetricName;
  readonly parameters: Readonly<Record<string, number>>;
  /** True if the numbers only order agents, so that no threshold may be put on them. */
  readonly orderingOnly: boolean;
  /** Roots that are not in the graph are kept: they count as soon as they vouch. */
  scoreVector(graph: TrustGraph, roots: Iterable<Did>): ScoreVector;
  /** One score without the others; equal to that of the vector. */
  score(graph: TrustGraph, roots: Iterable<Did>, target: string): Score;
}

/** Rounds to the six decimals to which scores are published and compared. */
export function publish(value: number): number {
  return Number(value.toFixed(6));
}

/** A score as text: six decimals, or `unknown`. */
export function formatScore(score: Score): string {
  return score === "unknown" ? score : score.toFixed(6);
}

/** Roots in ascending order, each once. */
export function sortedRoots(roots: Iterable<Did>): readonly Did[] {
  return [...new Set(roots)].sort();
}

/** Numbers of the roots that are in the graph. */
export function rootIndices(graph: TrustGraph, roots: Iterable<Did>): number[] {
  return Array.from(roots, (root) => graph.indexOf(root)).filter((index) => index >= 0);
}

/** Provenance of an answer about a graph as it is now. */
export function provenanceOf(
  metric: Pick<TrustMetric, "name" | "parameters">,
  graph: TrustGraph,
  roots: Iterable<Did>,
  logSize: number | undefined,
): Provenance {
  return {
    metric: metric.name,
    parameters: metric.parameters,
    ...(graph.scope === undefined ? {} : { scope: graph.scope }),
    roots: digest(sortedRoots(roots)),
    edges: graph.digest,
    edgeCount: graph.vouchCount,
    ...(logSize === undefined ? {} : { logSize }),
  };
}

/**
 * The vector of a metric that gives each agent a number: 1 for roots, `unknown` for 0.
 * @param values - by the agents' numbers in the graph
 */
export function vectorOf(
  metric: Pick<TrustMetric, "name" | "parameters">,
  graph: TrustGraph,
  roots: readonly Did[],
  values: Float64Array,
): ScoreVector {
  const scoreAt = (index: number): Score => {
    const value = values[index] ?? 0;
    return value === 0 ? "unknown" : publish(value);
  };
  return {
    score: (did) => (roots.includes(did as Did) ? 1 : scoreAt(graph.indexOf(did))),
    *scores() {
      for (const root of roots) yield [root, 1];
      for (const did of graph.dids()) {
        const score = scoreAt(graph.indexOf(did));
        if (score !== "unknown" && !roots.includes(did)) yield [did, score];
      }
    },
    provenance: (logSize) => provenanceOf(metric, graph, roots, logSize),
  };
}
