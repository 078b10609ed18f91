import type { Did } from "@peerage/core";
import type { DecisionRecord, Verdict } from "@peerage/mcp-middleware";
import { ownName } from "../agents.ts";
import type { Context } from "../context.ts";
import { fingerprint } from "../ui/agent.ts";
import { logLine } from "../ui/log-line.ts";
import { span } from "../ui/time.ts";
import type { LiveRow } from "../ui/live-screen.ts";
import { visible } from "../ui/visible.ts";

/** How many calls were decided how, and since when: what the guard's footer tells. */
export class DecisionCount {
  readonly #since: number;
  readonly #told = { admitted: 0, refused: 0, waiting: 0 };

  constructor(now: Date) {
    this.#since = now.getTime();
  }

  add(verdict: Verdict): void {
    if (verdict.admitted) this.#told.admitted += 1;
    else if (verdict.reason === "ERR_APPROVAL_REQUIRED") this.#told.waiting += 1;
    else this.#told.refused += 1;
  }

  line(now: Date): string {
    const { admitted, refused, waiting } = this.#told;
    const time = span(Math.floor((now.getTime() - this.#since) / 1000));
    return [time, `${admitted} admitted`, `${refused} refused`, `${waiting} waiting`].join("   ");
  }
}

/** A listener that counts as well. */
export function counted(
  count: DecisionCount,
  listener: (record: DecisionRecord, verdict: Verdict) => void,
): (record: DecisionRecord, verdict: Verdict) => void {
  return (record, verdict) => {
    count.add(verdict);
    listener(record, verdict);
  };
}

/** Writes one line a decision for a person at a terminal. */
export function decisionPrinter(
  context: Context,
  say: (row: LiveRow) => void,
): (record: DecisionRecord, verdict: Verdict) => void {
  const names = new Map<Did, string>();
  return (record, verdict) => {
    // Names are looked up beside the decision, never before it: nothing here may hold a call up.
    void (async () => {
      const did = record.caller?.did ?? record.proof?.issuer;
      if (did && !names.has(did)) names.set(did, visible((await ownName(context, did)) ?? fingerprint(did), 18));
      const who = did === undefined ? "unsigned" : (names.get(did) ?? "");
      const what = visible(record.tool ?? record.method, 24);
      const waits = !verdict.admitted && verdict.reason === "ERR_APPROVAL_REQUIRED";
      const score = record.caller?.score;
      const why = verdict.admitted
        ? score === undefined
          ? ""
          : score === "unknown"
            ? "unknown"
            : score.toFixed(2)
        : `${verdict.reason}${verdict.detail === undefined ? "" : ` ${visible(verdict.detail, 60)}`}`;
      const time = record.at.toTimeString().slice(0, 8);
      say((err) => {
        const mark = verdict.admitted
          ? err.good(`${err.mark.ok} admit`)
          : waits
            ? err.warn(`${err.mark.wait} wait`)
            : verdict.isShadow === true
              ? err.warn(`${err.mark.warn} shadow`)
              : err.bad(`${err.mark.no} refuse`);
        return logLine(err, [err.dim(time), mark, who, what], [verdict.admitted ? err.dim(why) : err.bad(why)]);
      });
    })();
  };
}
