import {
  fromBase64url,
  fromUtf8,
  isJsonObject,
  type JsonObject,
  parseJson,
  type PublicKey,
  utf8,
  verifySignature,
} from "@peerage/core";
import { hold } from "./report.ts";

/** A compact JWS of somebody else's, taken apart; its signature has not been checked. */
export interface ForeignJws {
  readonly header: JsonObject;
  readonly payload: JsonObject;
  /** Throws unless this key signed it with Ed25519. */
  readonly check: (key: PublicKey) => void;
}

/** @throws {TypeError} for what is not three parts of canonical base64url, the first two of them strict JSON objects */
export function parseForeignJws(token: string): ForeignJws {
  const parts = token.split(".");
  const [header = "", payload = "", signature = ""] = parts;
  hold(parts.length === 3, "not a compact JWS");
  const check = (key: PublicKey): void => {
    const covered = utf8(`${header}.${payload}`);
    hold(verifySignature(key, covered, fromBase64url(signature)), "the signature does not hold");
  };
  const parsed = { header: objectOf(header), payload: objectOf(payload), check };
  const { alg, crit } = parsed.header;
  hold(alg === "EdDSA" || alg === "Ed25519", "its algorithm is not Ed25519");
  hold(crit === undefined, "it has critical members that are not known here");
  return parsed;
}

function objectOf(part: string): JsonObject {
  const value = parseJson(fromUtf8(fromBase64url(part)));
  if (!isJsonObject(value)) throw new TypeError("a part of the token is no JSON object");
  return value;
}
