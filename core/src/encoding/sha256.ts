import { sha256 as nobleSha256 } from "@noble/hashes/sha2.js";
import { nodeCrypto } from "../runtime.ts";
import { toHex, utf8 } from "./bytes.ts";

/** SHA-256 (FIPS 180-4) of bytes or of the UTF-8 of a string: 32 bytes. */
export function sha256(data: Uint8Array | string): Uint8Array {
  if (nodeCrypto) {
    const digest = nodeCrypto.hash("sha256", data, "buffer");
    return new Uint8Array(digest.buffer, digest.byteOffset, digest.byteLength);
  }
  return nobleSha256(typeof data === "string" ? utf8(data) : data);
}

/** SHA-256 as 64 lower-case hexadecimal digits. */
export function sha256Hex(data: Uint8Array | string): string {
  if (nodeCrypto) return nodeCrypto.hash("sha256", data, "hex");
  return toHex(sha256(data));
}
