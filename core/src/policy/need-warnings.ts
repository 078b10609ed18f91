import { APPROVAL_STEP } from "../history/approval.ts";
import { listOf, type OneOrMore, type PolicyDocument, type Principal } from "./document.ts";
import { wordsOf } from "./principals.ts";
import type { PolicyProblem } from "./problem.ts";

/** What `require` and `approval` of an allow rule say but probably do not mean. */
export function needWarnings(document: PolicyDocument, index: number): PolicyProblem[] {
  const rule = document.allow[index];
  const path = ["allow", index];
  const warnings: PolicyProblem[] = [];
  const checkSigners = (
    by: OneOrMore<Principal>,
    count: number | undefined,
    at: readonly (string | number)[],
  ): void => {
    const words = by === "$caller" ? ["$caller"] : wordsOf(by, document.groups);
    if (words.includes("*")) {
      warnings.push({
        path: [...at, "by"],
        message: "anyone who makes a key can sign this, the caller's friends among them",
      });
    } else if ((count ?? 1) > new Set(words).size && words.length > 0 && !words.some(isPattern)) {
      warnings.push({
        path: [...at, "count"],
        message: `only ${new Set(words).size} could sign, so this is never met`,
      });
    }
  };
  for (const [place, need] of (rule?.require ?? []).entries()) {
    const at = [...path, "require", place];
    checkSigners(need.by, need.count, at);
    if (need.step === APPROVAL_STEP) {
      const message = "`approval` asks for it, and is bound to the request, counted once and not given by the caller";
      warnings.push({ path: [...at, "step"], message });
    }
    if (need.at === "start" && listOf<string>(need.after).length > 0) {
      warnings.push({ path: [...at, "after"], message: "the entry that begins a run builds on nothing: never met" });
    }
  }
  if (rule?.approval) checkSigners(rule.approval.by, rule.approval.count, [...path, "approval"]);
  if (rule?.custody !== undefined && rule.require === undefined && rule.approval?.after === undefined) {
    const message = "has no effect without `require` or `approval.after`: the rule asks for no history";
    warnings.push({ path: [...path, "custody"], message });
  }
  return warnings;
}

/** Words that stand for any number of signers. */
function isPattern(word: string): boolean {
  return word.startsWith("spiffe:") || word === "@me" || word === "@roots";
}
