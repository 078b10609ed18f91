import type { Did, MultibaseKey } from "../did/did-key.ts";
import type { Signer } from "../did/identity.ts";
import type { Digest } from "../json/digest.ts";
import { canonicalize } from "../json/canonical.ts";
import type { JsonObject, JsonValue } from "../json/types.ts";
import { formatTime, unixSeconds } from "../time.ts";
import type { Verified } from "../verified.ts";
import { addProof } from "./data-integrity.ts";
import { STATEMENT_CONTEXT } from "./schema.ts";
import type { AgentProfile, KeyEvent, RecoverySet, Report, Revocation, Statement, Vouch } from "./types.ts";
import { verifyStatement } from "./verify.ts";

/** A vouch lives this long unless told otherwise: 90 days. */
export const DEFAULT_VOUCH_SECONDS: number = 90 * 86_400;

/** What a vouch says. */
export interface VouchOptions {
  readonly subject: Did;
  /** One or more flat names, such as `tools`; sorted and made unique here. */
  readonly scope: readonly string[];
  /** 1 to 100. */
  readonly confidence: number;
  readonly validFrom?: Date;
  /** At most 180 days after `validFrom`; 90 by default. */
  readonly validUntil?: Date;
  /** `tokenDigest` of receipts, at most 16. */
  readonly evidence?: readonly Digest[];
  readonly noteDigest?: Digest;
}

/**
 * Signs a vouch. It becomes public, for ever, once it is logged.
 * @throws {PeerageError} ERR_STATEMENT_INVALID, ERR_DID_INVALID if the options would make a vouch that nobody accepts
 */
export async function issueVouch(signer: Signer, options: VouchOptions): Promise<Verified<Vouch>> {
  const from = unixSeconds(options.validFrom ?? new Date());
  const until = options.validUntil ? unixSeconds(options.validUntil) : from + DEFAULT_VOUCH_SECONDS;
  const unsigned: JsonObject = {
    type: ["VerifiableCredential", "Vouch"],
    validFrom: formatTime(from),
    validUntil: formatTime(until),
    credentialSubject: {
      id: options.subject,
      scope: [...new Set(options.scope)].sort(),
      confidence: options.confidence,
      ...(options.evidence?.length ? { evidence: [...new Set(options.evidence)].sort() } : {}),
      ...(options.noteDigest ? { noteDigest: options.noteDigest } : {}),
    },
  };
  return (await secure(signer, unsigned, from)) as Verified<Vouch>;
}

/** What is revoked: a statement, every vouch for a subject, or the issuer itself. */
export interface RevocationOptions {
  readonly revokes: "statement" | "subject" | "self";
  /** The statement's id, the subject's DID; for `self` the issuer, which is the default. */
  readonly target?: Digest | Did;
  readonly now?: Date;
}

/** Signs a revocation. It cannot be taken back; to vouch again, sign a new vouch. */
export async function issueRevocation(signer: Signer, options: RevocationOptions): Promise<Verified<Revocation>> {
  const target = options.target ?? (options.revokes === "self" ? signer.did : undefined);
  if (target === undefined) throw new TypeError("a revocation of a statement or subject names its target");
  return (await issue(signer, "Revocation", { revokes: options.revokes, target }, options.now)) as Verified<Revocation>;
}

/** Signs an agent's word on what it is. */
export async function issueProfile(
  signer: Signer,
  options: { readonly role: AgentProfile["role"]; readonly noteDigest?: Digest; readonly now?: Date },
): Promise<Verified<AgentProfile>> {
  const { now, ...members } = options;
  return (await issue(signer, "AgentProfile", members, now)) as Verified<AgentProfile>;
}

/** Signs the first key event, which commits the next key and, if given, the recovery keys, all by digest. */
export async function issueKeyInit(
  signer: Signer,
  options: { readonly next: Digest; readonly recovery?: RecoverySet; readonly now?: Date },
): Promise<Verified<KeyEvent>> {
  const { now, next, recovery } = options;
  const members = { event: "init", seq: 0, next, ...(recovery ? { recovery: sortedSet(recovery) } : {}) };
  return (await issue(signer, "KeyEvent", members, now)) as Verified<KeyEvent>;
}

/** Where an event stands in the chain, and why it is made. */
export interface KeyEventOptions {
  /** The last event of the chain that counts: its id and `seq`. */
  readonly prev: Pick<KeyEvent, "id" | "seq">;
  /** Set if the old key was stolen at that time: what it gave since is void, at most 30 days back. */
  readonly compromisedSince?: Date | undefined;
  readonly now?: Date | undefined;
}

