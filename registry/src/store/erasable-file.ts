import Database from "better-sqlite3";
import { PeerageError } from "@peerage/core";
import { Kysely, SqliteDialect } from "kysely";

/**
 * Opens what may be erased in a SQLite file of its own: a backup of the log must not bring it back, and the log's own file
 * never deletes anything. What is erased is overwritten in the file and, by `forget`, in its write-ahead log.
 * @param what names it in the error
 * @throws {PeerageError} ERR_STORE_CORRUPT
 */
export async function openErasableFile<Tables, Store>(
  path: string,
  what: string,
  open: (db: Kysely<Tables>, forget: () => void) => Promise<Store>,
): Promise<Store> {
  let database: Database.Database | undefined;
  try {
    database = new Database(path, { timeout: 5_000 });
    const db = database;
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = FULL");
    db.pragma("secure_delete = ON");
    const forget = (): void => {
      db.pragma("wal_checkpoint(TRUNCATE)");
    };
    return await open(new Kysely<Tables>({ dialect: new SqliteDialect({ database: db }) }), forget);
  } catch (cause) {
    database?.close();
    throw new PeerageError("ERR_STORE_CORRUPT", `${what} cannot be read: ${path}`, { cause });
  }
}
