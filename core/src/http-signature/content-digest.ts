import { sha512 } from "@noble/hashes/sha2.js";
import { toBase64 } from "../encoding/base64.ts";
import { equalBytes } from "../encoding/bytes.ts";
import { sha256 } from "../encoding/sha256.ts";
import { proofInvalid } from "./signature.ts";
import { parseDictionary } from "./structured-fields.ts";

/** The value of `Content-Digest` for a body (RFC 9530). */
export function contentDigest(body: Uint8Array): string {
  return `sha-256=:${toBase64(sha256(body))}:`;
}

/**
 * Recomputes `Content-Digest` from the bytes: a signature over the header alone says nothing of them. Every digest of an
 * algorithm known here (SHA-256, SHA-512) must hold, and there must be one.
 * @throws {PeerageError} ERR_PROOF_INVALID, detail `content-digest`; ERR_PROOF_MALFORMED
 */
export function checkContentDigest(header: string | undefined, body: Uint8Array | undefined): void {
  let known = 0;
  for (const [algorithm, member] of parseDictionary(header ?? "")) {
    const digest = algorithm === "sha-256" ? sha256 : algorithm === "sha-512" ? sha512 : undefined;
    if (!digest) continue;
    const claimed = "value" in member ? member.value : undefined;
    if (!body || !(claimed instanceof Uint8Array) || !equalBytes(claimed, digest(body))) {
      throw proofInvalid("content-digest", "Content-Digest is not of this body");
    }
    known++;
  }
  if (known === 0) throw proofInvalid("content-digest", "Content-Digest names no algorithm that is known here");
}
