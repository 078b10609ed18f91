import { existsSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import { Kysely, SqliteDialect } from "kysely";
import { equalBytes, PeerageError } from "@peerage/core";
import type { FullTile, Head, LogStore, StoredCheckpoint, StoredEntry } from "./log-store.ts";
import { migrate } from "./migrations.ts";
import { SqliteReads } from "./sqlite-reads.ts";
import type { Tables } from "./tables.ts";

export { SqliteReads } from "./sqlite-reads.ts";

/** How a connection writes, as SQLite reports it. */
export interface Durability {
  /** `wal` */
  readonly journalMode: unknown;
  /** 2 is FULL: a commit returns only after fsync. */
  readonly synchronous: unknown;
}

export interface OpenSqliteOptions {
  /** Refuse to make a database where there is none: set once this log has published anything. */
  readonly mustExist: boolean;
}

// Below this size the whole database is checked page by page at every start; above, the edge of the tree is.
const QUICK_CHECK_BYTES = 64 * 1024 * 1024;

/**
 * Opens the SQLite driver for writing and raises the epoch, which fences any writer that still has it open.
 * @throws {PeerageError} ERR_STORE_CORRUPT if it is damaged, missing although it must exist, or does not flush as it
 *   should; it is never made anew
 */
export async function openSqliteStore(path: string, options: OpenSqliteOptions): Promise<SqliteLogStore> {
  const exists = existsSync(path);
  if (!exists && options.mustExist) throw corrupt(path, "it is missing, although this log has published entries");
  try {
    const db = new Database(path, { timeout: 5_000 });
    try {
      return await open(db, path, exists, options);
    } catch (error) {
      db.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof PeerageError) throw error;
    throw corrupt(path, error instanceof Error ? error.message : String(error), error);
  }
}

async function open(
  db: Database.Database,
  path: string,
  exists: boolean,
  options: OpenSqliteOptions,
): Promise<SqliteLogStore> {
  const hasLog = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'entry'").get() !== undefined;
  if (!hasLog && options.mustExist) throw corrupt(path, "it holds no log, although this log has published entries");
  if (exists && statSync(path).size <= QUICK_CHECK_BYTES) {
    const verdict = db.pragma("quick_check(1)", { simple: true });
    if (verdict !== "ok") throw corrupt(path, String(verdict));
  }
  db.pragma("journal_mode = WAL");
  // This build re-opens a WAL database as NORMAL, under which an acknowledgement may leave before its fsync.
  db.pragma("synchronous = FULL");
  db.pragma("foreign_keys = ON");
  const { journalMode, synchronous } = durabilityOf(db);
  if (journalMode !== "wal" || synchronous !== 2) {
    throw corrupt(
      path,
      `it would not flush every commit (journal ${String(journalMode)}, synchronous ${String(synchronous)})`,
    );
  }
  await migrate(new Kysely<Tables>({ dialect: new SqliteDialect({ database: db }) }));
  const epoch = db.prepare<[], number>("UPDATE head SET epoch = epoch + 1 WHERE log = 1 RETURNING epoch").pluck().get();
  if (epoch === undefined) throw corrupt(path, "its head row is missing");
  const reader = new Database(path, { readonly: true, fileMustExist: true, timeout: 5_000 });
  try {
    return new SqliteLogStore(db, reader, epoch);
  } catch (error) {
    reader.close();
    throw error;
  }
}

/** The SQLite driver: one writing connection under `synchronous=FULL`, and one for reads that cannot write. */
export class SqliteLogStore extends SqliteReads implements LogStore {
  /** Raised by every opening for writing. */
  readonly epoch: number;
  readonly #db: Database.Database;
  readonly #append: (entries: readonly StoredEntry[], tiles: readonly FullTile[], old: Head, head: Head) => void;
  readonly #publish: (checkpoint: StoredCheckpoint) => void;

  /** @param writer owned by this object, as is `reader`; use {@link openSqliteStore} */
  constructor(writer: Database.Database, reader: Database.Database, epoch: number) {
    super(reader);
    this.#db = writer;
    this.epoch = epoch;
    const insert = writer.prepare(
      "INSERT INTO entry (idx, id, leaf, kind, issuer, subject, target, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    );
    const putTile = writer.prepare("INSERT INTO tile (level, n, hashes) VALUES (?, ?, ?)");
    const swapHead = writer.prepare(
      "UPDATE head SET size = ?, root = ? WHERE log = 1 AND size = ? AND root = ? AND epoch = ?",
    );
    const mine = writer.prepare("SELECT 1 FROM head WHERE log = 1 AND epoch = ?");
    const putCheckpoint = writer.prepare("INSERT INTO checkpoint (size, root, time, note) VALUES (?, ?, ?, ?)");
    const rootOf = writer.prepare<[number], Buffer>("SELECT root FROM checkpoint WHERE size = ?").pluck();
    const append = writer.transaction(
      (entries: readonly StoredEntry[], tiles: readonly FullTile[], old: Head, head: Head) => {
        // First the fence: it takes the write lock, so a superseded writer learns it before it has done anything.
        if (swapHead.run(head.size, head.root, old.size, old.root, epoch).changes !== 1) throw fenced();
        for (const e of entries) insert.run(e.index, e.id, e.leaf, e.kind, e.issuer, e.subject, e.target, e.body);
        for (const tile of tiles) putTile.run(tile.level, tile.n, tile.hashes);
      },
    );
    const publish = writer.transaction((c: StoredCheckpoint) => {
      if (mine.get(epoch) === undefined) throw fenced();
      const first = rootOf.get(c.size);
      if (first && !equalBytes(first, c.root)) throw new RangeError(`another root was published at size ${c.size}`);
      if (first) return;
      putCheckpoint.run(c.size, c.root, c.time, c.note);
    });
    this.#append = (entries, tiles, old, head): void => {
      append.immediate(entries, tiles, old, head);
    };
    this.#publish = (checkpoint): void => {
      publish.immediate(checkpoint);
    };
  }

  async append(entries: readonly StoredEntry[], tiles: readonly FullTile[], old: Head, head: Head): Promise<void> {
    if (head.size !== old.size + entries.length)
      throw new RangeError("the new head must cover exactly the new entries");
    this.#append(entries, tiles, old, head);
    return Promise.resolve();
  }

  async publish(checkpoint: StoredCheckpoint): Promise<void> {
    this.#publish(checkpoint);
    return Promise.resolve();
  }

  /** Read from the writing connection, not remembered. */
  durability(): Durability {
    return durabilityOf(this.#db);
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    this.#db.close();
  }
}

/** Opens a database for reading only, as a restored one is. @throws {PeerageError} ERR_STORE_CORRUPT */
export function openSqliteReads(path: string): SqliteReads {
  let db: Database.Database | undefined;
  try {
    db = new Database(path, { readonly: true, fileMustExist: true, timeout: 5_000 });
    return new SqliteReads(db);
  } catch (error) {
    db?.close();
    throw corrupt(path, error instanceof Error ? error.message : String(error), error);
  }
}

function durabilityOf(db: Database.Database): Durability {
  return {
    journalMode: db.pragma("journal_mode", { simple: true }),
    synchronous: db.pragma("synchronous", { simple: true }),
  };
}

function fenced(): PeerageError {
  return new PeerageError("ERR_STORE_FENCED", "another process has opened this log for writing; this one must stop");
}

function corrupt(path: string, why: string, cause?: unknown): PeerageError {
  return new PeerageError(
    "ERR_STORE_CORRUPT",
    `the registry's database ${path} cannot be used: ${why}. Restore it from a backup; it is never made anew by itself`,
    { cause },
  );
}
