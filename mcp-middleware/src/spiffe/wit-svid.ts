import type { KeyObject } from "node:crypto";
import { type Digest, isJsonObject, type JsonObject, type SpiffeId, tokenDigest, type Verified } from "@peerage/core";
import { importPublicJwk } from "./jwk.ts";
import { algorithmOf, type JwsAlgorithm, type Jws, readJws, svidAlgorithms, verifyJws } from "./jws.ts";
import { readSubject } from "./jwt-svid.ts";
import { sealed } from "./sealed.ts";
import { svidInvalid } from "./refuse.ts";
import { checkTokenTime } from "./token-time.ts";
import type { BundleLookup } from "./x509-svid.ts";

/** The key that the holder of a WIT must prove possession of. */
export interface ConfirmationKey {
  readonly key: KeyObject;
  readonly algorithm: JwsAlgorithm;
}

/** A Workload Identity Token that holds. It is never accepted without possession of {@link ConfirmationKey}. */
export interface Wit {
  readonly token: string;
  readonly subject: string;
  readonly confirmation: ConfirmationKey;
  readonly digest: Digest;
  /** Unix seconds. */
  readonly expiresAt: number;
}

/** A WIT of the SPIFFE profile. */
export interface WitSvid extends Wit {
  readonly subject: SpiffeId;
  readonly trustDomain: string;
  readonly bundle: Digest;
  readonly sequence?: bigint;
}

/** EdDSA too: what a WIMSE token outside the SPIFFE profile may use. */
export const wimseAlgorithms: readonly JwsAlgorithm[] = [...svidAlgorithms, "EdDSA"];

/**
 * Verifies a WIT-SVID by the `wit-svid` key that the bundle of its own trust domain has under its `kid`.
 * @param context `edDsa` also takes a `cnf` key of Ed25519, which the SPIFFE profile does not
 * @throws {PeerageError} ERR_SVID_INVALID; detail as {@link verifyJwtSvid}, and `cnf`, `aud`
 */
export function verifyWitSvid(
  token: unknown,
  context: { readonly bundles: BundleLookup; readonly now: Date; readonly edDsa?: boolean },
): Verified<WitSvid> {
  const { bundles, now, edDsa = false } = context;
  const jws = readJws(token);
  const { kid } = jws.header;
  if (typeof kid !== "string" || kid === "") throw svidInvalid("kid");
  const { id, trustDomain } = readSubject(jws.claims["sub"]);
  const bundle = bundles.get(trustDomain, now);
  if (!bundle) throw svidInvalid("td-unknown");
  const issuer = bundle.witAuthorities.get(kid);
  if (!issuer) throw svidInvalid("untrusted");
  const wit = readWit(jws, { issuer, now, algorithms: edDsa ? wimseAlgorithms : svidAlgorithms });
  return sealed<WitSvid>({
    ...wit,
    subject: id,
    trustDomain,
    bundle: bundle.digest,
    ...(bundle.sequence === undefined ? {} : { sequence: bundle.sequence }),
  });
}

/**
 * Verifies a WIT of WIMSE by its issuer's key: any subject, EdDSA allowed.
 * @throws {PeerageError} ERR_SVID_INVALID
 * @see draft-ietf-wimse-workload-creds
 */
export function verifyWimseWit(
  token: unknown,
  context: { readonly issuer: KeyObject; readonly now: Date },
): Verified<Wit> {
  return sealed(readWit(readJws(token), { ...context, algorithms: wimseAlgorithms }));
}

function readWit(
  jws: Jws,
  context: { readonly issuer: KeyObject; readonly now: Date; readonly algorithms: readonly JwsAlgorithm[] },
): Wit {
  const { issuer, now, algorithms } = context;
  if (jws.header["typ"] !== "wit+jwt") throw svidInvalid("typ");
  verifyJws(jws, algorithmOf(jws.header["alg"], algorithms), issuer);
  const { sub, aud, cnf, iat: _iat, ...rest } = jws.claims;
  if (typeof sub !== "string" || sub === "") throw svidInvalid("spiffe-id");
  // With an audience it could be taken for a token that somebody accepts without possession.
  if (aud !== undefined) throw svidInvalid("aud");
  return {
    token: jws.token,
    subject: sub,
    confirmation: readConfirmation(cnf, algorithms),
    digest: tokenDigest(jws.token),
    expiresAt: checkTokenTime(rest, now),
  };
}

/** `cnf` with one public JWK that names its algorithm. @throws {PeerageError} ERR_SVID_INVALID, detail `cnf`, `alg` */
export function readConfirmation(cnf: unknown, algorithms: readonly JwsAlgorithm[]): ConfirmationKey {
  const jwk: unknown = isJsonObject(cnf) ? cnf["jwk"] : undefined;
  if (!isJsonObject(jwk) || isPrivate(jwk)) throw svidInvalid("cnf");
  return { key: importPublicJwk(jwk), algorithm: algorithmOf(jwk["alg"], algorithms) };
}

function isPrivate(jwk: JsonObject): boolean {
  return ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].some((name) => Object.hasOwn(jwk, name));
}
