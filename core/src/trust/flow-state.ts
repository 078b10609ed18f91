/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */
import { type EdgeRun, WEIGHT, grown } from "./edge-list.ts";
import type { EdgeEdit, EdgeGraph } from "./edge-graph.ts";

/** The constants of the metric: decay a hop, the weight beyond which vouching dilutes, and the longest chain. */
export const FLOW: { readonly mu: number; readonly K: number; readonly L: number } = { mu: 0.7, K: 30, L: 6 };

/**
 * What an agent with this power passes on for each unit of weight: μ · min(1, p) · min(1, K / W).
 * A root is stored as {@link ROOT_SHARE} instead, because its word counts in full and is never the one left out.
 */
export function shareOf(power: number, outWeight: number): number {
  return FLOW.mu * Math.min(1, power) * Math.min(1, FLOW.K / outWeight);
}

/** Marks a root in an array of shares. */
export const ROOT_SHARE = -1;

/** Evidence e(u) and, of it, the largest contribution m(u) by an agent that is no root. */
export interface Evidence {
  evidence: number;
  largest: number;
}

/** Adds up a run of incoming edges in its order. */
export function gather(run: EdgeRun, share: Float64Array, into: Evidence): void {
  const { peers, confidences, end } = run;
  let evidence = 0;
  let largest = 0;
  for (let i = run.start; i < end; i++) {
    const s = share[peers[i]!]!;
    const w = WEIGHT[confidences[i]!]!;
    if (s < 0) {
      evidence += w;
    } else {
      const c = s * w;
      evidence += c;
      if (c > largest) largest = c;
    }
  }
  into.evidence = evidence;
  into.largest = largest;
}

/**
 * Hops of the shortest chain from each agent to a target, as far as {@link FLOW}.L; 255 beyond or where there is none.
 * @param issuers agents that are taken to vouch for the target although they do not
 */
export function hopsTo(graph: EdgeGraph, target: number, issuers: readonly number[] = []): Uint8Array {
  const hops = new Uint8Array(graph.agents).fill(255);
  hops[target] = 0;
  let ring = [target];
  for (let distance = 1; distance <= FLOW.L && ring.length > 0; distance++) {
    const next: number[] = [];
    if (distance === 1) {
      next.push(...issuers);
      for (const issuer of issuers) hops[issuer] = 1;
    }
    for (const agent of ring) {
      const run = graph.incoming(agent);
      for (let i = run.start; i < run.end; i++) {
        const v = run.peers[i]!;
        if (hops[v] !== 255) continue;
        hops[v] = distance;
        next.push(v);
      }
    }
    ring = next;
  }
  return hops;
}

/** One value that an update changed, so that it can be put back. Layer L is the evidence. */
interface Change {
  layer: number;
  agent: number;
  before: number;
}

/**
 * The metric over a whole graph for fixed roots, with every intermediate layer, so that a change of one edge needs only
 * the agents whose numbers it changes. 48 bytes an agent.
 */
export class FlowState {
  readonly graph: EdgeGraph;
  readonly #roots = new Set<number>();
  /** Shares after 1 … L − 1 hops; index 0 is unused. */
  readonly #layers: Float64Array[] = [];
  #evidence: Float64Array;
  #mark: Uint8Array;
  readonly #sum: Evidence = { evidence: 0, largest: 0 };
  #steps = 0;

  constructor(graph: EdgeGraph, roots: Iterable<number>) {
    this.graph = graph;
    for (const root of roots) this.#roots.add(root);
    for (let k = 0; k < FLOW.L; k++) this.#layers.push(new Float64Array(k === 0 ? 0 : graph.agents));
    this.#evidence = new Float64Array(graph.agents);
    this.#mark = new Uint8Array(graph.agents);
    this.#run();
  }

