import {
  listOf,
  nameOf,
  standInOf,
  targetKinds,
  targetOf,
  type AllowRule,
  type DenyRule,
  type PolicyDocument,
  type TargetKind,
} from "./document.ts";
import {
  argsConditions,
  bindingCondition,
  budgetConditions,
  callerConditions,
  closedCondition,
  compileTrust,
  custodyCondition,
  signersCondition,
  whenCondition,
  type CompiledTrust,
  type Condition,
  type ConditionKind,
  type When,
} from "./conditions.ts";
import { compileBudgets, compileLimits, type CompiledBudget, type LimitObligation } from "./counters.ts";
import { anyMatcher, nameGlob, pathGlob, type Matcher } from "./glob.ts";
import { compileApproval, compileNeeds, type CompiledApproval, type CompiledNeed } from "./needs.ts";
import { RuleIndex, type Targeted } from "./rule-index.ts";
import { parseTime } from "./time.ts";

/** A rule of either kind, compiled. */
export interface CompiledRule extends Targeted {
  /** Its id, or its place: `allow[0]`. */
  readonly name: string;
  /** Unix milliseconds; in force from `from` on and before `until`. */
  readonly from: number;
  readonly until: number;
  readonly because: string | undefined;
  /** `agents` and `spiffe`. */
  readonly caller: readonly Condition[];
  /** What else must hold, cheapest first; `when`, which costs most, is apart. */
  readonly conditions: readonly Condition[];
  readonly when: Condition | undefined;
}

/** That an allow rule does not hold, and by what. Made once a rule, since a call may be tried on many. */
export interface RuleFails {
  readonly kind: "fails";
  readonly by: ConditionKind;
  readonly path?: string;
  /** True if nothing else was wanting. */
  readonly alone: boolean;
  /** As the decision says it. */
  readonly failure: { readonly condition: ConditionKind; readonly rule: string; readonly path?: string };
}

/** A condition and what is said if it does not hold. */
export interface Check {
  readonly holds: Condition["holds"];
  readonly fails: RuleFails;
}

/** An allow rule, compiled. */
export interface CompiledAllowRule extends CompiledRule {
  /** `conditions`, each with what is said if it fails. */
  readonly checks: readonly Check[];
  readonly lacksTrust: RuleFails;
  readonly trust: CompiledTrust | undefined;
  readonly needs: readonly CompiledNeed[];
  readonly approval: CompiledApproval | undefined;
  /** The approval that stands in for trust. */
  readonly standIn: CompiledApproval | undefined;
  readonly limits: readonly LimitObligation[];
  readonly budgets: readonly CompiledBudget[];
  /** True if the decision must be on disk before the call goes on, even where no approval was used. */
  readonly durable: boolean;
}

/** A policy ready to decide: rules by what they are about, in file order. */
export interface CompiledPolicy {
  readonly deny: Readonly<Record<TargetKind, RuleIndex<CompiledRule>>>;
  readonly allow: Readonly<Record<TargetKind, RuleIndex<CompiledAllowRule>>>;
  readonly readonly: Matcher;
  /** The scopes that some rule asks a score for, sorted. */
  readonly scopes: readonly string[];
  /** The adapters that must allow as well. */
  readonly adapters: readonly string[];
}

/** Compiles a resolved document that has passed the schema and the load checks; `whens` holds its expressions. */
export function compile(document: PolicyDocument, whens: ReadonlyMap<string, When>): CompiledPolicy {
  const deny = (document.deny ?? []).map((rule, index) =>
    compileRule(rule, "deny", nameOf(rule, "deny", index), document, whens),
  );
  const allow = document.allow.map((rule, index) =>
    compileAllowRule(rule, nameOf(rule, "allow", index), document, whens),
  );
  return {
    deny: byKind(deny),
    allow: byKind(allow),
    readonly: anyMatcher(listOf<string>(document.readonly).map(nameGlob)),
    scopes: [...new Set(allow.flatMap((rule) => rule.trust?.scope ?? []))].sort(),
    adapters: document.also ?? [],
  };
}

function byKind<T extends Targeted>(rules: readonly T[]): Record<TargetKind, RuleIndex<T>> {
  const entries = targetKinds.map((kind) => [kind, new RuleIndex(rules.filter((rule) => rule.kind === kind))]);
  return Object.fromEntries(entries) as Record<TargetKind, RuleIndex<T>>;
}

function compileRule(
  rule: DenyRule | AllowRule,
  list: "deny" | "allow",
  name: string,
  document: PolicyDocument,
  whens: ReadonlyMap<string, When>,
): CompiledRule {
  const { kind, patterns } = targetOf(rule);
  const when = rule.when === undefined ? undefined : whens.get(rule.when);
  if (rule.when !== undefined && when === undefined) throw new TypeError("an expression was not compiled");
  return {
    name,
    kind,
    patterns,
    target: anyMatcher(patterns.map(kind === "resources" ? pathGlob : nameGlob)),
    from: (rule.from === undefined ? undefined : parseTime(rule.from)) ?? -Infinity,
    until: (rule.until === undefined ? undefined : parseTime(rule.until)) ?? Infinity,
    because: rule.because,
    caller: callerConditions(rule, list, document),
    conditions: argsConditions(rule).conditions,
    when: rule.when === undefined || when === undefined ? undefined : whenCondition(rule.when, when),
  };
}

function compileAllowRule(
  rule: AllowRule,
  name: string,
  document: PolicyDocument,
  whens: ReadonlyMap<string, When>,
): CompiledAllowRule {
  const base = compileRule(rule, "allow", name, document, whens);
  const budgets = compileBudgets(rule, name);
  const approval = rule.approval && compileApproval(rule.approval, document);
  const standIn = standInOf(rule, document.defaults);
  const conditions = allowConditions(rule, base, budgets, document);
  return {
    ...base,
    conditions,
    checks: conditions.map(({ holds, kind, path }) => ({ holds, fails: ruleFails(name, kind, path) })),
    lacksTrust: ruleFails(name, "trust", undefined, true),
    trust: compileTrust(rule, document.defaults),
    needs: compileNeeds(rule.require ?? [], document),
    approval,
    standIn: standIn && compileApproval(standIn, document),
    limits: compileLimits(rule, name),
    budgets,
    durable: rule.audit === "durable" || rule.require !== undefined,
  };
}

/** What a rule says of a call that it does not admit. */
export function ruleFails(rule: string, by: ConditionKind, path: string | undefined, alone = false): RuleFails {
  const at = path === undefined ? {} : { path };
  return Object.freeze({ kind: "fails", by, ...at, alone, failure: Object.freeze({ condition: by, rule, ...at }) });
}

function allowConditions(
  rule: AllowRule,
  base: CompiledRule,
  budgets: readonly CompiledBudget[],
  document: PolicyDocument,
): Condition[] {
  const asksHistory = rule.require !== undefined || rule.approval?.after !== undefined;
  return [
    bindingCondition(rule.binding ?? "message"),
    ...base.conditions,
    ...(rule.closed === true ? [closedCondition(argsConditions(rule).compiled)] : []),
    ...budgetConditions(budgets),
    ...(asksHistory && rule.custody !== "any" ? [custodyCondition] : []),
    ...signersCondition(rule, document),
  ];
}
