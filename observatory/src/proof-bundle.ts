import type { Digest } from "@peerage/core";

/**
 * All that a browser needs to check entries of the log by itself, in one answer. Nothing in it is believed: each value is
 * a joint between two checks, so that one altered byte breaks one of them and leaves the others standing.
 */
export interface ProofBundle {
  readonly origin: string;
  /** vkey of type 0x01. */
  readonly logKey: string;
  /** vkey of type 0x04: the operator's own witness, which stamps the time. */
  readonly witnessKey?: string;
  /** vkeys of type 0x04 of the witnesses elsewhere, and how many of them must have cosigned; absent: in groups. */
  readonly witnesses?: { readonly keys: readonly string[]; readonly threshold?: number };
  /** The newest checkpoint, a signed note. */
  readonly checkpoint: string;
  readonly size: number;
  /** Hex. */
  readonly root: string;
  /** How the log grew since the head that the asking browser saw last. */
  readonly since?: Grown;
  /** Older checkpoints that say by when entries were logged, each with its growth to the newest. */
  readonly heads: readonly (Grown & { readonly note: string })[];
  readonly entries: readonly ProvenEntry[];
}

/** A consistency proof (RFC 6962 section 2.1.2) from `size` entries to those of the newest checkpoint; hashes in hex. */
export interface Grown {
  readonly size: number;
  readonly proof: readonly string[];
}

/** One entry with its path to the root. */
export interface ProvenEntry {
  readonly index: number;
  readonly id: Digest;
  /** The exact bytes, UTF-8. */
  readonly leaf: string;
  /** Hex. */
  readonly leafHash: string;
  /** Hex, from the leaf's sibling up (RFC 6962 section 2.1.1). */
  readonly inclusion: readonly string[];
  /** Which of the heads covers it first. */
  readonly head?: number;
  /** Entries with what its issuer said about its own key, the earliest first. */
  readonly keys: readonly number[];
  /** Entry of the revocation that took it back. */
  readonly revokedBy?: number;
}
