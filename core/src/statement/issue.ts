import type { Did } from "../did/did-key.ts";
import type { Signer } from "../did/identity.ts";
import type { Digest } from "../json/digest.ts";
import { canonicalize } from "../json/canonical.ts";
import type { JsonObject, JsonValue } from "../json/types.ts";
import { formatTime, unixSeconds } from "../time.ts";
import type { Verified } from "../verified.ts";
import { addProof } from "./data-integrity.ts";
import { STATEMENT_CONTEXT } from "./schema.ts";
import type { AgentProfile, KeyEvent, RecoverySet, Revocation, Statement, Vouch } from "./types.ts";
import { verifyStatement } from "./verify.ts";

/** A vouch lives this long unless told otherwise: 90 days. */
export const DEFAULT_VOUCH_SECONDS: number = 90 * 86_400;

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
  const set = recovery && { threshold: recovery.threshold, keys: [...recovery.keys].sort() };
  const members = { event: "init", seq: 0, next, ...(set ? { recovery: set } : {}) };
  return (await issue(signer, "KeyEvent", members, now)) as Verified<KeyEvent>;
}

function issue(signer: Signer, type: string, members: JsonObject, now = new Date()): Promise<Verified<Statement>> {
  const issued = unixSeconds(now);
  return secure(signer, { ...members, type, issued: formatTime(issued) }, issued);
}

/** Signs, writes the one form and reads it back through the verifier, so nothing leaves here that others would refuse. */
async function secure(signer: Signer, members: JsonObject, created: number): Promise<Verified<Statement>> {
  const document: Record<string, JsonValue> = { "@context": STATEMENT_CONTEXT, ...members, issuer: signer.did };
  const proof = await addProof(signer, document, { verificationMethod: signer.kid, created: formatTime(created) });
  const fragment = signer.kid.slice(signer.kid.indexOf("#") + 1) as Statement["keys"][number];
  return verifyStatement(canonicalize({ ...document, proof }), { keysOf: () => [fragment] });
}
