import pg from "pg";
import { PeerageError } from "@peerage/core";

/** How connections are used; for tests, and for poolers that want few of them. */
export interface PostgresOptions {
  /** At most so many at the same time; 10 by default. */
  readonly maxConnections?: number;
  /** After so many uses a connection is closed: 1 shows that nothing depends on a session. No limit by default. */
  readonly maxUses?: number;
}

const INT8 = 20;

/**
 * Connections to a database. No statement depends on the one before, so a pooler may give each another session; a
 * password that the address does not hold is taken from `PGPASSWORD` or the password file, as PostgreSQL's own tools do.
 */
export function openPool(url: string, options: PostgresOptions = {}): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.maxConnections ?? 10,
    ...(options.maxUses === undefined ? {} : { maxUses: options.maxUses }),
    connectionTimeoutMillis: 5_000,
    query_timeout: 30_000,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    application_name: "peerage",
    types: { getTypeParser: parserOf },
  });
  // A connection that dies while nobody uses it is replaced; who uses one learns it from the query.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

/** As the library has it; its own types know a column's type by an enumeration only. */
interface TypeParsers {
  getTypeParser(oid: number, format?: string): (value: string) => unknown;
}

/** Indexes and times are far below 2^53. */
function parserOf(oid: number, format?: string): (value: string) => unknown {
  return oid === INT8 && format !== "binary" ? Number : (pg.types as TypeParsers).getTypeParser(oid, format);
}

/**
 * Runs one statement in a transaction of its own.
 * @throws {PeerageError} ERR_REGISTRY_BUSY if the database does not answer or refuses; whether it wrote is then unknown
 */
export async function runStatement<T extends pg.QueryResultRow>(
  pool: pg.Pool,
  text: string,
  values: unknown[] = [],
): Promise<T[]> {
  try {
    return (await pool.query<T>(text, values)).rows;
  } catch (cause) {
    throw new PeerageError("ERR_REGISTRY_BUSY", "the registry's database does not answer: try again", { cause });
  }
}
