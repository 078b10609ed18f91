import { PeerageError } from "../errors.ts";

/** A sealed message has at most this many bytes: what a registry stores and forwards. */
export const MAX_SEALED_BYTES: number = 64 * 1024;

// One X25519 stanza (a share of 32 bytes, a file key of 16 with its tag), the header's MAC; then the payload.
const header = /^age-encryption\.org\/v1\n-> X25519 [A-Za-z0-9+/]{43}\n[A-Za-z0-9+/]{43}\n--- [A-Za-z0-9+/]{43}\n/;
/** What {@link header} matches is always this long. */
const HEADER_BYTES = 22 + 54 + 44 + 48;
/** Nonce of the payload, and the tag of its last chunk. */
const LEAST_PAYLOAD_BYTES = 16 + 16;

/** What encryption adds to a plaintext of one chunk, at most 65,536 bytes. */
export const SEALING_BYTES: number = HEADER_BYTES + LEAST_PAYLOAD_BYTES;

/**
 * Checks that bytes have the form of a sealed message: a file of age version 1 in binary form for exactly one X25519
 * recipient. So nothing is kept by mistake that anybody can read; what is inside, only the recipient learns.
 * @throws {PeerageError} ERR_SEALED_INVALID, ERR_MESSAGE_TOO_LARGE
 * @see https://age-encryption.org/v1
 */
export function checkSealedForm(bytes: Uint8Array): void {
  if (bytes.length > MAX_SEALED_BYTES) {
    throw new PeerageError("ERR_MESSAGE_TOO_LARGE", `a sealed message has at most ${MAX_SEALED_BYTES} bytes`);
  }
  const start = String.fromCharCode(...bytes.subarray(0, HEADER_BYTES));
  if (bytes.length < SEALING_BYTES || !header.test(start)) {
    throw new PeerageError("ERR_SEALED_INVALID", "this is no age file for one X25519 recipient", { detail: "form" });
  }
}
