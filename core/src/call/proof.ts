import type { Did, KeyId } from "../did/did-key.ts";
import { toBase64url } from "../encoding/base64.ts";
import { randomBytes } from "../encoding/bytes.ts";
import type { Signer } from "../did/identity.ts";
import { PeerageError } from "../errors.ts";
import { type Digest, isDigest } from "../json/digest.ts";
import type { JsonObject, JsonValue } from "../json/types.ts";
import { type KeyOptions, signCompactJws, verifyCompactJws } from "../jws/compact.ts";
import { SKEW_SECONDS, unixSeconds } from "../time.ts";
import { markVerified, type Verified } from "../verified.ts";
import { requestDigest, toolOf } from "./request.ts";

/** `typ` of a call proof. */
export const CALL_TYP = "peerage-call+jwt";
/** Member of `params._meta` that carries the call proof. */
export const CALL_META = "dev.peerage/call";
/** Member of `params._meta` that carries the presented history. */
export const HISTORY_META = "dev.peerage/history";
/** Member of `result._meta` that carries the receipt. */
export const RECEIPT_META = "dev.peerage/receipt";
/** A proof lives at most this long. */
export const MAX_CALL_LIFETIME_SECONDS = 300;

/** The claims of a call proof whose signature holds; audience, time and message are judged by the `check…` functions. */
export interface CallProof {
  readonly token: string;
  /** The caller. */
  readonly issuer: Did;
  readonly kid: KeyId;
  /** The guard it is meant for: a DID or a canonical URL. */
  readonly audience: string;
  /** Unix seconds. */
  readonly issuedAt: number;
  /** Unix seconds; at most 300 after `issuedAt`. */
  readonly expiresAt: number;
  /** At least 128 random bits, base64url. */
  readonly jti: string;
  readonly method: string;
  /** For `tools/call` only. */
  readonly tool?: string;
  readonly req: Digest;
  /** Tips of the presented history. */
  readonly head?: readonly Digest[];
}

/** What a proof is about: `method` and `params` of the JSON-RPC message, or of a synthetic one for GET and DELETE. */
export interface CallSubject {
  readonly method: string;
  readonly params?: JsonValue;
}

/** What a call proof says beside who signs it. */
export interface SignCallOptions {
  /** The guard's DID, or the canonical URL that was dialled. */
  readonly audience: string;
  readonly message: CallSubject;
  /** Tips of the history presented beside the proof. */
  readonly head?: readonly Digest[];
  readonly now?: Date;
  /** 1 to 300; 60 by default. */
  readonly lifetimeSeconds?: number;
}

/**
 * Signs one MCP message: a compact JWS with fresh `jti`, to be put into `params._meta["dev.peerage/call"]`.
 * @throws {RangeError} for a lifetime outside 1…300
 */
export function signCall(signer: Signer, options: SignCallOptions): Promise<string> {
  const lifetime = options.lifetimeSeconds ?? 60;
  if (!(lifetime >= 1 && lifetime <= MAX_CALL_LIFETIME_SECONDS))
    throw new RangeError("lifetimeSeconds must be 1 to 300");
  const issuedAt = unixSeconds(options.now ?? new Date());
  const { method, params } = options.message;
  const tool = toolOf(method, params);
  return signCompactJws(signer, CALL_TYP, {
    iss: signer.did,
    aud: options.audience,
    iat: issuedAt,
    exp: issuedAt + lifetime,
    jti: toBase64url(randomBytes(16)),
    method,
    req: requestDigest(method, params),
    ...(tool === undefined ? {} : { tool }),
    ...(options.head === undefined ? {} : { head: [...options.head] }),
  });
}

/**
 * Header profile, caller's key, signature and the shape of the claims. Nothing else is checked yet: neither audience,
 * nor time, nor the message, nor replay; nor, if `keysOf` is given, that the key is the one that stands now.
 * @throws {PeerageError} ERR_PROOF_MALFORMED, ERR_DID_INVALID, ERR_PROOF_INVALID
 */
