import {
  APPROVAL_STEP,
  type Digest,
  type Did,
  type Entry,
  type MultibaseKey,
  multibaseOf,
  SKEW_SECONDS,
  unixSeconds,
} from "@peerage/core";
import type { TrustSource } from "./trust.ts";

/** Registry data may be this old where a person's approval decides: an approver's key may have been revoked since. */
export const MAX_APPROVAL_VIEW_SECONDS = 3_600;

/** What is needed to judge whose word an entry is. */
export interface EntryKeys {
  /** The guard's own DID, which needs no log to know itself. */
  readonly did: Did;
  readonly trust: TrustSource | undefined;
  /** When this guard kept an entry that it had verified, Unix seconds. */
  readonly seenAt: (digest: Digest) => number | undefined;
}

/**
 * True if the key behind an entry counts, as this guard's snapshot of the log tells (policy.md section 9, step 6). A
 * retired key is judged by the entry's own time: a rotation makes no history worthless. A lost key counts only for what
 * this guard itself had verified before the loss, because a thief dates back. An approval that may still be used asks
 * for more: whoever gave it must have an active key now.
 */
export function doesKeyCount({ did, trust, seenAt }: EntryKeys, entry: Entry, now: Date): boolean {
  const { issuer, kid } = entry;
  if (issuer === did) return true;
  const key = kid.slice(kid.indexOf("#") + 1) as MultibaseKey;
  if (trust === undefined) return key === multibaseOf(issuer);
  // Asked only where it matters: this is done for every entry of every call.
  const isActive = (): boolean => trust.keyState(issuer) === "active";
  // Without a log that tells what was, only what is can be asked.
  if (!trust.keyStoodAt) return isActive() && key === (trust.currentKey?.(issuer) ?? multibaseOf(issuer));
  if (!stoodAround(trust, issuer, key, entry.issuedAt)) return false;
  const lostSince = trust.keyLostSince?.(issuer, key);
  if (isApprovalInForce(entry, now) && (lostSince !== undefined || !isActive())) return false;
  if (lostSince === undefined) return trust.keyLostSince !== undefined || isActive();
  return (seenAt(entry.digest) ?? Infinity) < lostSince;
}

/**
 * Times are whole seconds, so the second of a change counts for both keys; and a signer's clock may be a little behind the
 * log's when it takes up a new one.
 */
function stoodAround(trust: TrustSource, did: Did, key: MultibaseKey, time: number): boolean {
  return [time, time - 1, time + SKEW_SECONDS].some((at) => trust.keyStoodAt?.(did, key, at) === true);
}

function isApprovalInForce({ step, result, expiresAt }: Entry, now: Date): boolean {
  return step === APPROVAL_STEP && result === "approved" && (expiresAt ?? Infinity) > unixSeconds(now);
}
