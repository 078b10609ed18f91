import {
  type CallProof,
  couldAllow,
  counterKey,
  decide,
  type Did,
  member,
  PeerageError,
  type Policy,
  type PolicyInput,
  requiredScopes,
} from "@peerage/core";
import type { Limit } from "./rates.ts";
import type { Subject } from "./subject.ts";
import type { TrustSource } from "./trust.ts";

export interface PolicyFacts {
  /** The guard's own DID. */
  readonly server: Did;
  readonly subject: Subject;
  readonly proof: CallProof;
  readonly trust: TrustSource | undefined;
  readonly now: Date;
}

/** The scope in which a caller's score is shown to handlers and in decision records. */
export function defaultScope(policy: Policy | undefined): string {
  return policy?.document.defaults?.scope ?? "tools";
}

/** The facts of one call as the policy language knows them, every one verified by this guard. */
export function policyInput(policy: Policy, facts: PolicyFacts): PolicyInput {
  const { server, subject, proof, trust, now } = facts;
  const { method } = subject;
  const target = subject.target ?? method;
  const scores: Record<string, number> = {};
  for (const scope of trust ? requiredScopes(policy) : []) {
    const score = trust?.score(proof.issuer, scope);
    // A stranger has no member: unknown is not a number.
    if (typeof score === "number") scores[scope] = score;
  }
  return {
    v: 1,
    now: now.toISOString(),
    method,
    target,
    ...(method === "tools/call" ? { tool: target } : {}),
    server,
    caller: { did: proof.issuer, binding: "message", scheme: "peerage" },
    args: member(subject.params, "arguments") ?? {},
    req: proof.req,
    trust: scores,
    ...(trust ? { trust_age_seconds: Math.max(0, trust.ageSeconds()) } : {}),
  };
}

/**
 * Asks the policy.
 * @returns the rule that allows, and the limits that this call counts against
 * @throws {PeerageError} ERR_POLICY_DENIED, ERR_TRUST_INSUFFICIENT, ERR_SPIFFE_REQUIRED, ERR_APPROVAL_…, ERR_AUDIT_UNAVAILABLE
 */
export function askPolicy(
  policy: Policy,
  input: PolicyInput,
): { readonly rule: string; readonly limits: readonly Limit[] } {
  const decision = decide(policy, input);
  if (decision.effect === "deny") {
    const failed = decision.failed.map(({ rule, condition, path }) =>
      [rule, condition, path].filter(Boolean).join(" "),
    );
    throw new PeerageError(decision.reason, "the policy does not allow this", { detail: failed.join(", ") });
  }
  if (decision.effect === "ask") throw new PeerageError(decision.reason, "a person must approve this call");
  const { audit, limits, budgets, spend, adapters } = decision.obligations;
  // An obligation that cannot be carried out is a refusal: there is no audit log yet that could be flushed.
  if (audit || budgets.length > 0 || spend.length > 0 || adapters.length > 0)
    throw new PeerageError("ERR_AUDIT_UNAVAILABLE", "the rule asks for a durable audit", { detail: "no-audit" });
  return { rule: decision.rule, limits: limits.map((limit) => ({ ...limit, key: counterKey(limit, input) })) };
}

/** True if some arguments could let the caller of `input` use a listed item. */
export function couldUse(policy: Policy, input: PolicyInput, method: string, target: string): boolean {
  const { tool: _, ...rest } = input;
  return couldAllow(policy, { ...rest, method, target, ...(method === "tools/call" ? { tool: target } : {}) });
}
