import type { KeyObject } from "node:crypto";
import { canonicalize, digest, type Digest, fromBase64, isJsonObject, isPeerageError, type JsonObject, type JsonValue, parseJson, sha256Hex } from "@peerage/core"; // prettier-ignore
import { type Certificate, parseCertificate } from "./certificate.ts";
import { importPublicJwk } from "./jwk.ts";
import { svidInvalid } from "./refuse.ts";
import { takeSequences } from "./sequence.ts";

/** The keys of one trust domain. It does not name its domain: the store that holds it does. */
export interface TrustBundle {
  readonly x509Authorities: readonly Certificate[];
  /** By `kid`. */
  readonly jwtAuthorities: ReadonlyMap<string, KeyObject>;
  /** By `kid`. */
  readonly witAuthorities: ReadonlyMap<string, KeyObject>;
  /** `spiffe_sequence`, exact. */
  readonly sequence?: bigint;
  /** `spiffe_refresh_hint` in seconds, as written; {@link refreshSeconds} clamps it. */
  readonly refreshHint?: number;
  /** Changes with every key: verifications are cached under it. */
  readonly digest: Digest;
}

/** A bundle document is at most this long, in bytes. */
export const MAX_BUNDLE_BYTES = 1_048_576;

/** How long to wait before a bundle is asked for again: its hint, 300 if absent, clamped to 10 s … 1 h. */
export function refreshSeconds(bundle: TrustBundle | undefined): number {
  return Math.min(Math.max(bundle?.refreshHint ?? 300, 10), 3_600);
}

/** The parts of a bundle, as the sources deliver them. */
export interface BundleParts {
  readonly x509?: readonly Certificate[];
  readonly jwt?: ReadonlyMap<string, JsonObject>;
  readonly wit?: ReadonlyMap<string, JsonObject>;
  readonly sequence?: bigint | undefined;
  readonly refreshHint?: number | undefined;
}

/** Puts a bundle together; keys that cannot be read refuse it. @throws {PeerageError} ERR_SVID_INVALID, detail `key` */
export function createBundle(parts: BundleParts): TrustBundle {
  const { x509 = [], jwt = new Map<string, JsonObject>(), wit = new Map<string, JsonObject>() } = parts;
  const keys = (jwks: ReadonlyMap<string, JsonObject>): ReadonlyMap<string, KeyObject> =>
    new Map([...jwks].map(([kid, jwk]) => [kid, importPublicJwk(jwk)]));
  const { sequence, refreshHint } = parts;
  return {
    x509Authorities: x509,
    jwtAuthorities: keys(jwt),
    witAuthorities: keys(wit),
    ...(sequence === undefined ? {} : { sequence }),
    ...(refreshHint === undefined ? {} : { refreshHint }),
    digest: digest({
      x509: x509.map(({ der }) => sha256Hex(der)).sort(),
      jwt: [...jwt.values()].map((jwk) => canonicalize(jwk)).sort(),
      wit: [...wit.values()].map((jwk) => canonicalize(jwk)).sort(),
    }),
  };
}

/**
 * Parses a SPIFFE bundle document (a JWKS). `"keys": []` is valid and revokes the whole trust domain; a missing or
 * null `keys` is an error. Entries of unknown `use` or `kty` are ignored, and so is an `x509-svid` without `x5c`.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `bundle`, `keys`, `kid`, `private-key`, `key`, `sequence`, `malformed`
 * @see SPIFFE Trust Domain and Bundle specification section 4
 */
export function parseBundle(text: string | Uint8Array): TrustBundle {
  return readBundle(parseDocument(text));
}

/** Parses `{"trust_domains": {name: bundle}}`. @throws {PeerageError} as {@link parseBundle} */
export function parseBundleMap(text: string | Uint8Array): ReadonlyMap<string, TrustBundle> {
  const domains = parseDocument(text)["trust_domains"];
  if (!isJsonObject(domains)) throw svidInvalid("bundle");
  return new Map(
    Object.entries(domains).map(([name, document]) => {
      if (!isJsonObject(document)) throw svidInvalid("bundle");
      return [name, readBundle(document)];
    }),
  );
}

