import type Database from "better-sqlite3";
import { Kysely, SqliteDialect } from "kysely";
import { PeerageError } from "@peerage/core";
import type { EntryFilter, Head, LogReads, StoredCheckpoint, StoredEntry } from "./log-store.ts";
import { LogQueries, toEntry } from "./queries.ts";
import type { Tables } from "./tables.ts";

type EntryRow = Tables["entry"];

/**
 * The reading half of the SQLite driver, on a connection of its own that cannot write. What is asked for on every
 * request is prepared by hand (five times as fast); the rest goes through Kysely.
 */
export class SqliteReads implements LogReads, Disposable {
  readonly #db: Database.Database;
  readonly #queries: LogQueries;
  readonly #byId: Database.Statement<[Uint8Array], EntryRow>;
  readonly #indexesOf: (ids: readonly Uint8Array[]) => (number | undefined)[];
  readonly #range: Database.Statement<[number, number], EntryRow>;
  readonly #leaves: Database.Statement<[number, number], Buffer>;
  readonly #keyStatements: Database.Statement<[string], number>;
  readonly #tile: Database.Statement<[number, number], Buffer>;
  readonly #head: Database.Statement<[], { size: number; root: Buffer }>;
  readonly #covering: Database.Statement<[number], StoredCheckpoint>;

  /** @param db a read-only connection, owned by this object from now on */
  constructor(db: Database.Database) {
    this.#db = db;
    this.#queries = new LogQueries(new Kysely<Tables>({ dialect: new SqliteDialect({ database: db }) }));
    this.#byId = db.prepare("SELECT * FROM entry WHERE id = ?");
    const indexOf = db.prepare<[Uint8Array], number>("SELECT idx FROM entry WHERE id = ?").pluck();
    // In one transaction: locks are taken once, not for every id.
    this.#indexesOf = db.transaction((ids: readonly Uint8Array[]) => ids.map((id) => indexOf.get(id)));
    this.#range = db.prepare("SELECT * FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx");
    this.#leaves = db
      .prepare<[number, number], Buffer>("SELECT leaf FROM entry WHERE idx >= ? AND idx < ? ORDER BY idx")
      .pluck();
    this.#tile = db.prepare<[number, number], Buffer>("SELECT hashes FROM tile WHERE level = ? AND n = ?").pluck();
    // The condition is that of the partial index, word for word.
    this.#keyStatements = db
      .prepare<[string], number>("SELECT kind FROM entry WHERE issuer = ? AND kind IN (5, 6, 7, 8, 9) ORDER BY idx")
      .pluck();
    this.#head = db.prepare("SELECT size, root FROM head WHERE log = 1");
    this.#covering = db.prepare("SELECT * FROM checkpoint WHERE size > ? ORDER BY size LIMIT 1");
  }

  async head(): Promise<Head> {
    const row = this.#head.get();
    if (!row) throw new PeerageError("ERR_STORE_CORRUPT", "the registry's database has lost its head");
    return Promise.resolve(row);
  }

  async entries(from: number, to: number): Promise<StoredEntry[]> {
    return Promise.resolve(this.#range.all(from, to).map(toEntry));
  }

  async leafHashes(from: number, to: number): Promise<Uint8Array> {
    return Promise.resolve(Buffer.concat(this.#leaves.all(from, to)));
  }

  page(filter: EntryFilter, after: number, before: number, limit: number): Promise<StoredEntry[]> {
    return this.#queries.page(filter, after, before, limit);
  }

  async keyStatements(issuer: string): Promise<number[]> {
    return Promise.resolve(this.#keyStatements.all(issuer));
  }

  async byId(id: Uint8Array): Promise<StoredEntry | undefined> {
    const row = this.#byId.get(id);
    return Promise.resolve(row && toEntry(row));
  }

  async indexesOf(ids: readonly Uint8Array[]): Promise<(number | undefined)[]> {
    return Promise.resolve(this.#indexesOf(ids));
  }

  revocationsOf(id: Uint8Array): Promise<StoredEntry[]> {
    return this.#queries.revocationsOf(id);
  }

  async tile(level: number, n: number): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#tile.get(level, n));
  }

  newestCheckpoint(): Promise<StoredCheckpoint | undefined> {
    return this.#queries.newestCheckpoint();
  }

  async firstCheckpointCovering(index: number): Promise<StoredCheckpoint | undefined> {
    return Promise.resolve(this.#covering.get(index));
  }

  checkpoints(after: number, limit: number): Promise<StoredCheckpoint[]> {
    return this.#queries.checkpoints(after, limit);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
    return Promise.resolve();
  }
}
