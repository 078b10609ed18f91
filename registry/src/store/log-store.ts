/** One statement in the log, as stored. The first five members are derived from `body`, the bytes that were signed. */
export interface StoredEntry {
  /** Position in the log, from 0, without gaps. */
  readonly index: number;
  /** 32 bytes: SHA-256 of the JCS of the document without its proof. */
  readonly id: Uint8Array;
  /** 32 bytes: the RFC 6962 leaf hash of `body`. */
  readonly leaf: Uint8Array;
  /** A code of {@link file://./kinds.ts}. */
  readonly kind: number;
  /** DID of the issuer. */
  readonly issuer: string;
  /** DID that the statement is about, if it is about another statement's target or the issuer itself: null. */
  readonly subject: string | null;
  /** 32 bytes: the id of the statement that this one revokes. */
  readonly target: Uint8Array | null;
  /** The leaf: the JCS of the secured document, at most 4,096 bytes. */
  readonly body: Uint8Array;
}

/** 256 hashes of one tile of tlog-tiles, complete and so never to change. */
export interface FullTile {
  readonly level: number;
  readonly n: number;
  /** 8,192 bytes. */
  readonly hashes: Uint8Array;
}

/** How far the log is committed; the published size may be smaller. */
export interface Head {
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

/** A checkpoint that was shown to somebody. */
export interface StoredCheckpoint {
  /** Number of leaves under it. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** Unix seconds: the stamp of the operator's own witness. */
  readonly time: number;
  /** The whole signed note. */
  readonly note: string;
}

/** Which entries a page of statements shows; every condition must hold. */
export interface EntryFilter {
  readonly issuer?: string;
  readonly subject?: string;
  readonly kinds?: readonly number[];
}

/** How a store writes, in its own words, read from the connection that writes. */
export interface Durability {
  /** `2` (SQLite: FULL) or `on` (PostgreSQL): a commit returns only after its fsync. */
  readonly synchronous: unknown;
  /** SQLite: `wal`. */
  readonly journalMode?: unknown;
  /** PostgreSQL: `on`. */
  readonly fsync?: unknown;
}

/** What reads need. They see committed rows; callers restrict them to the published size. */
export interface LogReads extends AsyncDisposable {
  head(): Promise<Head>;
  /** Entries with from ≤ index < to, in order. */
  entries(from: number, to: number): Promise<StoredEntry[]>;
  /** Leaf hashes with from ≤ index < to, 32 bytes each, joined. */
  leafHashes(from: number, to: number): Promise<Uint8Array>;
  /** At most `limit` entries with after < index < before that match, in order. */
  page(filter: EntryFilter, after: number, before: number, limit: number): Promise<StoredEntry[]>;
  /** The kinds of an issuer's statements about its own key, in log order: {@link kindCodes}. Asked at every submission. */
  keyStatements(issuer: string): Promise<number[]>;
  byId(id: Uint8Array): Promise<StoredEntry | undefined>;
  /** The index of each id, in the order asked, or undefined where the log does not have it. */
  indexesOf(ids: readonly Uint8Array[]): Promise<(number | undefined)[]>;
  /** Revocations of one statement, in order. */
  revocationsOf(id: Uint8Array): Promise<StoredEntry[]>;
  /** A complete tile, or undefined. */
  tile(level: number, n: number): Promise<Uint8Array | undefined>;
  /** The newest stored checkpoint. */
  newestCheckpoint(): Promise<StoredCheckpoint | undefined>;
  /** The first stored checkpoint that covers an index: final, so what is proven by it may be cached for ever. */
  firstCheckpointCovering(index: number): Promise<StoredCheckpoint | undefined>;
  /** At most `limit` stored checkpoints with a size over `after`, ascending. */
  checkpoints(after: number, limit: number): Promise<StoredCheckpoint[]>;
}

/**
 * Where a log lives: two drivers, SQLite and PostgreSQL, under one contract. One writer at a time: opening raises an
 * epoch, and every write names the head it builds on and that epoch, so a writer that was superseded fails instead of
 * forking the log. Nothing is ever updated or deleted.
 */
export interface LogStore extends LogReads {
  /** Raised by every opening for writing. */
  readonly epoch: number;
  /**
   * Commits entries, the tiles they complete and the new head in one transaction, on disk when the promise resolves.
   * After any other failure than the fence it is not known whether the write happened: open the store anew.
   * @throws {PeerageError} ERR_STORE_FENCED if the head or the epoch is no longer what this writer knows
   * @throws {RangeError} if the new head does not cover exactly the new entries
   */
  append(entries: readonly StoredEntry[], tiles: readonly FullTile[], old: Head, head: Head): Promise<void>;
  /**
   * Stores a checkpoint if it is the first of its size; a later one of the same size changes nothing.
   * @throws {PeerageError} ERR_STORE_FENCED
   * @throws {RangeError} if another root was published at that size
   */
  publish(checkpoint: StoredCheckpoint): Promise<void>;
  durability(): Promise<Durability>;
}