export function parseCallProof(token: unknown, options: KeyOptions = {}): Verified<CallProof> {
  const jws = verifyCompactJws(token, CALL_TYP, options);
  return markVerified(readClaims(jws.token, jws.kid, jws.did, jws.claims));
}

function malformed(detail: string, message: string): PeerageError {
  return new PeerageError("ERR_PROOF_MALFORMED", message, { detail });
}

const claimNames = new Set(["iss", "aud", "iat", "exp", "jti", "method", "tool", "req", "head"]);
const jtiForm = /^[A-Za-z0-9_-]{22,128}$/;

function readClaims(token: string, kid: KeyId, did: Did, claims: JsonObject): CallProof {
  for (const name of Object.keys(claims)) if (!claimNames.has(name)) throw malformed("claims", "an unknown claim");
  const { iss, aud, iat, exp, jti, method, tool, req, head } = claims;
  if (iss !== did) throw malformed("kid", "kid is not a key of iss");
  if (typeof aud !== "string") throw malformed("audience", "aud must be one string");
  if (!isTime(iat) || !isTime(exp)) throw malformed("claims", "iat and exp must be whole seconds");
  if (exp <= iat || exp - iat > MAX_CALL_LIFETIME_SECONDS)
    throw malformed("lifetime", "a proof lives 1 to 300 seconds");
  if (typeof jti !== "string" || !jtiForm.test(jti)) throw malformed("claims", "jti must hold at least 128 bits");
  if (typeof method !== "string") throw malformed("claims", "method must be a string");
  if (tool !== undefined && typeof tool !== "string") throw malformed("claims", "tool must be a string");
  if (!isDigest(req)) throw malformed("req", "req must be a digest");
  if (head !== undefined && !(Array.isArray(head) && head.length <= 256 && head.every(isDigest))) {
    throw malformed("claims", "head must be a list of digests");
  }
  return {
    token,
    issuer: did,
    kid,
    audience: aud,
    issuedAt: iat,
    expiresAt: exp,
    jti,
    method,
    req,
    ...(tool === undefined ? {} : { tool }),
    ...(head === undefined ? {} : { head: head }),
  };
}

function isTime(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value < 1e11;
}

/**
 * The proof is for one of these audiences, compared as whole strings, and its time is now, give or take 30 s.
 * @throws {PeerageError} ERR_PROOF_AUDIENCE, ERR_PROOF_EXPIRED, ERR_PROOF_NOT_YET_VALID
 */
export function checkCallAudienceAndTime(
  proof: CallProof,
  context: { readonly audiences: ReadonlySet<string>; readonly now: Date },
): void {
  if (!context.audiences.has(proof.audience)) {
    throw new PeerageError("ERR_PROOF_AUDIENCE", "the proof is for another server", { detail: "audience" });
  }
  const now = context.now.getTime() / 1000;
  if (now > proof.expiresAt + SKEW_SECONDS) {
    throw new PeerageError("ERR_PROOF_EXPIRED", "the proof has expired: sign the call anew", { detail: "expired" });
  }
  if (now < proof.issuedAt - SKEW_SECONDS) {
    throw new PeerageError("ERR_PROOF_NOT_YET_VALID", "the proof is from the future: check the clock", {
      detail: "not-yet-valid",
    });
  }
}

/**
 * The proof is about exactly this message: same method, same tool, same params outside `_meta`.
 * @throws {PeerageError} ERR_PROOF_MISMATCH
 */
export function checkCallMessage(proof: CallProof, message: CallSubject): void {
  const mismatch = (detail: string): PeerageError =>
    new PeerageError("ERR_PROOF_MISMATCH", "the message is not the one that was signed", { detail });
  if (proof.method !== message.method) throw mismatch("method");
  if (proof.tool !== toolOf(message.method, message.params)) throw mismatch("tool");
  if (proof.req !== requestDigest(message.method, message.params)) throw mismatch("req");
}
