import { judgeApproval, type ApprovalVerdict } from "../history/approval.ts";
import { judgeRequirement, type JudgedCall, type RequirementVerdict } from "../history/requirement.ts";
import type { Digest } from "../json/digest.ts";
import { both, type Verdict } from "./args.ts";
import { ruleFails, type CompiledAllowRule, type CompiledRule, type RuleFails } from "./compile.ts";
import { judgeTrust, type ConditionKind, type TrustVerdict } from "./conditions.ts";
import type { Matcher } from "./glob.ts";
import type { Facts } from "./input.ts";
import type { CompiledApproval } from "./needs.ts";

/** What a guard remembers that no document carries. */
export interface GuardMemory {
  /**
   * True for the digest of an entry that was used up. A guard that cannot say admits nothing that counts once: without
   * this predicate every approval is taken as spent.
   */
  readonly spent?: (digest: Digest) => boolean;
}

/** The part of the facts that entries are judged against. */
export function judgedCall(facts: Facts, policy: Digest, memory: GuardMemory): JudgedCall {
  const { now, caller, server, req, tool } = facts;
  const spent = memory.spent as JudgedCall["spent"];
  return { now: now / 1000, caller: caller?.did, guard: server, req, tool, policy, spent };
}

export function isInForce({ from, until }: CompiledRule, { now }: Facts): boolean {
  return now >= from && now < until;
}

/** True if a deny rule refuses: no condition of it is known not to hold. */
export function isMet(rule: CompiledRule, facts: Facts): boolean {
  let verdict: Verdict = true;
  for (const condition of rule.caller) verdict = both(verdict, condition.holds(facts));
  for (const condition of rule.conditions) verdict = both(verdict, condition.holds(facts));
  if (verdict !== false && rule.when !== undefined) verdict = both(verdict, rule.when.holds(facts));
  return verdict !== false;
}

/** The verdicts on a rule's needs, in their order, and what counted, by step. */
export interface NeedsVerdict {
  readonly verdicts: readonly RequirementVerdict[];
  readonly counted: ReadonlyMap<string, readonly (readonly number[])[]>;
}

/** Judges what a rule requires, in order; with `stop` no further than the first that is not met. */
export function judgeNeeds({ needs }: CompiledAllowRule, facts: Facts, call: JudgedCall, stop: boolean): NeedsVerdict {
  const counted = new Map<string, (readonly number[])[]>();
  const verdicts: RequirementVerdict[] = [];
  for (const { requirement } of needs) {
    const verdict = judgeRequirement(requirement, facts.evidence, call, counted);
    const group = verdict.met ? verdict.counting : [];
    const known = counted.get(requirement.step);
    if (known) known.push(group);
    else counted.set(requirement.step, [group]);
    verdicts.push(verdict);
    if (stop && !verdict.met) break;
  }
  return { verdicts, counted };
}

/** The approval that a rule asks for, given what its trust came to. */
export function approvalOf(rule: CompiledAllowRule, trust: TrustVerdict): CompiledApproval | undefined {
  return trust === "human" ? rule.standIn : rule.approval;
}

/** What came of one allow rule whose target, agents and validity match. */
export type RuleOutcome =
  | {
      readonly kind: "holds";
      /** The places of the entries that counted. */
      readonly counting: readonly number[];
      /** Those that are used up by it. */
      readonly spending: readonly number[];
      readonly approved: boolean;
    }
  | RuleFails
  | {
      readonly kind: "unapproved";
      readonly approval: CompiledApproval;
      readonly verdict: Extract<ApprovalVerdict, { met: false }>;
      /** Places that a new approval must build on. */
      readonly after: readonly number[];
    };

/**
 * Judges an allow rule that is a candidate, cheapest condition first. What more trust, a SPIFFE ID or an approval could cure is noted and
 * the rest judged, so that it can be said whether it failed by that alone; any other failure ends it.
 */
export function judgeAllow(rule: CompiledAllowRule, facts: Facts, call: JudgedCall, readonly: Matcher): RuleOutcome {
  let lacking = 0;
  let lacksCaller: ConditionKind | undefined;
  for (const { holds, kind } of rule.caller) {
    // Of a candidate the other conditions on the caller hold.
    if (kind !== "spiffe" || holds(facts) === true) continue;
    lacksCaller = kind;
    lacking++;
  }
  for (const { holds, fails } of rule.checks) if (holds(facts) !== true) return fails;
  const trust = rule.trust === undefined ? "holds" : judgeTrust(rule.trust, facts, readonly);
  const approval = approvalOf(rule, trust);
  if (trust === "low" || trust === "unknown" || (trust === "human" && approval === undefined)) lacking++;
  const needs = rule.needs.length === 0 ? noNeeds : judgeNeeds(rule, facts, call, true);
  const unmet = needs.verdicts.findIndex(({ met }) => !met);
  if (unmet !== -1) return ruleFails(rule.name, "require", rule.needs[unmet]?.requirement.step ?? "");
  if (rule.when !== undefined && rule.when.holds(facts) !== true) return ruleFails(rule.name, "when", undefined);
  if (lacking > 0) {
    return lacksCaller === undefined ? rule.lacksTrust : ruleFails(rule.name, lacksCaller, undefined, lacking === 1);
  }
  const verdict = approval && judgeApproval(approval.requirement, facts.evidence, call, needs.counted);
  if (approval && verdict?.met === false) {
    const before = approval.requirement.after
      .flatMap((step) => needs.counted.get(step) ?? [])
      .map((group) => group.at(-1));
    const after = [...before.filter((place) => place !== undefined), ...verdict.adverse];
    return { kind: "unapproved", approval, verdict, after };
  }
  const counting = needs.verdicts.flatMap((one) => one.counting);
  const spending = needs.verdicts.flatMap((one, at) => (rule.needs[at]?.requirement.once ? one.counting : []));
  const approvals = verdict?.counting ?? [];
  return {
    kind: "holds",
    counting: [...counting, ...approvals],
    spending: [...spending, ...approvals],
    approved: approval !== undefined,
  };
}

const noNeeds: NeedsVerdict = { verdicts: [], counted: new Map() };
