import { equalBytes, fromUtf8 } from "../encoding/bytes.ts";
import { fromBase64, toBase64 } from "../encoding/base64.ts";
import { markVerified, type Verified } from "../verified.ts";
import { emptyRoot, HASH_BYTES, isSize } from "./merkle.ts";
import { openNote, signNote } from "./note.ts";
import {
  type CheckpointPolicy,
  isSameKey,
  judgeCosignatures,
  keysOfPolicy,
  type WitnessTime,
} from "./checkpoint-policy.ts";
import { checkpointError, LOG_TYPE, type NoteSigner, WITNESS_TYPE } from "./verifier-key.ts";

/** The head of a log, as its three lines say it. */
export interface Checkpoint {
  /** Names the log: its URL without scheme, or `local/<multibase log key>`. */
  readonly origin: string;
  /** Number of leaves, at most 2^53 − 1. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** A head that the log signed, judged by the verifier's own policy. */
export interface SignedCheckpoint extends Checkpoint {
  /** The signed note, as received. */
  readonly note: string;
  /**
   * Seconds since 1970. With a quorum, when the quorum was reached; without, the stamp of the operator's own witness;
   * absent if the policy names neither.
   */
  readonly time?: number;
  /** Cosignatures of the policy's keys that verified and count: the operator's own witness and external ones. */
  readonly cosignatures: readonly WitnessTime[];
  /** True if a quorum of external witnesses cosigned. The operator's own witness is never one of them. */
  readonly witnessed: boolean;
}

/** Three lines: origin, size, root. @throws {RangeError} if {@link parseCheckpoint} would not read them back */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  const text = `${origin}\n${size}\n${toBase64(root)}\n`;
  try {
    parseCheckpoint(text);
  } catch (cause) {
    throw new RangeError("not a checkpoint: origin of one line, size from 0 to 2^53 − 1, root of 32 bytes", { cause });
  }
  return text;
}

/**
 * Parses the text of a checkpoint. Extension lines are refused.
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID
 * @see https://c2sp.org/tlog-checkpoint
 */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin, digits, encoded, end, ...more] = text.split("\n");
  if (origin === undefined || digits === undefined || encoded === undefined || end === undefined) {
    throw checkpointError("form");
  }
  if (end !== "" && more.length > 0) throw checkpointError("extension");

  if (end !== "" || more.length > 0 || origin === "" || /[\u0000-\u001f]/.test(text.replaceAll("\n", ""))) {
    throw checkpointError("form");
  }
  if (!origin.isWellFormed() || !/^(?:0|[1-9]\d*)$/.test(digits)) throw checkpointError("form");
  const size = Number(digits);
  if (!isSize(size)) throw checkpointError("size");
  let root: Uint8Array;
  try {
    root = fromBase64(encoded);
  } catch {
    throw checkpointError("root-base64");
  }
  if (root.length !== HASH_BYTES) throw checkpointError("root-length");
  if (size === 0 && !equalBytes(root, emptyRoot)) throw checkpointError("root-empty");
  return { origin, size, root };
}

/**
 * Signs a head: the log's line, then the witness's with the time.
 * @throws {TypeError} if the keys are not of type 0x01 and 0x04
 */
export function signCheckpoint(
  checkpoint: Checkpoint,
  { log, witness, now }: { log: NoteSigner; witness: NoteSigner; now: Date },
): Promise<string> {
  if (log.key.type !== LOG_TYPE || witness.key.type !== WITNESS_TYPE) {
    throw new TypeError("a log signs with a key of type 0x01, a witness with one of type 0x04");
  }
  return signNote(formatCheckpoint(checkpoint), [log, witness], now);
}

/**
 * Verifies a signed head by a policy: form, origin, the log's signature, every cosignature of a key the policy names, the
 * operator's witness, the quorum. Whether it extends an earlier head is another question: `verifyExtension`.
 * @param options.now the verifier's clock: stamps over 300 s ahead of it do not count
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID
 */
export async function verifyCheckpoint(
  note: string | Uint8Array,
  policy: CheckpointPolicy,
  options: { now?: Date } = {},
): Promise<Verified<SignedCheckpoint>> {
  const { text, signed } = await openNote(note, keysOfPolicy(policy));
  const checkpoint = parseCheckpoint(text);
  if (checkpoint.origin !== policy.origin) throw checkpointError("origin");
  if (!signed.some(({ key }) => isSameKey(key, policy.logKey))) throw checkpointError("log-signature");
  const judged = judgeCosignatures(signed, policy, options.now);
  return markVerified({ ...checkpoint, note: typeof note === "string" ? note : fromUtf8(note), ...judged });
}
