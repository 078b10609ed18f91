import type { Did, Score } from "@peerage/core";
import { Seen } from "../seen.ts";

/** An agent as another one sees it: nearer means more trusted. */
export interface Neighbour {
  readonly did: Did;
  readonly score: Score;
  /** Angle in radians. */
  readonly angle: number;
  /** The agent whose vouch joins it to the middle, as an index in the list; −1 for the middle itself. */
  readonly through: number;
}

/**
 * The network as an agent itself sees it in a scope: those it has a score for, the most trusted first. Who was vouched
 * for by the same agent stands together.
 * @returns the first `most` of them, and how many there are
 */
export function neighbourhood(seen: Seen, centre: Did, most: number): { list: Neighbour[]; reached: number } {
  const own = new Seen(seen.view, { kind: "agent", roots: [centre] }, seen.scope, seen.past);
  const scored = [...own.vector.scores()].filter(([did]) => did !== centre);
  scored.sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const { graph } = own.vector;
  const list: { did: Did; score: Score; through: number }[] = [];
  for (const [did, score] of scored.slice(0, most)) {
    // Through whoever is the most trusted of its vouchers; the centre itself, where it vouches.
    const direct = graph.vouch(centre, did) !== undefined;
    const through = direct ? -1 : list.findIndex((other) => graph.vouch(other.did, did) !== undefined);
    list.push({ did, score, through });
  }
  const angles = spreadAngles(list.map(({ through }) => through));
  return { list: list.map((entry, i) => ({ ...entry, angle: angles[i] ?? 0 })), reached: scored.length };
}

/** Gives every branch of a tree a sector as wide as its number of ends. */
function spreadAngles(parents: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  parents.forEach((parent, i) => children.set(parent, [...(children.get(parent) ?? []), i]));
  const ends = (i: number): number => {
    const below = children.get(i) ?? [];
    return below.length === 0 ? 1 : below.reduce((sum, child) => sum + ends(child), 0);
  };
  const angles: number[] = [];
  const place = (i: number, from: number, to: number): void => {
    if (i >= 0) angles[i] = (from + to) / 2;
    let at = from;
    const all = ends(i);
    for (const child of children.get(i) ?? []) {
      const width = ((to - from) * ends(child)) / all;
      place(child, at, at + width);
      at += width;
    }
  };
  place(-1, -Math.PI / 2, 1.5 * Math.PI);
  return angles;
}
