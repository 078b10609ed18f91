/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */

/** Weight of a confidence in 1..100, as the IEEE double nearest to confidence / 100. */
export const WEIGHT: Float64Array = Float64Array.from({ length: 101 }, (_, confidence) => confidence / 100);

/** A run of edges that all start, or all end, at one agent: entries `start` to `end` (exclusive) of parallel arrays. */
export interface EdgeRun {
  readonly peers: Uint32Array;
  readonly confidences: Uint8Array;
  /** Caller's number of each edge; only runs of outgoing edges have it. */
  readonly refs: Uint32Array | undefined;
  readonly start: number;
  readonly end: number;
}

/** A growable run of edges in the order of the graph: the overlay over one agent's part of the CSR arrays. */
export class EdgeList implements EdgeRun {
  readonly start = 0;
  end: number;
  peers: Uint32Array;
  confidences: Uint8Array;
  refs: Uint32Array | undefined;

  /** Copies a run. */
  constructor(run: EdgeRun) {
    const length = run.end - run.start;
    const capacity = length + (length >> 3) + 4;
    this.end = length;
    this.peers = grown(run.peers.subarray(run.start, run.end), capacity);
    this.confidences = grown(run.confidences.subarray(run.start, run.end), capacity);
    this.refs = run.refs && grown(run.refs.subarray(run.start, run.end), capacity);
  }

  insert(at: number, peer: number, confidence: number, ref: number): void {
    if (this.end === this.peers.length) {
      const capacity = this.end + (this.end >> 2) + 8;
      this.peers = grown(this.peers, capacity);
      this.confidences = grown(this.confidences, capacity);
      if (this.refs) this.refs = grown(this.refs, capacity);
    }
    this.peers.copyWithin(at + 1, at, this.end);
    this.confidences.copyWithin(at + 1, at, this.end);
    this.peers[at] = peer;
    this.confidences[at] = confidence;
    if (this.refs) {
      this.refs.copyWithin(at + 1, at, this.end);
      this.refs[at] = ref;
    }
    this.end++;
  }

  remove(at: number): void {
    this.peers.copyWithin(at, at + 1, this.end);
    this.confidences.copyWithin(at, at + 1, this.end);
    this.refs?.copyWithin(at, at + 1, this.end);
    this.end--;
  }
}

/** The sum of a run's weights, added in the order of the run: W(v) of the definition for a run of outgoing edges. */
export function totalWeight(run: EdgeRun): number {
  let sum = 0;
  for (let i = run.start; i < run.end; i++) sum += WEIGHT[run.confidences[i]!]!;
  return sum;
}

/** A copy of a typed array with room for `capacity` elements. */
export function grown<A extends Uint8Array | Uint32Array | Float64Array>(array: A, capacity: number): A {
  const copy = new (array.constructor as new (length: number) => A)(capacity);
  copy.set(array);
  return copy;
}
