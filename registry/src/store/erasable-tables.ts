import { PeerageError } from "@peerage/core";
import { Kysely, PostgresDialect } from "kysely";
import { openPool } from "./postgres-connection.ts";

/** Two starting processes may meet where the tables are made; the loser finds them there. */
const ATTEMPTS = 5;

/**
 * Opens what may be erased in the PostgreSQL database of the log, so that all its frontends have the same. What is erased is
 * overwritten by the next vacuum, and comes back with a backup that is older than its erasure.
 * @throws {PeerageError} ERR_STORE_CORRUPT
 */
export async function openErasableTables<Tables, Store>(
  url: string,
  what: string,
  open: (db: Kysely<Tables>) => Promise<Store>,
): Promise<Store> {
  const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: openPool(url, { maxConnections: 4 }) }) });
  for (let attempt = 1; ; attempt++) {
    try {
      return await open(db);
    } catch (cause) {
      if (attempt < ATTEMPTS && ["23505", "42P07"].includes((cause as { code?: string }).code ?? "")) continue;
      await db.destroy();
      throw new PeerageError("ERR_STORE_CORRUPT", `${what} cannot be read from the database`, { cause });
    }
  }
}
