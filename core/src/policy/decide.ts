import type { ApprovalReason } from "../history/approval.ts";
import type { Digest } from "../json/digest.ts";
import type { CompiledAllowRule, CompiledPolicy } from "./compile.ts";
import { judgeTrust, type ConditionKind } from "./conditions.ts";
import type { BudgetObligation, LimitObligation } from "./counters.ts";
import { readInput, type Facts, type PolicyInput } from "./input.ts";
import { isInForce, isMet, judgeAllow, judgedCall, type GuardMemory, type RuleOutcome } from "./judge.ts";
import type { Policy } from "./load.ts";

/**
 * What a decision can fail by; `target`: no allow rule is about this target, caller and time; `also`: an adapter, asked
 * after {@link decide}, does not allow.
 */
export type FailedCondition = "policy" | "input" | "deny" | "target" | "also" | ConditionKind;

/** One condition that was not met, for the operator; a caller learns the kind of refusal only. */
export interface Failure {
  readonly condition: FailedCondition;
  /** The rule's id, or its place: `allow[0]`. */
  readonly rule?: string;
  /** The argument path of `args`, the step of `require`. */
  readonly path?: string;
}

/** What the guard must carry out with an admitted call; one that it cannot carry out is a refusal. */
export interface Obligations {
  readonly limits: readonly LimitObligation[];
  readonly budgets: readonly BudgetObligation[];
  /** Entries that this call uses up, in the transaction that records the decision. */
  readonly spend: readonly Digest[];
  /** Adapters that must allow as well. */
  readonly adapters: readonly string[];
  /** The decision is on disk before the call goes on. */
  readonly audit?: "durable";
}

/** The approval that a call lacks. */
export interface ApprovalAsk {
  /** Who may give it: DIDs, SPIFFE ID patterns, or `"*"`. */
  readonly approvers: readonly string[];
  /** True if the caller may approve its own request. */
  readonly self: boolean;
  /** So many different signers in all … */
  readonly count: number;
  /** … of which these approvals count already. */
  readonly given: readonly Digest[];
  /** How old an approval may be when the call is repeated. */
  readonly withinSeconds: number;
  /** How long to wait for an answer. */
  readonly timeoutSeconds: number;
  /** Entries that the approval must build on, by `prev` at any remove. */
  readonly after: readonly Digest[];
}

/** The answer to one call. `policy` is the digest of the policy that ruled, absent if there was none. */
export type Decision =
  | {
      readonly effect: "allow";
      readonly policy: Digest;
      readonly rule: string;
      readonly obligations: Obligations;
      /** The entries that counted. */
      readonly evidence: readonly Digest[];
    }
  | {
      readonly effect: "ask";
      readonly policy: Digest;
      readonly rule: string;
      /** What is there of an approval: nothing, one that expired, or one that does not count. */
      readonly reason: Exclude<ApprovalReason, "ERR_APPROVAL_DENIED">;
      readonly approval: ApprovalAsk;
    }
  | {
      readonly effect: "deny";
      readonly policy?: Digest;
      readonly reason: "ERR_POLICY_DENIED" | "ERR_TRUST_INSUFFICIENT" | "ERR_SPIFFE_REQUIRED" | "ERR_APPROVAL_DENIED";
      /** The rule that refused, if one did by itself. */
      readonly rule?: string;
      readonly because?: string;
      readonly failed: readonly Failure[];
    };

/**
 * Decides one call: deny by default, a met deny rule over every allow rule, else the first allow rule whose conditions
 * all hold, else the first that lacks nothing but an approval. Pure and total: it throws on no input, waits for nothing
 * and reads no clock.
 * @see docs/policy.md, P-EVAL
 */
export function decide(policy: Policy | undefined, input: PolicyInput, memory: GuardMemory = {}): Decision {
  if (policy === undefined) return refused(undefined, "ERR_POLICY_DENIED", [{ condition: "policy" }]);
  try {
    const facts = readInput(input);
    if (!facts) return refused(policy.digest, "ERR_POLICY_DENIED", [{ condition: "input" }]);
    return evaluate(policy, facts, memory);
  } catch {
    // Only what is not JSON gets here: a getter that throws, nesting without end, a policy that was not parsed.
    return refused(undefined, "ERR_POLICY_DENIED", [{ condition: "input" }]);
  }
}

/**
 * True unless no arguments, history or approval at all could let this caller use this target now; for filtering lists.
 * Arguments and history are not read, and a deny rule with `args` or `when` is taken as avoidable, so an item that could
 * be used is never hidden.
 */
export function couldAllow(policy: Policy | undefined, input: PolicyInput): boolean {
  if (policy === undefined) return false;
  try {
    const facts = readInput(input);
    if (!facts) return false;
    const { deny, allow, readonly } = policy.compiled;
    const isDenied = deny[facts.kind]
      .about(facts.target, true)
      .some(
        (rule) =>
          rule.conditions.length === 0 && rule.when === undefined && isInForce(rule, facts) && isMet(rule, facts),
      );
    return !isDenied && allow[facts.kind].about(facts.target, false).some((rule) => couldHold(rule, facts, readonly));
  } catch {
    return false;
  }
}

