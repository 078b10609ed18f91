/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */
import { buildCsr, type Csr, type EdgeInput } from "./csr.ts";
import { EdgeList, type EdgeRun, grown, totalWeight } from "./edge-list.ts";

/** A new confidence for the edge between two agents: 1..100 adds or replaces it, 0 removes it. */
export interface EdgeEdit {
  readonly issuer: number;
  readonly subject: number;
  readonly confidence: number;
  /** Caller's number of the edge. */
  readonly ref?: number;
}

/**
 * A weighted directed graph as numbers: CSR arrays, and an overlay that holds the whole run of every agent whose edges
 * changed since. Runs are always in the order of the graph (by index; agents appended later by `precedes`), so sums
 * over them come out the same whatever the order of arrival.
 */
export class EdgeGraph {
  #base: Csr;
  #agents: number;
  #edges: number;
  /** 1: the incoming run of the agent is in the overlay; 2: the outgoing one. */
  #overlaid: Uint8Array;
  #in = new Map<number, EdgeList>();
  #out = new Map<number, EdgeList>();
  #weight: Float64Array;
  readonly #precedes: (a: number, b: number) => boolean;

  /**
   * @param precedes the order of two agents of which at least one was appended; by default, that of their numbers
   * @throws {RangeError} see {@link buildCsr}
   */
  constructor(input: EdgeInput, precedes: (a: number, b: number) => boolean = (a, b) => a < b) {
    this.#base = buildCsr(input);
    this.#agents = this.#base.agents;
    this.#edges = this.#base.edges;
    this.#weight = this.#base.outWeight;
    this.#overlaid = new Uint8Array(this.#agents);
    this.#precedes = precedes;
  }

