import { Kysely, PostgresAdapter, PostgresDialect, sql } from "kysely";
import type { Pool } from "pg";
import { emptyRoot, migrate, type Migrations } from "./migrations.ts";
import type { Tables } from "./tables.ts";

const appendOnly = ["entry", "tile", "checkpoint"].flatMap((table) => [
  `CREATE TRIGGER ${table}_append_only BEFORE UPDATE OR DELETE ON ${table}
     FOR EACH ROW EXECUTE FUNCTION refuse_change()`,
  `CREATE TRIGGER ${table}_no_truncate BEFORE TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`,
]);

const postgres: Migrations = {
  "0001-log": [
    `CREATE TABLE entry (idx BIGINT PRIMARY KEY, id BYTEA NOT NULL UNIQUE CHECK (length(id) = 32),
       leaf BYTEA NOT NULL CHECK (length(leaf) = 32), kind INTEGER NOT NULL,
       issuer TEXT COLLATE "C" NOT NULL, subject TEXT COLLATE "C", target BYTEA, body BYTEA NOT NULL)`,
    `CREATE INDEX entry_issuer ON entry (issuer, idx)`,
    `CREATE INDEX entry_subject ON entry (subject, idx) WHERE subject IS NOT NULL`,
    `CREATE INDEX entry_target ON entry (target) WHERE target IS NOT NULL`,
    `CREATE INDEX entry_key ON entry (issuer, idx) WHERE kind IN (5, 6, 7, 8, 9)`,
    `CREATE TABLE tile (level INTEGER NOT NULL, n BIGINT NOT NULL,
       hashes BYTEA NOT NULL CHECK (length(hashes) = 8192), PRIMARY KEY (level, n))`,
    // The fence: whoever holds the epoch writes, and nobody takes it before the lease has run out.
    `CREATE TABLE head (log INTEGER PRIMARY KEY, size BIGINT NOT NULL, root BYTEA NOT NULL, epoch BIGINT NOT NULL,
       holder TEXT NOT NULL, lease_until TIMESTAMPTZ NOT NULL)`,
    `CREATE TABLE checkpoint (size BIGINT PRIMARY KEY, root BYTEA NOT NULL, time BIGINT NOT NULL, note TEXT NOT NULL)`,
    // What is shown now, to every frontend: a renewed checkpoint has the size of an older one.
    `CREATE TABLE shown (log INTEGER PRIMARY KEY, size BIGINT NOT NULL, root BYTEA NOT NULL, time BIGINT NOT NULL,
       note TEXT NOT NULL)`,
    // Statements that passed admission and wait for their index; gaps in \`seq\` mean nothing.
    `CREATE TABLE intake (seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id BYTEA NOT NULL, leaf BYTEA NOT NULL,
       kind INTEGER NOT NULL, issuer TEXT NOT NULL, subject TEXT, target BYTEA, body BYTEA NOT NULL)`,
    `CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql
       AS $$ BEGIN RAISE EXCEPTION 'the log is append-only'; END $$`,
    ...appendOnly,
    `INSERT INTO head VALUES (1, 0, '\\x${emptyRoot()}', 0, '', '-infinity')`,
  ],
};

/** Two starting processes may meet where the first tables are made; the loser finds them there. */
const ATTEMPTS = 5;

/**
 * Brings a PostgreSQL database to the present form, all of it in one transaction that holds a row: no lock of the
 * session, which a pooler would lend to somebody else.
 * @throws {PeerageError} ERR_STORE_CORRUPT
 */
export async function migratePostgres(pool: Pool): Promise<void> {
  const db = new Kysely<Tables>({ dialect: new RowLockDialect({ pool }) });
  for (let attempt = 1; ; attempt++) {
    try {
      await db.transaction().execute((on) => migrate(on, postgres));
      return;
    } catch (error) {
      if (attempt === ATTEMPTS || !isDuplicate((error as Error).cause ?? error)) throw error;
    }
  }
}

/** unique_violation, duplicate_table, duplicate_function; in_failed_sql_transaction, as Kysely asks on after one. */
function isDuplicate(error: unknown): boolean {
  return ["23505", "42P07", "42723", "25P02"].includes((error as { code?: string }).code ?? "");
}

class RowLockDialect extends PostgresDialect {
  override createAdapter(): PostgresAdapter {
    return new RowLockAdapter();
  }
}

class RowLockAdapter extends PostgresAdapter {
  override async acquireMigrationLock(
    db: Kysely<unknown>,
    { lockTable }: { readonly lockTable: string },
  ): Promise<void> {
    await sql`SELECT 1 FROM ${sql.table(lockTable)} FOR UPDATE`.execute(db);
  }

  /** The end of the transaction does it. */
  override releaseMigrationLock(): Promise<void> {
    return Promise.resolve();
  }
}
