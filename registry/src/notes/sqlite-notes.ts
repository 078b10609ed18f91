import type { LogReads } from "../store/log-store.ts";
import { openErasableFile } from "../store/erasable-file.ts";
import { NoteStore, type NoteTables } from "./note-store.ts";

/** Notes in a SQLite file of their own. @throws {PeerageError} ERR_STORE_CORRUPT */
export function openSqliteNotes(path: string, reads: LogReads): Promise<NoteStore> {
  return openErasableFile<NoteTables, NoteStore>(path, "the notes of this registry", (db, afterErasure) =>
    NoteStore.open(db, reads, { afterErasure }),
  );
}
