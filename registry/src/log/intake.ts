import { PeerageError, toHex } from "@peerage/core";
import type { Head, LogReads } from "../store/log-store.ts";
import type { PostgresLogStore } from "../store/postgres.ts";
import type { Sequencer } from "./sequencer.ts";
import type { Candidate, Sequenced } from "./tree-writer.ts";

/** What waits here for an index that another process may give it. */
interface Waiting {
  readonly candidate: Candidate;
  readonly done: PromiseWithResolvers<Sequenced>;
  readonly since: number;
}

const POOL = 4_096;
const BATCH = 1_024;

/** Nobody waits longer than that: what was handed in may still be logged, and is then known when it comes again. */
const PATIENCE_MS = 30_000;

/**
 * One frontend's half of a log that several share: hands statements in, and answers when they stand in the log, whichever
 * process has put them there.
 */
export class Intake implements Sequencer {
  readonly #store: Pick<PostgresLogStore, "submit"> & Pick<LogReads, "indexesOf">;
  readonly #delayMs: number;
  readonly #head: () => Head;
  readonly #onSubmit: () => void;
  readonly #fresh = new Map<string, Waiting>();
  readonly #submitted = new Map<string, Waiting>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #ended: PeerageError | undefined;

  constructor(options: {
    readonly store: PostgresLogStore;
    readonly head: () => Head;
    /** Something was handed in. */
    readonly onSubmit: () => void;
    /** How long a statement may wait for others to share its way; 5 by default. */
    readonly delayMs?: number;
  }) {
    this.#store = options.store;
    this.#delayMs = options.delayMs ?? 5;
    this.#head = options.head;
    this.#onSubmit = options.onSubmit;
  }

  get head(): Head {
    return this.#head();
  }

  get waiting(): number {
    return this.#fresh.size + this.#submitted.size;
  }

  find(id: Uint8Array): Promise<Sequenced> | undefined {
    const key = toHex(id);
    const twin = this.#fresh.get(key) ?? this.#submitted.get(key);
    return twin?.done.promise.then(({ index }) => ({ index, known: true }));
  }

  async add(candidate: Candidate): Promise<Sequenced> {
    if (this.#ended) throw this.#ended;
    const twin = this.find(candidate.id);
    if (twin) return twin;
    if (this.waiting >= POOL)
      throw new PeerageError("ERR_REGISTRY_BUSY", "too many statements wait to be logged: try again");
    const done = Promise.withResolvers<Sequenced>();
    this.#fresh.set(toHex(candidate.id), { candidate, done, since: performance.now() });
    this.#timer ??= setTimeout(() => this.#run(), this.#delayMs);
    return done.promise;
  }

  /** The process that gave these their indexes is this one. */
  sequenced(candidates: readonly Candidate[], places: readonly Sequenced[]): void {
    for (const [i, place] of places.entries()) {
      const candidate = candidates[i];
      if (candidate) this.#settle(candidate, place);
    }
  }

  /** Looks in the log for what waits. @throws {PeerageError} ERR_REGISTRY_BUSY if the database does not answer */
  async look(): Promise<void> {
    const waiting = [...this.#submitted.values()].map(({ candidate }) => candidate);
    if (waiting.length === 0) return;
    const found = await this.#store.indexesOf(waiting.map(({ id }) => id));
    for (const [i, candidate] of waiting.entries()) {
      const index = found[i];
      if (index !== undefined) this.#settle(candidate, { index, known: false });
    }
  }

  /** Refuses what has waited for too long. */
  expire(): void {
    const before = performance.now() - PATIENCE_MS;
    for (const [key, { done, since }] of this.#submitted) {
      if (since > before) break; // in order of arrival
      this.#submitted.delete(key);
      done.reject(new PeerageError("ERR_REGISTRY_BUSY", "the statement has no place in the log yet: send it again"));
    }
  }

  /** Refuses all that waits and all that comes. */
  end(reason: PeerageError): void {
    this.#ended ??= reason;
    clearTimeout(this.#timer);
    for (const pool of [this.#fresh, this.#submitted]) {
      for (const { done } of pool.values()) done.reject(this.#ended);
      pool.clear();
    }
  }

  /** Refuses what comes; what waits may still be answered by {@link Intake.look}. Resolves when all of it is handed in. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended ??= new PeerageError("ERR_REGISTRY_BUSY", "the registry is shutting down");
    while (this.#fresh.size > 0) {
      this.#run();
      await this.#running;
    }
  }

  #run(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#running || this.#fresh.size === 0) return;
    const batch = [...this.#fresh].slice(0, BATCH);
    // Before the answer: the process that drains the intake may be faster than the one that hears of the insertion.
    for (const [key, waiting] of batch) {
      this.#fresh.delete(key);
      this.#submitted.set(key, waiting);
    }
    this.#running = this.#store
      .submit(batch.map(([, { candidate }]) => candidate))
      .then(this.#onSubmit, (error: unknown) => {
        for (const [key, { done }] of batch) if (this.#submitted.delete(key)) done.reject(error);
      })
      .finally(() => {
        this.#running = undefined;
        if (this.#fresh.size > 0) this.#run();
      });
  }

  #settle({ id }: Candidate, place: Sequenced): void {
    const key = toHex(id);
    this.#submitted.get(key)?.done.resolve(place);
    this.#submitted.delete(key);
  }
}
