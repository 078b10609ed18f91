import { randomBytes } from "../encoding/bytes.ts";
import { publicKeyFromSeed, seedSigner } from "../ed25519/backends.ts";
import { type Did, didFromPublicKey, type KeyId, multibaseOf, parseDid } from "./did-key.ts";

/** Whoever can sign as a DID: a key in memory, in a browser's key store, or behind a socket. */
export interface Signer {
  /** The DID that names the agent for ever. */
  readonly did: Did;
  /** The verification method of the key that signs. */
  readonly kid: KeyId;
  /** Signs exact bytes with Ed25519; 64 bytes. Callers sign tagged or typed bytes only, never bare foreign ones. */
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** A {@link Signer} whose key is in this process. */
export interface Identity extends Signer {
  sign(bytes: Uint8Array): Uint8Array;
}

/** 32 fresh random bytes: the secret from which an identity is made. Keep it in a 0600 file and nowhere else. */
export function generateSeed(): Uint8Array {
  return randomBytes(32);
}

/**
 * The identity of a 32-byte seed (RFC 8032): its key's own, or, after a rotation, that of the DID behind which the key
 * stands now. Whether it does is for the key events to say.
 * @throws {RangeError} if the seed has another length
 * @throws {PeerageError} ERR_DID_INVALID if the DID is not acceptable
 */
export function identityFromSeed(seed: Uint8Array, options: { readonly did?: Did } = {}): Identity {
  if (seed.length !== 32) throw new RangeError("an Ed25519 seed has 32 bytes");
  const own = didFromPublicKey(publicKeyFromSeed(seed));
  const did = options.did === undefined ? own : parseDid(options.did);
  return { did, kid: `${did}#${multibaseOf(own)}`, sign: seedSigner(Uint8Array.from(seed)) };
}

/** A fresh identity. Its key is lost with the process unless the seed is kept: see {@link generateSeed}. */
export function generateIdentity(): Identity {
  return identityFromSeed(generateSeed());
}
