import { type Did, type Digest, fromBase64, toBase64, unixSeconds } from "@peerage/core";
import type { Kysely, Transaction } from "kysely";
import { checkBudgets, checkRoom, type MessageLimits, messageLimits } from "./limits.ts";
import { createMessageTables, type MessageTables } from "./tables.ts";
import type { Tagger } from "./tags.ts";

/** What has become of messages that ended, expired or are erased is looked after this often. */
const SWEEP_MS = 3_600_000;
/** An erased message is remembered for so many seconds: by then no delivery of it is valid, and no budget counts it. */
const REMEMBERED_SECONDS = 86_400;

/** A message that waits for its recipient. */
export interface WaitingMessage {
  readonly id: Digest;
  /** Bytes. */
  readonly size: number;
  /** Unix seconds, by this registry's clock. */
  readonly received: number;
  readonly expires: number;
}

/** What stands at an address in an inbox. */
export type StoredMessage = (WaitingMessage & { readonly sealed: Uint8Array }) | { readonly erased: number };

export interface MessageStoreOptions {
  readonly tagOf: Tagger;
  readonly now: () => Date;
  readonly limits?: MessageLimits;
  /** Called within a transaction, before what it counts may change: for databases that run several at a time. */
  readonly serialize?: (transaction: Transaction<MessageTables>) => Promise<void>;
  /** Called when something was erased, to make the database forget its bytes too. */
  readonly afterErasure?: () => Promise<void>;
}

/**
 * Sealed messages on their way, beside the log and never in it: nobody but the recipient can read them, and what was
 * handed over is gone. One code path for every database: give it a Kysely over SQLite or PostgreSQL.
 */
export class MessageStore implements AsyncDisposable {
  readonly limits: MessageLimits;
  readonly #db: Kysely<MessageTables>;
  readonly #options: MessageStoreOptions;
  readonly #timer: NodeJS.Timeout;
  #sweeping: Promise<void> = Promise.resolve();

  private constructor(db: Kysely<MessageTables>, options: MessageStoreOptions) {
    this.#db = db;
    this.#options = options;
    this.limits = options.limits ?? messageLimits;
    this.#timer = setInterval(() => {
      // A database that is down is told of by who needs it; the next round does the work.
      this.#sweeping = this.sweep().catch(() => undefined);
    }, SWEEP_MS).unref();
  }

  /** Makes the table where there is none. @param db owned by this object from now on */
  static async open(db: Kysely<MessageTables>, options: MessageStoreOptions): Promise<MessageStore> {
    await createMessageTables(db);
    const store = new MessageStore(db, options);
    await store.sweep();
    return store;
  }

  /**
   * Keeps a sealed message, on disk when it returns; one that is kept or was erased stays as it is.
   * @param message.isKnown whether the recipient knows the sender, asked only if the two have not written each other here
   * @throws {RateLimitedError} ERR_RATE_LIMITED if there is no room for it
   */
  async put(message: {
    readonly id: Digest;
    readonly recipient: Did;
    readonly sender: Did;
    readonly sealed: Uint8Array;
    readonly isKnown: () => boolean;
  }): Promise<"kept" | "known" | "erased"> {
    const { tagOf, serialize } = this.#options;
    const { id, sealed } = message;
    const [recipient, sender] = [tagOf(message.recipient), tagOf(message.sender)];
    return this.#db.transaction().execute(async (on) => {
      await serialize?.(on);
      const there = await on
        .selectFrom("message")
        .select("erased")
        .where("recipient", "=", recipient)
        .where("id", "=", id)
        .executeTakeFirst();
      if (there) return there.erased === null ? "known" : "erased";
      const now = this.#now();
      // Before it is asked whether the sender is known: that costs more than all the rest.
      await checkBudgets(on, sender, this.limits, now);
      const isKnown = (await this.#hasWritten(on, recipient, sender)) || message.isKnown();
      const parcel = { id, recipient, sender, size: sealed.length, isKnown };
      await checkRoom(on, parcel, this.limits);
      const { isKnown: _, ...row } = parcel;
      await on
        .insertInto("message")
        .values({ ...row, known: isKnown ? 1 : 0, received: now, body: toBase64(sealed) })
        .execute();
      return "kept";
    });
  }

  /** What waits for a recipient, oldest first: never more than an inbox has room for. */
  async list(did: Did): Promise<WaitingMessage[]> {
    const rows = await this.#db
      .selectFrom("message")
      .select(["id", "size", "received"])
      .where("recipient", "=", this.#options.tagOf(did))
      .where("body", "is not", null)
      .where("received", ">", this.#oldest())
      .orderBy("received")
      .orderBy("id")
      .execute();
    return rows.map((row) => this.#describe(row));
  }

  /** One message of a recipient; undefined if there is none of that id, be there one for somebody else. */
  async get(did: Did, id: Digest): Promise<StoredMessage | undefined> {
    const row = await this.#db
      .selectFrom("message")
      .select(["id", "size", "received", "body", "erased"])
      .where("recipient", "=", this.#options.tagOf(did))
      .where("id", "=", id)
      .executeTakeFirst();
    if (!row || (row.body !== null && Number(row.received) <= this.#oldest())) return undefined;
    if (row.body === null) return { erased: Number(row.erased) };
    return { ...this.#describe(row), sealed: fromBase64(row.body) };
  }

  /** Forgets a message of a recipient; one that is forgotten already stays so. @returns false if there was none */
  async erase(did: Did, id: Digest): Promise<boolean> {
    const stored = await this.get(did, id);
    if (!stored) return false;
    if ("erased" in stored) return true;
    await this.#db
      .updateTable("message")
      .set({ body: null, erased: this.#now() })
      .where("recipient", "=", this.#options.tagOf(did))
      .where("id", "=", id)
      .where("body", "is not", null)
      .execute();
    await this.#options.afterErasure?.();
    return true;
  }

  /** Erases what is too old, and forgets that there was something. */
  async sweep(): Promise<void> {
    const now = this.#now();
    const gone = await this.#db
      .deleteFrom("message")
      .where((on) =>
        on.or([
          on("received", "<=", this.#oldest()),
          on.and([on("erased", "<=", now - REMEMBERED_SECONDS), on("received", "<=", now - REMEMBERED_SECONDS)]),
        ]),
      )
      .executeTakeFirst();
    if (gone.numDeletedRows > 0n) await this.#options.afterErasure?.();
  }

  /** Who was written to may answer. */
  async #hasWritten(on: Kysely<MessageTables>, from: string, to: string): Promise<boolean> {
    const row = await on
      .selectFrom("message")
      .select("id")
      .where("sender", "=", from)
      .where("recipient", "=", to)
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }

  #describe(row: { id: string; size: number; received: number | string }): WaitingMessage {
    const received = Number(row.received);
    return { id: row.id as Digest, size: row.size, received, expires: received + this.limits.keptSeconds };
  }

  #oldest(): number {
    return this.#now() - this.limits.keptSeconds;
  }

  #now(): number {
    return unixSeconds(this.#options.now());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#sweeping;
    await this.#db.destroy();
  }
}
