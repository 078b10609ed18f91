import Database from "better-sqlite3";
import { type Digest, PeerageError } from "@peerage/core";

const MAX_OF_ONE_LOG = 16;
const MAX_EVIDENCE = 10_000;

/** The newest head of another's log that this witness cosigned. */
export interface PeerHead {
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** With the log's line and this witness's. */
  readonly note: string;
}

/**
 * What a witness remembers: one row for each log, and proofs of forks. In a file of its own, apart from the log's: it must
 * never be restored from a backup, or this witness could cosign a rewritten log.
 */
export class PeerStore implements Disposable {
  readonly #db: Database.Database;
  readonly #get: Database.Statement<[string], { size: number; root: Buffer; note: string }>;
  readonly #put: Database.Statement<[string, number, Uint8Array, string]>;
  readonly #amend: Database.Statement<[string, string, number]>;
  readonly #putFork: Database.Statement<[string, string, string, number]>;
  readonly #getFork: Database.Statement<[string], string>;
  readonly #forks: Database.Statement<[number], string>;
  readonly #advance: (origin: string, judge: (head: PeerHead | undefined) => PeerHead) => void;

  /** @throws {PeerageError} ERR_STORE_CORRUPT */
  constructor(path: string) {
    try {
      this.#db = new Database(path, { timeout: 5_000 });
      this.#db.pragma("journal_mode = WAL");
      this.#db.pragma("synchronous = FULL");
      if (this.#db.pragma("synchronous", { simple: true }) !== 2) throw new Error("it would not flush every commit");
      this.#db.exec(
        `CREATE TABLE IF NOT EXISTS peer (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL,
           note TEXT NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS fork (digest TEXT PRIMARY KEY, origin TEXT NOT NULL, evidence TEXT NOT NULL,
           time INTEGER NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS ended (digest TEXT PRIMARY KEY, origin TEXT NOT NULL, evidence TEXT NOT NULL,
           time INTEGER NOT NULL) STRICT;
         CREATE TABLE IF NOT EXISTS memory (id INTEGER PRIMARY KEY CHECK (id = 1), lost INTEGER NOT NULL) STRICT`,
      );
    } catch (cause) {
      throw new PeerageError("ERR_STORE_CORRUPT", `what this witness saw cannot be read: ${path}`, { cause });
    }
    const db = this.#db;
    this.#get = db.prepare("SELECT size, root, note FROM peer WHERE origin = ?");
    this.#put = db.prepare("INSERT OR REPLACE INTO peer (origin, size, root, note) VALUES (?, ?, ?, ?)");
    this.#amend = db.prepare("UPDATE peer SET note = ? WHERE origin = ? AND size = ?");
    this.#putFork = db.prepare("INSERT OR IGNORE INTO fork (digest, origin, evidence, time) VALUES (?, ?, ?, ?)");
    this.#getFork = db.prepare<[string], string>("SELECT evidence FROM fork WHERE digest = ?").pluck();
    this.#forks = db.prepare<[number], string>("SELECT evidence FROM fork ORDER BY time, digest LIMIT ?").pluck();
    const advance = db.transaction((origin: string, judge: (head: PeerHead | undefined) => PeerHead) => {
      const next = judge(this.head(origin));
      this.#put.run(origin, next.size, next.root, next.note);
    });
    this.#advance = (origin, judge): void => {
      advance.immediate(origin, judge);
    };
  }

  head(origin: string): PeerHead | undefined {
    return this.#get.get(origin);
  }

  /**
   * Compares and replaces a head in one step, on disk when it returns. `judge` sees the head that is there, and returns
   * the next one or throws, which leaves everything as it is.
   */
  advance(origin: string, judge: (head: PeerHead | undefined) => PeerHead): void {
    this.#advance(origin, judge);
  }

  /** Replaces the note of a head that is still the newest, to carry one more signature. */
  amend(origin: string, size: number, note: string): void {
    this.#amend.run(note, origin, size);
  }

  /** True if this is not the first memory of its key, and what the other held is gone. */
  get isLost(): boolean {
    return this.#db.prepare("SELECT 1 FROM memory WHERE lost = 1").get() !== undefined;
  }

  markLost(): void {
    this.#db.prepare("INSERT OR REPLACE INTO memory (id, lost) VALUES (1, 1)").run();
  }

  /**
   * True if there is room for one more piece of evidence about a log: one proves as much as a hundred, and whoever makes
   * keys can prove forks of logs that nobody reads without end. Logs that are read here always have room.
   */
  hasRoom(vkey: string, isRead: boolean): boolean {
    const count = (table: "fork" | "ended", where: string, ...values: string[]): number =>
      this.#db
        .prepare<string[], number>(`SELECT count(*) FROM ${table} WHERE ${where}`)
        .pluck()
        .get(...values) ?? 0;
    const ofThis = (table: "fork" | "ended"): number => count(table, "evidence ->> 'vkey' = ?", vkey);
    if (ofThis("fork") + ofThis("ended") >= MAX_OF_ONE_LOG) return false;
    return isRead || count("fork", "true") + count("ended", "true") < MAX_EVIDENCE;
  }

  /** Keeps verified evidence of a fork: its JCS. */
  addFork(fork: { digest: Digest; origin: string; evidence: string; time: number }): void {
    this.#putFork.run(fork.digest, fork.origin, fork.evidence, fork.time);
  }

  fork(digest: Digest): string | undefined {
    return this.#getFork.get(digest);
  }

  /** Keeps the verified last head of a log that has ended: its JCS. */
  addEnd(end: { digest: Digest; origin: string; evidence: string; time: number }): void {
    this.#db
      .prepare("INSERT OR IGNORE INTO ended (digest, origin, evidence, time) VALUES (?, ?, ?, ?)")
      .run(end.digest, end.origin, end.evidence, end.time);
  }

  end(digest: Digest): string | undefined {
    return this.#db.prepare<[string], string>("SELECT evidence FROM ended WHERE digest = ?").pluck().get(digest);
  }

  /** At most `limit` pieces of evidence, oldest first. */
  forks(limit: number): string[] {
    return this.#forks.all(limit);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
