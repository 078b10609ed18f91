import { concat, fromUtf8, randomBytes, utf8 } from "../encoding/bytes.ts";
import { toBase64url } from "../encoding/base64.ts";
import { sha256Hex } from "../encoding/sha256.ts";
import { type Did, type KeyId, parseDid } from "../did/did-key.ts";
import type { Signer } from "../did/identity.ts";
import { PeerageError } from "../errors.ts";
import { type KeyOptions, MAX_JWS_BYTES, signCompactJws, verifyCompactJws } from "../jws/compact.ts";
import { SKEW_SECONDS, unixSeconds } from "../time.ts";
import { markVerified, type Verified } from "../verified.ts";
import { MAX_SEALED_BYTES, SEALING_BYTES } from "./form.ts";
import { paddedLength } from "./padding.ts";

/** `typ` of the token that stands, sealed, before the body of a message. */
export const MESSAGE_TYP = "peerage-message+jwt";

/** A message may be opened for the first time at most this long after it was signed: 30 days. */
export const MAX_MESSAGE_SECONDS: number = 30 * 86_400;

/** Most bytes of a body: with its token, about 700 bytes, it fits into what is sealed at once. */
export const MAX_BODY_BYTES: number = 60 * 1024;

const MAX_CONTENT_BYTES = MAX_SEALED_BYTES - SEALING_BYTES;
const LINE_END = 10;

/** What one agent wrote to one other. */
export interface SealedMessage {
  readonly sender: Did;
  /** The key that signed it. Whether it stood behind the sender then is for the sender's key history to say. */
  readonly kid: KeyId;
  readonly recipient: Did;
  readonly body: Uint8Array;
  /** By the sender's clock, Unix seconds. */
  readonly issuedAt: number;
  /** After this it is not taken in any more, Unix seconds. */
  readonly expiresAt: number;
  /** 22 characters of base64url; with the sender, it names the message. */
  readonly jti: string;
}

/**
 * The content of a sealed message: a token by which the sender signs recipient, time and the body's digest, a line end,
 * the body, and zeros up to a length that says little of the body's.
 * @param options.body at most {@link MAX_BODY_BYTES}
 * @throws {RangeError} if the body or the time to live is too long
 */
export async function signMessage(
  signer: Signer,
  options: { readonly recipient: Did; readonly body: Uint8Array; readonly now?: Date; readonly seconds?: number },
): Promise<Uint8Array> {
  const { recipient, body, now = new Date(), seconds = MAX_MESSAGE_SECONDS } = options;
  if (body.length > MAX_BODY_BYTES) throw new RangeError(`a message's body has at most ${MAX_BODY_BYTES} bytes`);
  if (!(seconds > 0 && seconds <= MAX_MESSAGE_SECONDS)) throw new RangeError("a message lives 1 s to 30 days");
  const issuedAt = unixSeconds(now);
  const token = await signCompactJws(signer, MESSAGE_TYP, {
    aud: recipient,
    body: bodyDigest(body),
    exp: issuedAt + seconds,
    iat: issuedAt,
    iss: signer.did,
    jti: toBase64url(randomBytes(16)),
    size: body.length,
  });
  const content = concat(utf8(`${token}\n`), body);
  const padded = new Uint8Array(paddedLength(content.length, MAX_CONTENT_BYTES));
  padded.set(content);
  return padded;
}

/**
 * Reads the content of a message that was opened: the sender's signature holds over this recipient, this time and this
 * body. Not checked here: whether the key stood behind the sender, and whether the message was read before.
 * @param options.recipient whoever opened it: a message to another, sealed again, is refused
 * @throws {PeerageError} ERR_SEALED_INVALID, ERR_PROOF_MALFORMED, ERR_PROOF_INVALID, ERR_DID_INVALID, ERR_PROOF_AUDIENCE,
 *   ERR_PROOF_NOT_YET_VALID, ERR_PROOF_MISMATCH
 */
export function verifyMessage(
  content: Uint8Array,
  options: KeyOptions & { readonly recipient: Did; readonly now: Date },
): Verified<SealedMessage> {
  const end = content.subarray(0, MAX_JWS_BYTES + 1).indexOf(LINE_END);
  if (end < 0) throw invalid("content", "what was sealed is no message: it does not begin with a token");
  const { did, kid, claims } = verifyCompactJws(textOf(content.subarray(0, end)), MESSAGE_TYP, options);
  const { aud, body: digest, exp, iat, iss, jti, size } = claims;
  if (
    Object.keys(claims).sort().join() !== "aud,body,exp,iat,iss,jti,size" ||
    iss !== did ||
    !isTime(iat) ||
    !isTime(exp) ||
    exp <= iat ||
    exp - iat > MAX_MESSAGE_SECONDS ||
    typeof jti !== "string" ||
    !/^[A-Za-z0-9_-]{22}$/.test(jti) ||
    typeof size !== "number" ||
    !Number.isInteger(size) ||
    size < 0
  ) {
    throw new PeerageError("ERR_PROOF_MALFORMED", "a message's token has exactly aud, body, exp, iat, iss, jti, size", {
      detail: "claims",
    });
  }
  if (aud !== options.recipient) throw new PeerageError("ERR_PROOF_AUDIENCE", "the message was written to another");
  if (iat > unixSeconds(options.now) + SKEW_SECONDS)
    throw new PeerageError("ERR_PROOF_NOT_YET_VALID", "the message is dated in the future");
  const body = content.slice(end + 1, end + 1 + size);
  if (body.length !== size || bodyDigest(body) !== digest) {
    throw new PeerageError("ERR_PROOF_MISMATCH", "the body is not the one that was signed", { detail: "body" });
  }
  // One content for one message: nothing unsigned can hide behind the body.
  if (content.subarray(end + 1 + size).some((byte) => byte !== 0))
    throw invalid("padding", "something follows the body");
  return markVerified({ sender: did, kid, recipient: parseDid(aud), body, issuedAt: iat, expiresAt: exp, jti });
}

function bodyDigest(body: Uint8Array): string {
  return `sha256:${sha256Hex(body)}`;
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    throw invalid("content", "what was sealed is no message: it does not begin with a token");
  }
}

function invalid(detail: string, message: string): PeerageError {
  return new PeerageError("ERR_SEALED_INVALID", message, { detail });
}
