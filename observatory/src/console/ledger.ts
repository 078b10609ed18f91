import { setImmediate as breathe } from "node:timers/promises";
import type { Digest } from "@peerage/core";
import type { News, Row } from "./row.ts";
import type { ApprovalRecord, GuardCall, GuardRecord, GuardSource } from "./source.ts";

/** Newest records of a log that the console has in mind; older calls are read when they are asked for. */
const MOST_RECORDS = 50_000;
/** Records that are searched for an id between two breaths. */
const SEARCHED = 8_192;
/** Records that are read between two breaths, so that a guard in the same process is not held up. */
const SLICE = 256;

/** Follows one guard's log: keeps its newest calls in mind, and tells of each record as it comes. */
export class Ledger {
  readonly source: GuardSource;
  /** Oldest first. Another array takes its place when old ones are forgotten: whoever goes through it misses none. */
  rows: Row[] = [];
  readonly approvals: ApprovalRecord[] = [];
  /** Messages of floods, which were counted and not recorded. */
  suppressed = 0;
  /** The next record that will be read. */
  next: number;
  readonly #most: number;
  #oldest: number;
  #policy: Digest | undefined;
  readonly #byId = new Map<string, Row>();
  #reading: Promise<void> | undefined;

  constructor(source: GuardSource, inMind: number = MOST_RECORDS) {
    this.source = source;
    this.#most = inMind;
    this.#oldest = this.next = Math.max(0, source.size() - inMind);
  }

  get name(): string {
    return this.source.name;
  }

  /** Digest of the policy that decided last, or that the guard started with. */
  get policy(): Digest | undefined {
    return this.#policy;
  }

  byId(id: string): Row | undefined {
    return this.#byId.get(id);
  }

  /** The place of the oldest call in mind: what stands below it is read from the log. */
  get oldest(): number {
    return this.#oldest;
  }

  /** Calls below a place, newest first: those in mind, then those that only the log holds. */
  *back(below: number): Generator<Row, void, void> {
    const { rows, oldest } = this;
    for (let i = rows.findLastIndex(({ seq }) => seq < below); i >= 0; i--) {
      const row = rows[i];
      if (row) yield row;
    }
    for (const call of this.source.older(Math.min(below, oldest))) yield rowOf(this.name, call);
  }

  /** A call by its id, however old it is. */
  async find(id: string): Promise<GuardCall | undefined> {
    const row = this.#byId.get(id);
    if (row) return this.source.call(row.seq);
    const first = this.source.first();
    for (let to = this.oldest; to > first; to -= SEARCHED) {
      const found = this.source.find(id, Math.max(first, to - SEARCHED), to);
      if (found) return found;
      await breathe();
    }
    return undefined;
  }

  /** Reads what has been written since; settles once all of it is read. */
  catchUp(tell: (news: News) => void = () => undefined): Promise<void> {
    this.#reading ??= this.#read(tell).finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #read(tell: (news: News) => void): Promise<void> {
    let read = 0;
    for (const record of this.source.records(this.next)) {
      this.next = record.seq + 1;
      this.#take(record);
      tell({
        guard: this.name,
        seq: record.seq,
        kind: record.kind,
        ...(record.kind === "decision" ? { verdict: record.verdict } : {}),
      });
      if (++read % SLICE === 0) await breathe();
    }
    if (this.rows.length > this.#most * 1.2) this.#forget();
  }

  #take(record: GuardRecord): void {
    if (record.kind === "decision") {
      const row = rowOf(this.name, { decision: record });
      this.rows.push(row);
      this.#byId.set(row.id, row);
      this.#policy = record.policy;
    } else if (record.kind === "outcome") {
      const row = this.#byId.get(record.id);
      if (!row) return;
      row.ms = record.ms;
      row.outcome = record.outcome;
    } else if (record.kind === "approval") {
      this.approvals.push(record);
      if (this.approvals.length > this.#most) this.approvals.shift();
    } else if (record.kind === "start") {
      this.#policy = record.policy ?? this.#policy;
    } else {
      this.suppressed += record.messages;
    }
  }

  #forget(): void {
    for (const { id } of this.rows.slice(0, -this.#most)) this.#byId.delete(id);
    this.rows = this.rows.slice(-this.#most);
    this.#oldest = this.rows[0]?.seq ?? this.#oldest;
  }
}

/** A call as lists need it. */
export function rowOf(guard: string, { decision, outcome }: GuardCall): Row {
  const { seq, id, at, verdict, step, reason, detail, caller, method, target, rule, policy, item } = decision;
  return {
    guard,
    seq,
    id,
    at: Date.parse(at),
    verdict,
    step,
    reason,
    detail,
    did: caller?.did,
    unverified: caller?.unverified === true,
    score: caller?.score,
    method,
    target: target ?? method,
    rule,
    policy,
    item,
    ms: outcome?.ms,
    outcome: outcome?.outcome,
  };
}
