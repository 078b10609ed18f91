import type { Did, KeyId, MultibaseKey } from "../did/did-key.ts";
import type { Signer } from "../did/identity.ts";
import { fromBase64url, toBase64url } from "../encoding/base64.ts";
import { fromUtf8, randomBytes, utf8 } from "../encoding/bytes.ts";
import { LruMap } from "../encoding/lru.ts";
import { PeerageError } from "../errors.ts";
import { canonicalize } from "../json/canonical.ts";
import { type Digest, isDigest, tokenDigest } from "../json/digest.ts";
import { parseJson } from "../json/parse.ts";
import { isJsonObject, type JsonObject, type JsonValue, member } from "../json/types.ts";
import { checkKeyOf, type KeyOptions, signCompactJws, verifyCompactJws } from "../jws/compact.ts";
import { unixSeconds } from "../time.ts";
import { markVerified, type Verified } from "../verified.ts";

/** `typ` of an entry, a receipt and an approval. */
export const ENTRY_TYP = "peerage-entry+jwt";

/** One signed step of a history. A receipt is the entry of a tool server, an approval that of a person's key. */
export interface Entry {
  readonly token: string;
  readonly digest: Digest;
  readonly issuer: Did;
  readonly kid: KeyId;
  /** Unix seconds. */
  readonly issuedAt: number;
  /** Unix seconds; until when it may be relied on. */
  readonly expiresAt?: number;
  readonly jti: string;
  /** The workflow it belongs to: 22 characters base64url. */
  readonly run: string;
  /** Digests of the entries before; none at the start. */
  readonly prev: readonly Digest[];
  /** What happened and how it ended: `[a-z][a-z0-9_.-]{0,63}` each. */
  readonly step: string;
  readonly result: string;
  /** The request it speaks of. */
  readonly req?: Digest;
  /** `jti` of the call it answers. */
  readonly call?: string;
  readonly tool?: string;
  /** A DID or URL: the guard of an approval, the caller of a receipt. */
  readonly audience?: string;
  /** Small facts: integers and strings, at most 2 KiB and three levels. */
  readonly sub?: JsonObject;
}

/** The claims of one history entry (docs/protocol.md, history entries), but for issuer, time and `jti`. */
export interface SignEntryOptions {
  readonly run: string;
  readonly prev: readonly Digest[];
  readonly step: string;
  readonly result: string;
  readonly req?: Digest | undefined;
  readonly call?: string | undefined;
  readonly tool?: string | undefined;
  readonly aud?: string | undefined;
  readonly sub?: JsonObject | undefined;
  /** Unix seconds. */
  readonly exp?: number | undefined;
  readonly now?: Date | undefined;
}

/** A fresh `run`: 128 random bits, base64url. */
export function generateRun(): string {
  return toBase64url(randomBytes(16));
}

/**
 * Signs one entry. Members that {@link parseEntry} would refuse are refused here.
 * @throws {RangeError} if a member has not the form of the protocol
 */
export async function signEntry(signer: Signer, options: SignEntryOptions): Promise<string> {
  const { now, aud, exp, run, prev, step, result, req, call, tool, sub } = options;
  const claims: Record<string, JsonValue> = {
    iss: signer.did,
    iat: unixSeconds(now ?? new Date()),
    jti: toBase64url(randomBytes(16)),
    run,
    prev: [...prev],
    step,
    result,
  };
  for (const [name, value] of Object.entries({ req, call, tool, aud, sub, exp })) {
    if (value !== undefined) claims[name] = value;
  }
  const defect = claimsDefect(claims);
  if (defect) throw new RangeError(`an entry cannot be signed: ${defect}`);
  return signCompactJws(signer, ENTRY_TYP, claims);
}

// "This signature holds" and nothing else: time, key state and place in a history are judged at every use.
// Strangers sign entries too: long ones are verified every time, so that the memory is a matter of megabytes.
const MAX_REMEMBERED = 4_096;
const verifiedEntries = new LruMap<Digest, Verified<Entry>>(16_384);

/** True if this entry's signature was verified before, so that a caller can budget the new ones. */
export function isKnownEntry(digest: Digest): boolean {
  return verifiedEntries.get(digest) !== undefined;
}

/**
 * Profile, signer's key, claims and signature of one entry. Its place in a history and its time are not checked.
 * @throws {PeerageError} ERR_PROOF_MALFORMED, ERR_DID_INVALID, ERR_PROOF_INVALID
 */
export function parseEntry(token: unknown, options: KeyOptions = {}): Verified<Entry> {
  const entry = parseEntryOnce(token, options);
  if (entry.token.length <= MAX_REMEMBERED) verifiedEntries.set(entry.digest, entry);
  return entry;
}

