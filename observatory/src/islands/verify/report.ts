/** `open`: not checked, or nothing to check it by. It is never shown as passed. */
export type Verdict = "holds" | "fails" | "open";

/** One line of a verification. */
export interface Check {
  readonly name: string;
  readonly verdict: Verdict;
  readonly text: string;
}

/** What one browser found out by itself. */
export interface Report {
  /** The log as a whole. */
  readonly log: readonly Check[];
  /** Entries by index. */
  readonly entries: ReadonlyMap<number, readonly Check[]>;
  /** Two heads that contradict each other, to show to others. */
  readonly evidence?: object;
  /** The head to remember, if it holds and contradicts nothing. */
  readonly remember?: { readonly note: string; readonly logKey: string };
}

/** The worst of some verdicts: one failure fails them all, and only what holds throughout holds. */
export function worst(checks: readonly Check[]): Verdict {
  if (checks.some(({ verdict }) => verdict === "fails")) return "fails";
  return checks.some(({ verdict }) => verdict === "holds") ? "holds" : "open";
}
