import { judgeApproval } from "../history/approval.ts";
import type { Defect, JudgedCall } from "../history/requirement.ts";
import type { Digest } from "../json/digest.ts";
import { both, type Verdict } from "./args.ts";
import type { CompiledAllowRule, CompiledRule } from "./compile.ts";
import { judgeTrust, trustFound, type Condition, type ConditionKind } from "./conditions.ts";
import { decide, type Decision } from "./decide.ts";
import { readInput, type Facts, type PolicyInput } from "./input.ts";
import { approvalOf, judgedCall, judgeNeeds, type GuardMemory } from "./judge.ts";
import type { Policy } from "./load.ts";
import { either } from "./wording.ts";

/** One condition of one rule: what it wants and what it found. */
export interface ExplainedCondition {
  readonly condition: "target" | "from" | "until" | ConditionKind;
  /** The argument path of `args` and `budget`, the step of `require` and `approval`. */
  readonly path?: string;
  /** Absent: it cannot be evaluated, which is not met in an allow rule and met in a deny rule. */
  readonly holds?: boolean;
  readonly wanted: string;
  readonly found: string;
  /** The entries that counted. */
  readonly entries?: readonly Digest[];
}

/** One rule over one call. */
export interface ExplainedRule {
  readonly rule: string;
  readonly list: "deny" | "allow";
  /** True if the rule takes effect: a deny rule refuses, an allow rule admits. */
  readonly met: boolean;
  readonly because?: string;
  readonly conditions: readonly ExplainedCondition[];
}

/** Why a call is decided as it is, and what would change that. */
export interface Explanation {
  readonly decision: Decision;
  /** Every rule about this kind of target, deny first, in file order. */
  readonly rules: readonly ExplainedRule[];
  /** The smallest change that would admit; absent if the call is admitted or no rule is near. */
  readonly change?: { readonly rule: string; readonly wanted: readonly string[] };
}

/**
 * Explains the decision on one call: every rule and condition, wanted and found. The decision is that of {@link decide},
 * judged by the same conditions. For the operator: a caller never sees thresholds, rules or roots.
 */
export function explainDecision(policy: Policy | undefined, input: PolicyInput, memory: GuardMemory = {}): Explanation {
  const decision = decide(policy, input, memory);
  const facts = policy && readSafely(input);
  if (!policy || !facts) return { decision, rules: [] };
  const call = judgedCall(facts, policy.digest, memory);
  const { compiled } = policy;
  const deny = compiled.deny[facts.kind].all.map((rule) => explainDeny(rule, facts));
  const allow = compiled.allow[facts.kind].all.map((rule) =>
    explainRule(rule, "allow", [...base(rule, facts), ...allowConditions(rule, facts, call, compiled.readonly)]),
  );
  const change = decision.effect === "allow" ? undefined : smallestChange(deny, allow);
  return { decision, rules: [...deny, ...allow], ...(change && { change }) };
}

function readSafely(input: PolicyInput): Facts | undefined {
  try {
    return readInput(input);
  } catch {
    return undefined;
  }
}

function explainDeny(rule: CompiledRule, facts: Facts): ExplainedRule {
  const when = rule.when ? [explain(rule.when, facts)] : [];
  return explainRule(rule, "deny", [
    ...base(rule, facts),
    ...rule.conditions.map((one) => explain(one, facts)),
    ...when,
  ]);
}

function explainRule(
  { name, because }: CompiledRule,
  list: "deny" | "allow",
  conditions: readonly ExplainedCondition[],
): ExplainedRule {
  const verdict = conditions.reduce<Verdict>((all, { holds }) => both(all, holds), true);
  const met = list === "deny" ? verdict !== false : verdict === true;
  return { rule: name, list, met, ...(because !== undefined && { because }), conditions };
}

/** Target, validity and caller. */
function base(rule: CompiledRule, facts: Facts): ExplainedCondition[] {
  const now = new Date(facts.now).toISOString();
  const conditions: ExplainedCondition[] = [
    condition("target", rule.target(facts.target), either(rule.patterns), facts.target),
  ];
  if (rule.from !== -Infinity) {
    conditions.push(condition("from", facts.now >= rule.from, new Date(rule.from).toISOString(), now));
  }
  if (rule.until !== Infinity) {
    conditions.push(condition("until", facts.now < rule.until, `before ${new Date(rule.until).toISOString()}`, now));
  }
  return [...conditions, ...rule.caller.map((one) => explain(one, facts))];
}

