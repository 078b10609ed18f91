/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */
import type { EdgeGraph } from "./edge-graph.ts";
import { type Evidence, FLOW, gather, ROOT_SHARE, shareOf } from "./flow-state.ts";

/** Hops back from the target within which agents are told apart from those too far away to matter. */
const NEAR = 3;

/** Arrays of the size of a graph, clean between two uses. */
class Workspace {
  readonly share: Float64Array;
  readonly next: Float64Array;
  readonly mark: Uint8Array;
  /** Hops to the target plus one, where known. */
  readonly near: Uint8Array;

  constructor(agents: number) {
    this.share = new Float64Array(agents);
    this.next = new Float64Array(agents);
    this.mark = new Uint8Array(agents);
    this.near = new Uint8Array(agents);
  }
}

const workspaces = new WeakMap<EdgeGraph, Workspace>();

/**
 * Evidence for one target as seen from some roots: the same number as a full run gives, computed inside the ball of L
 * hops around the roots, and in the last hops only where the target can still be reached. 0 is unknown.
 * @param roots agents of the graph; the target is none of them
 */
export function evidenceOf(graph: EdgeGraph, roots: readonly number[], target: number): number {
  const targetRun = graph.incoming(target);
  if (targetRun.start === targetRun.end || roots.length === 0) return 0;
  let space = workspaces.get(graph);
  if (!space || space.share.length < graph.agents) {
    space = new Workspace(graph.agents + (graph.agents >> 4));
    workspaces.set(graph, space);
  }
  const { share, next, mark, near } = space;
  const sum: Evidence = { evidence: 0, largest: 0 };
  const backward = nearTarget(graph, target, near);
  const touched: number[] = [...roots];
  for (const root of roots) share[root] = ROOT_SHARE;
  let changed: readonly number[] = roots;
  for (let k = 1; k < FLOW.L && changed.length > 0; k++) {
    const hopsLeft = FLOW.L - k;
    const dirty: number[] = [];
    for (const agent of changed) {
      const run = graph.outgoing(agent);
      for (let i = run.start; i < run.end; i++) {
        const u = run.peers[i]!;
        if (mark[u] !== 0 || share[u]! < 0) continue;
        if (hopsLeft <= NEAR && (near[u] === 0 || near[u]! > hopsLeft + 1)) continue;
        mark[u] = 1;
        dirty.push(u);
      }
    }
    for (const u of dirty) {
      gather(graph.incoming(u), share, sum);
      next[u] = shareOf(sum.evidence - sum.largest, graph.outWeight[u]!);
    }
    const moved: number[] = [];
    for (const u of dirty) {
      mark[u] = 0;
      if (next[u] === share[u]) continue;
      if (share[u] === 0) touched.push(u);
      share[u] = next[u]!;
      moved.push(u);
    }
    changed = moved;
  }
  gather(targetRun, share, sum);
  for (const agent of touched) share[agent] = 0;
  for (const agent of backward) near[agent] = 0;
  return sum.evidence;
}

/** Sets `near` to hops + 1 for the agents with a chain of at most {@link NEAR} hops to the target; returns them. */
function nearTarget(graph: EdgeGraph, target: number, near: Uint8Array): number[] {
  const found = [target];
  near[target] = 1;
  for (let i = 0; i < found.length; i++) {
    const agent = found[i]!;
    if (near[agent]! > NEAR) break;
    const run = graph.incoming(agent);
    for (let j = run.start; j < run.end; j++) {
      const v = run.peers[j]!;
      if (near[v] === 0) {
        near[v] = near[agent]! + 1;
        found.push(v);
      }
    }
  }
  return found;
}
