import { type CallProof, type DidKeys, type Digest, type Entry, equalBytes, isJsonObject, isPeerageError, type JsonObject, type JsonValue, type MultibaseKey, parseEntry, type SpiffeEvidence, type SpiffeId, type SpiffeProof, tokenDigest, type Verified } from "@peerage/core"; // prettier-ignore
import { BINDING_RESULT, BINDING_STEP, BINDING_TYP, bindingAudience, checkBindingTime, readBindingClaims, readX5c } from "./binding-token.ts"; // prettier-ignore
import { ed25519Bytes, keyBytesOf } from "./issue-binding.ts";
import { algorithmOf, type Jws, readJws, svidAlgorithms, verifyJws } from "./jws.ts";
import { verifyJwtSvid } from "./jwt-svid.ts";
import { bindingInvalid, svidInvalid } from "./refuse.ts";
import { sealed } from "./sealed.ts";
import { verifyWitSvid, wimseAlgorithms } from "./wit-svid.ts";
import { type BundleLookup, verifyX509Svid } from "./x509-svid.ts";

/** A DID and a SPIFFE ID that belong together, as both keys say. */
export interface VerifiedBinding {
  readonly did: string;
  readonly spiffe: SpiffeId;
  readonly proof: SpiffeProof;
  readonly trustDomain: string;
  /** Digest of the bundle that it was verified against; another one voids it. */
  readonly bundle: Digest;
  /** The guards it names; it is for this one if each of them is one of its audiences. */
  readonly audiences: readonly string[];
  /** Unix seconds. */
  readonly validFrom: number;
  readonly expiresAt: number;
  /** SHA-256 of the entry that the DID signed: what `sub.binding` of an entry names. Absent for `same-key`. */
  readonly entry?: Digest;
  /** The key that signed that entry. */
  readonly key?: MultibaseKey;
  readonly evidence: SpiffeEvidence;
}

export interface BindingContext {
  readonly bundles: BundleLookup;
  readonly now: Date;
  /** The call proof beside which it is presented: its issuer is the DID, its key that of `same-key`. */
  readonly proof: Pick<CallProof, "issuer" | "kid">;
  /** Takes a WIT whose confirmation key is Ed25519, which the SPIFFE profile does not. */
  readonly wimseEdDsa?: boolean | undefined;
  /** Whose signature the entry of the DID may bear; the DID's own key by default. */
  readonly keysOf?: DidKeys["keysOf"] | undefined;
}

/**
 * Verifies one presented binding in both directions: `{x5c}`, `{svid, did}` or `{wit, svid, did}`. Its audiences are
 * returned, not judged.
 * @throws {PeerageError} ERR_SVID_INVALID (the SVID itself does not hold), ERR_SPIFFE_BINDING (the two sides do not
 *   belong together, or not to this caller)
 * @see spiffe.md section 7
 */
export function verifyBinding(value: JsonValue, context: BindingContext): Verified<VerifiedBinding> {
  if (!isJsonObject(value)) throw bindingInvalid("form");
  const form = Object.keys(value).sort().join();
  switch (form) {
    case "x5c":
      return sameKey(value, context);
    case "did,svid": {
      const svid = readJws(value["svid"]);
      return svid.header["typ"] === BINDING_TYP ? mutual(svid, value, context) : token(svid, value, context);
    }
    case "did,svid,wit":
      return wit(value, context);
    default:
      throw bindingInvalid("form");
  }
}

function sameKey(value: JsonObject, { bundles, now, proof }: BindingContext): Verified<VerifiedBinding> {
  const svid = verifyX509Svid(readX5c(value["x5c"]), bundles, now);
  const key = ed25519Bytes(svid.publicKey);
  // Possession was shown by the call proof, if it is this very key that signed it.
  if (!key || !equalBytes(key, keyBytesOf(proof.kid))) throw bindingInvalid("key");
  return sealed<VerifiedBinding>({
    did: proof.issuer,
    spiffe: svid.spiffeId,
    proof: "same-key",
    trustDomain: svid.trustDomain,
    bundle: svid.bundle,
    audiences: [],
    validFrom: svid.validFrom,
    expiresAt: svid.expiresAt,
    evidence: evidenceOf(svid),
  });
}

function mutual(svid: Jws, value: JsonObject, context: BindingContext): Verified<VerifiedBinding> {
  const { x5c } = checkHeader(svid, ["alg", "typ", "x5c"]);
  const leaf = verifyX509Svid(readX5c(x5c), context.bundles, context.now);
  verifyJws(svid, algorithmOf(svid.header["alg"], wimseAlgorithms), leaf.publicKey);
  return join("mutual", svid, { ...leaf, evidence: evidenceOf(leaf) }, value, context);
}