/** As {@link parseEntry}, for an entry that will hardly be met again, such as the receipt of one call: it is not remembered. */
export function parseEntryOnce(token: unknown, options: KeyOptions = {}): Verified<Entry> {
  const digest = typeof token === "string" ? tokenDigest(token) : undefined;
  const known = digest && verifiedEntries.get(digest);
  if (known) {
    checkKeyOf(known.issuer, known.kid.slice(known.kid.indexOf("#") + 1) as MultibaseKey, options);
    return known;
  }
  const jws = verifyCompactJws(token, ENTRY_TYP, options);
  const defect = jws.claims["iss"] === jws.did ? claimsDefect(jws.claims) : "kid";
  if (defect) throw new PeerageError("ERR_PROOF_MALFORMED", `the entry is malformed: ${defect}`, { detail: defect });
  return markVerified(readEntry(jws.token, jws.kid, jws.claims));
}

/**
 * As {@link parseEntry}, by the key that the entry itself names: for entries that were judged when they were kept, or that
 * are carried to somebody who will judge them. Whether that key speaks for the issuer is not checked.
 * @throws {PeerageError} ERR_PROOF_MALFORMED, ERR_DID_INVALID, ERR_PROOF_INVALID
 */
export function parseCarriedEntry(token: string): Verified<Entry> {
  return parseEntry(token, { keysOf: () => namedKeys(token) });
}

/** The key in `kid`; none if the header cannot be read, which {@link parseEntry} then tells. */
function namedKeys(token: string): readonly MultibaseKey[] {
  try {
    const header = parseJson(fromUtf8(fromBase64url(token.slice(0, token.indexOf(".")))));
    const kid = member(header, "kid");
    return typeof kid === "string" ? [kid.slice(kid.indexOf("#") + 1) as MultibaseKey] : [];
  } catch {
    return [];
  }
}

const claimNames = new Set("iss iat exp jti run prev step result req call tool aud sub".split(" "));
const word = /^[a-z][a-z0-9_.-]{0,63}$/;
const identifier = /^[A-Za-z0-9_-]{22,128}$/;

function isTime(value: JsonValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value < 1e11;
}

function isText(value: JsonValue | undefined, longest: number): boolean {
  return typeof value === "string" && value.length > 0 && value.length <= longest;
}

/** The first thing wrong with the claims, as a stable word. */
function claimsDefect(claims: JsonObject): string | undefined {
  if (Object.keys(claims).some((name) => !claimNames.has(name))) return "claims";
  const { iat, exp, jti, run, prev, step, result, req, call, tool, aud, sub } = claims;
  if (!isTime(iat) || (exp !== undefined && !isTime(exp))) return "claims";
  if (exp !== undefined && exp <= iat) return "time";
  if (typeof jti !== "string" || !identifier.test(jti)) return "claims";
  if (typeof run !== "string" || !/^[A-Za-z0-9_-]{22}$/.test(run)) return "claims";
  if (!Array.isArray(prev) || prev.length > 16 || !prev.every(isDigest) || new Set(prev).size !== prev.length) {
    return "claims";
  }
  if (typeof step !== "string" || !word.test(step) || typeof result !== "string" || !word.test(result)) return "claims";
  if (req !== undefined && !isDigest(req)) return "claims";
  if (call !== undefined && !(typeof call === "string" && identifier.test(call))) return "claims";
  if (tool !== undefined && !isText(tool, 256)) return "claims";
  if (aud !== undefined && !isText(aud, 2_048)) return "claims";
  if (sub !== undefined && !isFacts(sub)) return "claims";
  return undefined;
}

function isFacts(sub: JsonValue): boolean {
  return isJsonObject(sub) && factsWithin(sub, 3) && utf8(canonicalize(sub)).length <= 2_048;
}

function factsWithin(value: JsonValue, depth: number): boolean {
  if (typeof value === "string") return true;
  if (typeof value === "number") return Number.isSafeInteger(value);
  if (typeof value !== "object" || value === null || depth === 0) return false;
  return Object.values(value).every((inner: JsonValue) => factsWithin(inner, depth - 1));
}

/** Claims as {@link claimsDefect} leaves them: every member has been checked to have this type. */
interface EntryClaims {
  readonly iss: Did;
  readonly iat: number;
  readonly exp?: number;
  readonly jti: string;
  readonly run: string;
  readonly prev: readonly Digest[];
  readonly step: string;
  readonly result: string;
  readonly req?: Digest;
  readonly call?: string;
  readonly tool?: string;
  readonly aud?: string;
  readonly sub?: JsonObject;
}

function readEntry(token: string, kid: KeyId, claims: JsonObject): Entry {
  const { iss, iat, exp, aud, ...same } = claims as unknown as EntryClaims;
  return {
    ...same,
    token,
    digest: tokenDigest(token),
    issuer: iss,
    kid,
    issuedAt: iat,
    ...(exp === undefined ? {} : { expiresAt: exp }),
    ...(aud === undefined ? {} : { audience: aud }),
  };
}
