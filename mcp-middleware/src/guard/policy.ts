import {
  type CallerDocument,
  counterKey,
  couldAllow,
  type Decision,
  decide,
  describeHistory,
  type Did,
  type Digest,
  type Entry,
  type GuardMemory,
  type History,
  type JsonObject,
  member,
  type Obligations,
  PeerageError,
  type Policy,
  type PolicyInput,
  requiredScopes,
  type SpiffeFacts,
  type SpiffeId,
  type Verified,
} from "@peerage/core";
import type { Reservation } from "../audit/counters.ts";
import type { Limit } from "./rates.ts";
import type { Subject } from "./subject.ts";
import type { TrustSource, VouchedTrust } from "./trust.ts";

export interface PolicyFacts {
  /** The guard's own DID. */
  readonly server: Did;
  readonly subject: Subject;
  readonly caller: Did;
  /** How firmly the caller is tied to the call, and by what. */
  readonly proven: Pick<CallerDocument, "binding" | "scheme">;
  readonly req: Digest;
  readonly trust: TrustSource | undefined;
  readonly now: Date;
  readonly history: Verified<History> | undefined;
  /** What the guard holds itself; see {@link describeHistory}. */
  readonly held: readonly Verified<Entry>[];
  /** What step 5 came to, if this guard has one. */
  readonly spiffe?: SpiffeFacts | undefined;
  /** What is known with vouches that came with the call: it is `trust` then. */
  readonly vouched?: VouchedTrust | undefined;
  /** The SPIFFE ID that this guard kept of an entry's signer. */
  readonly seenAs?: ((entry: Entry) => SpiffeId | undefined) | undefined;
}

/** The scope in which a caller's score is shown to handlers and in decision records. */
export function defaultScope(policy: Policy | undefined): string {
  return policy?.document.defaults?.scope ?? "tools";
}

/** The facts of one call as the policy language knows them, every one verified by this guard. */
export function policyInput(policy: Policy, facts: PolicyFacts): PolicyInput {
  const { server, subject, caller, req, trust, now, history, held, spiffe, vouched, seenAs } = facts;
  const { method } = subject;
  const target = subject.target ?? method;
  const vouches = vouched?.counted([defaultScope(policy), ...requiredScopes(policy)]) ?? [];
  const scores: Record<string, number> = {};
  for (const scope of trust ? requiredScopes(policy) : []) {
    const score = trust?.score(caller, scope);
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
    calling_agent: caller,
    caller: {
      did: caller,
      ...facts.proven,
      ...spiffeDocument(spiffe),
      ...(vouches.length === 0 ? {} : { vouches }),
    },
    args: member(subject.params, "arguments") ?? {},
    req,
    trust: scores,
    ...standingFacts(policy, facts),
    ...(trust ? { trust_age_seconds: Math.max(0, trust.ageSeconds()) } : {}),
    ...describeHistory(history, {
      caller,
      now,
      held,
      spiffeOf: spiffe && ((entry) => spiffe.signerOf(entry, seenAs?.(entry))),
    }),
  };
}

/** What a policy may ask of the caller's SPIFFE ID; one that is not bound has a name of its own. */
function spiffeDocument(
  facts: SpiffeFacts | undefined,
): Pick<CallerDocument, "spiffe" | "spiffe_proof" | "spiffe_unbound"> {
  const { spiffe, proof, unbound } = facts ?? {};
  const other = unbound === undefined ? {} : { spiffe_unbound: unbound };
  return spiffe === undefined || proof === undefined ? other : { spiffe, spiffe_proof: proof, ...other };
}

/** Whether any expression of a policy looks at `standing`: it costs more than a lookup, so others do not pay for it. */
const asking = new WeakMap<Policy, boolean>();

function standingFacts(policy: Policy, { trust, caller }: PolicyFacts): Pick<PolicyInput, "standing"> {
  let asks = asking.get(policy);
  if (asks === undefined) {
    const { allow, deny = [] } = policy.document;
    asks = [...allow, ...deny].some((rule) => rule.when?.includes("standing"));
    asking.set(policy, asks);
  }
  if (!asks || !trust?.standing) return {};
  const scopes = new Set([defaultScope(policy), ...requiredScopes(policy)]);
  const standing = Object.fromEntries([...scopes].map((scope) => [scope, trust.standing?.(caller, scope)]));
  return { standing: standing as unknown as Record<string, JsonObject> };
}

/**
 * Asks the policy.
 * @returns that it allows, with what must be carried out, or that nothing but an approval is missing
 * @throws {PeerageError} ERR_POLICY_DENIED, ERR_TRUST_INSUFFICIENT, ERR_SPIFFE_REQUIRED, ERR_APPROVAL_DENIED
 */
export function askPolicy(
  policy: Policy,
  input: PolicyInput,
  memory: GuardMemory,
): Exclude<Decision, { readonly effect: "deny" }> {
  const decision = decide(policy, input, memory);
  if (decision.effect === "deny") {
    const failed = decision.failed.map(({ rule, condition, path }) =>
      [rule, condition, path].filter(Boolean).join(" "),
    );
    throw new PeerageError(decision.reason, "the policy does not allow this", { detail: failed.join(", ") });
  }
  return decision;
}

/** The limits that a call draws from, under the keys of this call. */
export function limitsOf({ limits }: Obligations, input: PolicyInput): readonly Limit[] {
  return limits.map((limit) => ({ key: counterKey(limit, input), calls: limit.calls, perSeconds: limit.perSeconds }));
}

/** What a call reserves, under the keys of this call. */
export function reservationsOf({ budgets }: Obligations, input: PolicyInput): readonly Reservation[] {
  return budgets.map((budget) => ({
    key: counterKey(budget, input),
    perSeconds: budget.perSeconds,
    max: budget.max,
    amount: budget.amount,
  }));
}

/** True if some arguments, history or approval could let the caller of `input` use a listed item. */
export function couldUse(policy: Policy, input: PolicyInput, method: string, target: string): boolean {
  const { tool: _, ...rest } = input;
  return couldAllow(policy, { ...rest, method, target, ...(method === "tools/call" ? { tool: target } : {}) });
}
