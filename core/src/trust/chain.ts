/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */
import { WEIGHT } from "./edge-list.ts";
import type { EdgeGraph } from "./edge-graph.ts";
import { FLOW, type FlowState } from "./flow-state.ts";

/** One hop of a chain as numbers. */
export interface Hop {
  readonly issuer: number;
  readonly subject: number;
  readonly confidence: number;
  /** c(issuer→subject), with the issuer's power at that distance from the roots. */
  readonly value: number;
}

/** c(v→u) for the share v has: a root's word counts in full. */
export function contribution(share: number, confidence: number): number {
  return share < 0 ? WEIGHT[confidence]! : share * WEIGHT[confidence]!;
}

/**
 * The chain from a root that carried most of an agent's power after `layer` hops, root first; empty for a root. No agent
 * is on it twice, and `target`, whose score it explains, is not on it at all: who leads to the target only by way of the
 * target itself has one voucher in truth, and so no power.
 *
 * At each hop back it takes the largest contribution that counts, so not the one that the definition leaves out, unless
 * nothing else leads back to a root.
 */
export function strongestChain(state: FlowState, agent: number, layer: number, target: number): Hop[] {
  const back: Hop[] = [];
  const seen = new Set([agent]);
  let subject = agent;
  for (let k = layer; k >= 1 && !state.isRoot(subject); k--) {
    const hop = strongestHop(state, subject, k, seen, target);
    if (!hop) break;
    back.push(hop);
    seen.add(hop.issuer);
    subject = hop.issuer;
  }
  return withoutLoops(back.reverse());
}

/** Leaves out what lies between two visits of one agent. */
function withoutLoops(chain: readonly Hop[]): Hop[] {
  const kept: Hop[] = [];
  for (const hop of chain) {
    kept.push(hop);
    const before = kept.findIndex(({ issuer }) => issuer === hop.subject);
    if (before >= 0) kept.length = before;
  }
  return kept;
}

function strongestHop(
  state: FlowState,
  subject: number,
  layer: number,
  seen: ReadonlySet<number>,
  target: number,
): Hop | undefined {
  const share = state.shares(Math.max(1, layer - 1));
  const run = state.graph.incoming(subject);
  let leftOut: Hop | undefined;
  let best: Hop | undefined;
  let bestSeen: Hop | undefined;
  const offer = (hop: Hop): void => {
    if (hop.issuer === target) return;
    if (seen.has(hop.issuer)) {
      if (hop.value > (bestSeen?.value ?? 0)) bestSeen = hop;
    } else if (hop.value > (best?.value ?? 0)) best = hop;
  };
  for (let i = run.start; i < run.end; i++) {
    const issuer = run.peers[i]!;
    const s = share[issuer]!;
    if (s === 0 || (layer === 1 && s > 0)) continue;
    const confidence = run.confidences[i]!;
    const hop = { issuer, subject, confidence, value: contribution(s, confidence) };
    if (s < 0) {
      offer(hop);
    } else if (!leftOut || hop.value > leftOut.value) {
      if (leftOut) offer(leftOut);
      leftOut = hop;
    } else {
      offer(hop);
    }
  }
  if (!best && leftOut) offer(leftOut);
  return best ?? bestSeen;
}

/** Most independent vouchers that are told apart. */
export const MOST_INDEPENDENT = 16;

/**
 * How many chains from roots to a target have no agent in common but the roots and the target, at most
 * {@link MOST_INDEPENDENT}: so many vouchers do not depend on one another. (Menger: as many agents would have to fail
 * together.) Only agents with power are walked through.
 */
export function countIndependent(state: FlowState, target: number): number {
  const { graph } = state;
  const share = state.shares(FLOW.L - 1);
  const toTarget = new Map<number, number>();
  const run = graph.incoming(target);
  let direct = 0;
  let vouchers = 0;
  for (let i = run.start; i < run.end; i++) {
    if (share[run.peers[i]!]! < 0) direct++;
    else if (share[run.peers[i]!]! > 0) vouchers++;
  }
  let found = Math.min(direct, MOST_INDEPENDENT);
  for (let left = vouchers; left > 0 && found < MOST_INDEPENDENT; left--) {
    if (!augment(graph, share, target, toTarget)) break;
    found++;
  }
  return found;
}

/**
 * Finds one more disjoint chain by walking back from the target, rerouting those found before where that helps.
 * `toTarget` holds, for each agent on a chain, the next one towards the target.
 */
function augment(graph: EdgeGraph, share: Float64Array, target: number, toTarget: Map<number, number>): boolean {
  // State 2v: reached from the target's side. State 2v + 1: free to go on to those who vouch for v.
  const from = new Map<number, number>();
  const queue = [2 * target + 1];
  for (const state of queue) {
    const agent = state >> 1;
    const visit = (next: number): void => {
      if (next !== 2 * target + 1 && !from.has(next)) {
        from.set(next, state);
        queue.push(next);
      }
    };
    if ((state & 1) === 0) {
      const next = toTarget.get(agent);
      visit(next === undefined ? 2 * agent + 1 : 2 * next + 1);
      continue;
    }
    if (agent !== target && toTarget.has(agent)) visit(2 * agent);
    const run = graph.incoming(agent);
    for (let i = run.start; i < run.end; i++) {
      const voucher = run.peers[i]!;
      if (voucher === target || share[voucher] === 0) continue;
      if (share[voucher]! > 0) {
        if (toTarget.get(voucher) !== agent) visit(2 * voucher);
      } else if (agent !== target) {
        reroute(state, from, toTarget);
        return true;
      }
    }
  }
  return false;
}

function reroute(end: number, from: ReadonlyMap<number, number>, toTarget: Map<number, number>): void {
  const gone: number[] = [];
  const added: [number, number][] = [];
  for (let state = end; ;) {
    const before = from.get(state);
    if (before === undefined) break;
    const agent = state >> 1;
    const other = before >> 1;
    // 2v + 1 → 2w: w now leads to v.  2w → 2v + 1 with w ≠ v: w no longer leads to v.
    if (agent !== other) {
      if ((state & 1) === 0) added.push([agent, other]);
      else gone.push(other);
    }
    state = before;
  }
  for (const agent of gone) toTarget.delete(agent);
  for (const [agent, next] of added) toTarget.set(agent, next);
}
