import { PeerageError } from "../errors.ts";
import { ed25519Backend } from "./backends.ts";
import { publicKeyDefect, signatureDefect } from "./checks.ts";

/** A public key that passed the acceptance rule: 32 bytes, canonical, on the curve, large order, free of torsion. */
export class PublicKey {
  /** The 32 bytes. */
  readonly bytes: Uint8Array;
  #imported: unknown;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /**
   * Checks the acceptance rule (about 1 ms, so keep the result).
   * @throws {PeerageError} ERR_DID_INVALID, with the defect as `detail`
   */
  static import(bytes: Uint8Array): PublicKey {
    const defect = publicKeyDefect(bytes);
    if (defect)
      throw new PeerageError("ERR_DID_INVALID", `the public key is not acceptable: ${defect}`, { detail: defect });
    return new PublicKey(Uint8Array.from(bytes));
  }

  /** The backend's own form of the key, made once. */
  get imported(): unknown {
    return (this.#imported ??= ed25519Backend().importKey(this.bytes));
  }
}

/**
 * The one Ed25519 verdict, the same on every backend: S < L, R canonical and not of small order, key accepted, and the
 * cofactorless equation of RFC 8032 section 5.1.7. Never throws; a malformed signature is false.
 */
export function verifySignature(key: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
  if (signatureDefect(signature)) return false;
  return ed25519Backend().verify(key.imported, message, signature);
}

/** As {@link verifySignature}, on the thread pool or by WebCrypto where there is one. */
export async function verifySignatureAsync(
  key: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (signatureDefect(signature)) return false;
  const backend = ed25519Backend();
  if (!backend.verifyAsync) return backend.verify(key.imported, message, signature);
  return backend.verifyAsync(key.imported, message, signature);
}
