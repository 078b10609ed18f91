import { type Did, parseDid, PeerageError } from "@peerage/core";
import { type EntryData, readEntries, type Reading } from "./entries.ts";

/** Kinds of entries, in the order of the form, with the words for them. */
export const feedKinds = {
  Vouch: "vouches",
  Revocation: "revocations",
  AgentProfile: "introductions",
  KeyEvent: "key events",
  Report: "reports",
} as const;

/** What a reader of the feed wants to see; a member that is missing wants everything. */
export interface FeedFilter {
  readonly kind?: keyof typeof feedKinds;
  /** Entries by or about this agent. */
  readonly agent?: Did;
  /** Vouches in this scope. */
  readonly scope?: string;
}

/** Entries that one page looks at to find those that are wanted. */
const LOOKED_AT = 4_096;
const STEP = 256;

/** Reads `kind`, `agent` and `in` of a query. @throws {PeerageError} ERR_REQUEST_INVALID, ERR_DID_INVALID */
export function feedFilter(query: URLSearchParams): FeedFilter {
  const given = (name: string): string | undefined => query.get(name)?.trim() || undefined;
  const [kind, agent, scope] = [given("kind"), given("agent"), given("in")];
  if (kind !== undefined && !Object.hasOwn(feedKinds, kind)) {
    throw new PeerageError("ERR_REQUEST_INVALID", `\`kind\` is one of ${Object.keys(feedKinds).join(", ")}`);
  }
  if (scope !== undefined && !/^[a-z][a-z0-9-]{0,63}$/.test(scope)) {
    throw new PeerageError("ERR_REQUEST_INVALID", "`in` is a scope: a flat name of a-z, 0-9 and -");
  }
  return {
    ...(kind === undefined ? {} : { kind: kind as keyof typeof feedKinds }),
    ...(agent === undefined ? {} : { agent: parseDid(agent) }),
    ...(scope === undefined ? {} : { scope }),
  };
}

/** True if an entry is one of those that are wanted. */
export function isWanted({ kind, from, to, scope }: EntryData, filter: FeedFilter): boolean {
  if (filter.kind !== undefined && filter.kind !== kind) return false;
  if (filter.agent !== undefined && filter.agent !== from?.did && filter.agent !== to?.did) return false;
  return filter.scope === undefined || (scope?.includes(filter.scope) ?? false);
}

/**
 * The newest wanted entries before an index, newest first. One call looks at some thousands of entries at most.
 * @returns with `before`, where a further call goes on: it is missing once the beginning of the log is reached
 */
export async function newestWanted(
  before: number,
  most: number,
  filter: FeedFilter,
  reading: Reading,
): Promise<{ entries: EntryData[]; before?: number }> {
  const found: EntryData[] = [];
  const last = Math.max(0, before - LOOKED_AT);
  const isAny = Object.keys(filter).length === 0;
  let end = before;
  while (end > last) {
    const start = Math.max(last, end - (isAny ? most : STEP));
    const some = await readEntries(start, end, reading);
    for (const entry of some.reverse()) {
      if (!isWanted(entry, filter)) continue;
      found.push(entry);
      if (found.length === most) return { entries: found, ...(entry.index > 0 ? { before: entry.index } : {}) };
    }
    end = start;
  }
  return { entries: found, ...(last > 0 ? { before: last } : {}) };
}