  get agents(): number {
    return this.#agents;
  }
  get edges(): number {
    return this.#edges;
  }
  /** The sorted arrays without the overlay, for inner loops; agents ≥ `base.agents` have no entry in them. */
  get base(): Csr {
    return this.#base;
  }
  /** Per agent, bit 1 if its incoming and bit 2 if its outgoing run must be read from the overlay. */
  get overlaid(): Uint8Array {
    return this.#overlaid;
  }
  /** W(v) per agent. May be longer than `agents`. */
  get outWeight(): Float64Array {
    return this.#weight;
  }
  /** Edges held in the overlay. */
  get overlayEdges(): number {
    let sum = 0;
    for (const list of this.#in.values()) sum += list.end;
    for (const list of this.#out.values()) sum += list.end;
    return sum;
  }
  /** Bytes of the arrays, the overlay included. */
  get byteLength(): number {
    const { inOffset, inPeer, inConfidence, outOffset, outPeer, outConfidence, outRef } = this.#base;
    let sum = this.#weight.byteLength + this.#overlaid.byteLength;
    for (const a of [inOffset, inPeer, inConfidence, outOffset, outPeer, outConfidence, outRef]) sum += a.byteLength;
    return sum + this.overlayEdges * 9;
  }

  /** The edges into an agent, in ascending order of their issuers. */
  incoming(agent: number): EdgeRun {
    if (this.#overlaid[agent]! & 1) return this.#in.get(agent)!;
    const { inPeer, inConfidence, inOffset, agents } = this.#base;
    const inBase = agent < agents;
    const start = inBase ? inOffset[agent]! : 0;
    const end = inBase ? inOffset[agent + 1]! : 0;
    return { peers: inPeer, confidences: inConfidence, refs: undefined, start, end };
  }

  /** The edges out of an agent, in ascending order of their subjects. */
  outgoing(agent: number): EdgeRun {
    if (this.#overlaid[agent]! & 2) return this.#out.get(agent)!;
    const { outPeer, outConfidence, outRef, outOffset, agents } = this.#base;
    const inBase = agent < agents;
    const start = inBase ? outOffset[agent]! : 0;
    const end = inBase ? outOffset[agent + 1]! : 0;
    return { peers: outPeer, confidences: outConfidence, refs: outRef, start, end };
  }

  /** Position of a peer in a run, or the complement (`~at`) of where it would have to be. */
  find(run: EdgeRun, peer: number): number {
    let low = run.start;
    let high = run.end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = run.peers[middle]!;
      if (other === peer) return middle;
      if (this.precedes(other, peer)) low = middle + 1;
      else high = middle;
    }
    return ~low;
  }

  /** True if agent `a` comes before `b` in the order of the graph. */
  precedes(a: number, b: number): boolean {
    const sorted = this.#base.agents;
    return a < sorted && b < sorted ? a < b : this.#precedes(a, b);
  }

  /** The edge between two agents; a negative number is no agent. */
  edge(issuer: number, subject: number): { confidence: number; ref: number } | undefined {
    if (issuer < 0 || subject < 0) return undefined;
    const run = this.outgoing(issuer);
    const at = this.find(run, subject);
    return at < 0 ? undefined : { confidence: run.confidences[at]!, ref: run.refs![at]! };
  }

  /** Adds an agent without edges and returns its number. */
  append(): number {
    if (this.#agents === this.#overlaid.length) {
      const capacity = this.#agents + (this.#agents >> 3) + 16;
      this.#overlaid = grown(this.#overlaid, capacity);
      this.#weight = grown(this.#weight, capacity);
    }
    return this.#agents++;
  }

  /** Adds, changes or removes one edge. An edge from an agent to itself is ignored. */
  set({ issuer, subject, confidence, ref = 0 }: EdgeEdit): void {
    if (issuer === subject) return;
    const out = this.#list(this.#out, issuer, 2);
    const into = this.#list(this.#in, subject, 1);
    const before = out.end;
    change(out, this.find(out, subject), subject, confidence, ref);
    change(into, this.find(into, issuer), issuer, confidence, ref);
    this.#edges += out.end - before;
    this.#weight[issuer] = totalWeight(out);
  }

  /** Runs `compute` on the graph with some edges changed, and leaves it exactly as it was. */
  withEdits<R>(edits: readonly EdgeEdit[], compute: () => R): R {
    const undo: (() => void)[] = [];
    const edges = this.#edges;
    for (const { issuer, subject } of edits) {
      const weight = this.#weight[issuer]!;
      undo.push(this.#shadow(this.#out, issuer, 2), this.#shadow(this.#in, subject, 1), () => {
        this.#weight[issuer] = weight;
      });
    }
    try {
      for (const edit of edits) this.set(edit);
      return compute();
    } finally {
      for (const step of undo.reverse()) step();
      this.#edges = edges;
    }
  }

  /** All edges, issuer by issuer in the order of their numbers: what a compacted graph is built from. */
  *all(): Generator<{ issuer: number; subject: number; confidence: number; ref: number }> {
    for (let issuer = 0; issuer < this.#agents; issuer++) {
      const run = this.outgoing(issuer);
      for (let i = run.start; i < run.end; i++) {
        yield { issuer, subject: run.peers[i]!, confidence: run.confidences[i]!, ref: run.refs![i]! };
      }
    }
  }

  #list(overlay: Map<number, EdgeList>, agent: number, bit: 1 | 2): EdgeList {
    let list = overlay.get(agent);
    if (!list) {
      list = new EdgeList(bit === 1 ? this.incoming(agent) : this.outgoing(agent));
      overlay.set(agent, list);
      this.#overlaid[agent] = this.#overlaid[agent]! | bit;
    }
    return list;
  }

  #shadow(overlay: Map<number, EdgeList>, agent: number, bit: 1 | 2): () => void {
    const before = overlay.get(agent);
    if (before) overlay.set(agent, new EdgeList(before));
    return () => {
      if (before) overlay.set(agent, before);
      else {
        overlay.delete(agent);
        this.#overlaid[agent] = this.#overlaid[agent]! & ~bit;
      }
    };
  }
}

function change(list: EdgeList, at: number, peer: number, confidence: number, ref: number): void {
  if (confidence === 0) {
    if (at >= 0) list.remove(at);
  } else if (at < 0) {
    list.insert(~at, peer, confidence, ref);
  } else {
    list.confidences[at] = confidence;
    if (list.refs) list.refs[at] = ref;
  }
}