function allowConditions(
  rule: CompiledAllowRule,
  facts: Facts,
  call: JudgedCall,
  readonly: Policy["compiled"]["readonly"],
): ExplainedCondition[] {
  const conditions = rule.conditions.map((one) => explain(one, facts));
  const trust = rule.trust === undefined ? "holds" : judgeTrust(rule.trust, facts, readonly);
  if (rule.trust !== undefined) {
    const found = trustFound(rule.trust, facts);
    const standsIn = trust === "human" ? "; a person may stand in" : "";
    conditions.push(condition("trust", trust === "holds" || trust === "human", rule.trust.wanted, found + standsIn));
  }
  const needs = judgeNeeds(rule, facts, call, false);
  for (const [index, { requirement, wanted }] of rule.needs.entries()) {
    const verdict = needs.verdicts[index];
    if (verdict === undefined) continue;
    const entries = digests(facts, verdict.counting);
    const found = entriesFound(facts, verdict.counting, verdict.defects);
    conditions.push({ ...condition("require", verdict.met, wanted, found), path: requirement.step, entries });
  }
  if (rule.when !== undefined) conditions.push(explain(rule.when, facts));
  const approval = approvalOf(rule, trust);
  if (approval !== undefined) {
    const verdict = judgeApproval(approval.requirement, facts.evidence, call, needs.counted);
    const found = verdict.met
      ? entriesFound(facts, verdict.counting, [])
      : `${approvalFound[verdict.reason] ?? ""}${verdict.counting.length > 0 ? `, ${verdict.counting.length} given` : ""}`;
    conditions.push({
      ...condition("approval", verdict.met, approval.wanted, found),
      path: approval.requirement.step,
      entries: digests(facts, verdict.counting),
    });
  }
  return conditions;
}

const approvalFound: Readonly<Record<string, string>> = {
  ERR_APPROVAL_DENIED: "a denial that stands",
  ERR_APPROVAL_EXPIRED: "an approval that has expired or is too old",
  ERR_APPROVAL_INVALID: "an approval that does not count here",
  ERR_APPROVAL_REQUIRED: "none",
};

const defectTexts: Readonly<Record<Defect, string>> = {
  adverse: "that stands against it",
  policy: "given under another policy",
  lifetime: "without an end, or valid for too long",
  expired: "that has expired",
  age: "that is too old",
  spent: "that was used before",
  order: "that does not build on what must come before it",
  overridden: "that something later or parallel stands against",
};

function entriesFound(
  { evidence, now }: Facts,
  counting: readonly number[],
  defects: readonly { readonly place: number; readonly defect: Defect }[],
): string {
  const describe = (place: number): string => {
    const entry = evidence.entries[place];
    if (entry === undefined) return "";
    const age = Math.max(0, Math.floor(now / 1000 - entry.issuedAt));
    return `${entry.step}/${entry.result} by ${entry.agent}, ${age} s old`;
  };
  const found = [
    ...counting.map(describe),
    ...defects.map(({ place, defect }) => `${describe(place)}, ${defectTexts[defect]}`),
  ];
  return found.length === 0 ? "no such entry" : found.join("; ");
}

/** Of the rules about this target, the one that lacks least; a deny rule that is met must go as well. */
function smallestChange(deny: readonly ExplainedRule[], allow: readonly ExplainedRule[]): Explanation["change"] {
  const lacking = (rule: ExplainedRule): readonly ExplainedCondition[] =>
    rule.conditions.filter(({ holds }) => holds !== true);
  const near = allow.filter((rule) => lacking(rule).every(({ condition: kind }) => kind !== "target"));
  const [first] = near.toSorted((a, b) => lacking(a).length - lacking(b).length);
  if (!first) return undefined;
  const inTheWay = deny.filter(({ met }) => met).map(({ rule }) => `the deny rule ${rule} not met`);
  return { rule: first.rule, wanted: [...inTheWay, ...lacking(first).map(({ wanted }) => wanted)] };
}

function explain(one: Condition, facts: Facts): ExplainedCondition {
  const explained = condition(one.kind, one.holds(facts), one.wanted, one.found(facts));
  return one.path === undefined ? explained : { ...explained, path: one.path };
}

function condition(
  kind: ExplainedCondition["condition"],
  holds: Verdict,
  wanted: string,
  found: string,
): ExplainedCondition {
  return { condition: kind, ...(holds !== undefined && { holds }), wanted, found };
}

function digests({ evidence }: Facts, places: readonly number[]): readonly Digest[] {
  return places.flatMap((place) => evidence.entries[place]?.digest ?? []);
}
