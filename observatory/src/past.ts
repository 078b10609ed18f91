import { LruMap, PeerageError, type View } from "@peerage/core";
import type { Past } from "./seen.ts";
import type { ObservatorySource } from "./source.ts";

/** Views of the past that are kept for one view of the present. */
const KEPT = 12;
const kept = new WeakMap<View, LruMap<number, View>>();

/**
 * Reads `at=` of a query: a log size, or a day, whose end is meant. The past is what was witnessed by the first published
 * checkpoint of at least that size, or by that day.
 * @returns undefined where the present is meant
 * @throws {PeerageError} ERR_REQUEST_INVALID
 */
export async function pastOf(text: string | null, view: View, source: ObservatorySource): Promise<Past | undefined> {
  if (text === null || text === "") return undefined;
  const { checkpoints } = source;
  if (!checkpoints) throw new PeerageError("ERR_REQUEST_INVALID", "this site cannot look back");
  if (/^\d{1,15}$/.test(text)) {
    const wanted = Number(text);
    if (wanted >= view.size) return undefined;
    for await (const { size, time } of checkpoints(Math.max(0, wanted - 1), view.size)) {
      if (time !== undefined) return size >= view.size ? undefined : { size, time };
    }
    return undefined;
  }
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T23:59:59Z`) / 1000 : Number.NaN;
  if (Number.isNaN(day)) throw new PeerageError("ERR_REQUEST_INVALID", "`at` is a log size or a day, 2026-11-20");
  if (day >= view.time) return undefined;
  return { size: await sizeAt(day, view, checkpoints), time: day };
}

/** The view of the present, as it was: made once for a time. */
export function viewOf(past: Past, view: View): View {
  let views = kept.get(view);
  if (!views) {
    views = new LruMap(KEPT);
    kept.set(view, views);
  }
  const made = views.get(past.time) ?? view.at(past.time);
  views.set(past.time, made);
  return made;
}

/** Size of the newest checkpoint up to a time, by halving: checkpoints stand in order of both. */
async function sizeAt(
  time: number,
  view: View,
  checkpoints: NonNullable<ObservatorySource["checkpoints"]>,
): Promise<number> {
  let [low, high] = [0, view.size];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    let found: { size: number; time: number | undefined } | undefined;
    for await (const { size, time: stamped } of checkpoints(middle, view.size)) {
      found = { size, time: stamped };
      break;
    }
    if (!found || (found.time ?? 0) > time) high = middle;
    else low = found.size;
  }
  return low;
}
