import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { fromBase64, fromBase64url, isJsonObject, type JsonObject, parseJson, PublicKey } from "@peerage/core";
import { usage } from "../../errors.ts";

/** A file of public keys: PEM, a JWK, or a set of JWKs. */
export function readKeys(bytes: Uint8Array): readonly KeyObject[] {
  const text = Buffer.from(bytes).toString("utf8");
  try {
    if (text.includes("-----BEGIN")) {
      // From a private key a public one could be made, but a private key has no business here.
      if (text.includes("PRIVATE")) throw new TypeError("private");
      return [createPublicKey(text)];
    }
    const json = parseJson(text);
    const list = isJsonObject(json) && Array.isArray(json["keys"]) ? json["keys"] : [json];
    return list.map((jwk) => {
      if (!isJsonObject(jwk) || Object.hasOwn(jwk, "d")) throw new TypeError("not a public JWK");
      return createPublicKey({ key: jwk as unknown as Record<string, string>, format: "jwk" });
    });
  } catch {
    throw usage("--key is a file with a public key: PEM, a JWK, or a set of JWKs");
  }
}

/** The Ed25519 keys among them. @throws {PeerageError} ERR_DID_INVALID for one that signs anything */
export function ed25519Keys(keys: readonly KeyObject[]): PublicKey[] {
  return keys
    .filter((key) => key.asymmetricKeyType === "ed25519")
    .map((key) => PublicKey.import(fromBase64url(key.export({ format: "jwk" }).x ?? "")));
}

/** True if a key is one for a JWS algorithm: Ed25519, ES256, or RS256 of 2048 bits or more. */
export function isKeyFor(alg: string, { asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): boolean {
  if (alg === "EdDSA" || alg === "Ed25519") return type === "ed25519";
  if (alg === "ES256") return type === "ec" && details?.namedCurve === "prime256v1";
  return alg === "RS256" && type === "rsa" && (details?.modulusLength ?? 0) >= 2048;
}

/** True if a key, which {@link isKeyFor} its algorithm, signed these bytes. */
export function holdsBy(alg: string, key: KeyObject, covered: Uint8Array, signature: Uint8Array): boolean {
  const digest = alg === "ES256" || alg === "RS256" ? "sha256" : null;
  return verify(digest, covered, { key, dsaEncoding: "ieee-p1363" }, signature);
}

/** The 32 bytes of `ed25519:<base64>` or `<base64>`, as a key. */
export function keyOfText(text: string): PublicKey {
  return PublicKey.import(fromBase64(text.replace(/^ed25519:/, "")));
}

/** The key in the DER form that every Ed25519 key has (RFC 8410): a prefix of 12 bytes, then 32. */
export function keyOfDer(der: Uint8Array): PublicKey {
  const prefix = Buffer.from("302a300506032b6570032100", "hex");
  if (der.length !== 44 || !prefix.equals(der.subarray(0, 12))) throw new TypeError("not an Ed25519 key in DER");
  return PublicKey.import(der.subarray(12));
}

/** A text member, or a refusal that names it. */
export function textAt(object: JsonObject, name: string): string {
  const value = Object.hasOwn(object, name) ? object[name] : undefined;
  if (typeof value !== "string") throw new TypeError(`${name} is missing`);
  return value;
}

export function objectAt(object: JsonObject, name: string): JsonObject {
  const value = Object.hasOwn(object, name) ? object[name] : undefined;
  if (!isJsonObject(value)) throw new TypeError(`${name} is missing`);
  return value;
}

/** Refuses members that nobody signed: they would be read as if somebody had. */
export function onlyMembers(object: JsonObject, names: readonly string[]): void {
  const other = Object.keys(object).find((name) => !names.includes(name));
  if (other !== undefined) throw new TypeError(`nobody signed the member ${other}`);
}
