import { checkKeyOf, type KeyOptions } from "../jws/compact.ts";
import { type Did, type KeyId, keyIdOf, type MultibaseKey, parseDid, parseMultibaseKey } from "../did/did-key.ts";
import type { PublicKey } from "../ed25519/verify.ts";
import { PeerageError } from "../errors.ts";
import { SKEW_SECONDS } from "../time.ts";
import { markVerified, type Verified } from "../verified.ts";

/** Who signed a request, and how firmly. Never `message`: that is what a call proof alone gives. */
export interface HttpCaller {
  readonly issuer: Did;
  readonly kid: KeyId;
  /** `body` where method, target and body are covered, and the body's digest was recomputed; `head` otherwise. */
  readonly binding: "head" | "body";
  readonly scheme: "peerage-http" | "web-bot-auth" | "aauth-hwk";
  /** The URL that it was made for. */
  readonly audience: string;
  /** Once for each issuer and audience: the nonce, or what stands for one. */
  readonly jti: string;
  /** Unix seconds. */
  readonly issuedAt: number;
  /** Unix seconds; at most 300 after `issuedAt`. */
  readonly expiresAt: number;
}

/** How the key behind a `keyid` is found. A `did:key` says it itself. */
export interface HttpKeys extends KeyOptions {
  /** The key with this JWK thumbprint, if it is known. */
  readonly keyOf?: ((thumbprint: string) => KeyId | undefined) | undefined;
}

export interface Holder {
  readonly did: Did;
  readonly kid: KeyId;
  readonly key: PublicKey;
}

/**
 * Whose key a `keyid` names: a DID, a verification method of one, or the thumbprint of a key that is known.
 * @throws {PeerageError} ERR_DID_UNRESOLVED for a thumbprint that nobody here knows; ERR_DID_INVALID, ERR_PROOF_MALFORMED
 */
export function checkHolder(keyid: string, options: HttpKeys): Holder {
  const kid = keyid.startsWith("did:") ? keyid : options.keyOf?.(keyid);
  if (kid === undefined) {
    throw new PeerageError("ERR_DID_UNRESOLVED", "the key of this thumbprint is not known here", {
      detail: "thumbprint",
    });
  }
  const hash = kid.indexOf("#");
  const did = parseDid(hash < 0 ? kid : kid.slice(0, hash));
  const own = keyIdOf(did);
  const fragment = (hash < 0 ? own.slice(own.indexOf("#") + 1) : kid.slice(hash + 1)) as MultibaseKey;
  const key = parseMultibaseKey(fragment);
  checkKeyOf(did, fragment, options);
  return { did, kid: `${did}#${fragment}`, key };
}

/** @throws {PeerageError} ERR_PROOF_EXPIRED, ERR_PROOF_NOT_YET_VALID */
export function checkFresh(created: number, expires: number, now: Date): void {
  const seconds = now.getTime() / 1000;
  if (created > seconds + SKEW_SECONDS) {
    throw new PeerageError("ERR_PROOF_NOT_YET_VALID", "the HTTP signature is from the future", {
      detail: "not-yet-valid",
    });
  }
  // Written so that a time that is not a number counts as expired.
  if (!(seconds <= expires + SKEW_SECONDS)) {
    throw new PeerageError("ERR_PROOF_EXPIRED", "the HTTP signature has expired", { detail: "expired" });
  }
}

export function verifiedCaller({ did, kid }: Holder, rest: Omit<HttpCaller, "issuer" | "kid">): Verified<HttpCaller> {
  return markVerified({ issuer: did, kid, ...rest });
}
