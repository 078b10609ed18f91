import type Database from "better-sqlite3";
import { Kysely, sql, SqliteAdapter, SqliteDialect } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import { PeerageError, sha256 } from "@peerage/core";
import type { Tables } from "./tables.ts";

/** Statements by the name of their migration; names are applied in alphabetical order, each once. */
export type Migrations = Readonly<Record<string, readonly string[]>>;

const sqlite: Migrations = {
  "0001-log": [
    `CREATE TABLE entry (idx INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
       leaf BLOB NOT NULL CHECK (length(leaf) = 32), kind INTEGER NOT NULL,
       issuer TEXT NOT NULL, subject TEXT, target BLOB, body BLOB NOT NULL) STRICT`,
    `CREATE INDEX entry_issuer ON entry (issuer, idx)`,
    `CREATE INDEX entry_subject ON entry (subject, idx)`,
    `CREATE INDEX entry_target ON entry (target) WHERE target IS NOT NULL`,
    // Statements about keys are few: whether an issuer is burnt is looked up here, not among all that it said.
    `CREATE INDEX entry_key ON entry (issuer, idx) WHERE kind IN (5, 6)`,
    `CREATE TABLE tile (level INTEGER NOT NULL, n INTEGER NOT NULL,
       hashes BLOB NOT NULL CHECK (length(hashes) = 8192), PRIMARY KEY (level, n)) STRICT`,
    `CREATE TABLE head (log INTEGER PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, epoch INTEGER NOT NULL) STRICT`,
    `CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, root BLOB NOT NULL, time INTEGER NOT NULL, note TEXT NOT NULL) STRICT`,
    ...["entry", "tile", "checkpoint"].flatMap((table) =>
      ["UPDATE", "DELETE"].map(
        (verb) => `CREATE TRIGGER ${table}_no_${verb.toLowerCase()} BEFORE ${verb} ON ${table}
          BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END`,
      ),
    ),
    `INSERT INTO head VALUES (1, 0, x'${emptyRoot()}', 0)`,
  ],
  // Since keys rotate, all of their events are looked up, not the first alone.
  "0002-key-events": [
    `DROP INDEX entry_key`,
    `CREATE INDEX entry_key ON entry (issuer, idx) WHERE kind IN (5, 6, 7, 8, 9)`,
  ],
};

/** SHA-256 of nothing, the root of an empty tree, in hex. */
export function emptyRoot(): string {
  return Buffer.from(sha256("")).toString("hex");
}

/** Brings a SQLite database to the present form, in one transaction. @throws {PeerageError} see {@link migrate} */
export function migrateSqlite(database: Database.Database): Promise<void> {
  return migrate(new Kysely<Tables>({ dialect: new WholeSqliteDialect({ database }) }), sqlite);
}

class WholeSqliteDialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new WholeSqliteAdapter();
  }
}

/** SQLite takes back tables with the transaction that made them, whatever its dialect says of itself. */
class WholeSqliteAdapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

/**
 * Brings a database to the present form. Forward only; what is stored never changes its shape, so an older log opens in
 * every later release.
 * @throws {PeerageError} ERR_STORE_CORRUPT if a migration fails or the database was written by a newer release
 */
export async function migrate(db: Kysely<Tables>, all: Migrations): Promise<void> {
  const migrations: Record<string, Migration> = {};
  for (const [name, texts] of Object.entries(all)) {
    migrations[name] = {
      up: async (on) => {
        for (const text of texts) await sql.raw(text).execute(on);
      },
    };
  }
  const { error } = await new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(migrations) },
  }).migrateToLatest();
  if (error !== undefined) {
    throw new PeerageError(
      "ERR_STORE_CORRUPT",
      `the registry's database cannot be opened: ${error instanceof Error ? error.message : "a migration failed"}`,
      { cause: error },
    );
  }
}
