import {
  BINDING_META,
  type CallProof,
  type CheckBudget,
  checkCallAudienceAndTime,
  checkCallMessage,
  checkSigningKey,
  type Did,
  type DidKeys,
  type Digest,
  type Entry,
  HISTORY_META,
  isJsonObject,
  type KeyOptions,
  multibaseOf,
  parseCallProof,
  PeerageError,
  type Policy,
  requestDigest,
  type SpiffeFacts,
  type SpiffeVerifier,
  type Verified,
  verifyHistory,
} from "@peerage/core";
import type { AuditLog } from "../audit/audit-log.ts";
import type { RequestStates } from "../approval/request-state.ts";
import { doesKeyCount, MAX_APPROVAL_VIEW_SECONDS } from "./entry-keys.ts";
import { type Proven, readHttpSignature } from "./http-signature.ts";
import { gatherHeld, rememberAdverse } from "./memory.ts";
import { askShadow } from "./policy-shadow.ts";
import { askPolicy, defaultScope, limitsOf, policyInput } from "./policy.ts";
import type { RateLimiter } from "./rates.ts";
import type { ReplayStore } from "./replay.ts";
import { checkOwner, type Connection, type Sessions } from "./sessions.ts";
import type { Trace } from "./trace.ts";
import { needsNoRule, type Subject } from "./subject.ts";
import { type PresentedReader, VOUCHES_META } from "./presented.ts";
import type { TrustSource, VouchedTrust } from "./trust.ts";
import type { Caller, Context } from "./types.ts";

/** What the steps need; one call is decided on one policy and one snapshot. */
export interface PipelineParts {
  /** The guard's own. */
  readonly did: Did;
  readonly audiences: ReadonlySet<string>;
  readonly open: ReadonlySet<string>;
  readonly trust: TrustSource | undefined;
  /** Reads the vouches that callers carry; without it they are not looked at. */
  readonly presented: PresentedReader | undefined;
  /** Step 5; without it no SPIFFE ID is looked at. */
  readonly spiffe: SpiffeVerifier | undefined;
  readonly replay: ReplayStore;
  readonly sessions: Sessions;
  readonly rates: RateLimiter;
  readonly checks: CheckBudget;
  readonly audit: AuditLog | undefined;
  readonly states: () => RequestStates | undefined;
  /** Asked beside the policy in force, without effect. */
  readonly shadow: Policy | (() => Policy | undefined) | undefined;
}

/**
 * Steps 2 to 10 of mcp.md section 2, in their order: the first failure throws, and later steps do not run. Returns
 * without a caller for the unsigned lifecycle set only, and with `trace.ask` if a person must approve. Makes no network
 * call and waits for nothing.
 * @throws {PeerageError} the reason; `trace.step` is the step that failed
 */
export function judge(trace: Trace, subject: Subject, context: Context, parts: PipelineParts): void {
  if (identify(trace, subject, context, parts)) consider(trace, parts);
}

/** Steps 2 to 4: who calls, and that it is this message, for this guard, for the first time. False: unsigned lifecycle. */
function identify(trace: Trace, subject: Subject, context: Context, parts: PipelineParts): boolean {
  const { now, connection } = trace;
  trace.step = "proof";
  const owner = parts.sessions.owner(connection, context.session, now);
  const signed = bySignature(trace, subject, context, parts);
  const proof = signed ? undefined : readProof(subject, owner, parts);
  const proven = signed ?? proof;
  if (!proven) return false;
  const { issuer: did, kid } = proven;
  if (signed) {
    trace.proven = { issuer: did, kid, binding: signed.binding, scheme: signed.scheme };
  } else if (proof) {
    trace.proof = proof;
    trace.proven = { issuer: did, kid, binding: "message", scheme: "peerage-call" };

    trace.step = "audience";
    checkCallAudienceAndTime(proof, { audiences: parts.audiences, now });
    checkCallMessage(
      proof,
      subject.params === undefined ? { method: subject.method } : { method: subject.method, params: subject.params },
    );
  }

  trace.step = "replay";
  parts.replay.insert(proven, now);
  trace.spent = true;
  trace.req = proof?.req ?? requestDigest(subject.method, subject.params);
  checkOwner(owner, did);
  checkCancellation(subject, connection, did);
  if (parts.spiffe) trace.presented = presentation(subject, context, parts);
  return true;
}

