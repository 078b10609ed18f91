import type { Digest } from "../json/digest.ts";
import { both, type Verdict } from "./args.ts";
import type { CompiledAllowRule, CompiledPolicy, CompiledRule, CompiledTrust, Obligations } from "./compile.ts";
import { readInput, type Facts, type PolicyInput } from "./input.ts";
import type { Policy } from "./load.ts";

/** What a decision can fail by; `target`: no allow rule is about this target, caller and time. */
export type Condition = "policy" | "input" | "deny" | "target" | "binding" | "trust" | "args" | "closed";

/** One condition that was not met, for the operator; a caller learns the kind of refusal only. */
export interface Failure {
  readonly condition: Condition;
  /** The rule's id, or its place: `allow[0]`. */
  readonly rule?: string;
  /** The argument path, for `args`. */
  readonly path?: string;
}

/** The answer to one call. `policy` is the digest of the policy that ruled, absent if there was none. */
export type Decision =
  | { readonly effect: "allow"; readonly policy: Digest; readonly rule: string; readonly obligations: Obligations }
  | {
      readonly effect: "deny";
      readonly policy?: Digest;
      readonly reason: "ERR_POLICY_DENIED" | "ERR_TRUST_INSUFFICIENT";
      /** The rule that refused, if one did by itself. */
      readonly rule?: string;
      readonly because?: string;
      readonly failed: readonly Failure[];
    };

/**
 * Decides one call: deny by default, a met deny rule over every allow rule, else the first allow rule whose conditions
 * all hold. Pure and total: it throws on no input, waits for nothing and reads no clock.
 * @see docs/policy.md, P-EVAL
 */
export function decide(policy: Policy | undefined, input: PolicyInput): Decision {
  if (policy === undefined) return refused(undefined, "ERR_POLICY_DENIED", [{ condition: "policy" }]);
  try {
    const facts = readInput(input);
    if (!facts) return refused(policy.digest, "ERR_POLICY_DENIED", [{ condition: "input" }]);
    return evaluate(policy.compiled, policy.digest, facts);
  } catch {
    // Only what is not JSON gets here: a getter that throws, nesting without end, a policy that was not parsed.
    return refused(undefined, "ERR_POLICY_DENIED", [{ condition: "input" }]);
  }
}

/**
 * True unless no arguments at all could let this caller use this target now; for filtering lists. `input.args` is not
 * read, and a deny rule with `args` is taken as avoidable, so an item that could be used is never hidden.
 */
export function couldAllow(policy: Policy | undefined, input: PolicyInput): boolean {
  if (policy === undefined) return false;
  try {
    const facts = readInput(input);
    if (!facts) return false;
    const { deny, allow, readonly } = policy.compiled;
    return (
      !deny[facts.kind].some((rule) => rule.args === undefined && applies(rule, facts) !== false) &&
      allow[facts.kind].some(
        (rule) => applies(rule, facts) === true && isBound(facts) && isTrusted(rule.trust, facts, readonly),
      )
    );
  } catch {
    return false;
  }
}

/** The scopes in which some rule asks for a score, sorted: what the guard computes before it decides. */
export function requiredScopes(policy: Policy): readonly string[] {
  return policy.compiled.scopes;
}

function evaluate(policy: CompiledPolicy, digest: Digest, facts: Facts): Decision {
  for (const rule of policy.deny[facts.kind]) {
    if (both(applies(rule, facts), argsHold(rule, facts)) === false) continue;
    const { name, because } = rule;
    const failed: Failure[] = [{ condition: "deny", rule: name }];
    return { ...refused(digest, "ERR_POLICY_DENIED", failed), rule: name, ...(because !== undefined && { because }) };
  }
  const failed: Failure[] = [];
  let byTrustAlone = false;
  for (const rule of policy.allow[facts.kind]) {
    if (applies(rule, facts) !== true) continue;
    const failures = failuresOf(rule, facts, policy);
    if (failures.length === 0)
      return { effect: "allow", policy: digest, rule: rule.name, obligations: rule.obligations };
    byTrustAlone ||= failures.length === 1 && failures[0]?.condition === "trust";
    failed.push(...failures);
  }
  if (failed.length === 0) failed.push({ condition: "target" });
  return refused(digest, byTrustAlone ? "ERR_TRUST_INSUFFICIENT" : "ERR_POLICY_DENIED", failed);
}

function refused(
  policy: Digest | undefined,
  reason: "ERR_POLICY_DENIED" | "ERR_TRUST_INSUFFICIENT",
  failed: readonly Failure[],
): Extract<Decision, { effect: "deny" }> {
  return { effect: "deny", ...(policy !== undefined && { policy }), reason, failed };
}

/** Target, agents and validity: what makes an allow rule a candidate. */
function applies(rule: CompiledRule, facts: Facts): Verdict {
  if (facts.now < rule.from || facts.now >= rule.until) return false;
  const target = rule.target(facts.target);
  return target === false ? false : both(target, isNamed(rule, facts));
}

function isNamed({ agents }: CompiledRule, { caller }: Facts): Verdict {
  if (agents === undefined) return true;
  if (caller === undefined) return undefined;
  return agents.any || agents.dids.has(caller.did);
}

function argsHold({ args }: CompiledRule, facts: Facts): Verdict {
  let verdict: Verdict = true;
  for (const { test } of args?.tests ?? []) verdict = both(verdict, test(facts.args));
  return verdict;
}

function failuresOf(rule: CompiledAllowRule, facts: Facts, policy: CompiledPolicy): Failure[] {
  const failures: Failure[] = [];
  if (!isBound(facts)) failures.push({ condition: "binding", rule: rule.name });
  if (!isTrusted(rule.trust, facts, policy.readonly)) failures.push({ condition: "trust", rule: rule.name });
  for (const { path, test } of rule.args?.tests ?? []) {
    if (test(facts.args) !== true) failures.push({ condition: "args", rule: rule.name, path });
  }
  if (rule.closed && !namesAll(rule, facts)) failures.push({ condition: "closed", rule: rule.name });
  return failures;
}

/** Every rule asks for the level `message`, the strongest; weaker ones are for later versions. */
function isBound({ caller }: Facts): boolean {
  return caller?.binding === "message";
}

function isTrusted(trust: CompiledTrust | undefined, facts: Facts, readonly: CompiledPolicy["readonly"]): boolean {
  if (trust === undefined) return true;
  const score = Object.hasOwn(facts.trust, trust.scope) ? facts.trust[trust.scope] : undefined;
  const fresh = facts.trustAgeSeconds !== undefined && facts.trustAgeSeconds < trust.maxAgeSeconds;
  if (typeof score === "number" && fresh) return score >= trust.min;
  return trust.unknown === "allow-readonly" && readonly(facts.target) === true;
}

function namesAll({ args }: CompiledAllowRule, facts: Facts): boolean {
  if (args !== undefined) return args.allNamed(facts.args);
  return typeof facts.args === "object" && facts.args !== null && Object.keys(facts.args).length === 0;
}