/** What a new key commits to. */
export interface KeyRotationOptions extends KeyEventOptions {
  /** Digest of the key after the new one. */
  readonly next: Digest;
  /** A new recovery set; it takes effect after 7 days. */
  readonly recovery?: RecoverySet | undefined;
}

/**
 * Signs the change to the key that the chain committed. The old key is not asked.
 * @param signer - the new key, standing behind the agent's DID: `identityFromSeed(seed, { did })`
 */
export async function issueKeyRotate(signer: Signer, options: KeyRotationOptions): Promise<Verified<KeyEvent>> {
  const members = { ...chained("rotate", options), ...rotation(signer, options) };
  return (await issue(signer, "KeyEvent", members, options.now)) as Verified<KeyEvent>;
}

/**
 * Signs the suspension of an agent: nothing of it counts until a rotate or a recover.
 * @param signer - the current, the next or a recovery key, standing behind the agent's DID
 */
export async function issueKeyRevoke(signer: Signer, options: KeyEventOptions): Promise<Verified<KeyEvent>> {
  return (await issue(signer, "KeyEvent", chained("revoke", options), options.now)) as Verified<KeyEvent>;
}

/**
 * Signs the recovery of an agent: supersedes everything after `prev`, which may be at most 7 days old.
 * @param signer - a new key, standing behind the agent's DID
 * @param recoverers - as many recovery keys as the threshold asks for, standing behind the agent's DID
 */
export async function issueKeyRecover(
  signer: Signer,
  recoverers: readonly Signer[],
  options: KeyRotationOptions,
): Promise<Verified<KeyEvent>> {
  const issued = unixSeconds(options.now ?? new Date());
  const members = { ...chained("recover", options), ...rotation(signer, options) };
  const unsigned = { ...members, type: "KeyEvent", issued: formatTime(issued) };
  return (await secure(signer, unsigned, issued, recoverers)) as Verified<KeyEvent>;
}

/** What a report says, and on what it rests. */
export interface ReportOptions {
  readonly subject: Did;
  readonly category: Report["category"];
  /** What it rests on: `tokenDigest` of entries or receipts, or digests of fork evidence; 1 to 16. */
  readonly evidence: readonly Digest[];
  readonly noteDigest?: Digest | undefined;
  readonly now?: Date | undefined;
}

/** Signs a report about another agent. It is shown with its evidence and changes no score. */
export async function issueReport(signer: Signer, options: ReportOptions): Promise<Verified<Report>> {
  const members = {
    subject: options.subject,
    category: options.category,
    evidence: [...new Set(options.evidence)].sort(),
    ...(options.noteDigest ? { noteDigest: options.noteDigest } : {}),
  };
  return (await issue(signer, "Report", members, options.now)) as Verified<Report>;
}

function chained(event: KeyEvent["event"], { prev, compromisedSince }: KeyEventOptions): JsonObject {
  const link = { event, seq: prev.seq + 1, prev: prev.id };
  if (!compromisedSince) return { ...link, reason: "routine" };
  return { ...link, reason: "compromised", since: formatTime(unixSeconds(compromisedSince)) };
}

function rotation(signer: Signer, { next, recovery }: KeyRotationOptions): JsonObject {
  return { key: fragmentOf(signer), next, ...(recovery ? { recovery: sortedSet(recovery) } : {}) };
}

function sortedSet({ threshold, keys }: RecoverySet): JsonObject {
  return { threshold, keys: [...keys].sort() };
}

function issue(signer: Signer, type: string, members: JsonObject, now = new Date()): Promise<Verified<Statement>> {
  const issued = unixSeconds(now);
  return secure(signer, { ...members, type, issued: formatTime(issued) }, issued);
}

/**
 * Signs, writes the one form and reads it back through the verifier, so nothing leaves here that others would refuse.
 * @param others - if given, the proof is a set: the signer's, then theirs
 */
async function secure(
  signer: Signer,
  members: JsonObject,
  created: number,
  others?: readonly Signer[],
): Promise<Verified<Statement>> {
  const document: Record<string, JsonValue> = { "@context": STATEMENT_CONTEXT, ...members, issuer: signer.did };
  const prove = (by: Signer): Promise<JsonObject> =>
    addProof(by, document, { verificationMethod: by.kid, created: formatTime(created) });
  const proof = others ? await Promise.all([signer, ...others].map(prove)) : await prove(signer);
  return verifyStatement(canonicalize({ ...document, proof }), { keysOf: () => [fragmentOf(signer)] });
}

function fragmentOf({ kid }: Signer): MultibaseKey {
  return kid.slice(kid.indexOf("#") + 1) as MultibaseKey;
}
