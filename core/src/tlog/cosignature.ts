import { concat, utf8 } from "../encoding/bytes.ts";
import { verifySignatureAsync } from "../ed25519/verify.ts";
import { checkpointError, type NoteSigner, type VerifierKey, WITNESS_TYPE } from "./verifier-key.ts";

/** A time and a signature over it and the checkpoint. */
export interface Cosignature {
  /** Seconds since 1970, at most 2^53 − 1. */
  readonly time: number;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/**
 * Reads the 72 bytes that follow the key id in a cosignature line. Verifies nothing.
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID
 * @see https://c2sp.org/tlog-cosignature
 */
export function parseCosignature(bytes: Uint8Array): Cosignature {
  if (bytes.length !== 72) throw checkpointError("cosignature-length");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const time = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
  if (!Number.isSafeInteger(time)) throw checkpointError("cosignature-time");
  return { time, signature: bytes.subarray(8) };
}

/** Writes the 72 bytes. @throws {RangeError} if the time is not whole seconds since 1970 or the signature not 64 bytes */
export function formatCosignature({ time, signature }: Cosignature): Uint8Array {
  if (!Number.isSafeInteger(time) || time < 0) throw new RangeError("a time is whole seconds since 1970");
  if (signature.length !== 64) throw new RangeError("an Ed25519 signature has 64 bytes");
  const stamp = new DataView(new ArrayBuffer(8));
  stamp.setUint32(0, Math.floor(time / 2 ** 32));
  stamp.setUint32(4, time % 2 ** 32);
  return concat(new Uint8Array(stamp.buffer), signature);
}

/** Cosigns a note text at a time in seconds. @throws {TypeError} if the key is not a witness key (type 0x04) */
export async function cosign(text: string, time: number, signer: NoteSigner): Promise<Cosignature> {
  if (signer.key.type !== WITNESS_TYPE) throw new TypeError("a cosignature is made with a key of type 0x04");
  if (!Number.isSafeInteger(time) || time < 0) throw new RangeError("a time is whole seconds since 1970");
  return { time, signature: await signer.sign(cosignedMessage(text, time)) };
}

/**
 * Verifies a cosignature of a note text and returns its time.
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID
 */
export async function verifyCosignature(text: string, bytes: Uint8Array, key: VerifierKey): Promise<number> {
  if (key.type !== WITNESS_TYPE) throw new TypeError("a cosignature is verified with a key of type 0x04");
  const { time, signature } = parseCosignature(bytes);
  if (!(await verifySignatureAsync(key.publicKey, cosignedMessage(text, time), signature))) {
    throw checkpointError("signature");
  }
  return time;
}

function cosignedMessage(text: string, time: number): Uint8Array {
  return utf8(`cosignature/v1\ntime ${time}\n${text}`);
}
