import Database from "better-sqlite3";
import { PeerageError } from "@peerage/core";
import { Kysely, sql, SqliteDialect } from "kysely";

/**
 * Opens what may be erased in a SQLite file of its own: a backup of the log must not bring it back, and the log's own file
 * never deletes anything. What is erased is overwritten in the file and, by `forget`, in its write-ahead log.
 * @param what names it in the error
 * @throws {PeerageError} ERR_STORE_CORRUPT
 */
export async function openErasableFile<Tables, Store>(
  path: string,
  what: string,
  open: (db: Kysely<Tables>, forget: () => Promise<void>) => Promise<Store>,
): Promise<Store> {
  let database: Database.Database | undefined;
  try {
    database = new Database(path, { timeout: 5_000 });
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = FULL");
    database.pragma("secure_delete = ON");
    const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
    // In its turn, as any query: in the middle of somebody's transaction there is no checkpoint.
    return await open(db, async () => {
      await sql`PRAGMA wal_checkpoint(TRUNCATE)`.execute(db);
    });
  } catch (cause) {
    database?.close();
    throw new PeerageError("ERR_STORE_CORRUPT", `${what} cannot be read: ${path}`, { cause });
  }
}
