import { Kysely, PostgresDialect } from "kysely";
import type { Pool, QueryResultRow } from "pg";
import { PeerageError } from "@peerage/core";
import type { EntryFilter, Head, LogReads, StoredCheckpoint, StoredEntry } from "./log-store.ts";
import { runStatement } from "./postgres-connection.ts";
import { LogQueries, toEntry } from "./queries.ts";
import type { Tables } from "./tables.ts";

/** The reading half of the PostgreSQL driver. */
export class PostgresReads implements LogReads {
  protected readonly pool: Pool;
  readonly #queries: LogQueries;

  /** @param pool owned by this object from now on */
  constructor(pool: Pool) {
    this.pool = pool;
    this.#queries = new LogQueries(new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }));
  }

  async head(): Promise<Head> {
    const [row] = await this.query<{ size: number; root: Buffer }>("SELECT size, root FROM head WHERE log = 1");
    if (!row) throw new PeerageError("ERR_STORE_CORRUPT", "the registry's database has lost its head");
    return row;
  }

  async entries(from: number, to: number): Promise<StoredEntry[]> {
    const text = "SELECT * FROM entry WHERE idx >= $1 AND idx < $2 ORDER BY idx";
    return (await this.query<Tables["entry"]>(text, [from, to])).map(toEntry);
  }

  async leafHashes(from: number, to: number): Promise<Uint8Array> {
    const text = "SELECT leaf FROM entry WHERE idx >= $1 AND idx < $2 ORDER BY idx";
    return Buffer.concat((await this.query<{ leaf: Buffer }>(text, [from, to])).map(({ leaf }) => leaf));
  }

  page(filter: EntryFilter, after: number, before: number, limit: number): Promise<StoredEntry[]> {
    return answered(this.#queries.page(filter, after, before, limit));
  }

  async keyStatements(issuer: string): Promise<number[]> {
    // The condition is that of the partial index, word for word.
    const text = "SELECT kind FROM entry WHERE issuer = $1 AND kind IN (5, 6, 7, 8, 9) ORDER BY idx";
    return (await this.query<{ kind: number }>(text, [issuer])).map(({ kind }) => kind);
  }

  async byId(id: Uint8Array): Promise<StoredEntry | undefined> {
    const [row] = await this.query<Tables["entry"]>("SELECT * FROM entry WHERE id = $1", [Buffer.from(id)]);
    return row && toEntry(row);
  }

  async indexesOf(ids: readonly Uint8Array[]): Promise<(number | undefined)[]> {
    const text = `SELECT e.idx FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (id, place)
      LEFT JOIN entry e ON e.id = asked.id ORDER BY place`;
    const rows = await this.query<{ idx: number | null }>(text, [ids.map((id) => Buffer.from(id))]);
    return rows.map(({ idx }) => idx ?? undefined);
  }

  revocationsOf(id: Uint8Array): Promise<StoredEntry[]> {
    return answered(this.#queries.revocationsOf(id));
  }

  async tile(level: number, n: number): Promise<Uint8Array | undefined> {
    const text = "SELECT hashes FROM tile WHERE level = $1 AND n = $2";
    return (await this.query<{ hashes: Buffer }>(text, [level, n]))[0]?.hashes;
  }

  newestCheckpoint(): Promise<StoredCheckpoint | undefined> {
    return answered(this.#queries.newestCheckpoint());
  }

  async firstCheckpointCovering(index: number): Promise<StoredCheckpoint | undefined> {
    return (await this.checkpoints(index, 1))[0];
  }

  checkpoints(after: number, limit: number): Promise<StoredCheckpoint[]> {
    return answered(this.#queries.checkpoints(after, limit));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool.end();
  }

  /** One statement in a transaction of its own. */
  protected query<T extends QueryResultRow>(text: string, values: unknown[] = []): Promise<T[]> {
    return runStatement<T>(this.pool, text, values);
  }
}

async function answered<T>(query: Promise<T>): Promise<T> {
  try {
    return await query;
  } catch (cause) {
    throw new PeerageError("ERR_REGISTRY_BUSY", "the registry's database does not answer: try again", { cause });
  }
}
