import type { Did, KeyId } from "../did/did-key.ts";
import { parseDid } from "../did/did-key.ts";
import type { Signer } from "../did/identity.ts";
import { PeerageError } from "../errors.ts";
import { type Digest, isDigest } from "../json/digest.ts";
import type { JsonObject } from "../json/types.ts";
import { type KeyOptions, signCompactJws, verifyCompactJws } from "../jws/compact.ts";
import { SKEW_SECONDS, unixSeconds } from "../time.ts";
import { markVerified, type Verified } from "../verified.ts";

/** `typ` of a request to a registry to keep a sealed message for somebody. */
export const DELIVERY_TYP = "peerage-delivery+jwt";
/** `typ` of a request for what a registry keeps for its signer. */
export const INBOX_TYP = "peerage-inbox+jwt";

/** A request is good for this long after it was signed, give or take {@link SKEW_SECONDS}. */
const REQUEST_SECONDS = 60;

/** What a recipient may ask of a registry. */
export const inboxActions = ["list", "fetch", "erase"] as const;
/** What the owner of an inbox may ask of a registry. */
export type InboxAction = (typeof inboxActions)[number];

/** Who signed a request, and by which key; whether the key stands behind the DID is the registry's to ask of its log. */
interface Asked {
  readonly issuer: Did;
  readonly kid: KeyId;
}

/** A sender asks a registry to keep these very bytes for this recipient. */
export interface DeliveryRequest extends Asked {
  readonly recipient: Did;
  /** Digest of the sealed bytes: the message's id. */
  readonly message: Digest;
}

/** A recipient asks for its own messages: all of them by `list`, one by `fetch` or `erase`. */
export interface InboxRequest extends Asked {
  readonly action: InboxAction;
  readonly message: Digest | undefined;
}

/** Signs a delivery; it travels as `Authorization: Peerage <token>` of `PUT /v1/messages/{id}`. */
export function signDelivery(
  signer: Signer,
  options: { readonly audience: string; readonly recipient: Did; readonly message: Digest; readonly now?: Date },
): Promise<string> {
  const { audience, recipient, message, now = new Date() } = options;
  return sign(signer, DELIVERY_TYP, audience, now, { message, to: recipient });
}

/**
 * Verifies form, signature and time of a delivery to this registry.
 * @throws {PeerageError} ERR_PROOF_MALFORMED, ERR_PROOF_INVALID, ERR_DID_INVALID, ERR_PROOF_AUDIENCE, ERR_PROOF_EXPIRED,
 *   ERR_PROOF_NOT_YET_VALID
 */
export function verifyDelivery(
  token: unknown,
  options: KeyOptions & { readonly audience: string; readonly now: Date },
): Verified<DeliveryRequest> {
  const { claims, ...asked } = verify(token, DELIVERY_TYP, "aud,iat,iss,message,to", options);
  const { message, to } = claims;
  if (!isDigest(message)) throw malformed("message must be a digest");
  return markVerified({ ...asked, recipient: parseDid(to), message });
}

/** Signs a request of a recipient; it travels as `Authorization: Peerage <token>` of `GET` and `DELETE /v1/messages…`. */
export function signInboxRequest(
  signer: Signer,
  options: {
    readonly audience: string;
    readonly action: InboxAction;
    readonly message?: Digest;
    readonly now?: Date;
  },
): Promise<string> {
  const { audience, action, message, now = new Date() } = options;
  if ((action === "list") !== (message === undefined))
    throw new TypeError("one message is fetched or erased, not listed");
  return sign(signer, INBOX_TYP, audience, now, { do: action, message: message ?? null });
}

/** Verifies form, signature and time of a recipient's request. @throws {PeerageError} as {@link verifyDelivery} */
export function verifyInboxRequest(
  token: unknown,
  options: KeyOptions & { readonly audience: string; readonly now: Date },
): Verified<InboxRequest> {
  const { claims, ...asked } = verify(token, INBOX_TYP, "aud,do,iat,iss,message", options);
  const { message } = claims;
  const action = inboxActions.find((one) => one === claims["do"]);
  if (action === undefined || !(action === "list" ? message === null : isDigest(message))) {
    throw malformed("do is list, or fetch or erase of one message");
  }
  return markVerified({ ...asked, action, message: isDigest(message) ? message : undefined });
}

function sign(signer: Signer, typ: string, audience: string, now: Date, claims: JsonObject): Promise<string> {
  return signCompactJws(signer, typ, { aud: audience, iat: unixSeconds(now), iss: signer.did, ...claims });
}

function verify(
  token: unknown,
  typ: string,
  members: string,
  { audience, now, ...options }: KeyOptions & { readonly audience: string; readonly now: Date },
): Asked & { claims: JsonObject } {
  const { did, kid, claims } = verifyCompactJws(token, typ, options);
  const { aud, iat, iss } = claims;
  if (Object.keys(claims).sort().join() !== members || iss !== did) throw malformed(`its claims are ${members}`);
  if (typeof iat !== "number" || !Number.isSafeInteger(iat)) throw malformed("iat must be Unix seconds");
  if (aud !== audience) throw new PeerageError("ERR_PROOF_AUDIENCE", "the request was made for another registry");
  const age = unixSeconds(now) - iat;
  if (age > REQUEST_SECONDS + SKEW_SECONDS)
    throw new PeerageError("ERR_PROOF_EXPIRED", `the request is older than ${REQUEST_SECONDS} s`);
  if (age < -SKEW_SECONDS) throw new PeerageError("ERR_PROOF_NOT_YET_VALID", "the request is dated in the future");
  return { issuer: did, kid, claims };
}

function malformed(message: string): PeerageError {
  return new PeerageError("ERR_PROOF_MALFORMED", `the request is not in its form: ${message}`, { detail: "claims" });
}
