import type { Did, Digest } from "@peerage/core";
import type { DecisionRecord, GuardRecord, OutcomeRecord } from "./source.ts";

/** A call as lists and pictures need it. */
export interface Row {
  readonly guard: string;
  readonly seq: number;
  readonly id: string;
  /** Unix milliseconds. */
  readonly at: number;
  readonly verdict: DecisionRecord["verdict"];
  readonly step: string | undefined;
  readonly reason: string | undefined;
  readonly detail: string | undefined;
  readonly did: Did | undefined;
  readonly unverified: boolean;
  readonly score: number | "unknown" | undefined;
  readonly method: string;
  readonly target: string;
  readonly rule: string | undefined;
  readonly policy: Digest;
  readonly item: string | undefined;
  ms: number | undefined;
  outcome: OutcomeRecord["outcome"] | undefined;
}

/** What has just been read. */
export interface News {
  readonly guard: string;
  readonly seq: number;
  readonly kind: GuardRecord["kind"];
  readonly verdict?: DecisionRecord["verdict"];
}
