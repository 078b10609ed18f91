import { type Did, type Digest, fromUtf8, parseDid } from "@peerage/core";
import { type Kysely, sql } from "kysely";
import { NoteNames } from "./names.ts";
import type { LogReads, StoredEntry } from "../store/log-store.ts";

/** A note as it is kept: its text, or when it was erased. */
export type StoredNote = { readonly body: string } | { readonly erased: number };

/** The tables, as Kysely sees them; digests and notes are text, so every database has them in one form. */
export interface NoteTables {
  /** `body` is null once it is erased, and the row stays: what is erased does not come back. */
  note: { digest: string; body: string | null; erased: number | string | null };
  /** Derived from the log: the first statement that names a note. Dropped and read again at any time. */
  note_named: { digest: string; entry: number | string; issuer: string };
  /** Up to which entry the log was read for it. */
  note_progress: { id: number; entries: number | string };
}

const PAGE = 512;

/**
 * What people read and may want erased, beside the log and never in it. One code path for every database: give it a
 * Kysely over SQLite or PostgreSQL.
 */
export class NoteStore implements AsyncDisposable {
  readonly #db: Kysely<NoteTables>;
  readonly #reads: LogReads;
  readonly #afterErasure: (() => Promise<void>) | undefined;
  readonly #names = new NoteNames([]);
  #reading: Promise<void> | undefined;

  private constructor(db: Kysely<NoteTables>, reads: LogReads, afterErasure: (() => Promise<void>) | undefined) {
    this.#db = db;
    this.#reads = reads;
    this.#afterErasure = afterErasure;
  }

  /**
   * Makes the tables where there are none.
   * @param db owned by this object from now on
   * @param options.afterErasure called when a note was erased, to make the database forget its bytes too
   */
  static async open(
    db: Kysely<NoteTables>,
    reads: LogReads,
    options: { readonly afterErasure?: () => Promise<void> } = {},
  ): Promise<NoteStore> {
    const { schema } = db;
    await schema
      .createTable("note")
      .ifNotExists()
      .addColumn("digest", "text", (column) => column.primaryKey())
      .addColumn("body", "text")
      .addColumn("erased", "bigint")
      .execute();
    await schema
      .createTable("note_named")
      .ifNotExists()
      .addColumn("digest", "text", (column) => column.primaryKey())
      .addColumn("entry", "bigint", (column) => column.notNull())
      .addColumn("issuer", "text", (column) => column.notNull())
      .execute();
    await schema
      .createTable("note_progress")
      .ifNotExists()
      .addColumn("id", "integer", (column) => column.primaryKey())
      .addColumn("entries", "bigint", (column) => column.notNull())
      .execute();
    const store = new NoteStore(db, reads, options.afterErasure);
    await store.#readNames();
    return store;
  }

  /** The name that a kept note gives, without a look into the database. */
  nameOf(digest: Digest): string | undefined {
    return this.#names.get(digest);
  }

  async get(digest: Digest): Promise<StoredNote | undefined> {
    const row = await this.#db.selectFrom("note").selectAll().where("digest", "=", digest).executeTakeFirst();
    if (!row) return undefined;
    return row.body === null ? { erased: Number(row.erased) } : { body: row.body };
  }

  /** Keeps a note, on disk when it returns; one that was erased stays erased. @returns what stands there now */
  async put(digest: Digest, body: string): Promise<StoredNote & { readonly fresh: boolean }> {
    const { numInsertedOrUpdatedRows = 0n } = await this.#db
      .insertInto("note")
      .values({ digest, body, erased: null })
      .onConflict((conflict) => conflict.column("digest").doNothing())
      .executeTakeFirst();
    const stored = (await this.get(digest)) ?? { body };
    if ("body" in stored) this.#names.set(digest, nameIn(stored.body));
    return { ...stored, fresh: numInsertedOrUpdatedRows > 0n };
  }

  /** Forgets a note for ever, also one that was never handed in. */
  async erase(digest: Digest, time: number): Promise<void> {
    await this.#db
      .insertInto("note")
      .values({ digest, body: null, erased: time })
      .onConflict((conflict) =>
        conflict.column("digest").doUpdateSet({ body: null, erased: sql`coalesce(note.erased, ${time})` }),
      )
      .execute();
    this.#names.delete(digest);
    await this.#afterErasure?.();
  }

  /**
   * Who first named this note in the log, and so may have it erased: naming another's note gives no power over it.
   * Undefined if no statement that was accepted names it.
   */
  async issuerOf(digest: Digest): Promise<Did | undefined> {
    const known = await this.#named(digest);
    if (known) return known;
    await this.catchUp();
    return this.#named(digest);
  }

  /** Reads what the log has grown by. Concurrent calls share one run, and begin it anew if it had begun before. */
  async catchUp(): Promise<void> {
    await this.#reading;
    await (this.#reading ??= this.#read().finally(() => (this.#reading = undefined)));
  }

  async #readNames(): Promise<void> {
    for (let after = ""; ;) {
      const rows = await this.#db
        .selectFrom("note")
        .select(["digest", "body"])
        .where("digest", ">", after)
        .where("body", "is not", null)
        .orderBy("digest")
        .limit(PAGE)
        .execute();
      for (const { digest, body } of rows) if (body !== null) this.#names.set(digest as Digest, nameIn(body));
      const last = rows.at(-1);
      if (!last || rows.length < PAGE) return;
      after = last.digest;
    }
  }

  async #named(digest: Digest): Promise<Did | undefined> {
    const row = await this.#db
      .selectFrom("note_named")
      .select("issuer")
      .where("digest", "=", digest)
      .executeTakeFirst();
    return row && parseDid(row.issuer);
  }

  async #read(): Promise<void> {
    const { size } = await this.#reads.head();
    const progress = await this.#db
      .selectFrom("note_progress")
      .select("entries")
      .where("id", "=", 1)
      .executeTakeFirst();
    for (let at = Number(progress?.entries ?? 0); at < size;) {
      const entries = await this.#reads.entries(at, Math.min(at + PAGE, size));
      if (entries.length === 0) return;
      at += entries.length;
      await this.#remember(entries.flatMap(noteOf), at);
      await new Promise(setImmediate); // a long log must not hold up requests
    }
  }

  async #remember(named: readonly NoteTables["note_named"][], upTo: number): Promise<void> {
    await this.#db.transaction().execute(async (on) => {
      if (named.length > 0) {
        await on
          .insertInto("note_named")
          .values(named)
          .onConflict((conflict) => conflict.column("digest").doNothing())
          .execute();
      }
      await on
        .insertInto("note_progress")
        .values({ id: 1, entries: upTo })
        .onConflict((conflict) => conflict.column("id").doUpdateSet({ entries: upTo }))
        .execute();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reading?.catch(() => undefined);
    await this.#db.destroy();
  }
}

function nameIn(body: string): string | undefined {
  return (JSON.parse(body) as { name?: string }).name;
}

/** A leaf holds no free text, so the member's name can stand for nothing else in its one form. */
function noteOf({ index, issuer, body }: StoredEntry): NoteTables["note_named"][] {
  const digest = /"noteDigest":"(sha256:[0-9a-f]{64})"/.exec(fromUtf8(body))?.[1];
  return digest === undefined ? [] : [{ digest, entry: index, issuer }];
}