/**
 * Parses a plain JWKS as the Workload API delivers it, where every key serves one purpose and `use` is absent.
 * @returns the keys by `kid`
 * @throws {PeerageError} ERR_SVID_INVALID, detail `keys`, `kid`, `private-key`, `key`
 */
export function parseJwks(text: string | Uint8Array): ReadonlyMap<string, JsonObject> {
  const keys = new Map<string, JsonObject>();
  for (const jwk of entriesOf(parseDocument(text))) {
    if (isKnownType(jwk)) addKey(keys, jwk);
  }
  return keys;
}

function parseDocument(text: string | Uint8Array): JsonObject {
  let document: JsonValue;
  try {
    document = parseJson(takeSequences(text), { maxBytes: MAX_BUNDLE_BYTES });
  } catch (cause) {
    throw isPeerageError(cause, "ERR_SVID_INVALID") ? cause : svidInvalid("bundle", cause);
  }
  if (!isJsonObject(document)) throw svidInvalid("bundle");
  return document;
}

function readBundle(document: JsonObject): TrustBundle {
  const x509: Certificate[] = [];
  const jwt = new Map<string, JsonObject>();
  const wit = new Map<string, JsonObject>();
  const kids = new Set<string>();
  for (const jwk of entriesOf(document)) {
    if (!isKnownType(jwk)) continue;
    const certificate = jwk["use"] === "x509-svid" ? readX5c(jwk) : undefined;
    if (certificate) x509.push(certificate);
    if (jwk["use"] === "jwt-svid") addKey(jwt, jwk);
    if (jwk["use"] === "wit-svid") addKey(wit, jwk);
    if (typeof jwk["kid"] === "string" && jwk["use"] !== "wit-svid") kids.add(jwk["kid"]);
  }
  if ([...wit.keys()].some((kid) => kids.has(kid))) throw svidInvalid("kid");
  return createBundle({
    x509,
    jwt,
    wit,
    sequence: readSequence(document["spiffe_sequence"]),
    refreshHint: readHint(document["spiffe_refresh_hint"]),
  });
}

function entriesOf(document: JsonObject): readonly JsonObject[] {
  const keys = document["keys"];
  if (!Array.isArray(keys)) throw svidInvalid("keys");
  return keys.map((jwk: JsonValue) => {
    if (!isJsonObject(jwk)) throw svidInvalid("keys");
    const isPrivate = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].some((name) => Object.hasOwn(jwk, name));
    if (isPrivate) throw svidInvalid("private-key");
    return jwk;
  });
}

function isKnownType(jwk: JsonObject): boolean {
  return jwk["kty"] === "EC" || jwk["kty"] === "RSA" || jwk["kty"] === "OKP";
}

function readX5c(jwk: JsonObject): Certificate | undefined {
  const x5c = jwk["x5c"];
  if (x5c === undefined) return undefined;
  const first = Array.isArray(x5c) ? (x5c[0] as JsonValue | undefined) : undefined;
  if (typeof first !== "string") throw svidInvalid("x5c");
  try {
    return parseCertificate(fromBase64(first));
  } catch (cause) {
    throw cause instanceof TypeError ? svidInvalid("x5c", cause) : cause;
  }
}

function addKey(keys: Map<string, JsonObject>, jwk: JsonObject): void {
  const kid = jwk["kid"];
  if (typeof kid !== "string" || kid === "" || keys.has(kid)) throw svidInvalid("kid");
  keys.set(kid, jwk);
}

function readSequence(value: JsonValue | undefined): bigint | undefined {
  if (value === undefined) return undefined;
  const text: unknown = Array.isArray(value) && value.length === 1 ? value[0] : undefined;
  if (typeof text !== "string" || !/^\d{1,20}$/.test(text)) throw svidInvalid("sequence");
  return BigInt(text);
}

function readHint(value: JsonValue | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw svidInvalid("refresh-hint");
  return value;
}
