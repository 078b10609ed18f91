import { concat, toHex, utf8 } from "../encoding/bytes.ts";
import { fromBase64, toBase64 } from "../encoding/base64.ts";
import { sha256 } from "../encoding/sha256.ts";
import { publicKeyFromSeed, seedSigner } from "../ed25519/backends.ts";
import { PublicKey } from "../ed25519/verify.ts";
import { isPeerageError, PeerageError } from "../errors.ts";

/** Signature type of a log: Ed25519 over the note text. */
export const LOG_TYPE = 1;
/** Signature type of a witness: Ed25519 over a time and the note text. */
export const WITNESS_TYPE = 4;
/** The signature types that are supported. */
export type SignatureType = typeof LOG_TYPE | typeof WITNESS_TYPE;

/** A named public key that verifies lines of signed notes. Its text is a *vkey*. */
export interface VerifierKey {
  readonly name: string;
  /** First four bytes of SHA-256(name ‖ "\n" ‖ type ‖ key), as 8 lower-case hexadecimal digits. */
  readonly keyId: string;
  readonly type: SignatureType;
  readonly publicKey: PublicKey;
}

/** Whoever can sign notes: a key in memory or behind a socket. */
export interface NoteSigner {
  readonly key: VerifierKey;
  /** Signs exact bytes with Ed25519; 64 bytes. */
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/**
 * A verifier key from its parts; the public key has 32 bytes.
 * @throws {RangeError} if the name is empty or holds white space, `+` or a control character
 * @throws {PeerageError} ERR_DID_INVALID if the public key is not acceptable
 */
export function createVerifierKey(name: string, type: SignatureType, publicKey: Uint8Array): VerifierKey {
  if (!isKeyName(name)) throw new RangeError("a key name is not empty and has no white space and no plus sign");
  const key = PublicKey.import(publicKey);
  return { name, keyId: keyIdOf(name, type, key.bytes), type, publicKey: key };
}

/** Text of a verifier key: `<name>+<key id>+<base64 of type ‖ key>`. */
export function formatVerifierKey({ name, keyId, type, publicKey }: VerifierKey): string {
  return `${name}+${keyId}+${toBase64(concat(Uint8Array.of(type), publicKey.bytes))}`;
}

/**
 * Parses a verifier key of type 0x01 or 0x04; other types are refused, and so is a key id that is not its own.
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID
 * @see https://c2sp.org/signed-note
 */
export function parseVerifierKey(text: string): VerifierKey {
  const [name, keyId, ...rest] = text.split("+");
  const encoded = rest.join("+");
  if (name === undefined || keyId === undefined || rest.length === 0) throw checkpointError("vkey-form");
  if (!isKeyName(name)) throw checkpointError("vkey-name");
  if (!/^[0-9a-f]{8}$/.test(keyId)) throw checkpointError("vkey-id");
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(encoded);
  } catch {
    throw checkpointError("vkey-base64");
  }
  const type = bytes[0];
  if (type !== LOG_TYPE && type !== WITNESS_TYPE) throw checkpointError("vkey-type");
  if (bytes.length !== 33) throw checkpointError("vkey-length");
  if (keyIdOf(name, type, bytes.subarray(1)) !== keyId) throw checkpointError("vkey-id");
  try {
    return { name, keyId, type, publicKey: PublicKey.import(bytes.subarray(1)) };
  } catch (error) {
    throw isPeerageError(error) ? checkpointError("vkey-key") : error;
  }
}

/** A signer whose 32-byte seed is in this process. @throws as {@link createVerifierKey}; RangeError for another length */
export function noteSignerFromSeed(name: string, type: SignatureType, seed: Uint8Array): NoteSigner {
  if (seed.length !== 32) throw new RangeError("an Ed25519 seed has 32 bytes");
  const own = Uint8Array.from(seed);
  return { key: createVerifierKey(name, type, publicKeyFromSeed(own)), sign: seedSigner(own) };
}

/** True if a signature line or vkey can carry the name: not empty, no white space, control character or plus sign. */
export function isKeyName(name: string): boolean {
  return name !== "" && name.isWellFormed() && !/[\s+\u0000-\u0020\u007f-\u009f]/u.test(name);
}

/** Everything about notes, keys and checkpoints is refused with one code; `detail` says why. */
export function checkpointError(detail: string): PeerageError {
  return new PeerageError("ERR_CHECKPOINT_INVALID", `the checkpoint is not valid: ${detail}`, { detail });
}

function keyIdOf(name: string, type: SignatureType, publicKey: Uint8Array): string {
  return toHex(sha256(concat(utf8(`${name}\n`), Uint8Array.of(type), publicKey)).subarray(0, 4));
}
