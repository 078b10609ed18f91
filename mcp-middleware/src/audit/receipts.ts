import {
  type Did,
  type Entry,
  member,
  parseCarriedEntry,
  parseEntry,
  PeerageError,
  tokenDigest,
  type Verified,
} from "@peerage/core";
import type Database from "better-sqlite3";
import type { GuardDatabase } from "./database.ts";
import type { AuditRecord, DecisionBody, OutcomeBody } from "./record.ts";

/** A receipt that a guard issued and kept. */
export interface KeptReceipt {
  /** The record that it stands beside: the outcome of an admitted call, the decision of another. */
  readonly seq: number;
  readonly token: string;
}

/** Keeps receipts in the guard's file, within the transaction of the caller. They go to the archive with their records. */
export class ReceiptStore {
  readonly #keep: Database.Statement<[number, string]>;

  constructor(database: GuardDatabase) {
    this.#keep = database.prepare("INSERT OR IGNORE INTO receipt VALUES (?, ?)");
  }

  /** @param seq - the record that it stands beside */
  keep(seq: number, token: string): void {
    this.#keep.run(seq, token);
  }
}

/** The kept receipts of records `from` ≤ seq < `to`, in their order; none in a file that an older guard wrote. */
export function* keptReceipts(
  database: GuardDatabase,
  from = 0,
  to: number = Number.MAX_SAFE_INTEGER,
): Generator<KeptReceipt, void, void> {
  if (!database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'receipt'").get()) return;
  // In pages: a reader that stops in the middle must not keep the log from being checkpointed.
  const page = database.prepare<[number, number], KeptReceipt>(
    "SELECT seq, token FROM receipt WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT 256",
  );
  for (let next = from; ;) {
    const rows = page.all(next, to);
    yield* rows;
    const last = rows.at(-1);
    if (!last) return;
    next = last.seq + 1;
  }
}

/**
 * Checks that a kept receipt is this guard's word on this very call: its signature, and that guard, caller, call, request,
 * policy, result and outcome are those that were recorded. Where the record does not name the receipt, only the DID's own
 * key signed it for the guard: nothing else here tells which others there were.
 * @throws {PeerageError} ERR_RECEIPT_INVALID
 */
export function checkKeptReceipt(
  token: string,
  guard: Did | undefined,
  { decision, outcome }: { readonly decision: DecisionBody; readonly outcome?: OutcomeBody | undefined },
): Verified<Entry> {
  const invalid = (detail: string, cause?: unknown): PeerageError =>
    new PeerageError("ERR_RECEIPT_INVALID", `the kept receipt does not belong to this call: ${detail}`, {
      detail,
      cause,
    });
  const named = outcome?.receipt;
  if (named !== undefined && named !== tokenDigest(token)) throw invalid("bytes");
  let receipt: Verified<Entry>;
  try {
    receipt = named === undefined ? parseEntry(token) : parseCarriedEntry(token);
  } catch (cause) {
    throw invalid("signature", cause);
  }
  if (receipt.issuer !== guard) throw invalid("issuer");
  if (receipt.audience !== decision.caller?.did) throw invalid("caller");
  if (receipt.call !== decision.call) throw invalid("call");
  if (receipt.req !== (decision.signed ?? decision.req)) throw invalid("req");
  const isPending = receipt.result === "pending";
  const isEnd = outcome ? receipt.result === outcome.outcome : isPending || receipt.result === "refused";
  if (!isEnd) throw invalid("outcome");
  // A policy may have taken another's place while a person was asked; the item names the one that asked.
  if (!isPending && member(receipt.sub, "policy") !== decision.policy) throw invalid("policy");
  // What a refusal says is no result of the call, and is not recorded.
  if (outcome && member(receipt.sub, "res") !== outcome.res) throw invalid("result");
  return receipt;
}

/**
 * True if a kept receipt is the one that its record names; beside a decision, if it is the guard's word on it.
 * @param record - undefined if it is archived: then the receipt came late, and is the guard's
 */
export function isReceiptOf(record: AuditRecord | undefined, token: string, guard: Did): boolean {
  if (record?.kind === "outcome") return record.receipt === tokenDigest(token);
  try {
    if (record === undefined) return parseEntry(token).issuer === guard;
    if (record.kind === "decision") checkKeptReceipt(token, guard, { decision: record });
    return record.kind === "decision";
  } catch {
    return false;
  }
}
