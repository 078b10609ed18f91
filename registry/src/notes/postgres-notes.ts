import { Kysely, PostgresDialect } from "kysely";
import { PeerageError } from "@peerage/core";
import type { LogReads } from "../store/log-store.ts";
import { openPool } from "../store/postgres-connection.ts";
import { NoteStore, type NoteTables } from "./note-store.ts";

/** Two starting processes may meet where the tables are made; the loser finds them there. */
const ATTEMPTS = 5;

/**
 * Notes in the PostgreSQL database of the log, so that all its frontends have the same. What is erased is overwritten by
 * the next vacuum, and comes back with a backup that is older than its erasure.
 * @throws {PeerageError} ERR_STORE_CORRUPT
 */
export async function openPostgresNotes(url: string, reads: LogReads): Promise<NoteStore> {
  const db = new Kysely<NoteTables>({ dialect: new PostgresDialect({ pool: openPool(url, { maxConnections: 4 }) }) });
  for (let attempt = 1; ; attempt++) {
    try {
      return await NoteStore.open(db, reads);
    } catch (cause) {
      if (attempt < ATTEMPTS && ["23505", "42P07"].includes((cause as { code?: string }).code ?? "")) continue;
      await db.destroy();
      throw new PeerageError("ERR_STORE_CORRUPT", "the notes of this registry cannot be read from the database", {
        cause,
      });
    }
  }
}