function token(svid: Jws, value: JsonObject, context: BindingContext): Verified<VerifiedBinding> {
  const { bundles, now, proof } = context;
  const jwt = verifyJwtSvid(svid.token, { bundles, now, audience: bindingAudience(proof.issuer) });
  const side = { ...jwt, validFrom: 0, evidence: evidenceOf(jwt) };
  return join("token", undefined, side, value, context);
}

function wit(value: JsonObject, context: BindingContext): Verified<VerifiedBinding> {
  const { bundles, now, wimseEdDsa } = context;
  const own = verifyWitSvid(value["wit"], { bundles, now, ...(wimseEdDsa === true ? { edDsa: true } : {}) });
  const svid = readJws(value["svid"]);
  checkHeader(svid, ["alg", "typ"]);
  const { key, algorithm } = own.confirmation;
  if (algorithmOf(svid.header["alg"], wimseEdDsa ? wimseAlgorithms : svidAlgorithms) !== algorithm) {
    throw svidInvalid("alg");
  }
  verifyJws(svid, algorithm, key);
  const side = { ...own, spiffeId: own.subject, validFrom: 0, evidence: evidenceOf(own) };
  return join("wit", svid, side, value, context);
}

/** The side of the SVID, verified. */
interface SvidSide {
  readonly spiffeId: SpiffeId;
  readonly trustDomain: string;
  readonly bundle: Digest;
  readonly validFrom: number;
  readonly expiresAt: number;
  /** What neither side may outlive: the end of the leaf or of the token. The path above a leaf may end before. */
  readonly leafExpiresAt?: number;
  readonly evidence: SpiffeEvidence;
}

/** Holds the side of the SVID, its statement if there is one, and the side of the DID together. */
function join(
  proof: SpiffeProof,
  statement: Jws | undefined,
  svid: SvidSide,
  value: JsonObject,
  context: BindingContext,
): Verified<VerifiedBinding> {
  const now = context.now.getTime() / 1000;
  const did = context.proof.issuer;
  const claims = statement && readBindingClaims(statement);
  const end = svid.leafExpiresAt ?? svid.expiresAt;
  if (claims) {
    if (claims.did !== did) throw bindingInvalid("did");
    if (claims.sub !== svid.spiffeId) throw bindingInvalid("spiffe-id");
    checkBindingTime(claims, now, end);
  }
  const entry = readEntry(value["did"], context);
  if (entry.issuer !== did) throw bindingInvalid("did");
  if (entry.step !== BINDING_STEP || entry.result !== BINDING_RESULT || entry.prev.length > 0)
    throw bindingInvalid("step");
  const { sub, expiresAt } = entry;
  if (
    Object.keys(sub ?? {})
      .sort()
      .join() !== "spiffe,svid"
  )
    throw bindingInvalid("claims");
  if (sub?.["spiffe"] !== svid.spiffeId) throw bindingInvalid("spiffe-id");
  if (sub["svid"] !== tokenDigest(value["svid"] as string)) throw bindingInvalid("svid");
  if (expiresAt === undefined) throw bindingInvalid("lifetime");
  checkBindingTime({ iat: entry.issuedAt, exp: expiresAt }, now, end);
  return sealed<VerifiedBinding>({
    did,
    spiffe: svid.spiffeId,
    proof,
    trustDomain: svid.trustDomain,
    bundle: svid.bundle,
    audiences: [claims?.aud, entry.audience].filter((audience) => audience !== undefined),
    validFrom: Math.max(svid.validFrom, claims?.iat ?? 0, entry.issuedAt),
    expiresAt: Math.min(svid.expiresAt, claims?.exp ?? Infinity, expiresAt),
    entry: entry.digest,
    key: keyOf(entry),
    evidence: svid.evidence,
  });
}

/** The entry by which a DID countersigns. @throws {PeerageError} ERR_SPIFFE_BINDING, detail `entry` */
export function readEntry(token: JsonValue | undefined, { keysOf }: Pick<BindingContext, "keysOf">): Verified<Entry> {
  try {
    return parseEntry(token, { keysOf });
  } catch (cause) {
    throw isPeerageError(cause) ? bindingInvalid("entry", cause) : cause;
  }
}

/** The key that signed an entry. */
export function keyOf({ kid }: Pick<Entry, "kid">): MultibaseKey {
  return kid.slice(kid.indexOf("#") + 1) as MultibaseKey;
}

/** A header with exactly these members and the `typ` that keeps it apart from every other token. */
function checkHeader({ header }: Jws, names: readonly string[]): JsonObject {
  if (Object.keys(header).sort().join() !== names.join()) throw bindingInvalid("header");
  if (header["typ"] !== BINDING_TYP) throw bindingInvalid("typ");
  return header;
}

function evidenceOf(svid: {
  readonly digest: Digest;
  readonly bundle: Digest;
  readonly sequence?: bigint;
}): SpiffeEvidence {
  const { digest, bundle, sequence } = svid;
  return { svid: digest, bundle, ...(sequence === undefined ? {} : { sequence: String(sequence) }) };
}
