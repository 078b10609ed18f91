import { fromBase64, toBase64 } from "../encoding/base64.ts";
import { fromUtf8 } from "../encoding/bytes.ts";
import { PeerageError } from "../errors.ts";
import { markVerified, type Verified } from "../verified.ts";
import { type SignedCheckpoint, verifyCheckpoint } from "./checkpoint.ts";
import type { CheckpointPolicy } from "./checkpoint-policy.ts";
import { HASH_BYTES, isSize, leafHash, verifyInclusion } from "./merkle.ts";

const header = "c2sp.org/tlog-proof@v1";
const MAX_HASHES = 63;
const MAX_PROOF_BYTES = 131_072;

/** A log proof: what a registry hands back for a statement, complete by itself. Unverified. */
export interface LogProof {
  /** Zero-based index of the leaf. */
  readonly index: number;
  /** Inclusion proof, at most 63 hashes of 32 bytes, from the leaf's sibling up. */
  readonly hashes: readonly Uint8Array[];
  /** The signed note. */
  readonly checkpoint: string;
  /** Opaque and not authenticated. Peerage writes none, and refuses proofs that carry it. */
  readonly extra?: Uint8Array;
}

/** What a verified log proof says: the leaf stands at `index` below this checkpoint. */
export interface ProvenLeaf {
  /** Its place in the log, from 0. */
  readonly index: number;
  /** Size of the tree that the proof leads to. */
  readonly size: number;
  /** Time of the checkpoint in seconds since 1970, see {@link SignedCheckpoint}. */
  readonly time?: number;
  readonly witnessed: boolean;
  readonly checkpoint: Verified<SignedCheckpoint>;
}

/** Writes a log proof. @throws {RangeError} if {@link parseLogProof} would not read it back */
export function formatLogProof({ index, hashes, checkpoint, extra }: LogProof): string {
  if (!isSize(index) || hashes.length > MAX_HASHES || hashes.some((hash) => hash.length !== HASH_BYTES)) {
    throw new RangeError("a log proof has an index and at most 63 hashes of 32 bytes");
  }
  if (checkpoint === "" || extra?.length === 0) throw new RangeError("a part of a log proof is not empty");
  const extraLine = extra ? [`extra ${toBase64(extra)}`] : [];
  return [header, ...extraLine, `index ${index}`, ...hashes.map(toBase64), "", checkpoint].join("\n");
}

/**
 * Parses a log proof. Neither the checkpoint nor the path is looked at.
 * @throws {PeerageError} ERR_INCLUSION_INVALID
 * @see https://c2sp.org/tlog-proof
 */
export function parseLogProof(proof: string | Uint8Array): LogProof {
  const text = readText(proof);
  const blank = text.indexOf("\n\n");
  const lines = (blank < 0 ? text : text.slice(0, blank)).split("\n");
  if (lines.shift() !== header) throw proofError("header");
  const extra = lines[0]?.startsWith("extra ") ? readBase64(lines.shift()?.slice(6), "extra") : undefined;
  if (extra?.length === 0) throw proofError("extra");
  const digits = /^index (0|[1-9]\d*)$/.exec(lines.shift() ?? "")?.[1];
  const index = Number(digits);
  if (digits === undefined || !isSize(index)) throw proofError("index");
  if (lines.length > MAX_HASHES) throw proofError("too-long");
  const hashes = lines.map((line) => readBase64(line, "hash"));
  if (hashes.some((hash) => hash.length !== HASH_BYTES)) throw proofError("hash-length");
  const checkpoint = blank < 0 ? "" : text.slice(blank + 2);
  if (checkpoint === "") throw proofError("form");
  return { index, hashes, checkpoint, ...(extra ? { extra } : {}) };
}

/**
 * Verifies that `leaf` is in the log, by the checkpoint in the proof and the verifier's policy. Needs no network.
 * @param leaf the bytes of the statement; the leaf hash is computed here
 * @param options.now the verifier's clock: stamps over 300 s ahead of it do not count
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID, ERR_INCLUSION_INVALID
 */
export async function verifyLogProof(
  proof: string | Uint8Array,
  leaf: Uint8Array,
  policy: CheckpointPolicy,
  options: { now?: Date } = {},
): Promise<Verified<ProvenLeaf>> {
  const { index, hashes, checkpoint: note, extra } = parseLogProof(proof);
  if (extra) throw proofError("extra");
  const checkpoint = await verifyCheckpoint(note, policy, options);
  const { size, root, time, witnessed } = checkpoint;
  verifyInclusion({ index, size, root, leafHash: leafHash(leaf), proof: hashes });
  return markVerified({ index, size, witnessed, checkpoint, ...(time === undefined ? {} : { time }) });
}

function readText(proof: string | Uint8Array): string {
  if (proof.length > MAX_PROOF_BYTES) throw proofError("too-long");
  if (typeof proof === "string") return proof;
  try {
    return fromUtf8(proof);
  } catch {
    throw proofError("utf8");
  }
}

function readBase64(text: string | undefined, detail: string): Uint8Array {
  try {
    return fromBase64(text ?? "");
  } catch {
    throw proofError(detail);
  }
}

function proofError(detail: string): PeerageError {
  return new PeerageError("ERR_INCLUSION_INVALID", `the log proof is not valid: ${detail}`, { detail });
}
