import { sha256Hex } from "../encoding/sha256.ts";
import { canonicalize } from "./canonical.ts";
import type { JsonValue } from "./types.ts";

/** `sha256:` and 64 lower-case hexadecimal digits. */
export type Digest = `sha256:${string}`;

const form = /^sha256:[0-9a-f]{64}$/;

/** True for the text form of a digest. */
export function isDigest(value: unknown): value is Digest {
  return typeof value === "string" && form.test(value);
}

/** SHA-256 of the RFC 8785 form of a JSON value. */
export function digest(value: JsonValue): Digest {
  return `sha256:${sha256Hex(canonicalize(value))}`;
}

/** SHA-256 over the ASCII bytes of a compact JWS, as it was received. */
export function tokenDigest(token: string): Digest {
  return `sha256:${sha256Hex(token)}`;
}
