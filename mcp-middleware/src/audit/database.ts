import { chmodSync, closeSync, constants, lstatSync, openSync } from "node:fs";
import { HASH_BYTES, isPeerageError, PeerageError } from "@peerage/core";
import Database from "better-sqlite3";

/** The file of one guard: its audit log, and what is changed in one transaction with a decision. */
export type GuardDatabase = Database.Database;

// `open` and `instance` tell a decision that still runs from one whose process is gone. `edge` of a checkpoint holds the
// right edge of the tree, so that no start reads the whole log.
const schema = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS record (
    seq INTEGER PRIMARY KEY, of INTEGER, body TEXT NOT NULL, hash BLOB NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS record_of ON record (of) WHERE of IS NOT NULL;
  CREATE TABLE IF NOT EXISTS head (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER NOT NULL, hash BLOB) STRICT;
  INSERT OR IGNORE INTO head VALUES (1, 0, NULL);
  CREATE TABLE IF NOT EXISTS checkpoint (size INTEGER PRIMARY KEY, note TEXT NOT NULL, edge BLOB NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS policy (digest TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS instance (
    id TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, seen INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS open (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, instance TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS bucket (
    key TEXT PRIMARY KEY, units INTEGER NOT NULL, at INTEGER NOT NULL, calls INTEGER NOT NULL, per_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS budget (
    key TEXT PRIMARY KEY, per_seconds INTEGER NOT NULL, window INTEGER NOT NULL, sum INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS entry (
    digest TEXT PRIMARY KEY, token TEXT NOT NULL, kind TEXT NOT NULL, run TEXT NOT NULL, req TEXT, caller TEXT,
    item TEXT, seen INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS entry_req ON entry (req, caller) WHERE kind <> 'link';
  CREATE INDEX IF NOT EXISTS entry_run ON entry (run) WHERE kind = 'adverse';
  CREATE INDEX IF NOT EXISTS entry_seen ON entry (seen);
  CREATE TABLE IF NOT EXISTS spent (digest TEXT PRIMARY KEY, decision TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS item (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, caller TEXT NOT NULL, req TEXT NOT NULL, facts TEXT NOT NULL,
    request TEXT, filed INTEGER NOT NULL, expires INTEGER NOT NULL, decision TEXT
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS opening (
    decision TEXT NOT NULL, name TEXT NOT NULL, salt TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (decision, name)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX IF NOT EXISTS item_live ON item (caller, req) WHERE state IN ('open', 'approved');
  CREATE INDEX IF NOT EXISTS item_state ON item (state, expires);
`;

/** Came after the first files of format 1: made where it is missing. */
const additions = `
  CREATE TABLE IF NOT EXISTS signer (digest TEXT PRIMARY KEY, spiffe TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS receipt (seq INTEGER PRIMARY KEY, token TEXT NOT NULL) STRICT;
`;

/** What came before the first record that is still in the file. */
export interface AuditBase {
  /** How many records are archived. */
  readonly size: number;
  /** Hash of the last of them, in hex. */
  readonly prev: string;
  /** The right edge of the tree over them. */
  readonly edge: readonly Uint8Array[];
}

/** What is archived of a log; undefined while nothing is. */
export function readBase(database: GuardDatabase): AuditBase | undefined {
  const text = database.prepare<[], { value: string }>("SELECT value FROM meta WHERE name = 'base'").get()?.value;
  if (text === undefined) return undefined;
  const { size, prev } = JSON.parse(text) as Pick<AuditBase, "size" | "prev">;
  const row = database.prepare<[number], { edge: Buffer }>("SELECT edge FROM checkpoint WHERE size = ?").get(size);
  return { size, prev, edge: row ? splitHashes(row.edge) : [] };
}

/** Hashes that were written one after another. */
export function splitHashes(joined: Uint8Array): Uint8Array[] {
  return Array.from({ length: joined.length / HASH_BYTES }, (_, i) =>
    Uint8Array.from(joined.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)),
  );
}

/** The format of the file, in SQLite's `user_version`. */
const FORMAT = 2;

/** The refusal of a call whose decision cannot be recorded. */
export function auditUnavailable(why: string, cause?: unknown, detail = "write"): PeerageError {
  return new PeerageError("ERR_AUDIT_UNAVAILABLE", `the audit log cannot be written: ${why}`, { detail, cause });
}

/** Runs something on the file; whatever SQLite reports becomes ERR_AUDIT_UNAVAILABLE. */
export function onDisk<T>(run: () => T): T {
  try {
    return run();
  } catch (cause) {
    if (isPeerageError(cause)) throw cause;
    throw auditUnavailable(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

export interface OpenOptions {
  /** True: the file must be there, and nothing is changed. */
  readonly readonly?: boolean;
  /** Largest size of the file; a record beyond it is refused like one on a full disk. */
  readonly maxBytes?: number | undefined;
}

/**
 * Opens the file, or makes it with mode 0600. Several processes may have it open.
 * @throws {PeerageError} ERR_AUDIT_UNAVAILABLE if it is no such file; it is never replaced by an empty one
 */
export function openGuardDatabase(path: string, options: OpenOptions = {}): GuardDatabase {
  return onDisk(() => {
    if (options.readonly === true) return new Database(path, { readonly: true, fileMustExist: true });
    createPrivately(path);
    const database = new Database(path, { timeout: 5_000 });
    try {
      prepare(database, options);
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  });
}

/** Says durability anew: SQLite keeps it with the connection, not with the file. */
function prepare(database: GuardDatabase, { maxBytes }: OpenOptions): void {
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = NORMAL");
  // What a person was shown and has answered must not stay in free pages.
  database.pragma("secure_delete = ON");
  const format = database.pragma("user_version", { simple: true }) as number;
  if (format > FORMAT) throw new Error(`the file has format ${format}, not ${FORMAT}`);
  if (format < FORMAT) {
    const tables = database.prepare("SELECT count(*) AS n FROM sqlite_schema").get() as { n: number };
    if (tables.n > 0 && !database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'record'").get()) {
      throw new Error("the file is another database");
    }
    database
      .transaction(() => {
        database.exec(schema);
        database.pragma(`user_version = ${FORMAT}`);
      })
      .immediate();
  }
  database.exec(additions);
  if (maxBytes !== undefined) {
    const page = database.pragma("page_size", { simple: true }) as number;
    database.pragma(`max_page_count = ${Math.max(1, Math.floor(maxBytes / page))}`);
  }
}

/**
 * Makes the file if it is missing. An existing one is not opened here: closing another descriptor of it would drop the
 * locks that SQLite holds for this process.
 */
function createPrivately(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) {
    try {
      closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600));
    } catch (error) {
      // Another process was faster; what it made is checked like any other file.
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      createPrivately(path);
    }
    return;
  }
  // A link planted in a shared folder must not aim the log at another file.
  if (!found.isFile()) throw new Error("it is no regular file");
  if ((found.mode & 0o077) !== 0) chmodSync(path, 0o600);
}
