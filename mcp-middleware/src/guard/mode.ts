import { type ErrorCode, PeerageError } from "@peerage/core";
import { isDenyAll } from "./deny-all.ts";
import type { Trace } from "./trace.ts";
import type { DecisionRecord } from "./types.ts";

/**
 * What becomes of a message that the rules refuse. `enforce`: it is refused. `shadow`: until `until` it is recorded as
 * refused and goes on all the same, without an identity and without a receipt; from then on the guard enforces.
 */
export type Mode = { readonly name: "enforce" } | { readonly name: "shadow"; readonly until: Date };

/** A shadow ends at most 30 days ahead, so that none is forgotten. */
export const MAX_SHADOW_DAYS = 30;

/**
 * Checks that a guard may run in this mode.
 * @throws {PeerageError} ERR_CONFIG_INVALID for a shadow whose end is missing, past or too far ahead
 */
export function checkMode(mode: Mode | undefined, now: Date): void {
  if (mode?.name !== "shadow") return;
  const ms = mode.until.getTime() - now.getTime();
  if (ms > 0 && ms <= MAX_SHADOW_DAYS * 86_400_000) return;
  throw new PeerageError("ERR_CONFIG_INVALID", `a shadow ends at a time within ${MAX_SHADOW_DAYS} days`);
}

/** True while nothing is enforced. */
export function isShadow(mode: Mode | undefined, now: Date): boolean {
  return mode?.name === "shadow" && now < mode.until;
}

/**
 * True if a message goes on although it is refused. Never what could not be read as one message, because what it is would
 * then be for the next parser to say; and never while the operator denies everything.
 */
export function goesOnInShadow(mode: Mode | undefined, trace: Trace, reason: ErrorCode): boolean {
  if (!isShadow(mode, trace.now) || trace.subject === undefined || trace.step === "parse") return false;
  return reason !== "ERR_HEADER_MISMATCH" && !(trace.policy && isDenyAll(trace.policy));
}

/** A decision without whom it was about: what was not admitted has no identity, gets no receipt and no filtered list. */
export function withoutIdentity(record: DecisionRecord): DecisionRecord {
  const { caller: _, proof: __, ...rest } = record;
  return { ...rest, isShadow: true };
}
