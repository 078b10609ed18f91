import {
  type CallProof,
  checkCallAudienceAndTime,
  checkCallMessage,
  type Did,
  type ErrorCode,
  type History,
  HISTORY_META,
  type KeyStatus,
  parseCallProof,
  PeerageError,
  type Policy,
  type PolicyInput,
  type Verified,
  verifyHistory,
} from "@peerage/core";
import { askPolicy, defaultScope, policyInput } from "./policy.ts";
import type { RateLimiter } from "./rates.ts";
import type { ReplayStore } from "./replay.ts";
import { checkOwner, type Connection, type Sessions } from "./sessions.ts";
import { needsNoRule, type Subject } from "./subject.ts";
import type { TrustSource } from "./trust.ts";
import type { Caller, Context, Step } from "./types.ts";

/** What the steps need; one call is decided on one policy and one snapshot. */
export interface PipelineParts {
  /** The guard's own. */
  readonly did: Did;
  readonly audiences: ReadonlySet<string>;
  readonly open: ReadonlySet<string>;
  readonly trust: TrustSource | undefined;
  readonly replay: ReplayStore;
  readonly sessions: Sessions;
  readonly rates: RateLimiter;
}

/** How far one message has come, and what is known of it by then. */
export interface Trace {
  step: Step;
  readonly now: Date;
  readonly connection: Connection;
  policy: Policy | undefined;
  subject: Subject | undefined;
  proof: Verified<CallProof> | undefined;
  /** The proof is used up: from here on a refusal is receipted. */
  spent: boolean;
  caller: Caller | undefined;
  history: Verified<History> | undefined;
  /** The facts that the policy was, or would be, asked about; they also filter lists. */
  input: PolicyInput | undefined;
  rule: string | undefined;
}

/**
 * Steps 2 to 9 of mcp.md section 2, in their order: the first failure throws, and later steps do not run. Returns
 * without a caller for the unsigned lifecycle set only. Makes no network call and waits for nothing.
 * @throws {PeerageError} the reason; `trace.step` is the step that failed
 */
export function judge(trace: Trace, subject: Subject, context: Context, parts: PipelineParts): void {
  const { now, connection } = trace;
  trace.step = "proof";
  const owner = parts.sessions.owner(connection, context.session, now);
  const proof = readProof(subject, owner, parts.open);
  if (!proof) return;
  trace.proof = proof;
  const did = proof.issuer;

  trace.step = "audience";
  checkCallAudienceAndTime(proof, { audiences: parts.audiences, now });
  checkCallMessage(
    proof,
    subject.params === undefined ? { method: subject.method } : { method: subject.method, params: subject.params },
  );

  trace.step = "replay";
  parts.replay.insert(proof, now);
  trace.spent = true;
  checkOwner(owner, did);
  checkCancellation(subject, connection, did);

  trace.step = "key";
  if (parts.trust) checkKey(parts.trust, did);

  trace.step = "trust";
  const caller: Caller = {
    did,
    kid: proof.kid,
    binding: "message",
    score: parts.trust?.score(did, defaultScope(trace.policy)) ?? "unknown",
    history: [],
  };
  trace.caller = caller;

  trace.step = "history";
  trace.history = verifyHistory(subject.meta?.[HISTORY_META], proof.head, { now });
  if (trace.history) trace.caller = { ...caller, history: trace.history.entries };

  trace.step = "policy";
  const { policy } = trace;
  if (!policy) throw new PeerageError("ERR_POLICY_DENIED", "there is no policy");
  trace.input = policyInput(policy, { server: parts.did, subject, proof, trust: parts.trust, now });
  if (needsNoRule(subject.method)) return;
  const { rule, limits } = askPolicy(policy, trace.input);
  trace.rule = rule;
  parts.rates.take(limits, now);
}

/** The proof, or undefined for an unsigned lifecycle message of a session that nobody owns yet. */
function readProof(
  subject: Subject,
  owner: Did | undefined,
  open: ReadonlySet<string>,
): Verified<CallProof> | undefined {
  const { token, misplaced } = subject.proof;
  if (token !== undefined) return parseCallProof(token);
  if (!misplaced && owner === undefined && open.has(subject.method)) return undefined;
  throw new PeerageError("ERR_PROOF_MISSING", "calls must be signed", { detail: misplaced ? "misplaced" : "missing" });
}

/** Only who made a request cancels it, also where several identities share a pipe. */
function checkCancellation(subject: Subject, connection: Connection, did: Did): void {
  if (subject.method !== "notifications/cancelled") return;
  const { requestId } = (subject.params ?? {}) as { requestId?: unknown };
  if (typeof requestId === "string" || typeof requestId === "number")
    checkOwner(connection.inFlight.get(requestId), did);
}

const keyCodes: Readonly<Record<Exclude<KeyStatus, "active">, ErrorCode>> = {
  burnt: "ERR_KEY_REVOKED",
  suspended: "ERR_KEY_REVOKED",
  disputed: "ERR_KEY_DISPUTED",
};

function checkKey(trust: TrustSource, did: Did): void {
  // Written so that an age that is not a number counts as too old.
  if (!(trust.ageSeconds() <= trust.maxAgeSeconds)) {
    throw new PeerageError("ERR_REGISTRY_STALE", "the view of the registry is too old");
  }
  const state = trust.keyState(did);
  if (state !== "active") throw new PeerageError(keyCodes[state], "the caller's key does not count", { detail: state });
}
