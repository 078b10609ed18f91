import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Did,
  type Digest,
  type ErrorCode,
  type JsonValue,
  parseCarriedEntry,
  PeerageError,
  type PolicyDocument,
  type RecordedCall,
} from "@peerage/core";
import { type AuditBase, type GuardDatabase, onDisk, openGuardDatabase, readBase } from "./database.ts";
import { type KeptReceipt, keptReceipts } from "./receipts.ts";
import type { AuditRecord, DecisionBody } from "./record.ts";
import type { Opening } from "./sealed.ts";
import { namedArguments, recordedInput } from "./recorded-input.ts";

/** Which calls are wanted; of what is left out, any. */
export interface CallFilter {
  readonly caller?: Did;
  readonly method?: string;
  /** The tool, prompt or resource. */
  readonly target?: string;
  readonly verdict?: DecisionBody["verdict"];
  readonly reason?: ErrorCode;
  readonly rule?: string;
  /** From then on … */
  readonly since?: Date;
  /** … and before then. */
  readonly until?: Date;
}

/** A decision, and how the call ended; an outcome is absent of a refusal and of a call that still runs. */
export interface AuditedCall {
  readonly decision: DecisionRecordInLog;
  readonly outcome?: OutcomeRecordInLog;
}

export type DecisionRecordInLog = Extract<AuditRecord, { kind: "decision" }>;
export type OutcomeRecordInLog = Extract<AuditRecord, { kind: "outcome" }>;

/**
 * Reads an audit log while guards write it. What it gives is as the file says; whether that is what the guard wrote is
 * for `verifyAudit`.
 */
export class AuditReader implements Disposable {
  readonly #database: GuardDatabase;

  /** @throws {PeerageError} ERR_NOT_FOUND if the log is not there, ERR_AUDIT_UNAVAILABLE if it cannot be read */
  constructor(path: string) {
    if (!existsSync(path)) {
      throw new PeerageError("ERR_NOT_FOUND", "this guard has recorded nothing yet", { detail: "audit" });
    }
    this.#database = openGuardDatabase(path, { readonly: true });
  }

  /** The guard whose log it says it is. */
  get guard(): Did | undefined {
    return this.#text("SELECT value FROM meta WHERE name = 'guard'") as Did | undefined;
  }

