import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import type { JsonObject } from "@peerage/core";
import { svidInvalid } from "./refuse.ts";

/** The members of a public key, by `kty` (RFC 7518 section 6, RFC 8037 section 2). */
const members: ReadonlyMap<unknown, readonly string[]> = new Map([
  ["EC", ["crv", "x", "y"]],
  ["RSA", ["n", "e"]],
  ["OKP", ["crv", "x"]],
]);

/**
 * Reads the public key of a JWK; what else the JWK says (`alg`, `use`, `x5c`, `x5u`) is not looked at.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `key`
 */
export function importPublicJwk(jwk: JsonObject): KeyObject {
  const kty = jwk["kty"];
  const names = members.get(kty);
  if (names?.every((name) => typeof jwk[name] === "string") !== true) throw svidInvalid("key");
  const key = Object.fromEntries([["kty", kty], ...names.map((name) => [name, jwk[name]])]) as JsonWebKey;
  try {
    return createPublicKey({ key, format: "jwk" });
  } catch (cause) {
    throw svidInvalid("key", cause);
  }
}
