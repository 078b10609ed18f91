import type { Did, Digest, Score } from "@peerage/core";

/** A call in a list. Foreign words have been made harmless. */
export interface CallLine {
  readonly guard: string;
  readonly id: string;
  readonly seq: number;
  /** RFC 3339. */
  readonly at: string;
  readonly verdict: "admitted" | "asked" | "refused";
  readonly did?: Did;
  readonly name?: string;
  /** True: a claim whose proof did not hold. */
  readonly unverified: boolean;
  readonly score?: Score;
  readonly method: string;
  readonly target: string;
  readonly why: string;
  readonly reason?: string;
  readonly ms?: number;
  readonly outcome?: string;
}

/** Calls of one kind, counted. */
export interface Counts {
  readonly admitted: number;
  readonly refused: number;
  readonly asked: number;
}

export interface LiveAgent extends Counts {
  /** Absent: calls without a signature, or whose signature did not hold. */
  readonly did?: Did;
  readonly name?: string;
  readonly score?: Score;
  /** Median of the answers, in milliseconds. */
  readonly ms?: number;
}

export interface LiveTool extends Counts {
  readonly method: string;
  /** As it is, for links and filters. */
  readonly target: string;
  /** As it is shown. */
  readonly label: string;
  /** What the policy asks of its callers. */
  readonly rule: string;
  /** Requests that wait for a person now. */
  readonly waiting: number;
  readonly ms?: number;
}

/** Who calls what, and what the gate says to it, in one stretch of time. */
export interface LiveData {
  readonly guards: readonly { readonly name: string; readonly did?: Did }[];
  /** The one that is shown; absent: all of them. */
  readonly guard?: string;
  readonly window: Window;
  readonly lens: Lens;
  /** Where the stretch ends, if it is not now: a replay. */
  readonly at?: string;
  readonly from: string;
  readonly to: string;
  /** The oldest call in mind. */
  readonly oldest?: string;
  readonly counts: Counts & { readonly waiting: number };
  readonly suppressed: number;
  readonly agents: readonly LiveAgent[];
  readonly folded: { readonly agents: number; readonly calls: number; readonly tools: number };
  readonly tools: readonly LiveTool[];
  readonly gate: { readonly policy?: Digest; readonly p50?: number };
  readonly calls: readonly CallLine[];
  readonly bars: readonly Counts[];
}

export const windows = ["15m", "1h", "24h"] as const;
export type Window = (typeof windows)[number];
export const windowMs: Readonly<Record<Window, number>> = { "15m": 900_000, "1h": 3_600_000, "24h": 86_400_000 };

/** What the width of a line means: how many calls, or how long they took; or, in colour, how far an agent is trusted. */
export const lenses = ["calls", "time", "trust"] as const;
export type Lens = (typeof lenses)[number];
