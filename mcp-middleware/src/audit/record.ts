import { type JsonObject, leafHash, type RecordBody, toHex } from "@peerage/core";
import type { GuardDatabase } from "./database.ts";

export type {
  ApprovalBody,
  AuditRecord,
  CallOutcome as Outcome,
  DecisionBody,
  OutcomeBody,
  RecordBody,
  RecordedCaller,
  RecordedInput,
  RecordedSpiffe,
  StartBody,
  SuppressedBody,
} from "@peerage/core";

/** The hash of a record: the RFC 6962 leaf hash of its text, so that chain and tree are over the same bytes. */
export function recordHash(text: string): Uint8Array {
  return leafHash(Buffer.from(text));
}

/** The log as a chain: whoever appends holds the write lock, reads the head and moves it in the same transaction. */
export class RecordChain {
  readonly #head;
  readonly #insert;
  readonly #move;

  constructor(database: GuardDatabase) {
    this.#head = database.prepare<[], { size: number; hash: Buffer | null }>("SELECT size, hash FROM head");
    this.#insert = database.prepare<[number, number | null, string, Uint8Array]>(
      "INSERT INTO record VALUES (?, ?, ?, ?)",
    );
    this.#move = database.prepare<[number, Uint8Array]>("UPDATE head SET size = ?, hash = ?");
  }

  /** How many records there are. */
  get size(): number {
    return this.#head.get()?.size ?? 0;
  }

  /**
   * Appends within the caller's transaction.
   * @param of - the place of the decision that this is the outcome of
   * @returns the place of the record
   */
  append(body: RecordBody, of?: number): number {
    const head = this.#head.get();
    if (!head) throw new Error("the log has no head");
    const prev = head.hash === null ? {} : { prev: toHex(head.hash) };
    const text = JSON.stringify({ v: 1, seq: head.size, ...prev, ...(body as unknown as JsonObject) });
    const hash = recordHash(text);
    this.#insert.run(head.size, of ?? null, text, hash);
    this.#move.run(head.size + 1, hash);
    return head.size;
  }
}
