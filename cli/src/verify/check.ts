import type { Did } from "@peerage/core";
import { describeError } from "../errors.ts";

/** One check of a signed thing. `none` was not made, and `text` says why. */
export interface Check {
  readonly name: string;
  readonly state: "ok" | "no" | "none";
  readonly text: string;
  /** The code of what failed. */
  readonly code?: string;
}

/** All checks of one thing. */
export interface Verdict {
  /** What it was taken for. */
  readonly type: string;
  readonly checks: readonly Check[];
  /** In one sentence. */
  readonly summary: string;
  /**
   * `valid`: what it says holds now. `not-now`: authentic, but it does not hold (expired, revoked, for another). `invalid`:
   * not what it pretends to be.
   */
  readonly verdict: "valid" | "not-now" | "invalid";
  /** Whose key signed it, where a check made sure of that; never what the thing says of itself. */
  readonly signer?: Did | undefined;
  /** What it says, for `--json`: anything, where others made it. */
  readonly data?: object;
}

/** Makes a check of something that throws if it does not hold. */
export async function check(name: string, fine: string, look: () => unknown): Promise<Check> {
  try {
    await look();
    return { name, state: "ok", text: fine };
  } catch (error) {
    return thrown(name, error);
  }
}

/** The check that ended with this error. */
export function thrown(name: string, error: unknown): Check {
  const { code, message } = describeError(error);
  return { name, state: "no", text: message, code };
}

export function passed(name: string, text: string): Check {
  return { name, state: "ok", text };
}

export function failed(name: string, text: string, code?: string): Check {
  return { name, state: "no", text, ...(code === undefined ? {} : { code }) };
}

export function notChecked(name: string, text: string): Check {
  return { name, state: "none", text };
}

/** The verdict of some checks, of which those named in `circumstances` do not touch authenticity. */
export function verdictOf(checks: readonly Check[], circumstances: readonly string[] = []): Verdict["verdict"] {
  const bad = checks.filter(({ state }) => state === "no");
  if (bad.some(({ name }) => !circumstances.includes(name))) return "invalid";
  return bad.length > 0 ? "not-now" : "valid";
}
