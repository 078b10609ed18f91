/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */
import { WEIGHT } from "./edge-list.ts";
import { contribution } from "./chain.ts";
import { type Evidence, FLOW, type FlowState, gather } from "./flow-state.ts";

/** Most removals that are computed for one explanation. */
const MOST_TRIALS = 400;
/** Vouches that are looked at for these removals in all; one removal may take more. */
const MOST_STEPS = 4_000_000;

/** The vouch on which a score depends most. */
export interface Support {
  readonly issuer: number;
  readonly subject: number;
  /** Evidence of the target without it. */
  readonly evidenceAfter: number;
  /** False if there were too many candidates to rule all others out. */
  readonly exact: boolean;
}

interface Candidate {
  readonly issuer: number;
  readonly subject: number;
  /** Its removal lowers the score by no more than this. */
  readonly bound: number;
}

/**
 * The edge whose removal lowers the score of the target most; undefined if no single removal lowers it.
 *
 * Evidence is a monotone function of the contributions whose slope is bounded: min(1, p) by min(1, 1/p) for any drop
 * from p. Propagating these slopes backwards bounds what the removal of each edge can cost, so that candidates are tried
 * from the largest bound down until the bound is below what was found.
 */
export function findSupport(state: FlowState, target: number, hops: Uint8Array): Support | undefined {
  const evidence = state.evidence(target);
  const score = Math.min(1, evidence);
  const slopes = backwardSlopes(state, target, hops);
  const floor = (drop: number): number => Math.min(drop * Math.min(1, 1 / evidence), drop - (evidence - score));
  const order = (a: number, b: number): number => (a === b ? 0 : state.graph.precedes(a, b) ? -1 : 1);
  const compare = (a: Candidate, b: Candidate): number =>
    b.bound - a.bound || order(a.subject, b.subject) || order(a.issuer, b.issuer);
  let loss = 0;
  let best: { issuer: number; subject: number; evidenceAfter: number } | undefined;
  const attempt = ({ issuer, subject }: Candidate): void => {
    const after = state.evidenceAfter([{ issuer, subject, confidence: 0 }], target, hops);
    const lost = score - Math.min(1, after);
    if (lost <= loss) return;
    loss = lost;
    best = { issuer, subject, evidenceAfter: after };
  };
  const candidates = boundedEdges(state, slopes, floor, compare);
  // Bounds are sums of doubles too: a candidate must be worse by more than their rounding to be left out.
  const worthwhile = ({ bound }: Candidate): boolean => bound * (1 + 1e-9) >= loss;
  const enough = state.steps + MOST_STEPS;
  let exact = true;
  for (const [trial, candidate] of candidates.entries()) {
    if (!worthwhile(candidate)) break;
    if (trial > 0 && (trial > MOST_TRIALS || state.steps > enough)) {
      exact = false;
      break;
    }
    attempt(candidate);
  }
  return best && { ...best, exact };
}

/** Slopes of some agents: by how much the target's evidence can fall for each unit that theirs falls. */
interface Slopes {
  readonly agents: readonly number[];
  /** By agent; 0 where the agent is not listed. */
  readonly values: Float64Array;
}

/** The slopes after each number of hops. */
function backwardSlopes(state: FlowState, target: number, hops: Uint8Array): Slopes[] {
  const { graph } = state;
  const last = { agents: [target], values: new Float64Array(graph.agents) };
  last.values[target] = 1;
  const slopes: Slopes[] = [last];
  const sum: Evidence = { evidence: 0, largest: 0 };
  for (let k = FLOW.L - 1; k >= 1; k--) {
    const share = state.shares(k);
    const after = slopes[0]!;
    const values = new Float64Array(graph.agents);
    const agents: number[] = [];
    for (const subject of after.agents) {
      const slope = after.values[subject]!;
      const run = graph.incoming(subject);
      for (let i = run.start; i < run.end; i++) {
        const issuer = run.peers[i]!;
        if (share[issuer]! <= 0 || hops[issuer]! > FLOW.L - k) continue;
        if (values[issuer] === 0) agents.push(issuer);
        values[issuer] = values[issuer]! + slope * WEIGHT[run.confidences[i]!]!;
      }
    }
    for (const agent of agents) {
      let power = 1;
      const dilution = Math.min(1, FLOW.K / graph.outWeight[agent]!);
      if (k > 1 && share[agent]! >= FLOW.mu * dilution) {
        gather(graph.incoming(agent), state.shares(k - 1), sum);
        power = Math.max(1, sum.evidence - sum.largest);
      }
      values[agent] = (FLOW.mu * dilution * values[agent]!) / power;
    }
    slopes.unshift({ agents, values });
  }
  return slopes;
}

/** The edges whose removal may cost most, at most one more than are tried, in that order. */
function boundedEdges(
  state: FlowState,
  slopes: readonly Slopes[],
  floor: (drop: number) => number,
  compare: (a: Candidate, b: Candidate) => number,
): Candidate[] {
  const found = new Strongest(MOST_TRIALS + 2, compare);
  const subjects = new Set(slopes.flatMap((layer) => layer.agents));
  const shares = Array.from({ length: FLOW.L }, (_, i) => state.shares(Math.max(1, i)));
  for (const subject of subjects) {
    let total = 0;
    for (const { values } of slopes) total += values[subject]!;
    if (floor(total * state.evidence(subject)) <= 0) continue;
    const run = state.graph.incoming(subject);
    for (let i = run.start; i < run.end; i++) {
      const issuer = run.peers[i]!;
      if (shares[FLOW.L - 1]![issuer] === 0) continue;
      const confidence = run.confidences[i]!;
      let drop = 0;
      for (let k = 1; k <= FLOW.L; k++) {
        const share = shares[k - 1]![issuer]!;
        if (k > 1 || share < 0) drop += slopes[k - 1]!.values[subject]! * contribution(share, confidence);
      }
      const bound = floor(drop);
      if (bound > 0 && bound >= found.least) found.offer({ issuer, subject, bound });
    }
  }
  return found.sorted();
}

/** The first few of many in some order, without holding the others. */
class Strongest {
  readonly #most: number;
  readonly #compare: (a: Candidate, b: Candidate) => number;
  #list: Candidate[] = [];
  /** What is below this bound is not among them. */
  least = 0;

  constructor(most: number, compare: (a: Candidate, b: Candidate) => number) {
    this.#most = most;
    this.#compare = compare;
  }

  offer(candidate: Candidate): void {
    this.#list.push(candidate);
    if (this.#list.length < 4 * this.#most) return;
    this.#list = this.sorted();
    this.least = this.#list.at(-1)?.bound ?? 0;
  }

  sorted(): Candidate[] {
    return this.#list.sort(this.#compare).slice(0, this.#most);
  }
}
