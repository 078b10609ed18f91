import { existsSync, statSync } from "node:fs";
import Database from "better-sqlite3";
import { PeerageError } from "@peerage/core";
import type { Durability, FullTile, Head, LogStore, StoredCheckpoint, StoredEntry } from "./log-store.ts";
import { migrateSqlite } from "./migrations.ts";
import { SqliteReads } from "./sqlite-reads.ts";
import { SqliteWriterThread } from "./sqlite-thread.ts";
import { makeDurable, SqliteWriter } from "./sqlite-writer.ts";

export { SqliteReads } from "./sqlite-reads.ts";

export interface OpenSqliteOptions {
  /** Refuse to make a database where there is none: set once this log has published anything. */
  readonly mustExist: boolean;
  /** Write in a thread of its own, so that the calling one never waits for the disk. */
  readonly thread?: boolean;
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
  let reader: Database.Database | undefined;
  try {
    const epoch = await takeOver(path, exists, options);
    reader = new Database(path, { readonly: true, fileMustExist: true, timeout: 5_000 });
    const writer =
      options.thread === true ? await SqliteWriterThread.start(path, epoch) : new SqliteWriter(path, epoch);
    return new SqliteLogStore(reader, writer, epoch);
  } catch (error) {
    reader?.close();
    if (error instanceof PeerageError) throw error;
    throw corrupt(path, error instanceof Error ? error.message : String(error), error);
  }
}

/** Checks the file, brings it to the present form and fences whoever wrote it. @returns the new epoch */
async function takeOver(path: string, exists: boolean, { mustExist }: OpenSqliteOptions): Promise<number> {
  const db = new Database(path, { timeout: 5_000 });
  try {
    const hasLog = db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'entry'").get() !== undefined;
    if (!hasLog && mustExist) throw corrupt(path, "it holds no log, although this log has published entries");
    if (exists && statSync(path).size <= QUICK_CHECK_BYTES) {
      const verdict = db.pragma("quick_check(1)", { simple: true });
      if (verdict !== "ok") throw corrupt(path, String(verdict));
    }
    makeDurable(db);
    await migrateSqlite(db);
    const raise = db.prepare<[], number>("UPDATE head SET epoch = epoch + 1 WHERE log = 1 RETURNING epoch").pluck();
    const epoch = raise.get();
    if (epoch === undefined) throw corrupt(path, "its head row is missing");
    return epoch;
  } finally {
    db.close();
  }
}

/**
 * The SQLite driver: one writing connection under `synchronous=FULL`, in this thread or in one of its own, and one for
 * reads that cannot write.
 */
export class SqliteLogStore extends SqliteReads implements LogStore {
  readonly epoch: number;
  readonly #writer: SqliteWriter | SqliteWriterThread;

  /** @param reader owned by this object, as is `writer`; use {@link openSqliteStore} */
  constructor(reader: Database.Database, writer: SqliteWriter | SqliteWriterThread, epoch: number) {
    super(reader);
    this.#writer = writer;
    this.epoch = epoch;
  }

  async append(entries: readonly StoredEntry[], tiles: readonly FullTile[], old: Head, head: Head): Promise<void> {
    if (head.size !== old.size + entries.length)
      throw new RangeError("the new head must cover exactly the new entries");
    if (!(await this.#writer.append(entries, tiles, old, head))) throw fenced();
  }

  async publish(checkpoint: StoredCheckpoint): Promise<void> {
    const outcome = await this.#writer.publish(checkpoint);
    if (outcome === "fenced") throw fenced();
    if (outcome === "other-root") throw new RangeError(`another root was published at size ${checkpoint.size}`);
  }

  async durability(): Promise<Durability> {
    return this.#writer.durability();
  }

  /** Ends at once; a thread finishes what it was asked for first. */
  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    if (this.#writer instanceof SqliteWriter) this.#writer[Symbol.dispose]();
    else void this.#writer[Symbol.asyncDispose]();
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    super[Symbol.dispose]();
    if (this.#writer instanceof SqliteWriter) this.#writer[Symbol.dispose]();
    else await this.#writer[Symbol.asyncDispose]();
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
