import type { LogReads } from "../store/log-store.ts";
import { openErasableTables } from "../store/erasable-tables.ts";
import { NoteStore, type NoteTables } from "./note-store.ts";

/** Notes in the PostgreSQL database of the log. @throws {PeerageError} ERR_STORE_CORRUPT */
export function openPostgresNotes(url: string, reads: LogReads): Promise<NoteStore> {
  return openErasableTables<NoteTables, NoteStore>(url, "the notes of this registry", (db) =>
    NoteStore.open(db, reads),
  );
}