  /** How many records there are, those in archives included: the place of the next one. */
  get size(): number {
    return Number(this.#value("SELECT size FROM head"));
  }

  /** What is archived; undefined while nothing is. */
  get base(): AuditBase | undefined {
    return onDisk(() => readBase(this.#database));
  }

  /** Records in their order, from a place on. */
  *records(from = 0): Generator<AuditRecord> {
    for (const { body } of this.texts(from)) yield JSON.parse(body) as AuditRecord;
  }

  /** As {@link records}, each as the text that was hashed. */
  *texts(from = 0): Generator<{ readonly seq: number; readonly body: string }> {
    // In pages: a reader that stops in the middle must not keep the log from being checkpointed.
    const page = this.#database.prepare<[number], { seq: number; body: string }>(
      "SELECT seq, body FROM record WHERE seq >= ? ORDER BY seq LIMIT 256",
    );
    for (let next = from; ;) {
      const rows = onDisk(() => page.all(next));
      yield* rows;
      const last = rows.at(-1);
      if (!last) return;
      next = last.seq + 1;
    }
  }

  /**
   * The newest calls that a filter lets through, newest first.
   * @param below - the place below which to begin
   */
  *calls(filter: CallFilter = {}, below: number = Number.MAX_SAFE_INTEGER): Generator<AuditedCall> {
    const page = this.#database.prepare<[number], { seq: number; body: string }>(
      "SELECT seq, body FROM record WHERE seq < ? AND of IS NULL ORDER BY seq DESC LIMIT 256",
    );
    for (let before = below; ;) {
      const rows = onDisk(() => page.all(before));
      for (const { body } of rows) {
        const record = JSON.parse(body) as AuditRecord;
        if (record.kind !== "decision" || !matches(record, filter)) continue;
        yield this.#withOutcome(record);
      }
      const last = rows.at(-1);
      if (!last) return;
      before = last.seq;
    }
  }

  /** One call by its place in the log or by its id, or a beginning of it of at least six characters. */
  call(which: number | string): AuditedCall | undefined {
    if (typeof which === "number") {
      const body = this.#text("SELECT body FROM record WHERE seq = ?", which);
      const record = body === undefined ? undefined : (JSON.parse(body) as AuditRecord);
      return record?.kind === "decision" ? this.#withOutcome(record) : undefined;
    }
    if (which.length < 6) return undefined;
    for (const found of this.calls()) if (found.decision.id.startsWith(which)) return found;
    return undefined;
  }

  /** The call of an id, if its decision stands at `from` ≤ seq < `to`: a part of a long log at a time. */
  find(id: string, from: number, to: number): AuditedCall | undefined {
    const sql = "SELECT seq FROM record WHERE seq >= ? AND seq < ? AND of IS NULL AND instr(body, ?) > 0 LIMIT 1";
    const seq = this.#value(sql, from, to, `"id":${JSON.stringify(id)}`);
    const found = typeof seq === "number" ? this.call(seq) : undefined;
    return found?.decision.id === id ? found : undefined;
  }

  /** Records from a place on, and then each as it is written, until the signal. */
  async *follow(options: {
    readonly from?: number;
    readonly signal: AbortSignal;
    readonly pollMs?: number;
  }): AsyncGenerator<AuditRecord> {
    const { signal, pollMs = 250 } = options;
    const isOver = (): boolean => signal.aborted;
    for (let next = options.from ?? this.size; !isOver();) {
      for (const record of this.records(next)) {
        next = record.seq + 1;
        yield record;
        if (isOver()) return;
      }
      await sleep(pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** A policy that this guard has run, by its digest. */
  policy(digest: Digest): PolicyDocument | undefined {
    const document = this.#text("SELECT document FROM policy WHERE digest = ?", digest);
    return document === undefined ? undefined : (JSON.parse(document) as PolicyDocument);
  }

  /** The token of an entry that this guard keeps: a presented one, an approval, a denial. */
  entry(digest: Digest): string | undefined {
    return this.#text("SELECT token FROM entry WHERE digest = ?", digest);
  }

  /** The receipt of a call as it is kept, not yet verified: see `checkKeptReceipt`; undefined where none is. */
  receipt({ decision, outcome }: AuditedCall): string | undefined {
    const seq = (outcome ?? decision).seq;
    return onDisk(() => keptReceipts(this.#database, seq, seq + 1).next().value?.token);
  }

  /** All kept receipts of records before a place. */
  receipts(to?: number): Generator<KeptReceipt, void, void> {
    return keptReceipts(this.#database, 0, to);
  }

  /** What opens the sealed arguments of a decision; nothing once it was erased. */
  openings(decision: string): readonly Opening[] {
    // A log that an older guard wrote has no such table.
    if (this.#value("SELECT 1 FROM sqlite_schema WHERE name = 'opening'") === undefined) return [];
    const rows = onDisk(() =>
      this.#database
        .prepare<[string], { name: string; salt: string; value: string }>(
          "SELECT name, salt, value FROM opening WHERE decision = ? ORDER BY name",
        )
        .all(decision),
    );
    return rows.map(({ name, salt, value }) => ({ name, salt, value: JSON.parse(value) as JsonValue }));
  }

  /** What a decision was made on, to try another policy on it; undefined where too little was recorded. */
  recorded(decision: DecisionBody): RecordedCall | undefined {
    const entry = (digest: Digest): ReturnType<typeof parseCarriedEntry> | undefined => {
      const token = this.entry(digest);
      return token === undefined ? undefined : parseCarriedEntry(token);
    };
    const input = recordedInput(decision, this.guard ?? "", entry);
    if (!input || !decision.input) return undefined;
    const { argsAre: kept = "digest", sealed, scopes = [], history = [], held = [] } = decision.input;
    const openings = sealed ? this.openings(decision.id) : [];
    const isOpen = sealed !== undefined && openings.length === Object.keys(sealed).length;
    const argsAre = isOpen ? "full" : kept;
    const opened = isOpen ? { args: Object.fromEntries(openings.map(({ name, value }) => [name, value])) } : {};
    const policy = argsAre === "redacted" ? this.policy(decision.policy) : undefined;
    if (argsAre === "redacted" && !policy) return undefined;
    const at = Math.floor(Date.parse(decision.at) / 1000);
    const spent = [...history, ...held].filter((digest) =>
      this.#value("SELECT 1 FROM spent WHERE digest = ? AND at <= ? AND decision <> ?", digest, at, decision.id),
    );
    return {
      input: { ...input, ...opened },
      args: policy ? { redacted: namedArguments(policy) } : (argsAre as "full" | "digest"),
      scopes,
      spent,
    };
  }

  /** The signed checkpoints in the log, oldest first, as they stand; of at most so many records. */
  checkpoints(upTo: number = Number.MAX_SAFE_INTEGER): readonly string[] {
    return onDisk(() =>
      this.#database
        .prepare<[number], { note: string }>("SELECT note FROM checkpoint WHERE size <= ? ORDER BY size")
        .all(upTo),
    ).map(({ note }) => note);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #withOutcome(decision: DecisionRecordInLog): AuditedCall {
    // The last one counts: a call that was given up for lost may still have ended.
    const body = this.#text("SELECT body FROM record WHERE of = ? ORDER BY seq DESC LIMIT 1", decision.seq);
    return body === undefined ? { decision } : { decision, outcome: JSON.parse(body) as OutcomeRecordInLog };
  }

  /** The first column of the first row. */
  #value(sql: string, ...values: readonly (string | number)[]): unknown {
    return onDisk(() =>
      this.#database
        .prepare(sql)
        .pluck()
        .get(...values),
    );
  }

  #text(sql: string, ...values: readonly (string | number)[]): string | undefined {
    const value = this.#value(sql, ...values);
    return typeof value === "string" ? value : undefined;
  }
}

/** True if a decision is one that a filter asks for. */
export function matches(decision: DecisionBody, filter: CallFilter): boolean {
  const { caller, method, target, verdict, reason, rule, since, until } = filter;
  const at = Date.parse(decision.at);
  return (
    (caller === undefined || decision.caller?.did === caller) &&
    (method === undefined || decision.method === method) &&
    (target === undefined || decision.target === target) &&
    (verdict === undefined || decision.verdict === verdict) &&
    (reason === undefined || decision.reason === reason) &&
    (rule === undefined || decision.rule === rule) &&
    (since === undefined || at >= since.getTime()) &&
    (until === undefined || at < until.getTime())
  );
}