/** Who signed the request around a message without a proof. A guard that binds SPIFFE IDs to proofs takes nothing less. */
function bySignature(
  { policy, now, body }: Trace,
  subject: Subject,
  context: Context,
  { audiences, trust, spiffe }: PipelineParts,
): ReturnType<typeof readHttpSignature> {
  if (spiffe || subject.proof.token !== undefined || subject.proof.misplaced) return undefined;
  return readHttpSignature(subject, context, { audiences, trust, policy, now, body });
}

/** What step 5 looks at. A message without `params` has no place for a binding. */
function presentation(subject: Subject, context: Context, { audiences, trust }: PipelineParts): Trace["presented"] {
  const { socket, header } = context;
  const hasNoPlace = subject.method.startsWith("http/");
  return {
    binding: subject.meta?.[BINDING_META],
    connection: socket,
    header,
    audiences,
    keys: didKeys(trust),
    hasNoPlace,
  };
}

function didKeys(trust: TrustSource | undefined): DidKeys | undefined {
  return (
    trust && {
      keysOf: (did) => trust.keysOf?.(did) ?? [],
      isLost: (did, key) => trust.keyState(did) !== "active" || trust.keyLostSince?.(did, key) !== undefined,
    }
  );
}

/**
 * Steps 5 to 10: what is known of the caller and its history, and what the policy says. May be asked again of the same
 * trace once a person has answered: everything but the proof is then judged anew.
 */
export function consider(trace: Trace, parts: PipelineParts): void {
  const { proof, proven, subject, policy, now } = trace;
  if (!proven || !subject) throw new TypeError("nobody was identified");
  const { issuer: did, kid, binding, scheme } = proven;
  trace.step = "spiffe";
  if (parts.spiffe && trace.presented && proof) trace.spiffe = judgeSpiffe(trace, trace.presented, proof, parts.spiffe);
  const { spiffe } = trace;

  trace.step = "key";
  if (parts.trust) checkKey(parts.trust, proven);

  trace.step = "trust";
  trace.view = parts.trust?.snapshot?.();
  const vouched = withPresented(trace, subject, did, parts);
  const score = (vouched ?? parts.trust)?.score(did, defaultScope(policy)) ?? "unknown";
  const caller: Caller = { did, kid, binding, score, history: [], ...spiffeIdOf(spiffe) };
  trace.caller = caller;

  trace.step = "history";
  const keys = { did: parts.did, trust: parts.trust, seenAt: (digest: Digest) => parts.audit?.evidence.seenAt(digest) };
  trace.history ??= verifyHistory(subject.meta?.[HISTORY_META], proof?.head, {
    now,
    beforeChecks: (count) => parts.checks.take(did, count, now),
    ...keysIn(parts.trust),
    keyStood: (entry) => doesKeyCount(keys, entry, now),
  });
  if (trace.history) trace.caller = { ...caller, history: trace.history.entries };

  trace.step = "approval";
  unwrapState(trace, subject, did, parts);

  trace.step = "policy";
  if (!policy) throw new PeerageError("ERR_POLICY_DENIED", "there is no policy");
  const isRuled = !needsNoRule(subject.method);
  const { audit } = parts;
  const trust = vouched ?? parts.trust;
  const req = trace.req ?? requestDigest(subject.method, subject.params);
  if (isRuled && audit && trace.history) rememberAdverse(audit, policy, trace.history.entries, now, spiffe?.signerOf);
  const held = isRuled && audit ? gatherHeld(audit, policy, { caller: did, req, run: trace.history?.run }) : [];
  const standing = held.filter((entry) => entry.result !== "approved" || doesKeyCount(keys, entry, now));
  const { history } = trace;
  const facts = {
    server: parts.did,
    subject: trace.subject ?? subject,
    caller: did,
    proven: { binding, scheme },
    req,
    trust,
    now,
    history,
    held: standing,
    spiffe,
    vouched,
    seenAs: (entry: Entry) => audit?.evidence.signer(entry.digest),
  };
  trace.input = policyInput(policy, facts);
  if (!isRuled) return;
  const memory = audit ? { spent: (digest: Digest): boolean => audit.evidence.isSpent(digest) } : {};
  trace.shadow = askShadow(parts.shadow, facts, memory);
  const asked = askPolicy(policy, trace.input, memory);
  trace.rule = asked.rule;
  // Whose key may approve is asked of younger data than the rest.
  if (asked.effect === "ask" || asked.obligations.spend.length > 0) checkAge(trust, MAX_APPROVAL_VIEW_SECONDS);
  if (asked.effect === "ask") {
    trace.step = "approval";
    // An approval whose key is revoked is there, and counts for nothing.
    const isRevoked = asked.reason === "ERR_APPROVAL_REQUIRED" && standing.length < held.length;
    trace.ask = { approval: asked.approval, reason: isRevoked ? "ERR_APPROVAL_INVALID" : asked.reason };
    return;
  }
  trace.ask = undefined;
  trace.obligations = asked.obligations;
  trace.evidence = asked.evidence;
  if (audit && asked.obligations.spend.length > 0) trace.item = audit.items.live(did, req)?.id;
  if (audit) return;
  // Without an audit log there is no place for what must outlive this process, or happen at once with the decision.
  const { obligations } = asked;
  if (obligations.audit || obligations.budgets.length > 0 || obligations.spend.length > 0) {
    throw new PeerageError("ERR_AUDIT_UNAVAILABLE", "the rule asks for an audit log", { detail: "no-audit" });
  }
  parts.rates.take(limitsOf(obligations, trace.input), now);
}

