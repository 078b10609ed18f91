import { type Digest, isPeerageError, parseWorkloadId, type SpiffeId, type SpiffeIdParts, tokenDigest, type Verified } from "@peerage/core"; // prettier-ignore
import { algorithmOf, readJws, verifyJws } from "./jws.ts";
import { sealed } from "./sealed.ts";
import { svidInvalid } from "./refuse.ts";
import { checkTokenTime } from "./token-time.ts";
import type { BundleLookup } from "./x509-svid.ts";

/** A JWT-SVID that holds for one audience. It is a bearer token: whoever sees it has it, so alone it proves nothing. */
export interface JwtSvid {
  readonly spiffeId: SpiffeId;
  readonly trustDomain: string;
  readonly audience: string;
  readonly digest: Digest;
  /** Unix seconds. */
  readonly expiresAt: number;
  readonly bundle: Digest;
  readonly sequence?: bigint;
}

/**
 * Verifies a JWT-SVID by the key that the bundle of its own trust domain has under its `kid`.
 * @param audience the one value of `aud`, by string equality; a second value would let it be passed on
 * @throws {PeerageError} ERR_SVID_INVALID; detail `token`, `alg`, `typ`, `kid`, `crit`, `spiffe-id`, `td-unknown`,
 *   `untrusted` (no such key), `signature`, `audience`, `expired`, `not-yet-valid`, `lifetime`
 * @see JWT-SVID specification sections 2 to 4
 */
export function verifyJwtSvid(
  token: unknown,
  context: { readonly bundles: BundleLookup; readonly audience: string; readonly now: Date },
): Verified<JwtSvid> {
  const { bundles, audience, now } = context;
  const jws = readJws(token);
  const algorithm = algorithmOf(jws.header["alg"]);
  const { typ, kid } = jws.header;
  if (typ !== undefined && typ !== "JWT" && typ !== "JOSE") throw svidInvalid("typ");
  if (typeof kid !== "string" || kid === "") throw svidInvalid("kid");
  const { id, trustDomain } = readSubject(jws.claims["sub"]);
  const bundle = bundles.get(trustDomain, now);
  if (!bundle) throw svidInvalid("td-unknown");
  const key = bundle.jwtAuthorities.get(kid);
  if (!key) throw svidInvalid("untrusted");
  verifyJws(jws, algorithm, key);
  const { aud } = jws.claims;
  const only: unknown = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud;
  if (only !== audience) throw svidInvalid("audience");
  return sealed<JwtSvid>({
    spiffeId: id,
    trustDomain,
    audience,
    digest: tokenDigest(jws.token),
    expiresAt: checkTokenTime(jws.claims, now),
    bundle: bundle.digest,
    ...(bundle.sequence === undefined ? {} : { sequence: bundle.sequence }),
  });
}

/** The SPIFFE ID that a token names. @throws {PeerageError} ERR_SVID_INVALID, detail `spiffe-id` */
export function readSubject(sub: unknown): SpiffeIdParts {
  try {
    return parseWorkloadId(sub);
  } catch (cause) {
    if (isPeerageError(cause)) throw svidInvalid("spiffe-id", cause);
    throw cause;
  }
}
