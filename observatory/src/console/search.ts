import { setImmediate as breathe } from "node:timers/promises";
import { fromBase64url, fromUtf8, toBase64url, utf8 } from "@peerage/core";
import type { Ledger } from "./ledger.ts";
import type { Row } from "./row.ts";

/** Calls that are looked at between two breaths, so that a guard in the same process is not held up. */
const SLICE = 256;

/** Where a page of calls goes on: of each log the place below which nothing was looked at yet. */
export type Places = ReadonlyMap<string, number>;

/** One call of several logs, newest first, and where to go on after it. */
export interface Step {
  readonly row: Row;
  /** True: it is older than what the console has in mind, and was read from the log. */
  readonly isOld: boolean;
}

/**
 * The calls of several logs, newest first, however old: by the order of each log, and between logs by time. What comes in
 * meanwhile changes no page, because a page goes on below a place and not after a number of calls.
 */
function* callsBack(ledgers: readonly Ledger[], places: Places | undefined): Generator<Step, void, void> {
  const heads = ledgers.flatMap((ledger) => {
    const rows = ledger.back(beginning(ledger, places));
    const first = rows.next();
    return first.done === true ? [] : [{ ledger, rows, row: first.value }];
  });
  while (heads.length > 0) {
    const newest = heads.reduce((best, one) => (one.row.at > best.row.at ? one : best));
    yield { row: newest.row, isOld: newest.row.seq < newest.ledger.oldest };
    const next = newest.rows.next();
    if (next.done === true) heads.splice(heads.indexOf(newest), 1);
    else newest.row = next.value;
  }
}

/** The place below which a log is looked at. One that was not there for the first page is newer than all of it. */
function beginning({ name, next }: Ledger, places: Places | undefined): number {
  return places ? (places.get(name) ?? 0) : next;
}

/** What a search found. */
export interface Found {
  readonly rows: readonly Row[];
  /** Where to go on; undefined at the end of all logs. */
  readonly next?: Places;
  /** It ended because enough old calls were looked at: the time of the last of them, Unix milliseconds. */
  readonly searchedTo?: number;
}

/**
 * Looks for calls, newest first, until there are enough of them, or enough old ones were looked at.
 * @param limits.rows - how many are wanted
 * @param limits.old - how many calls beyond those in mind are looked at, at most
 */
export async function search(
  ledgers: readonly Ledger[],
  places: Places | undefined,
  isWanted: (row: Row) => boolean,
  limits: { readonly rows: number; readonly old: number },
): Promise<Found> {
  const rows: Row[] = [];
  const at = new Map(ledgers.map((ledger) => [ledger.name, beginning(ledger, places)]));
  let [seen, old] = [0, 0];
  for (const { row, isOld } of callsBack(ledgers, places)) {
    if (isWanted(row)) {
      // There is one more, so there is a next page; it begins with this one.
      if (rows.length === limits.rows) return { rows, next: at };
      rows.push(row);
    }
    at.set(row.guard, row.seq);
    if (isOld && ++old >= limits.old) return { rows, next: at, searchedTo: row.at };
    if (++seen % SLICE === 0) await breathe();
  }
  return { rows };
}

/** Places as they stand in an address. */
export function formatPlaces(places: Places): string {
  return toBase64url(utf8(JSON.stringify([...places])));
}

/** The places of an address; undefined where there are none, or what is there is none. */
export function parsePlaces(text: string | null): Places | undefined {
  if (text === null || text === "") return undefined;
  try {
    const value: unknown = JSON.parse(fromUtf8(fromBase64url(text)));
    const isPlace = (one: unknown): one is [string, number] =>
      Array.isArray(one) && typeof one[0] === "string" && Number.isSafeInteger(one[1]);
    return Array.isArray(value) && value.every(isPlace) ? new Map(value) : undefined;
  } catch {
    return undefined;
  }
}
