import { fromBase64 } from "../encoding/base64.ts";
import { concat, toHex, utf8 } from "../encoding/bytes.ts";
import { sha256 } from "../encoding/sha256.ts";
import { nodeCrypto } from "../runtime.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import { parseNote } from "./note.ts";
import { checkpointError, isKeyName } from "./verifier-key.ts";

/** Signature type of a witness with an ML-DSA-44 key. */
export const ML_DSA_TYPE = 6;
/** Bytes of an ML-DSA-44 signature. */
export const ML_DSA_SIGNATURE_BYTES = 2_420;
/** Bytes of an ML-DSA-44 public key. */
const ML_DSA_KEY_BYTES = 1_312;

/** What a SubjectPublicKeyInfo has before the key: id-ml-dsa-44, no parameters. */
const SPKI_PREFIX = Uint8Array.from([
  0x30, 0x82, 0x05, 0x32, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x11, 0x03, 0x82,
  0x05, 0x21, 0x00,
]);

/** A witness's ML-DSA-44 verifier key. */
export interface MlDsaKey {
  readonly name: string;
  /** 8 lower-case hexadecimal digits. */
  readonly keyId: string;
  /** 1,312 bytes. */
  readonly publicKey: Uint8Array;
}

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
 * them, and a quorum is of Ed25519 keys, so none of them counts in one.
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID if the note is not one, or such a line has no time
 * @see https://c2sp.org/tlog-cosignature
 */
export function mlDsaCosignatures(note: string | Uint8Array): MlDsaCosignature[] {
  return parseNote(note).signatures.flatMap(({ name, keyId, signature }) =>
    signature.length === 8 + ML_DSA_SIGNATURE_BYTES ? [{ name, keyId, time: timeOf(signature) }] : [],
  );
}

/**
 * Parses a vkey of type 0x06. A key id that is not its own is refused.
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID
 */
export function parseMlDsaKey(vkey: string): MlDsaKey {
  const [name = "", keyId, ...rest] = vkey.split("+");
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(rest.join("+"));
  } catch {
    throw checkpointError("vkey-base64");
  }
  if (!isKeyName(name)) throw checkpointError("vkey-name");
  if (bytes[0] !== ML_DSA_TYPE) throw checkpointError("vkey-type");
  if (bytes.length !== 1 + ML_DSA_KEY_BYTES) throw checkpointError("vkey-length");
  if (keyId !== toHex(sha256(concat(utf8(`${name}\n`), bytes)).subarray(0, 4))) throw checkpointError("vkey-id");
  return { name, keyId, publicKey: bytes.subarray(1) };
}

/**
 * Verifies a witness's ML-DSA-44 cosignature of a checkpoint: pure ML-DSA, empty context, over the head as a subtree that
 * begins at 0.
 * @returns its time, or `unsupported` where the runtime has no ML-DSA: never a yes that was not checked
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID if the key did not sign, or the signature does not hold
 */
export function verifyMlDsaCosignature(note: string | Uint8Array, key: MlDsaKey): { time: number } | "unsupported" {
  const { text, signatures } = parseNote(note);
  const line = signatures.find(({ name, keyId }) => name === key.name && keyId === key.keyId);
  if (line?.signature.length !== 8 + ML_DSA_SIGNATURE_BYTES) throw checkpointError("cosignature-length");
  const { origin, size, root } = parseCheckpoint(text);
  const time = timeOf(line.signature);
  const imported = importKey(key.publicKey);
  if (!nodeCrypto || !imported) return "unsupported";
  const message = concat(
    utf8("subtree/v1\n\0"),
    opaque(key.name),
    line.signature.subarray(0, 8),
    opaque(origin),
    new Uint8Array(8),
    uint64(size),
    root,
  );
  if (!nodeCrypto.verify(null, message, imported, line.signature.subarray(8))) throw checkpointError("signature");
  return { time };
}

function importKey(publicKey: Uint8Array): object | undefined {
  try {
    return nodeCrypto?.createPublicKey({ key: concat(SPKI_PREFIX, publicKey), format: "der", type: "spki" });
  } catch {
    // Every 1,312 bytes are a key: it is the runtime that does not know the algorithm.
    return undefined;
  }
}

function timeOf(signature: Uint8Array): number {
  const stamp = new DataView(signature.buffer, signature.byteOffset, 8);
  const time = stamp.getUint32(0) * 2 ** 32 + stamp.getUint32(4);
  if (!Number.isSafeInteger(time)) throw checkpointError("cosignature-time");
  return time;
}

/** 1 to 255 bytes after their number. */
function opaque(text: string): Uint8Array {
  const bytes = utf8(text);
  if (bytes.length < 1 || bytes.length > 255) throw checkpointError("name-length");
  return concat(Uint8Array.of(bytes.length), bytes);
}

function uint64(value: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setUint32(0, Math.floor(value / 2 ** 32));
  bytes.setUint32(4, value % 2 ** 32);
  return new Uint8Array(bytes.buffer);
}