  isRoot(agent: number): boolean {
    return this.#roots.has(agent);
  }
  /** Evidence after L hops: the score before it is capped at 1; 0 is unknown. Roots have none. */
  evidence(agent: number): number {
    return this.#evidence[agent] ?? 0;
  }
  /** The shares with which layer k + 1 is computed: those after k hops, 1 ≤ k < L. */
  shares(k: number): Float64Array {
    return this.#layers[k]!;
  }
  /** Vouches that updates and questions have looked at so far: what bounds the work on a graph made to be slow. */
  get steps(): number {
    return this.#steps;
  }
  /** Bytes held beside the graph. */
  get byteLength(): number {
    return (this.#layers.length - 1 + 1) * this.#evidence.byteLength + this.#mark.byteLength;
  }

  /** Makes an agent a root, one that was not in the graph so far. Its edges must be passed to {@link update}. */
  addRoot(agent: number): void {
    this.#grow();
    this.#roots.add(agent);
    for (let k = 1; k < FLOW.L; k++) this.#layers[k]![agent] = ROOT_SHARE;
  }

  /**
   * Follows edits that were made to the graph. The result equals a fresh run bit for bit.
   * @returns the agents whose evidence changed
   */
  update(edits: readonly EdgeEdit[]): Uint32Array {
    this.#grow();
    const log: Change[] = [];
    this.#propagate(edits, log);
    return Uint32Array.from(
      log.filter((change) => change.layer === FLOW.L),
      (change) => change.agent,
    );
  }

  /**
   * The evidence of one agent as it would be after some edits; graph and state are left as they were.
   * @param hops {@link hopsTo} of that agent, in a graph with all edges that the edits add
   */
  evidenceAfter(edits: readonly EdgeEdit[], agent: number, hops: Uint8Array): number {
    for (const { issuer, subject } of edits)
      this.#steps += this.#size("outgoing", issuer) + this.#size("incoming", subject);
    return this.graph.withEdits(edits, () => {
      const log: Change[] = [];
      try {
        this.#propagate(edits, log, hops);
        return this.evidence(agent);
      } finally {
        for (const { layer, agent, before } of log.reverse()) this.#layer(layer)[agent] = before;
      }
    });
  }

  #size(direction: "incoming" | "outgoing", agent: number): number {
    const { start, end } = this.graph[direction](agent);
    return end - start;
  }

