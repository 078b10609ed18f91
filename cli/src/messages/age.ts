import { webcrypto } from "node:crypto";
import { type MultibaseKey, parseMultibaseKey, x25519PrivateKey, x25519PublicKey } from "@peerage/core";
import { bech32 } from "@scure/base";
import { Decrypter, Encrypter } from "age-encryption";

/** A private key that opens what was sealed to its public half; its bytes cannot be read out of it. */
export type OpeningKey = webcrypto.CryptoKey;

// RFC 8410: a PKCS #8 X25519 key is this, and the 32 bytes.
const PKCS8_HEAD = Buffer.from("302e020100300506032b656e04220420", "hex");

/**
 * The age recipient (`age1…`, 62 characters) to which a message for an Ed25519 key is sealed: Bech32 (BIP 173) of its
 * X25519 form. Any age tool encrypts to it.
 * @throws {PeerageError} ERR_DID_INVALID if the key is not acceptable
 * @see https://age-encryption.org/v1
 */
export function ageRecipient(key: MultibaseKey): string {
  return bech32.encodeFromBytes("age", x25519PublicKey(parseMultibaseKey(key)));
}

/** Seals bytes so that only who holds the private half of an Ed25519 key can open them. */
export function seal(key: MultibaseKey, content: Uint8Array): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  encrypter.addRecipient(ageRecipient(key));
  return encrypter.encrypt(content);
}

/** The opening key of a 32-byte Ed25519 seed. The seed stays the caller's, to be wiped. */
export async function openingKey(seed: Uint8Array): Promise<OpeningKey> {
  const scalar = x25519PrivateKey(seed);
  const pkcs8 = Buffer.concat([PKCS8_HEAD, scalar]);
  try {
    return await webcrypto.subtle.importKey("pkcs8", pkcs8, { name: "X25519" }, false, ["deriveBits"]);
  } finally {
    scalar.fill(0);
    pkcs8.fill(0);
  }
}

/** What was sealed, if one of the keys opens it and no byte of it was changed; else undefined. */
export async function open(keys: readonly OpeningKey[], sealed: Uint8Array): Promise<Uint8Array | undefined> {
  const decrypter = new Decrypter();
  for (const key of keys) decrypter.addIdentity(key);
  try {
    return await decrypter.decrypt(sealed);
  } catch {
    // Another's, or altered: from outside the two cannot be told apart.
    return undefined;
  }
}
