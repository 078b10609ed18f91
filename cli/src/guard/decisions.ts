import type { Did } from "@peerage/core";
import type { DecisionRecord, Verdict } from "@peerage/mcp-middleware";
import { ownName } from "../agents.ts";
import type { Context } from "../context.ts";
import { fingerprint } from "../ui/agent.ts";
import { visible } from "../ui/visible.ts";

/** Writes one line a decision for a person at a terminal. */
export function decisionPrinter(
  context: Context,
  say: (line: string) => void,
): (record: DecisionRecord, verdict: Verdict) => void {
  const { err } = context;
  const names = new Map<Did, string>();
  return (record, verdict) => {
    // Names are looked up beside the decision, never before it: nothing here may hold a call up.
    void (async () => {
      const did = record.caller?.did ?? record.proof?.issuer;
      if (did && !names.has(did)) names.set(did, visible((await ownName(context, did)) ?? fingerprint(did), 18));
      const who = did === undefined ? "unsigned" : (names.get(did) ?? "");
      const what = visible(record.tool ?? record.method, 24);
      const waits = !verdict.admitted && verdict.reason === "ERR_APPROVAL_REQUIRED";
      const mark = verdict.admitted
        ? err.good(`${err.mark.ok} admit `)
        : waits
          ? err.warn(`${err.mark.wait} wait  `)
          : err.bad(`${err.mark.no} refuse`);
      const score = record.caller?.score;
      const why = verdict.admitted
        ? score === undefined
          ? ""
          : score === "unknown"
            ? "unknown"
            : score.toFixed(2)
        : `${verdict.reason}${verdict.detail === undefined ? "" : ` ${visible(verdict.detail, 60)}`}`;
      const time = record.at.toTimeString().slice(0, 8);
      say(
        `  ${err.dim(time)}  ${mark}  ${err.pad(who, 18)}  ${err.pad(what, 24)}  ${verdict.admitted ? err.dim(why) : err.bad(why)}`.trimEnd(),
      );
    })();
  };
}
