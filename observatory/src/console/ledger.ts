import { setImmediate as breathe } from "node:timers/promises";
import type { Digest } from "@peerage/core";
import type { News, Row } from "./row.ts";
import type { ApprovalRecord, DecisionRecord, GuardRecord, GuardSource } from "./source.ts";

/** Newest records of a log that the console has in mind; older calls are read when they are opened. */
export const MOST_RECORDS = 50_000;
/** Records that are read between two breaths, so that a guard in the same process is not held up. */
const SLICE = 256;

/** Follows one guard's log: keeps its newest calls in mind, and tells of each record as it comes. */
export class Ledger {
  readonly source: GuardSource;
  /** Oldest first. */
  readonly rows: Row[] = [];
  readonly approvals: ApprovalRecord[] = [];
  /** Messages of floods, which were counted and not recorded. */
  suppressed = 0;
  /** The first record that was read, and the next one that will be. */
  readonly first: number;
  next: number;
  #policy: Digest | undefined;
  readonly #byId = new Map<string, Row>();
  #reading: Promise<void> | undefined;

  constructor(source: GuardSource) {
    this.source = source;
    this.first = this.next = Math.max(0, source.size() - MOST_RECORDS);
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
    if (this.rows.length > MOST_RECORDS * 1.2) this.#forget();
  }

  #take(record: GuardRecord): void {
    if (record.kind === "decision") {
      const row = rowOf(this.name, record);
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
      if (this.approvals.length > MOST_RECORDS) this.approvals.shift();
    } else if (record.kind === "start") {
      this.#policy = record.policy ?? this.#policy;
    } else {
      this.suppressed += record.messages;
    }
  }

  #forget(): void {
    for (const { id } of this.rows.splice(0, this.rows.length - MOST_RECORDS)) this.#byId.delete(id);
  }
}

function rowOf(guard: string, record: DecisionRecord): Row {
  const { seq, id, at, verdict, step, reason, detail, caller, method, target, rule, policy, item } = record;
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
    ms: undefined,
    outcome: undefined,
  };
}
