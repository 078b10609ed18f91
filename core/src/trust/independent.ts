/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */
import type { EdgeGraph } from "./edge-graph.ts";
import { FLOW, type FlowState } from "./flow-state.ts";

/** Most independent vouchers that are told apart. */
const MOST_INDEPENDENT = 16;
/** Vouches that are looked at in all. */
const MOST_STEPS = 2_000_000;

/**
 * How many chains from roots to a target have no agent in common but the roots and the target, at most
 * {@link MOST_INDEPENDENT}: so many vouchers do not depend on one another. (Menger: as many agents would have to fail
 * together.) Only agents with power are walked through. A graph made to be slow is given up after
 * {@link MOST_STEPS} vouches: then there may be more than the number says, never fewer.
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
  const budget = { steps: MOST_STEPS };
  for (let left = vouchers; left > 0 && found < MOST_INDEPENDENT; left--) {
    if (!augment(graph, share, target, toTarget, budget)) break;
    found++;
  }
  return found;
}

/**
 * Finds one more disjoint chain by walking back from the target, rerouting those found before where that helps.
 * `toTarget` holds, for each agent on a chain, the next one towards the target.
 */
function augment(
  graph: EdgeGraph,
  share: Float64Array,
  target: number,
  toTarget: Map<number, number>,
  budget: { steps: number },
): boolean {
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
    budget.steps -= run.end - run.start;
    if (budget.steps < 0) return false;
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
