import type { Did } from "@peerage/core";

/** What stands behind a DID now: only an `active` key may call. */
export type KeyState = "active" | "burnt" | "suspended" | "disputed";

/**
 * What this guard knows of others, from statements that it verified itself: a local snapshot, refreshed in the
 * background, so that no method waits or fails.
 */
export interface TrustSource {
  /** The score of an agent from this guard's roots in a scope, in [0, 1]; a stranger is `"unknown"`, never a number. */
  score(did: Did, scope: string): number | "unknown";
  keyState(did: Did): KeyState;
  /** How old the snapshot is, in seconds. */
  ageSeconds(): number;
  /** Older than this it decides nothing any more. */
  readonly maxAgeSeconds: number;
}
