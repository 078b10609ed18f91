import type { Did, Field, Score } from "@peerage/core";
import type { Counts } from "./live-data.ts";
import type { ChainLink } from "./rows.ts";
import type { GuardItem } from "./source.ts";

/** What is shown of an item as the guard holds it. */
type ItemFacts = Omit<GuardItem, "filedAt" | "expiresAt" | "answers" | "request" | "withinSeconds">;

/** A request that waits for a person, with all that is needed to decide on it; its target is as it is, not fit to show. */
export interface ItemData extends ItemFacts {
  /** The name of the guard's log. */
  readonly log: string;
  readonly name?: string;
  /** The guard's policy is another by now: a new call will ask anew. */
  readonly policyMoved: boolean;
  readonly filedAt: string;
  readonly expiresAt: string;
  readonly answers: readonly {
    readonly by: Did;
    readonly name?: string;
    readonly result: string;
    readonly at: string;
  }[];
  /** The exact bytes that the answer speaks of, RFC 8785; gone once the item is closed. */
  readonly jcs?: string;
  readonly fields?: readonly Field[];
  /** What the answer builds on, oldest first. */
  readonly history: readonly ChainLink[];
  readonly score?: Score;
  /** What this caller did at this guard before. */
  readonly before: Counts;
  /** The first call of this target by this caller, as far as the console remembers. */
  readonly first: boolean;
}

/** What waits for a person, oldest first, and what was answered, used or timed out, newest first. */
export interface InboxData {
  readonly open: readonly ItemData[];
  readonly closed: readonly ItemData[];
}

/** All that an answer speaks of: if any of it changes while somebody looks, nothing is signed. */
export function itemIdentity(item: ItemData): string {
  const { id, guard, caller, method, target, req, run, prev, policy, rule, approvers, self, count, jcs } = item;
  return JSON.stringify([id, guard, caller, method, target, req, run, prev, policy, rule, approvers, self, count, jcs]);
}
