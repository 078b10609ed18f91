import { fromBase64url, toBase64url } from "../encoding/base64.ts";
import { fromUtf8, utf8 } from "../encoding/bytes.ts";
import { LruMap } from "../encoding/lru.ts";
import { type Did, type KeyId, type MultibaseKey, multibaseOf, parseDid, parseMultibaseKey } from "../did/did-key.ts";
import type { Signer } from "../did/identity.ts";
import { type PublicKey, verifySignature } from "../ed25519/verify.ts";
import { PeerageError } from "../errors.ts";
import { canonicalize } from "../json/canonical.ts";
import { parseJson } from "../json/parse.ts";
import { isJsonObject, type JsonObject } from "../json/types.ts";

/** A compact JWS is at most this long, in bytes. */
export const MAX_JWS_BYTES = 16_384;

/** What the signature of a compact JWS holds over, and by which key. The claims are not judged here. */
export interface CompactJws {
  readonly token: string;
  readonly kid: KeyId;
  /** The DID of `kid`, which the caller compares with `iss`: the key's own, or one behind which the key has stood. */
  readonly did: Did;
  readonly claims: JsonObject;
}

/** Which keys may speak for a DID. */
export interface KeyOptions {
  /**
   * The keys that have stood behind a DID, as a followed log tells (`View.keysOf`); its own first key is always one. By
   * default that one only. Whether the key that signed stands behind it now is `checkSigningKey`'s question.
   */
  readonly keysOf?: ((did: Did) => readonly MultibaseKey[]) | undefined;
}

interface Header {
  readonly kid: KeyId;
  readonly fragment: MultibaseKey;
  readonly did: Did;
  readonly key: PublicKey;
}

// The same agents sign again and again, so a header is parsed once. It holds no secret and no verdict on a signature.
// Strangers write headers: one that is padded with white space is read every time, or thousands of them would fill memory.
const headers = new LruMap<string, Header>(4_096);

/** A header in RFC 8785 form has about 220 characters. */
const MAX_CACHED_HEADER = 512;

function malformed(detail: string, message: string): PeerageError {
  return new PeerageError("ERR_PROOF_MALFORMED", message, { detail });
}

/**
 * Parses a token of the compact JWS profile (RFC 7515 section 3.1, RFC 8037, RFC 9864) and verifies its signature. The
 * header has exactly `alg` (`EdDSA` or `Ed25519`), `kid` (did:key URL) and the expected `typ`; base64url is canonical.
 * @throws {PeerageError} ERR_PROOF_MALFORMED, ERR_DID_INVALID, ERR_PROOF_INVALID
 */
export function verifyCompactJws(token: unknown, typ: string, options: KeyOptions = {}): CompactJws {
  if (typeof token !== "string") throw malformed("serialisation", "the token must be a compact JWS string");
  if (token.length > MAX_JWS_BYTES) throw malformed("size", `the token is longer than ${MAX_JWS_BYTES} bytes`);
  const parts = token.split(".");
  const [headerPart, claimsPart, signaturePart] = parts;
  if (parts.length !== 3 || headerPart === undefined || claimsPart === undefined || signaturePart === undefined) {
    throw malformed("serialisation", "the token is not a compact JWS: three parts, two dots");
  }
  const header = readHeader(headerPart, typ);
  checkKeyOf(header.did, header.fragment, options);
  const claims = readObject(claimsPart);
  const signature = readBase64url(signaturePart);
  const signed = utf8(token.slice(0, headerPart.length + 1 + claimsPart.length));
  if (!verifySignature(header.key, signed, signature)) {
    throw new PeerageError("ERR_PROOF_INVALID", "the signature does not hold", { detail: "equation" });
  }
  return { token, kid: header.kid, did: header.did, claims };
}

/** Signs claims as a compact JWS with `alg` EdDSA; header and claims are written in RFC 8785 form. */
export async function signCompactJws(signer: Signer, typ: string, claims: JsonObject): Promise<string> {
  const header = canonicalize({ alg: "EdDSA", kid: signer.kid, typ });
  const signed = `${toBase64url(utf8(header))}.${toBase64url(utf8(canonicalize(claims)))}`;
  const signature = signer.sign(utf8(signed));
  return `${signed}.${toBase64url(signature instanceof Uint8Array ? signature : await signature)}`;
}

/**
 * Checks that a key has stood behind a DID: it is the DID's own, or one of those that `keysOf` names.
 * @throws {PeerageError} ERR_PROOF_MALFORMED
 */
export function checkKeyOf(did: Did, key: MultibaseKey, { keysOf }: KeyOptions): void {
  if (key !== multibaseOf(did) && keysOf?.(did).includes(key) !== true) {
    throw malformed("kid", "the fragment of kid must be a key of its DID");
  }
}

function readHeader(part: string, typ: string): Header {
  const cacheKey = `${typ} ${part}`;
  const cached = headers.get(cacheKey);
  if (cached) return cached;
  const header = readObject(part);
  for (const name of Object.keys(header)) {
    if (name !== "alg" && name !== "kid" && name !== "typ") {
      throw malformed("header-member", "the header may hold alg, kid and typ only");
    }
  }
  if (header["alg"] !== "EdDSA" && header["alg"] !== "Ed25519") throw malformed("alg", "alg must be EdDSA or Ed25519");
  if (header["typ"] !== typ) throw malformed("typ", `typ must be ${typ}`);
  const parsed = readKid(header["kid"]);
  if (part.length <= MAX_CACHED_HEADER) headers.set(cacheKey, parsed);
  return parsed;
}

function readKid(kid: unknown): Header {
  if (typeof kid !== "string") throw malformed("header-member", "kid is missing");
  const hash = kid.indexOf("#");
  if (hash < 0) throw malformed("kid", "kid must be did:key:z6Mk…#z6Mk…");
  const fragment = kid.slice(hash + 1);
  const didText = kid.slice(0, hash);
  if (!didText.startsWith("did:")) throw malformed("kid", "kid must be an absolute DID URL");
  const did = parseDid(didText);
  // Which keys are the DID's may change, and is asked at every use; here only that it is the one text of some key.
  if (!/^z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/.test(fragment)) throw malformed("kid", "kid must be did:key:z6Mk…#z6Mk…");
  return { kid: kid as KeyId, fragment: fragment as MultibaseKey, did, key: parseMultibaseKey(fragment) };
}

function readObject(part: string): JsonObject {
  let value: unknown;
  try {
    value = parseJson(fromUtf8(readBase64url(part)));
  } catch (cause) {
    if (cause instanceof PeerageError && cause.code === "ERR_PROOF_MALFORMED") throw cause;
    throw new PeerageError("ERR_PROOF_MALFORMED", "a part of the token is not strict JSON", { detail: "json", cause });
  }
  if (!isJsonObject(value)) throw malformed("claims", "header and claims must be JSON objects");
  return value;
}

function readBase64url(part: string): Uint8Array {
  try {
    return fromBase64url(part);
  } catch (cause) {
    throw new PeerageError("ERR_PROOF_MALFORMED", "the token is not canonical base64url", {
      detail: "base64url",
      cause,
    });
  }
}