/** The scopes in which some rule asks for a score, sorted: what the guard computes before it decides. */
export function requiredScopes(policy: Policy): readonly string[] {
  return policy.compiled.scopes;
}

function evaluate({ compiled, digest }: Policy, facts: Facts, memory: GuardMemory): Decision {
  for (const rule of compiled.deny[facts.kind].about(facts.target, true)) {
    if (!isInForce(rule, facts) || !isMet(rule, facts)) continue;
    const { name, because } = rule;
    const failed: Failure[] = [{ condition: "deny", rule: name }];
    return { ...refused(digest, "ERR_POLICY_DENIED", failed), rule: name, ...(because !== undefined && { because }) };
  }
  const call = judgedCall(facts, digest, memory);
  const failed: Failure[] = [];
  const alone = new Set<ConditionKind>();
  let ask: Extract<Decision, { effect: "ask" }> | undefined;
  let isDenied = false;
  for (const rule of compiled.allow[facts.kind].about(facts.target, false)) {
    if (!isInForce(rule, facts) || !isCandidate(rule, facts)) continue;
    const outcome = judgeAllow(rule, facts, call, compiled.readonly);
    switch (outcome.kind) {
      case "holds":
        return allowed(rule, outcome, facts, compiled, digest);
      case "fails":
        if (outcome.alone) alone.add(outcome.by);
        failed.push(outcome.failure);
        break;
      case "unapproved": {
        const { reason } = outcome.verdict;
        if (reason === "ERR_APPROVAL_DENIED") isDenied = true;
        else ask ??= { effect: "ask", policy: digest, rule: rule.name, reason, approval: askFor(outcome, facts) };
        failed.push({ condition: "approval", rule: rule.name });
      }
    }
  }
  // A standing denial is of the request, whichever rule it was asked under.
  if (isDenied) return refused(digest, "ERR_APPROVAL_DENIED", failed);
  if (ask) return ask;
  if (failed.length === 0) failed.push({ condition: "target" });
  const reason = alone.has("trust")
    ? "ERR_TRUST_INSUFFICIENT"
    : alone.has("spiffe")
      ? "ERR_SPIFFE_REQUIRED"
      : "ERR_POLICY_DENIED";
  return refused(digest, reason, failed);
}

/** True if the rule is about this caller, or would be if the caller showed a SPIFFE ID. */
function isCandidate(rule: CompiledAllowRule, facts: Facts): boolean {
  for (const { kind, holds } of rule.caller) if (kind !== "spiffe" && holds(facts) !== true) return false;
  return true;
}

function couldHold(rule: CompiledAllowRule, facts: Facts, readonly: CompiledPolicy["readonly"]): boolean {
  if (!isInForce(rule, facts) || !rule.caller.every(({ holds }) => holds(facts) === true)) return false;
  if (!rule.conditions.every(({ kind, holds }) => kind !== "binding" || holds(facts) === true)) return false;
  const trust = rule.trust === undefined ? "holds" : judgeTrust(rule.trust, facts, readonly);
  return trust === "holds" || (trust === "human" && rule.standIn !== undefined);
}

function allowed(
  rule: CompiledAllowRule,
  outcome: Extract<RuleOutcome, { kind: "holds" }>,
  facts: Facts,
  { adapters }: CompiledPolicy,
  policy: Digest,
): Decision {
  const budgets = rule.budgets.map(({ counter, perSeconds, of, max, amount }) => {
    const reserved = amount(facts);
    if (reserved === undefined) throw new TypeError("a budget without an amount was admitted");
    return { counter, perSeconds, of, max, amount: reserved };
  });
  const isDurable = rule.durable || outcome.approved;
  return {
    effect: "allow",
    policy,
    rule: rule.name,
    obligations: {
      limits: rule.limits,
      budgets,
      spend: digestsOf(facts, outcome.spending),
      adapters,
      ...(isDurable && { audit: "durable" }),
    },
    evidence: digestsOf(facts, outcome.counting),
  };
}

function askFor({ approval, verdict, after }: Extract<RuleOutcome, { kind: "unapproved" }>, facts: Facts): ApprovalAsk {
  const { self, count, withinSeconds } = approval.requirement;
  return {
    approvers: approval.approvers,
    self,
    count,
    given: digestsOf(facts, verdict.counting),
    withinSeconds,
    timeoutSeconds: approval.timeoutSeconds,
    after: digestsOf(facts, after),
  };
}

function digestsOf({ evidence }: Facts, places: readonly number[]): readonly Digest[] {
  return [...new Set(places.flatMap((place) => evidence.entries[place]?.digest ?? []))];
}

function refused(
  policy: Digest | undefined,
  reason: Extract<Decision, { effect: "deny" }>["reason"],
  failed: readonly Failure[],
): Extract<Decision, { effect: "deny" }> {
  return { effect: "deny", ...(policy !== undefined && { policy }), reason, failed };
}
