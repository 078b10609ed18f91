import type { Did } from "../did/did-key.ts";
import { FLOW, FlowState } from "./flow-state.ts";
import { evidenceOf } from "./flow-view.ts";
import type { GraphChange, TrustGraph } from "./graph.ts";
import {
  type Provenance,
  provenanceOf,
  publish,
  rootIndices,
  type Score,
  type ScoreVector,
  sortedRoots,
  type TrustMetric,
} from "./metric.ts";

/**
 * The trust score of docs/trust.md: one vouch may let an agent in, to pass trust on it needs a second, independent one,
 * and whoever vouches for more than about thirty divides what it has.
 */
export const flow: TrustMetric = {
  name: "flow",
  parameters: FLOW,
  orderingOnly: false,
  scoreVector,
  score(graph: TrustGraph, roots: Iterable<Did>, target: string): Score {
    const list = sortedRoots(roots);
    if (list.includes(target as Did)) return 1;
    const index = graph.indexOf(target);
    if (index < 0) return "unknown";
    return scoreOf(evidenceOf(graph.edges, rootIndices(graph, list), index));
  },
};

/** The score that belongs to an amount of evidence: at most 1, six decimals; none is `unknown`. */
export function scoreOf(evidence: number): Score {
  return evidence === 0 ? "unknown" : publish(Math.min(1, evidence));
}

/** Computes the trust score of every agent from some roots: ≤ 6 passes over the edges that carry trust. */
export function scoreVector(graph: TrustGraph, roots: Iterable<Did>): FlowVector {
  return new FlowVector(graph, roots);
}

/** The trust scores of a graph for fixed roots, kept up to date at the cost of what a change touches. */
export class FlowVector implements ScoreVector {
  readonly graph: TrustGraph;
  readonly roots: readonly Did[];
  readonly #rootSet: ReadonlySet<string>;
  #state: FlowState;
  #version: number;

  constructor(graph: TrustGraph, roots: Iterable<Did>) {
    this.graph = graph;
    this.roots = sortedRoots(roots);
    this.#rootSet = new Set(this.roots);
    this.#state = new FlowState(graph.edges, rootIndices(graph, this.roots));
    this.#version = graph.version;
  }

  /** The numbers behind the scores. */
  get state(): FlowState {
    return this.#state;
  }
  /** False if the graph changed and {@link update} was not told. */
  get current(): boolean {
    return this.#version === this.graph.version;
  }

  score(did: string): Score {
    if (this.#rootSet.has(did)) return 1;
    const index = this.graph.indexOf(did);
    return index < 0 ? "unknown" : scoreOf(this.#state.evidence(index));
  }

  *scores(): Generator<readonly [Did, number]> {
    for (const root of this.roots) yield [root, 1];
    let index = 0;
    for (const did of this.graph.dids()) {
      const score = scoreOf(this.#state.evidence(index));
      if (score !== "unknown" && !this.#state.isRoot(index)) yield [did, score];
      index++;
    }
  }

  /**
   * Follows a change of the graph; every number is then the one of a fresh run, bit for bit.
   * @returns the agents whose evidence changed, or undefined if changes were missed and everything was computed anew
   */
  update(change: GraphChange): Did[] | undefined {
    if (change.from !== this.#version || change.version !== this.graph.version) {
      this.#state = new FlowState(this.graph.edges, rootIndices(this.graph, this.roots));
      this.#version = this.graph.version;
      return undefined;
    }
    for (const index of rootIndices(this.graph, this.roots)) {
      if (!this.#state.isRoot(index)) this.#state.addRoot(index);
    }
    this.#version = change.version;
    return Array.from(this.#state.update(change.edits), (index) => this.graph.did(index));
  }

  provenance(logSize?: number): Provenance {
    return provenanceOf(flow, this.graph, this.roots, logSize);
  }
}