/** What is known with the vouches that came with the call; undefined if there are none, or this guard takes none. */
function withPresented(
  { now }: Trace,
  subject: Subject,
  did: Did,
  { presented, trust }: PipelineParts,
): VouchedTrust | undefined {
  const vouches = presented?.read(subject.meta?.[VOUCHES_META], did, now) ?? [];
  return vouches.length === 0 ? undefined : trust?.withVouches?.(vouches);
}

/**
 * Step 5. Asked again after a person has answered, a binding is judged anew; headers are not, because what they carry is
 * used up by the first look, so an ID that they showed stays.
 * @throws {PeerageError} ERR_SVID_INVALID, ERR_SPIFFE_BINDING, ERR_SPIFFE_REQUIRED
 */
function judgeSpiffe(
  { spiffe: before, now }: Trace,
  presented: NonNullable<Trace["presented"]>,
  proof: Verified<CallProof>,
  verifier: SpiffeVerifier,
): SpiffeFacts {
  if (!before) return verifier.verify({ ...presented, now }, proof);
  const { unbound = before.unbound, ...facts } = verifier.verify({ ...presented, header: undefined, now }, proof);
  return { ...facts, ...(unbound === undefined ? {} : { unbound }) };
}

function spiffeIdOf(facts: SpiffeFacts | undefined): Pick<Caller, "spiffeId"> {
  return facts?.spiffe === undefined ? {} : { spiffeId: facts.spiffe };
}

/** Takes out of a retry what this guard had asked, so that what is judged and executed is the request itself. */
function unwrapState(trace: Trace, subject: Subject, caller: Did, parts: PipelineParts): void {
  const { params } = subject;
  const states = isJsonObject(params) && trace.state === undefined ? parts.states() : undefined;
  if (!states || !isJsonObject(params)) return;
  const { method } = subject;
  const unwrapped = states.unwrap(method, params, { guard: parts.did, caller, now: trace.now });
  if (!unwrapped.state) return;
  trace.state = unwrapped.state;
  trace.subject = { ...subject, params: unwrapped.params };
  trace.req = requestDigest(method, unwrapped.params);
}

/** The proof, or undefined for an unsigned lifecycle message of a session that nobody owns yet. */
function readProof(
  subject: Subject,
  owner: Did | undefined,
  { open, trust }: PipelineParts,
): Verified<CallProof> | undefined {
  const { token, misplaced } = subject.proof;
  if (token !== undefined) return parseCallProof(token, keysIn(trust));
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

/** Whose signatures can be looked at. Whether the key may still speak is asked afterwards, by {@link checkKey}. */
function keysIn(trust: TrustSource | undefined): KeyOptions {
  return { keysOf: (did) => trust?.keysOf?.(did) ?? [] };
}

function checkAge(trust: TrustSource | undefined, maxAgeSeconds: number): void {
  // Written so that an age that is not a number counts as too old.
  if (trust && !(trust.ageSeconds() <= maxAgeSeconds)) {
    throw new PeerageError("ERR_REGISTRY_STALE", "the view of the registry is too old");
  }
}

function checkKey(trust: TrustSource, { issuer: did, kid }: Proven): void {
  checkAge(trust, trust.maxAgeSeconds);
  checkSigningKey(kid, { status: trust.keyState(did), current: trust.currentKey?.(did) ?? multibaseOf(did) });
}