  #layer(k: number): Float64Array {
    return k === FLOW.L ? this.#evidence : this.#layers[k]!;
  }

  /** The full run: each pass recomputes the agents next to a share that the pass before it changed. */
  #run(): void {
    const { graph } = this;
    for (let k = 1; k < FLOW.L; k++) for (const root of this.#roots) this.#layers[k]![root] = ROOT_SHARE;
    const moved = new Uint32Array(graph.agents);
    let changed = Uint32Array.from(this.#roots);
    for (let k = 1; k <= FLOW.L; k++) {
      const after = k < FLOW.L ? this.#layers[k]! : undefined;
      const before = this.#layers[Math.max(1, k - 1)]!;
      if (after && k > 1) after.set(before);
      let edges = 0;
      for (const agent of changed) {
        const run = graph.outgoing(agent);
        edges += run.end - run.start;
      }
      // Few: visit them. Many: pass over the arrays in their own order and skip the others. Most: skip none.
      const few = edges <= graph.agents >> 3;
      const dirty: number[] = [];
      if (few || edges <= graph.edges >> 2) for (const agent of changed) this.#markOutgoing(agent, dirty);
      let count: number;
      if (few) {
        for (const agent of dirty) this.#mark[agent] = 0;
        count = this.#visit(k, dirty, moved);
      } else {
        count = this.#sweep(before, after, k === 1, dirty.length > 0, moved);
        this.#mark.fill(0);
      }
      changed = moved.subarray(0, count).slice();
    }
  }

  /** One pass over some agents; notes those whose share moved, and returns how many. */
  #visit(k: number, agents: readonly number[], moved: Uint32Array): number {
    const { graph } = this;
    const layer = this.#layer(k);
    let count = 0;
    for (const u of agents) {
      if (this.#layers[1]![u]! < 0) continue;
      if (k === 1) this.#gatherRoots(u);
      else gather(graph.incoming(u), this.#layers[k - 1]!, this.#sum);
      const { evidence, largest } = this.#sum;
      this.#evidence[u] = evidence;
      if (k === FLOW.L) continue;
      const share = shareOf(evidence - largest, graph.outWeight[u]!);
      if (share === layer[u]) continue;
      layer[u] = share;
      moved[count++] = u;
    }
    return count;
  }

  /** The same over all agents, or all that are marked: the innermost loop of a full run, over the sorted arrays. */
  #sweep(
    before: Float64Array,
    after: Float64Array | undefined,
    first: boolean,
    marked: boolean,
    moved: Uint32Array,
  ): number {
    const { graph } = this;
    const { base, overlaid, outWeight, agents } = graph;
    const { inOffset, inPeer, inConfidence } = base;
    const evidenceOf = this.#evidence;
    const mark = this.#mark;
    const sorted = base.agents;
    let count = 0;
    for (let u = 0; u < agents; u++) {
      if ((marked && mark[u] === 0) || before[u]! < 0) continue;
      let evidence = 0;
      let largest = 0;
      if (first) {
        this.#gatherRoots(u);
        evidence = this.#sum.evidence;
      } else if (u < sorted && (overlaid[u]! & 1) === 0) {
        const end = inOffset[u + 1]!;
        for (let i = inOffset[u]!; i < end; i++) {
          const s = before[inPeer[i]!]!;
          const w = WEIGHT[inConfidence[i]!]!;
          if (s < 0) {
            evidence += w;
          } else {
            const c = s * w;
            evidence += c;
            if (c > largest) largest = c;
          }
        }
      } else {
        gather(graph.incoming(u), before, this.#sum);
        ({ evidence, largest } = this.#sum);
      }
      evidenceOf[u] = evidence;
      if (!after) continue;
      const share = shareOf(evidence - largest, outWeight[u]!);
      if (share === after[u]) continue;
      after[u] = share;
      moved[count++] = u;
    }
    return count;
  }

  /** After one hop only the roots have spoken. */
  #gatherRoots(agent: number): void {
    const run = this.graph.incoming(agent);
    const share = this.#layers[1]!;
    let evidence = 0;
    for (let i = run.start; i < run.end; i++) {
      if (share[run.peers[i]!]! < 0) evidence += WEIGHT[run.confidences[i]!]!;
    }
    this.#sum.evidence = evidence;
    this.#sum.largest = 0;
  }

  #markOutgoing(agent: number, found: number[]): void {
    const run = this.graph.outgoing(agent);
    this.#steps += run.end - run.start;
    for (let i = run.start; i < run.end; i++) {
      const u = run.peers[i]!;
      if (this.#mark[u] === 0) {
        this.#mark[u] = 1;
        found.push(u);
      }
    }
  }

  /** @param hops if given, only numbers that can still reach the agent it was made for are brought up to date */
  #propagate(edits: readonly EdgeEdit[], log: Change[], hops?: Uint8Array): void {
    const { graph } = this;
    // A changed edge changes what its subject gathers and, through W, what its issuer passes on, in every layer.
    const always = new Set<number>();
    for (const { issuer, subject } of edits) {
      if (!this.#roots.has(issuer)) always.add(issuer);
      if (!this.#roots.has(subject)) always.add(subject);
    }
    let changed: number[] = [];
    for (let k = 1; k <= FLOW.L; k++) {
      const layer = this.#layer(k);
      const dirty: number[] = [];
      for (const agent of always) {
        this.#mark[agent] = 1;
        dirty.push(agent);
      }
      for (const agent of changed) this.#markOutgoing(agent, dirty);
      changed = [];
      for (const u of dirty) {
        this.#mark[u] = 0;
        if (this.#layers[1]![u]! < 0) continue;
        if (hops && hops[u]! > FLOW.L - k) continue;
        const run = graph.incoming(u);
        this.#steps += run.end - run.start;
        if (k === 1) this.#gatherRoots(u);
        else gather(run, this.#layers[k - 1]!, this.#sum);
        const { evidence, largest } = this.#sum;
        const value = k === FLOW.L ? evidence : shareOf(evidence - largest, graph.outWeight[u]!);
        const before = layer[u]!;
        if (value === before) continue;
        log.push({ layer: k, agent: u, before });
        layer[u] = value;
        changed.push(u);
      }
    }
  }

  #grow(): void {
    const { agents } = this.graph;
    if (agents <= this.#evidence.length) return;
    const capacity = agents + (agents >> 4) + 16;
    this.#evidence = grown(this.#evidence, capacity);
    this.#mark = grown(this.#mark, capacity);
    for (let k = 1; k < FLOW.L; k++) this.#layers[k] = grown(this.#layers[k]!, capacity);
  }
}
