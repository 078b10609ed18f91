import Database from "better-sqlite3";
import { PeerageError } from "@peerage/core";
import { Kysely, SqliteDialect } from "kysely";
import type { LogReads } from "../store/log-store.ts";
import { NoteStore, type NoteTables } from "./note-store.ts";

/**
 * Notes in a SQLite file of their own: a backup of the log must not bring erased ones back, and the log's own file never
 * deletes anything. What is erased is overwritten in the file and in its write-ahead log.
 * @throws {PeerageError} ERR_STORE_CORRUPT
 */
export async function openSqliteNotes(path: string, reads: LogReads): Promise<NoteStore> {
  let database: Database.Database | undefined;
  try {
    database = new Database(path, { timeout: 5_000 });
    const db = database;
    db.pragma("journal_mode = WAL");
    db.pragma("synchronous = FULL");
    db.pragma("secure_delete = ON");
    const afterErasure = (): void => {
      db.pragma("wal_checkpoint(TRUNCATE)");
    };
    const kysely = new Kysely<NoteTables>({ dialect: new SqliteDialect({ database: db }) });
    return await NoteStore.open(kysely, reads, { afterErasure });
  } catch (cause) {
    database?.close();
    throw new PeerageError("ERR_STORE_CORRUPT", `the notes of this registry cannot be read: ${path}`, { cause });
  }
}
