import { type Did, parseDid, PeerageError, type View } from "@peerage/core";
import { type Layout, type Layouts, MOST_AGENTS } from "./layouts.ts";

/** What a map shows: agents, or communities of them where they are too many. */
export type Chart =
  | { readonly form: "empty" | "poster"; readonly agents: number }
  | { readonly form: "constellation"; readonly layout: Layout; readonly path: readonly Did[] }
  | {
      readonly form: "communities";
      readonly layout: Layout;
      readonly path: readonly Did[];
      readonly groups: readonly Group[];
      readonly bridges: readonly Bridge[];
    };

/** A community of a chart, named by its most vouched-for member. */
export interface Group {
  readonly first: Did;
  readonly members: number;
  /** Vouches in force between two members. */
  readonly inner: number;
  readonly x: number;
  readonly y: number;
}

/** Vouches in force between two communities, as numbers in the list. */
export interface Bridge {
  readonly a: number;
  readonly b: number;
  readonly vouches: number;
}

/** Below so many agents a map is a poster: every agent with its sigil and its name, every vouch with its confidence. */
export const LEAST_STARS = 60;

/**
 * Finds what to draw for a view, following `path` into communities.
 * @param path the most vouched-for member of each community on the way, the largest community first
 * @throws {PeerageError} ERR_NOT_FOUND if there is no such community
 */
export async function chartOf(
  view: View,
  layouts: Layouts,
  path: readonly Did[],
  most: number = MOST_AGENTS,
): Promise<Chart> {
  if (view.agentCount < LEAST_STARS)
    return { form: view.agentCount === 0 ? "empty" : "poster", agents: view.agentCount };
  let layout = await layouts.of(view);
  for (const [depth, did] of path.entries()) {
    const groups = groupsOf(layout).groups;
    const group = groups.findIndex(({ first }) => first === did);
    if (group < 0) throw new PeerageError("ERR_NOT_FOUND", "there is no such community at this log size");
    const dids = layout.dids.filter((_, i) => layout.arranged.community[i] === group);
    layout = await layouts.of(view, { name: path.slice(0, depth + 1).join(" "), dids });
  }
  if (layout.dids.length <= most) return { form: "constellation", layout, path };
  return { form: "communities", layout, path, ...groupsOf(layout) };
}

/** Reads `community=` of a query: DIDs with commas, the outer community first. @throws {PeerageError} ERR_DID_INVALID */
export function pathOf(query: URLSearchParams): Did[] {
  const text = query.get("community") ?? "";
  return text === "" ? [] : text.split(",").slice(0, 4).map(parseDid);
}

const known = new WeakMap<Layout, { groups: readonly Group[]; bridges: readonly Bridge[] }>();

/** The communities of a layout with the vouches in and between them. */
export function groupsOf(layout: Layout): { groups: readonly Group[]; bridges: readonly Bridge[] } {
  let found = known.get(layout);
  if (!found) {
    found = countGroups(layout);
    known.set(layout, found);
  }
  return found;
}

function countGroups({ dids, received, from, to, arranged }: Layout): { groups: Group[]; bridges: Bridge[] } {
  const { x, y, community, communities } = arranged;
  // Those who are joined to nobody come last and are a group only where there are any.
  const count = communities + (community.includes(communities) ? 1 : 0);
  const sums = Array.from({ length: count }, () => ({ first: -1, members: 0, inner: 0, x: 0, y: 0 }));
  for (let i = 0; i < dids.length; i++) {
    const sum = sums[community[i] ?? 0];
    if (!sum) continue;
    sum.members++;
    sum.x += x[i] ?? 0;
    sum.y += y[i] ?? 0;
    if (sum.first < 0 || (received[i] ?? 0) > (received[sum.first] ?? 0)) sum.first = i;
  }
  const between = new Map<number, number>();
  for (let i = 0; i < from.length; i++) {
    const [a, b] = [community[from[i] ?? 0] ?? 0, community[to[i] ?? 0] ?? 0];
    const sum = sums[a];
    if (a === b && sum) sum.inner++;
    else if (a !== b) {
      const key = Math.min(a, b) * count + Math.max(a, b);
      between.set(key, (between.get(key) ?? 0) + 1);
    }
  }
  const groups = sums.map(({ first, members, inner, x: sumX, y: sumY }) => ({
    first: dids[first] as Did,
    members,
    inner,
    x: Math.round(sumX / members),
    y: Math.round(sumY / members),
  }));
  const bridges = Array.from(between, ([key, vouches]) => ({ a: Math.floor(key / count), b: key % count, vouches }));
  return { groups, bridges: bridges.sort((a, b) => b.vouches - a.vouches) };
}
