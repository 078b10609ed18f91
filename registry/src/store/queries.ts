import type { Expression, ExpressionBuilder, Kysely, SqlBool } from "kysely";
import type { EntryFilter, StoredCheckpoint, StoredEntry } from "./log-store.ts";
import type { Tables } from "./tables.ts";

/** The reads that are the same in both drivers and not asked on every request. */
export class LogQueries {
  readonly #db: Kysely<Tables>;

  constructor(db: Kysely<Tables>) {
    this.#db = db;
  }

  async page(filter: EntryFilter, after: number, before: number, limit: number): Promise<StoredEntry[]> {
    const rows = await this.#db
      .selectFrom("entry")
      .selectAll()
      .where("idx", ">", after)
      .where("idx", "<", before)
      .where((eb) => eb.and(conditions(eb, filter)))
      .orderBy("idx")
      .limit(limit)
      .execute();
    return rows.map(toEntry);
  }

  async revocationsOf(id: Uint8Array): Promise<StoredEntry[]> {
    const rows = await this.#db
      .selectFrom("entry")
      .selectAll()
      .where("target", "=", Buffer.from(id))
      .orderBy("idx")
      .execute();
    return rows.map(toEntry);
  }

  newestCheckpoint(): Promise<StoredCheckpoint | undefined> {
    return this.#db.selectFrom("checkpoint").selectAll().orderBy("size", "desc").limit(1).executeTakeFirst();
  }

  checkpoints(after: number, limit: number): Promise<StoredCheckpoint[]> {
    return this.#db
      .selectFrom("checkpoint")
      .selectAll()
      .where("size", ">", after)
      .orderBy("size")
      .limit(limit)
      .execute();
  }
}

/** A row as the rest of the registry knows it. */
export function toEntry(row: Tables["entry"]): StoredEntry {
  const { idx, ...rest } = row;
  return { index: idx, ...rest };
}

function conditions(eb: ExpressionBuilder<Tables, "entry">, filter: EntryFilter): Expression<SqlBool>[] {
  const all: Expression<SqlBool>[] = [];
  if (filter.issuer !== undefined) all.push(eb("issuer", "=", filter.issuer));
  if (filter.subject !== undefined) all.push(eb("subject", "=", filter.subject));
  if (filter.kinds !== undefined) all.push(eb("kind", "in", filter.kinds));
  return all;
}
