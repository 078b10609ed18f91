import { chmodSync, closeSync, constants, openSync } from "node:fs";
import { PeerageError, unixSeconds } from "@peerage/core";
import Database from "better-sqlite3";
import {
  DEFAULT_MAX_ENTRIES,
  DEFAULT_MAX_ENTRIES_PER_DID,
  type Nonce,
  replayed,
  type ReplayLimits,
  type ReplayStore,
  retainedUntil,
  storeFull,
} from "./replay.ts";

// The counts are kept by triggers, so that the caps hold for several processes on one file without a scan.
const schema = `
  CREATE TABLE IF NOT EXISTS nonce (
    issuer TEXT NOT NULL, audience TEXT NOT NULL, jti TEXT NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (issuer, audience, jti)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS nonce_until ON nonce (until);
  CREATE TABLE IF NOT EXISTS held (issuer TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS purged (one INTEGER PRIMARY KEY CHECK (one = 1), before INTEGER NOT NULL) STRICT;
  INSERT OR IGNORE INTO purged VALUES (1, 0);
  INSERT OR IGNORE INTO held VALUES ('', 0);
  CREATE TRIGGER IF NOT EXISTS nonce_in AFTER INSERT ON nonce BEGIN
    INSERT INTO held VALUES (new.issuer, 1) ON CONFLICT DO UPDATE SET n = n + 1;
    UPDATE held SET n = n + 1 WHERE issuer = '';
  END;
  CREATE TRIGGER IF NOT EXISTS nonce_out AFTER DELETE ON nonce BEGIN
    UPDATE held SET n = n - 1 WHERE issuer IN ('', old.issuer);
    DELETE FROM held WHERE issuer = old.issuer AND n <= 0;
  END;
`;

/**
 * A replay store in a SQLite file: it survives a restart, so a proof that was used is refused by the next process too.
 * Writes go to the operating system at once and to the disk with the next checkpoint.
 */
export class SqliteReplayStore implements ReplayStore {
  readonly #database: Database.Database;
  readonly #maxEntries: number;
  readonly #maxPerDid: number;
  readonly #insert: Database.Statement<[string, string, string, number]>;
  readonly #held: Database.Statement<[string], { n: number }>;
  readonly #purgedBefore: Database.Statement<[], { before: number }>;
  readonly #remember: (nonce: Nonce) => void;
  readonly #purgeAt: (second: number) => void;
  #purgedAt = 0;

  /**
   * Opens the file, or makes it with mode 0600.
   * @throws {PeerageError} ERR_STORE_CORRUPT if it is no such store; it is never replaced by an empty one
   */
  constructor(path: string, limits: ReplayLimits = {}) {
    this.#maxEntries = limits.maxEntries ?? DEFAULT_MAX_ENTRIES;
    this.#maxPerDid = limits.maxEntriesPerDid ?? DEFAULT_MAX_ENTRIES_PER_DID;
    this.#database = open(path);
    this.#insert = this.#database.prepare("INSERT OR IGNORE INTO nonce VALUES (?, ?, ?, ?)");
    this.#held = this.#database.prepare("SELECT n FROM held WHERE issuer = ?");
    this.#purgedBefore = this.#database.prepare("SELECT before FROM purged");
    const purge = this.#database.prepare("DELETE FROM nonce WHERE until < ?");
    const setPurged = this.#database.prepare("UPDATE purged SET before = max(before, ?)");
    const immediate = this.#database.transaction((nonce: Nonce) => {
      const until = retainedUntil(nonce);
      if (until < (this.#purgedBefore.get()?.before ?? 0)) throw replayed("the clock was set back");
      if (this.#insert.run(nonce.issuer, nonce.audience, nonce.jti, until).changes === 0) throw replayed("seen");
      // Counted after the insert; the exception takes the insert back.
      if ((this.#held.get(nonce.issuer)?.n ?? 0) > this.#maxPerDid) throw storeFull("did");
      if (this.size > this.#maxEntries) throw storeFull("all");
    });
    this.#remember = (nonce) => immediate.immediate(nonce);
    const removeExpired = this.#database.transaction((second: number) => {
      purge.run(second);
      setPurged.run(second);
    });
    this.#purgeAt = (second) => removeExpired.immediate(second);
  }

  get size(): number {
    return this.#held.get("")?.n ?? 0;
  }

  insert(nonce: Nonce, now: Date): void {
    try {
      this.#purge(unixSeconds(now));
      this.#remember(nonce);
    } catch (cause) {
      if (cause instanceof PeerageError) throw cause;
      throw new PeerageError("ERR_STORE_CORRUPT", "the replay store cannot be written", { cause });
    }
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  /** Removes what no check can admit any more: every 10 s, or with each call while the store is full. */
  #purge(second: number): void {
    const due = second - this.#purgedAt >= 10 || (second > this.#purgedAt && this.size >= this.#maxEntries);
    if (!due) return;
    this.#purgeAt(second);
    this.#purgedAt = second;
  }
}

function open(path: string): Database.Database {
  try {
    // O_NOFOLLOW: a link planted in a shared folder must not aim the store at another file.
    closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600));
    chmodSync(path, 0o600);
    const database = new Database(path);
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = NORMAL");
    database.pragma("busy_timeout = 2000");
    database.exec(schema);
    return database;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new PeerageError("ERR_STORE_CORRUPT", `the replay store ${path} cannot be opened: ${why}`, { cause });
  }
}
