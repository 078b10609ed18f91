import { constants, createHash, type KeyObject, sign, verify } from "node:crypto";
import { fromBase64url, fromUtf8, isJsonObject, type JsonObject, MAX_JWS_BYTES, parseJson, utf8 } from "@peerage/core";
import { svidInvalid } from "./refuse.ts";

/** The nine algorithms of JWT-SVID and WIT-SVID (JWT-SVID specification section 2.1). No EdDSA, no HMAC, no `none`. */
export const svidAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "ES256",
  "ES384",
  "ES512",
  "PS256",
  "PS384",
  "PS512",
] as const;
/** What a binding and a WIMSE token may use as well: EdDSA with Ed25519 (RFC 8037). */
export type JwsAlgorithm = (typeof svidAlgorithms)[number] | "EdDSA";

const curveOf: Readonly<Record<string, string>> = { ES256: "prime256v1", ES384: "secp384r1", ES512: "secp521r1" };
const hashBytes: Readonly<Record<string, number>> = { "256": 32, "384": 48, "512": 64 };

/** A compact JWS taken apart. Nothing is verified, so nothing in it is believed. */
export interface Jws {
  readonly token: string;
  readonly header: JsonObject;
  readonly claims: JsonObject;
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Takes a compact JWS apart: three parts of canonical base64url, header and claims strict JSON objects, at most 16 KiB,
 * no `crit`. `jku`, `x5u`, `jwk` and `x5c` are carried along; only a caller that expects one looks at it.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `token`, `size`, `crit`
 */
export function readJws(token: unknown): Jws {
  if (typeof token !== "string") throw svidInvalid("token");
  if (token.length > MAX_JWS_BYTES) throw svidInvalid("size");
  const parts = token.split(".");
  if (parts.length !== 3) throw svidInvalid("token");
  const [header, claims] = parts.slice(0, 2).map(readPart) as [JsonObject, JsonObject];
  if (Object.hasOwn(header, "crit")) throw svidInvalid("crit");
  const signed = utf8(token.slice(0, token.lastIndexOf(".")));
  return { token, header, claims, signed, signature: decode(parts[2] ?? "") };
}

function readPart(part: string): JsonObject {
  let value: unknown;
  try {
    value = parseJson(fromUtf8(decode(part)));
  } catch (cause) {
    throw svidInvalid("token", cause);
  }
  if (!isJsonObject(value)) throw svidInvalid("token");
  return value;
}

function decode(part: string): Uint8Array {
  try {
    return fromBase64url(part);
  } catch (cause) {
    throw svidInvalid("token", cause);
  }
}

/** The algorithm of a header, if it is one of `allowed`. @throws {PeerageError} ERR_SVID_INVALID, detail `alg` */
export function algorithmOf(value: unknown, allowed: readonly JwsAlgorithm[] = svidAlgorithms): JwsAlgorithm {
  const algorithm = allowed.find((name) => name === value);
  if (!algorithm) throw svidInvalid("alg");
  return algorithm;
}

/**
 * Checks the signature. The algorithm must fit the key: its type, for EC its curve, for RSA at least 2,048 bits. A PSS
 * salt has the length of the hash, an ECDSA signature is two integers of fixed length (RFC 7518 section 3). Done with
 * node:crypto, synchronously, because a guard decides without waiting.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `alg` (does not fit the key), `signature`
 */
export function verifyJws({ signed, signature }: Jws, algorithm: JwsAlgorithm, key: KeyObject): void {
  if (!signatureHolds(algorithm, key, signed, signature)) throw svidInvalid("signature");
}

/**
 * True if `key` signed these bytes under an algorithm of JWS.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `alg`, if the algorithm does not fit the key
 */
export function signatureHolds(
  algorithm: JwsAlgorithm,
  key: KeyObject,
  signed: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (!fits(algorithm, key)) throw svidInvalid("alg");
  return verify(hashOf(algorithm), signed, keyOptions(algorithm, key), signature);
}

/**
 * Signs header and claims as a compact JWS.
 * @throws {RangeError} if the algorithm does not fit the key
 */
export function signJws(header: JsonObject & { alg: JwsAlgorithm }, claims: JsonObject, key: KeyObject): string {
  if (!fits(header.alg, key)) throw new RangeError(`${header.alg} does not fit the key`);
  const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  const signature = sign(hashOf(header.alg), Buffer.from(signed), keyOptions(header.alg, key));
  return `${signed}.${signature.toString("base64url")}`;
}

/** The algorithm by which a key signs here: its curve's, EdDSA, or RS256. @throws {RangeError} for any other key */
export function algorithmFor(key: KeyObject): JwsAlgorithm {
  const algorithm = (["ES256", "ES384", "ES512", "EdDSA", "RS256"] as const).find((name) => fits(name, key));
  if (!algorithm) throw new RangeError("no JWS algorithm fits the key");
  return algorithm;
}

/** Base64url of the SHA-256 of a text, as `wth`, `ath` and `tth` hold it. */
export function sha256Base64url(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

function fits(algorithm: JwsAlgorithm, key: KeyObject): boolean {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (algorithm === "EdDSA") return type === "ed25519";
  if (algorithm.startsWith("ES")) {
    return type === "ec" && details?.namedCurve === curveOf[algorithm];
  }
  const bits = details?.modulusLength ?? 0;
  return type === "rsa" && bits >= 2_048 && bits <= 8_192;
}

function hashOf(algorithm: JwsAlgorithm): string | null {
  return algorithm === "EdDSA" ? null : `sha${algorithm.slice(2)}`;
}

function keyOptions(algorithm: JwsAlgorithm, key: KeyObject): Parameters<typeof sign>[2] & object & { key: KeyObject } {
  if (algorithm.startsWith("ES")) return { key, dsaEncoding: "ieee-p1363" };
  if (algorithm.startsWith("RS")) return { key, padding: constants.RSA_PKCS1_PADDING };
  if (algorithm.startsWith("PS")) {
    const saltLength = hashBytes[algorithm.slice(2)] ?? 32;
    return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
  }
  return { key };
}
