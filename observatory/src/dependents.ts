import { type Did, type Digest, LruMap, type Score, type View } from "@peerage/core";
import { Seen } from "./seen.ts";

/** In larger graphs a page does not compute every score a second time. */
const MOST_VOUCHES = 30_000;
const KEPT = 32;

/** An agent whose score would be another without a vouch. */
export interface Dependent {
  readonly did: Did;
  readonly score: Score;
  readonly without: Score;
}

const known = new WeakMap<View, LruMap<string, readonly Dependent[]>>();

/**
 * Whose scores hang on a vouch, from a viewpoint in a scope: every score is computed again without it.
 * @returns those who would lose most first; undefined where the network is too large for one page to ask
 */
export function dependentsOf(seen: Seen, vouch: Digest): readonly Dependent[] | undefined {
  const { view, viewpoint, scope, graph } = seen;
  const vouches = [...graph.vouches()];
  if (vouches.length > MOST_VOUCHES) return undefined;
  let kept = known.get(view);
  if (!kept) {
    kept = new LruMap(KEPT);
    known.set(view, kept);
  }
  const key = `${vouch} ${scope} ${viewpoint.roots.join(" ")}`;
  const found = kept.get(key) ?? compute(seen, vouch);
  kept.set(key, found);
  return found;
}

function compute(seen: Seen, vouch: Digest): readonly Dependent[] {
  const without = seen.without(new Set([vouch]));
  const found = Array.from(seen.vector.scores()).flatMap(([did, score]): Dependent[] => {
    const other = without.score(did);
    return other === score ? [] : [{ did: did, score, without: other }];
  });
  const value = (score: Score): number => (score === "unknown" ? -0.001 : score);
  return found.sort(
    (a, b) => value(b.score) - value(b.without) - value(a.score) + value(a.without) || (a.did < b.did ? -1 : 1),
  );
}
