import type { Statement } from "../statement/types.ts";
import type { SignedCheckpoint } from "../tlog/checkpoint.ts";
import type { VerifierKey } from "../tlog/verifier-key.ts";
import type { Verified } from "../verified.ts";

/** One leaf of a log. */
export interface LogLeaf {
  /** Zero-based. */
  readonly index: number;
  /** The bytes that the tree hashes. */
  readonly leaf: Uint8Array;
  /** Present if the reader has verified the statement before, as a registry has for its own store. */
  readonly statement?: Verified<Statement>;
}

/**
 * Reads one registry's log. Two implementations: over HTTP, which trusts none of the answers, and the registry's own
 * store. A reader verifies signatures of checkpoints; that the leaves lead to their roots is checked by whoever follows.
 */
export interface RegistryReader {
  /** The log's origin: its URL without scheme, or `local/<multibase log key>`. */
  readonly origin: string;
  /** The key that signs every checkpoint. */
  readonly logKey: VerifierKey;
  /** The newest published checkpoint. */
  checkpoint(): Promise<Verified<SignedCheckpoint>>;
  /** Every published checkpoint with `after` < size ≤ `upTo`, ascending: they give each entry its witnessed time. */
  checkpoints(after: number, upTo: number): AsyncIterable<Verified<SignedCheckpoint>>;
  /** The leaves from `from` up to but not including `to`, in order. */
  leaves(from: number, to: number): AsyncIterable<LogLeaf>;
  /** The hashes that prove that the tree of `to` leaves extends that of `from` leaves (RFC 6962 section 2.1.2). */
  consistencyProof(from: number, to: number): Promise<readonly Uint8Array[]>;
  /** A tile of hashes (C2SP tlog-tiles), to find the evidence when a proof fails. */
  tile(level: number, n: number, width: number): Promise<Uint8Array>;
}
