import { etc } from "@noble/ed25519";
import { sha512 } from "@noble/hashes/sha2.js";
import type { PublicKey } from "../ed25519/verify.ts";

const p = 2n ** 255n - 19n;

/**
 * The X25519 public key, 32 bytes, of the key pair that an accepted Ed25519 public key becomes: u = (1 + y) / (1 − y)
 * modulo 2^255 − 19 (RFC 7748 section 4.1). Acceptance has excluded y = 1 and every point of small order.
 */
export function x25519PublicKey({ bytes }: Pick<PublicKey, "bytes">): Uint8Array {
  let y = 0n;
  for (let i = 31; i >= 0; i--) y = (y << 8n) | BigInt((bytes[i] ?? 0) & (i === 31 ? 127 : 255));
  const u = etc.mod((1n + y) * etc.invert(etc.mod(1n - y, p), p), p);
  return Uint8Array.from({ length: 32 }, (_, i) => Number((u >> BigInt(8 * i)) & 255n));
}

/**
 * The X25519 private key, 32 clamped bytes, that belongs to {@link x25519PublicKey} of a seed's Ed25519 key: the scalar of
 * RFC 8032 section 5.1.5. It is as secret as the seed: the caller wipes it.
 * @throws {RangeError} if the seed has another length than 32 bytes
 */
export function x25519PrivateKey(seed: Uint8Array): Uint8Array {
  if (seed.length !== 32) throw new RangeError("an Ed25519 seed has 32 bytes");
  const hash = sha512(seed);
  const scalar = hash.slice(0, 32);
  hash.fill(0);
  scalar[0] = (scalar[0] ?? 0) & 248;
  scalar[31] = ((scalar[31] ?? 0) & 127) | 64;
  return scalar;
}
