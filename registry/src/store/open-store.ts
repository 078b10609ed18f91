import { existsSync } from "node:fs";
import type { LogReads, LogStore } from "./log-store.ts";
import { isPostgresUrl } from "./location.ts";
import { openSqliteReads, openSqliteStore, type OpenSqliteOptions } from "./sqlite.ts";

// The driver of PostgreSQL is loaded by those who use it.

/**
 * Opens a log for writing, which fences whoever wrote it: `postgres://…` is a database, anything else a SQLite file.
 * @throws {PeerageError} see {@link openSqliteStore} and `openPostgresStore`
 */
export async function openLogStore(location: string, options: OpenSqliteOptions): Promise<LogStore> {
  if (!isPostgresUrl(location)) return openSqliteStore(location, options);
  return (await import("./postgres.ts")).openPostgresStore(location, options);
}

/** Opens a log for reading only. @throws {PeerageError} ERR_STORE_CORRUPT, ERR_REGISTRY_BUSY */
export async function openLogReads(location: string): Promise<LogReads> {
  if (!isPostgresUrl(location)) return openSqliteReads(location);
  const [{ openPool }, { PostgresReads }] = await Promise.all([
    import("./postgres-connection.ts"),
    import("./postgres-reads.ts"),
  ]);
  return new PostgresReads(openPool(location));
}

/** True if there is anything at this place: a file, or a database that holds a log. */
export async function holdsLog(location: string): Promise<boolean> {
  if (!isPostgresUrl(location)) return existsSync(location);
  const { openPool, runStatement } = await import("./postgres-connection.ts");
  const pool = openPool(location, { maxConnections: 1 });
  try {
    const rows = await runStatement<{ log: string | null }>(pool, "SELECT to_regclass('entry')::text AS log");
    if (rows[0]?.log == null) return false;
    return (await runStatement(pool, "SELECT 1 FROM head WHERE size > 0 UNION ALL SELECT 1 FROM shown")).length > 0;
  } finally {
    await pool.end();
  }
}
