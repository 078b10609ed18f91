/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */
import { contribution } from "./chain.ts";
import type { EdgeEdit } from "./edge-graph.ts";
import { FLOW, type FlowState, hopsTo, shareOf } from "./flow-state.ts";
import { publish } from "./metric.ts";

/** Vouches that do not exist yet and would together lift the target to a threshold. */
export interface Addition {
  /** Who would have to vouch, strongest first. */
  readonly issuers: readonly number[];
  /** With which confidence, 1..100: the least that suffices for one voucher, 100 for several. */
  readonly confidence: number;
  readonly evidenceAfter: number;
}

/** Most vouchers an addition names. */
const MOST_VOUCHERS = 12;
/** Most single vouchers that are named as alternatives to one another. */
const MOST_ALTERNATIVES = 3;

/**
 * The fewest vouches by agents that do not vouch for the target yet with which it reaches a threshold: up to three
 * single agents (roots first), or one group. Each outcome is computed, with the dilution that another vouch brings.
 */
export function findAdditions(state: FlowState, target: number, threshold: number): Addition[] {
  const voucherGains = strongest(state, target, MOST_VOUCHERS);
  const candidates = voucherGains.map(({ issuer }) => issuer);
  const hops = hopsTo(state.graph, target, candidates);
  const singles: Addition[] = [];
  for (const { issuer, gain } of voucherGains.slice(0, MOST_ALTERNATIVES)) {
    const addition = leastConfidence(state, target, hops, threshold, issuer, gain);
    if (addition) singles.push(addition);
  }
  if (singles.length > 0) return singles;
  const issuers: number[] = [];
  for (const { issuer } of voucherGains) {
    issuers.push(issuer);
    if (issuers.length < 2) continue;
    const evidenceAfter = state.evidenceAfter(edits(issuers, target, 100), target, hops);
    if (reaches(evidenceAfter, threshold)) return [{ issuers, confidence: 100, evidenceAfter }];
  }
  return [];
}

/** The agents whose full vouch would add most, with what it would add; equal ones in the order of the graph. */
function strongest(state: FlowState, target: number, most: number): { issuer: number; gain: number }[] {
  const { graph } = state;
  const share = state.shares(FLOW.L - 1);
  const weaker = (other: { issuer: number; gain: number }, issuer: number, gain: number): boolean =>
    other.gain < gain || (other.gain === gain && graph.precedes(issuer, other.issuer));
  const given = new Set<number>([target]);
  const run = graph.incoming(target);
  for (let i = run.start; i < run.end; i++) given.add(run.peers[i]!);
  const best: { issuer: number; gain: number }[] = [];
  for (let issuer = 0; issuer < graph.agents; issuer++) {
    if (share[issuer] === 0) continue;
    const gain = gainOf(share[issuer]!, graph.outWeight[issuer]!);
    if (best.length === most && gain < best[most - 1]!.gain) continue;
    if (given.has(issuer)) continue;
    let at = best.length;
    while (at > 0 && weaker(best[at - 1]!, issuer, gain)) at--;
    if (at === most) continue;
    best.splice(at, 0, { issuer, gain });
    if (best.length > most) best.pop();
  }
  return best;
}

function gainOf(share: number, weight: number): number {
  if (share < 0) return contribution(share, 100);
  const power = share / shareOf(1, weight);
  return shareOf(power, weight + 1);
}

function leastConfidence(
  state: FlowState,
  target: number,
  hops: Uint8Array,
  threshold: number,
  issuer: number,
  gain: number,
): Addition | undefined {
  const at = (confidence: number): number => state.evidenceAfter(edits([issuer], target, confidence), target, hops);
  const full = at(100);
  if (!reaches(full, threshold)) return undefined;
  // Almost linear in the confidence: begin at the estimate, look beside it, then halve what is left.
  const missing = threshold - state.evidence(target);
  let below = 0;
  let enough = { confidence: 100, evidenceAfter: full };
  let confidence = Math.min(99, Math.max(1, Math.ceil((100 * missing) / gain)));
  for (let tries = 1; enough.confidence - below > 1; tries++) {
    const evidenceAfter = at(confidence);
    const suffices = reaches(evidenceAfter, threshold);
    if (suffices) enough = { confidence, evidenceAfter };
    else below = confidence;
    const beside = confidence + (suffices ? -1 : 1);
    const inside = beside > below && beside < enough.confidence;
    confidence = tries < 3 && inside ? beside : (below + enough.confidence) >> 1;
  }
  return { issuers: [issuer], ...enough };
}

/** Scores are compared as they are published. */
function reaches(evidence: number, threshold: number): boolean {
  return publish(Math.min(1, evidence)) >= threshold;
}

function edits(issuers: readonly number[], subject: number, confidence: number): EdgeEdit[] {
  return issuers.map((issuer) => ({ issuer, subject, confidence }));
}
