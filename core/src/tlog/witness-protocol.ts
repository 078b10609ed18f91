import { fromBase64, toBase64 } from "../encoding/base64.ts";
import { fromUtf8 } from "../encoding/bytes.ts";
import { PeerageError } from "../errors.ts";
import { sha256Hex } from "../encoding/sha256.ts";
import { HASH_BYTES, isSize } from "./merkle.ts";
import { formatNote, parseNote } from "./note.ts";
import type { NoteSignature } from "./note.ts";
import { type QuorumGroup, quorumOverlap } from "./quorum.ts";

/** Most hashes that a consistency proof has. */
const MAX_HASHES = 63;

/** A log's request to a witness to cosign a head: what the witness saw last, the way from there, and the head. */
export interface AddCheckpoint {
  /** Size of the head that the witness cosigned last; 0 if it never did. */
  readonly oldSize: number;
  /** Consistency proof from there, at most 63 hashes of 32 bytes. */
  readonly proof: readonly Uint8Array[];
  /** The signed note. */
  readonly checkpoint: string;
}

/** Writes the body of `add-checkpoint`. @throws {RangeError} if {@link parseAddCheckpoint} would not read it back */
export function formatAddCheckpoint({ oldSize, proof, checkpoint }: AddCheckpoint): string {
  if (!isSize(oldSize) || proof.length > MAX_HASHES || proof.some((hash) => hash.length !== HASH_BYTES)) {
    throw new RangeError("add-checkpoint has a size and at most 63 hashes of 32 bytes");
  }
  return [`old ${oldSize}`, ...proof.map(toBase64), "", checkpoint].join("\n");
}

/**
 * Parses the body of `add-checkpoint`. The checkpoint is only split off.
 * @throws {PeerageError} ERR_REQUEST_INVALID
 * @see https://c2sp.org/tlog-witness
 */
export function parseAddCheckpoint(body: Uint8Array | string): AddCheckpoint {
  let text: string;
  try {
    text = typeof body === "string" ? body : fromUtf8(body);
  } catch {
    throw malformed("the body is not UTF-8");
  }
  const blank = text.indexOf("\n\n");
  if (blank < 0) throw malformed("there is no empty line");
  const [first = "", ...lines] = text.slice(0, blank).split("\n");
  const digits = /^old (0|[1-9]\d*)$/.exec(first)?.[1];
  const oldSize = Number(digits);
  if (digits === undefined || !isSize(oldSize)) throw malformed("the first line is not the old size");
  if (lines.length > MAX_HASHES) throw malformed("the proof has more than 63 hashes");
  return { oldSize, proof: lines.map(parseHash), checkpoint: text.slice(blank + 2) };
}

/**
 * Reads the signature lines with which a witness answers. None of them is verified: put them under the checkpoint and
 * open that with the keys one trusts.
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID
 */
export function parseSignatureLines(answer: string): readonly NoteSignature[] {
  return parseNote(`x\n\n${answer}`).signatures;
}

/** Adds signature lines to a note, each key's once, the new in place of the old. Verifies nothing. */
export function addSignatureLines(note: string, lines: readonly NoteSignature[]): string {
  const { text, signatures } = parseNote(note);
  const isNew = (line: NoteSignature): boolean =>
    !lines.some((other) => other.name === line.name && other.keyId === line.keyId);
  return formatNote({ text, signatures: [...signatures.filter(isNew), ...lines] });
}

/** The name of a log in addresses: the SHA-256 of its origin, lower-case hexadecimal. */
export function originHash(origin: string): string {
  return sha256Hex(origin);
}

/** As {@link checkQuorumRule}, for groups of groups. @throws {RangeError} */
export function checkQuorumGroup(group: QuorumGroup, faulty: number): void {
  const overlap = quorumOverlap(group);
  if (overlap > faulty) return;
  throw new RangeError(
    `two quorums of these groups may have only ${overlap} witnesses in common, which does not stand ${faulty} bad ones`,
  );
}

/**
 * Checks that no two quorums can have only bad witnesses in common, so that a log cannot be shown in two versions:
 * k > (n + f) / 2, with k the threshold, n the number of witnesses and f how many of them may be bad.
 * @throws {RangeError}
 */
export function checkQuorumRule(quorum: { witnesses: number; threshold: number; faulty: number }): void {
  const { witnesses: n, threshold: k, faulty: f } = quorum;
  if (![n, k, f].every((x) => Number.isInteger(x) && x >= 0) || k < 1 || k > n) {
    throw new RangeError("a quorum is of 1 to all of the witnesses");
  }
  if (2 * k <= n + f) {
    throw new RangeError(
      `a quorum of ${k} of ${n} witnesses does not stand ${f} bad ones: it takes more than ${(n + f) / 2}`,
    );
  }
}

function parseHash(line: string): Uint8Array {
  let hash: Uint8Array;
  try {
    hash = fromBase64(line);
  } catch {
    throw malformed("a line of the proof is not base64");
  }
  if (hash.length !== HASH_BYTES) throw malformed("a hash has 32 bytes");
  return hash;
}

function malformed(message: string): PeerageError {
  return new PeerageError("ERR_REQUEST_INVALID", `not an add-checkpoint request: ${message}`);
}
