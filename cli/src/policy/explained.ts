import type { Decision, ExplainedCondition, ExplainedRule, explainDecision } from "@peerage/core";
import type { Terminal } from "../ui/terminal.ts";
import { visible } from "../ui/visible.ts";

/** Why a call is decided as it is. */
export type PolicyExplanation = ReturnType<typeof explainDecision>;

/** A decision in one line: `denied  ERR_POLICY_DENIED`. */
export function decisionLine(ui: Terminal, decision: Decision): string {
  const rule = decision.rule === undefined ? "" : `  ${visible(decision.rule)}`;
  if (decision.effect === "allow") return `  ${ui.good(ui.mark.ok)}  allowed by${rule}`;
  const mark = decision.effect === "ask" ? ui.warn(ui.mark.wait) : ui.bad(ui.mark.no);
  return `  ${mark}  ${decision.effect === "ask" ? "a person is asked" : "denied"}  ${decision.reason}${rule}`;
}

/** Every rule about the target of a call, each condition with what it wants and what it found. */
export function explainedLines(ui: Terminal, { rules, change }: PolicyExplanation): string[] {
  const lines = rules.flatMap((rule) => ["", ruleLine(ui, rule), ...conditionLines(ui, rule.conditions)]);
  if (rules.length === 0) lines.push("", "  no rule is about this kind of target");
  if (change === undefined) return lines;
  const wanted = change.wanted.map((text) => visible(text, 300));
  return [...lines, "", ...ui.table([["to admit it", `${visible(change.rule)} wants ${wanted.join("; and ")}`]])];
}

/** The conditions that are not met, of the rules that are about the target. */
export function failedLines(ui: Terminal, { rules }: PolicyExplanation): string[] {
  return rules.flatMap((rule) => {
    const target = rule.conditions.find(({ condition }) => condition === "target");
    const failed = rule.conditions.filter(({ holds }) => (rule.list === "deny") === (holds !== false));
    if (target?.holds !== true || (rule.list === "deny" && !rule.met)) return [];
    return failed.length === 0 ? [] : [ruleLine(ui, rule), ...conditionLines(ui, failed)];
  });
}

function ruleLine(ui: Terminal, { list, rule, met, because }: ExplainedRule): string {
  const word =
    list === "deny" ? (met ? ui.bad("refuses") : "does not refuse") : met ? ui.good("admits") : "does not admit";
  return `  ${list} ${ui.bold(visible(rule))} ${word}${because === undefined ? "" : `: ${visible(because, 200)}`}`;
}

function conditionLines(ui: Terminal, conditions: readonly ExplainedCondition[]): string[] {
  return ui.table(
    conditions.map(({ condition, path, holds, wanted, found }) => {
      const mark = holds === undefined ? ui.warn("?") : holds ? ui.good(ui.mark.ok) : ui.bad(ui.mark.no);
      const what = path === undefined || condition === "args" ? condition : `${condition} ${visible(path)}`;
      const told = holds === undefined ? `${found}, which cannot be compared` : found;
      return [mark, what, `${visible(wanted, 300)} ${ui.dim(ui.mark.arrow)} ${visible(told, 300)}`];
    }),
    4,
  );
}
