import { isPeerageError } from "@peerage/core";
import { visible } from "../../ui/visible.ts";
import { type Check, failed, passed, type Verdict, verdictOf } from "../check.ts";

/** A check of a stranger's format: whatever goes wrong in it is a reason why it does not hold. */
export function look(name: string, look: () => string): Check {
  try {
    return passed(name, look());
  } catch (error) {
    const text = error instanceof Error ? error.message : "does not hold";
    return failed(name, visible(text, 200), isPeerageError(error) ? error.code : "ERR_PROOF_INVALID");
  }
}

/** Throws unless it holds. */
export function hold(holds: boolean, otherwise: string): void {
  if (!holds) throw new TypeError(otherwise);
}

/** What all checks come to. Time, audience and the like do not touch authenticity. */
export function foreignVerdict(type: string, checks: readonly Check[], data?: object): Verdict {
  const verdict = verdictOf(checks, ["time", "audience", "message", "result"]);
  const summary = {
    valid: "Authentic, as far as this format goes.",
    "not-now": "Authentic, but not good here and now.",
    invalid: "Not authentic.",
  }[verdict];
  return { type, checks, verdict, summary, ...(data ? { data } : {}) };
}

/** Whether a thing with an end is still good. Without one it is for ever, and that is said. */
export function timeCheck(now: Date, from: number | undefined, until: number | undefined): Check {
  return look("time", () => {
    const seconds = now.getTime() / 1000;
    for (const one of [from, until]) hold(one === undefined || Number.isFinite(one), "its time is no time");
    hold(from === undefined || from <= seconds + 30, "it is from the future");
    hold(until === undefined || seconds <= until + 30, `it expired at ${instant(until ?? 0)}`);
    return until === undefined ? "it names no end" : `good until ${instant(until)}`;
  });
}

/** A time of Unix seconds as RFC 3339, or that it is none. */
export function instant(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? "no time" : date.toISOString();
}

/** Unix seconds of an RFC 3339 time; not a number for anything else. */
export function secondsOf(text: string): number {
  return /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/.test(text)
    ? Date.parse(text.replace(" ", "T")) / 1000
    : Number.NaN;
}
