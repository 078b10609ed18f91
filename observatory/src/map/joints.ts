import type { Did, View } from "@peerage/core";
import { agentRows, type Seen } from "../seen.ts";
import { groupsOf } from "./chart.ts";
import type { Layout } from "./layouts.ts";

/** A community of fewer is not looked at. */
const LEAST_MEMBERS = 5;
/** Thin: vouches from outside are less than this part of those inside, of which every member has so many on average. */
const THIN = 0.02;
const LEAST_INNER = 1.5;
/** How often agents are moved to those whom they have most to do with. */
const PASSES = 2;

/** What joins a community to the rest. */
export interface Joint {
  /** Its number in the layout. */
  readonly community: number;
  /** Its agents, as numbers of the layout. */
  readonly members: readonly number[];
  /** Vouches in force between members, from outside to them, and from them to the outside. */
  readonly inner: number;
  readonly from: number;
  readonly to: number;
  /** A fact, and no verdict: a new team looks so, and so does a ring of made-up agents. */
  readonly thin: boolean;
  /** The first of the vouches from outside. */
  readonly bridges: ReturnType<View["vouchesInForce"]>;
}

/** Vouches of each joint that are kept. */
export const MOST_BRIDGES = 12;

const kept = new WeakMap<Layout, { readonly view: View; readonly joints: readonly Joint[] }>();

/** The joints of the communities of a layout that have five members and more. Found once for a view. */
export function jointsOf(layout: Layout, seen: Seen): readonly Joint[] {
  let known = kept.get(layout);
  if (known?.view !== seen.view) {
    known = { view: seen.view, joints: findJoints(layout, seen) };
    kept.set(layout, known);
  }
  return known.joints;
}

function findJoints(layout: Layout, { view, past }: Seen): Joint[] {
  const of = belonging(layout);
  const had = past && new Set(agentRows(view, past).map(({ did }) => did));
  const sums = groupsOf(layout).groups.map((_, community) => ({
    community,
    members: [] as number[],
    inner: 0,
    from: 0,
    to: 0,
    bridges: [] as ReturnType<View["vouchesInForce"]>[number][],
  }));
  for (const [i, did] of layout.dids.entries()) if (had?.has(did) ?? true) sums[of.get(did) ?? -1]?.members.push(i);
  for (const vouch of view.vouchesInForce()) {
    const [a, b] = [of.get(vouch.statement.issuer), of.get(vouch.statement.subject)];
    if (a === undefined || b === undefined) continue;
    const [source, target] = [sums[a], sums[b]];
    if (a === b && source) source.inner++;
    else {
      if (source) source.to++;
      if (!target) continue;
      target.from++;
      if (target.bridges.length < MOST_BRIDGES) target.bridges.push(vouch);
    }
  }
  return sums
    .filter(({ community, members }) => members.length >= LEAST_MEMBERS && community < layout.arranged.communities)
    .map((sum) => ({ ...sum, thin: sum.inner >= sum.members.length * LEAST_INNER && sum.from < sum.inner * THIN }));
}

const belongings = new WeakMap<Layout, ReadonlyMap<Did, number>>();

/**
 * The community of each agent: that which most of its vouches come from and go to. The search for communities weighs how
 * large they are, and puts a few agents on the wrong side of a joint; whatever is said of them would look like bridges.
 * Found once for a layout, as positions are.
 */
export function belonging(layout: Layout): ReadonlyMap<Did, number> {
  let known = belongings.get(layout);
  if (!known) {
    const of = moved(layout);
    known = new Map(layout.dids.map((did, i) => [did, of[i] ?? 0]));
    belongings.set(layout, known);
  }
  return known;
}

function moved({ dids, from, to, arranged }: Layout): Uint32Array {
  const peers = dids.map((): number[] => []);
  for (const [n, a] of from.entries()) {
    const b = to[n] ?? 0;
    peers[a]?.push(b);
    peers[b]?.push(a);
  }
  let of = arranged.community;
  for (let pass = 0; pass < PASSES; pass++) {
    const before = of;
    of = before.map((own, i) => {
      const share = new Map<number, number>();
      for (const peer of peers[i] ?? []) {
        const group = before[peer] ?? 0;
        share.set(group, (share.get(group) ?? 0) + 1);
      }
      let best = own;
      // In doubt it stays where it is.
      for (const [group, n] of share) if (n > (share.get(best) ?? 0)) best = group;
      return best;
    });
  }
  return of;
}
