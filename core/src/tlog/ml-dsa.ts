import { checkpointError } from "./verifier-key.ts";
import { parseNote } from "./note.ts";

/** Signature type of a witness with an ML-DSA-44 key. */
export const ML_DSA_TYPE = 6;
/** Bytes of an ML-DSA-44 signature. */
export const ML_DSA_SIGNATURE_BYTES = 2_420;

/** An ML-DSA-44 cosignature as it stands on a note. It was not verified, and counts for nothing. */
export interface MlDsaCosignature {
  readonly name: string;
  /** 8 lower-case hexadecimal digits. */
  readonly keyId: string;
  /** Seconds since 1970, as the line claims. */
  readonly time: number;
}

/**
 * The lines of a note that have the form of ML-DSA-44 cosignatures, to be reported. Nothing else than their length tells
 * them, and no verifier here counts them: a quorum is of Ed25519 keys.
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID if the note is not one, or such a line has no time
 * @see https://c2sp.org/tlog-cosignature
 */
export function mlDsaCosignatures(note: string | Uint8Array): MlDsaCosignature[] {
  return parseNote(note).signatures.flatMap(({ name, keyId, signature }) => {
    if (signature.length !== 8 + ML_DSA_SIGNATURE_BYTES) return [];
    const stamp = new DataView(signature.buffer, signature.byteOffset, 8);
    const time = stamp.getUint32(0) * 2 ** 32 + stamp.getUint32(4);
    if (!Number.isSafeInteger(time)) throw checkpointError("cosignature-time");
    return [{ name, keyId, time }];
  });
}
