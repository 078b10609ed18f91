import { PeerageError, type TileEdge, toHex } from "@peerage/core";
import type { Head, LogStore } from "../store/log-store.ts";
import { type Candidate, type Sequenced, TreeWriter } from "./tree-writer.ts";

export type { Candidate, Sequenced } from "./tree-writer.ts";

/** Gives statements their order: in this process, or in whichever of several holds the log. */
export interface Sequencer extends AsyncDisposable {
  /** Committed size and root. */
  readonly head: Head;
  /** Statements that wait for their batch. */
  readonly waiting: number;
  /** The statement with this id, if it is waiting: resolves as its `add` does, with `known` set. */
  find(id: Uint8Array): Promise<Sequenced> | undefined;
  /**
   * Resolves when the statement is on disk, never before. One id has one index, however often and by whomever it comes.
   * @throws {PeerageError} ERR_REGISTRY_BUSY if the pool is full; ERR_STORE_FENCED and any error of the disk end the
   *   sequencer: nothing is guessed after an uncertain write
   */
  add(candidate: Candidate): Promise<Sequenced>;
}

export interface SequencerOptions {
  readonly store: LogStore;
  /** The edge of the committed tree. */
  readonly edge: TileEdge;
  /** After each commit. */
  readonly onCommit?: (head: Head) => void;
  /** Once, when a commit failed: the process should end and start anew. */
  readonly onFailure?: (error: unknown) => void;
  /** How long a statement may wait for others to share its fsync; 10 by default, at most 50. */
  readonly batchDelayMs?: number;
}

const POOL = 4_096;
const BATCH = 1_024;

interface Waiting {
  readonly key: string;
  readonly candidate: Candidate;
  readonly done: PromiseWithResolvers<Sequenced>;
}

/**
 * Starts a sequencer in this thread: statements wait in a pool of 4,096, and every few milliseconds, or at 1,024, one
 * transaction takes entries, completed tiles and the new head.
 */
export function startSequencer(options: SequencerOptions): Sequencer {
  return new BatchSequencer(options);
}

class BatchSequencer implements Sequencer {
  readonly #store: LogStore;
  readonly #options: SequencerOptions;
  readonly #delayMs: number;
  readonly #pool = new Map<string, Waiting>();
  readonly #tree: TreeWriter;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #failure: PeerageError | undefined;

  constructor(options: SequencerOptions) {
    this.#store = options.store;
    this.#options = options;
    this.#tree = new TreeWriter(options.store, options.edge);
    this.#delayMs = Math.min(50, options.batchDelayMs ?? 10);
  }

  get head(): Head {
    return this.#tree.head;
  }

  get waiting(): number {
    return this.#pool.size;
  }

  find(id: Uint8Array): Promise<Sequenced> | undefined {
    return this.#pool.get(toHex(id))?.done.promise.then(({ index }) => ({ index, known: true }));
  }

  async add(candidate: Candidate): Promise<Sequenced> {
    if (this.#failure) throw this.#failure;
    const twin = this.find(candidate.id);
    if (twin) return twin;
    if (this.#pool.size >= POOL)
      throw new PeerageError("ERR_REGISTRY_BUSY", "too many statements wait to be logged: try again");
    const key = toHex(candidate.id);
    const done = Promise.withResolvers<Sequenced>();
    this.#pool.set(key, { key, candidate, done });
    this.#schedule();
    return done.promise;
  }

  #schedule(): void {
    if (this.#running || this.#failure || this.#pool.size === 0) return;
    if (this.#pool.size >= BATCH) {
      this.#run();
    } else {
      this.#timer ??= setTimeout(() => this.#run(), this.#delayMs);
    }
  }

  #run(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#running || this.#failure) return;
    const batch = [...this.#pool.values()].slice(0, BATCH);
    this.#running = this.#commit(batch)
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#running = undefined;
        this.#schedule();
      });
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    const before = this.head.size;
    const sequenced = await this.#tree.commit(
      batch.map(({ candidate }) => candidate),
      (...write) => this.#store.append(...write),
    );
    for (const { key } of batch) this.#pool.delete(key);
    for (const [i, place] of sequenced.entries()) batch[i]?.done.resolve(place);
    if (this.head.size > before) this.#options.onCommit?.(this.head);
  }

  #fail(error: unknown): void {
    this.#failure =
      error instanceof PeerageError
        ? error
        : new PeerageError("ERR_REGISTRY_BUSY", "the log could not be written; the registry must be restarted", {
            cause: error,
          });
    for (const { done } of this.#pool.values()) done.reject(this.#failure);
    this.#pool.clear();
    this.#options.onFailure?.(error);
  }

  /** Commits what waits, then refuses more. */
  async [Symbol.asyncDispose](): Promise<void> {
    while ((this.#pool.size > 0 || this.#running) && !this.#failure) {
      this.#run();
      await this.#running;
    }
    clearTimeout(this.#timer);
    this.#failure ??= new PeerageError("ERR_REGISTRY_BUSY", "the registry is shutting down");
  }
}
