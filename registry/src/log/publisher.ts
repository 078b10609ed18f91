import { isPeerageError, PeerageError, signCheckpoint, verifyCheckpoint } from "@peerage/core";
import type { HeadFile } from "../keys/head-file.ts";
import type { LogKeys } from "../keys/log-keys.ts";
import type { Head, LogStore, StoredCheckpoint } from "../store/log-store.ts";
import type { QuorumClient } from "../witness/quorum.ts";

export interface PublisherOptions {
  readonly store: LogStore;
  readonly keys: LogKeys;
  readonly headFile: HeadFile;
  readonly now: () => Date;
  /** The committed head. */
  readonly head: () => Head;
  /** After a checkpoint was stored and may be shown. */
  readonly onPublish: (checkpoint: StoredCheckpoint) => Promise<void> | void;
  /** Once, when a checkpoint could not be stored or shown. */
  readonly onFailure?: (error: unknown) => void;
  /** Without it no head is shown before so many witnesses have it on disk. */
  readonly quorum?: QuorumClient | undefined;
  /** Consistency proof between two committed sizes, for witnesses. */
  readonly consistency?: (from: number, to: number) => Promise<readonly Uint8Array[]>;
  /** Least time between two checkpoints of a growing log; 1,000 by default, 10,000 with witnesses. */
  readonly cadenceMs?: number;
  /** After this long without growth the head is cosigned anew, which renews its age; 600,000 by default. */
  readonly renewMs?: number;
}

/** How long after an attempt without a quorum the next one is made. */
const RETRY_MS = 2_000;

/**
 * Shows the log: signs the committed head with the log key, stamps it with the operator's own witness, collects the
 * cosignatures of a quorum if one is configured, stores it in the database and in the head file, and only then lets
 * anybody see it.
 */
export class Publisher implements AsyncDisposable {
  readonly #options: PublisherOptions;
  readonly #cadenceMs: number;
  #current: StoredCheckpoint | undefined;
  #lastAt = 0;
  #triedAt = 0;
  #startedAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  private constructor(options: PublisherOptions, current: StoredCheckpoint | undefined) {
    this.#options = options;
    this.#current = current;
    this.#cadenceMs = options.cadenceMs ?? (options.quorum ? 10_000 : 1_000);
  }

  /** Publishes the present head, so that there is always a fresh checkpoint, and starts the clock. */
  static async start(options: PublisherOptions): Promise<Publisher> {
    const publisher = new Publisher(options, await options.store.newestCheckpoint());
    if (!(await publisher.#publish()) && !publisher.#current) {
      throw new PeerageError(
        "ERR_REGISTRY_UNREACHABLE",
        "no quorum of witnesses has cosigned the first checkpoint, so there is nothing to show",
      );
    }
    publisher.#schedule();
    return publisher;
  }

  /** What is shown now. */
  get current(): StoredCheckpoint {
    if (!this.#current) throw new TypeError("nothing is published before start");
    return this.#current;
  }

  /** For how long no quorum has cosigned anything, in milliseconds; 0 if the last attempt succeeded. */
  get withoutQuorumMs(): number {
    return this.#triedAt > this.#lastAt ? performance.now() - Math.max(this.#lastAt, this.#startedAt) : 0;
  }

  /** Tells that the log grew: it is shown at once, or when a second has passed since the last time. */
  grown(): void {
    this.#schedule();
  }

  #schedule(): void {
    if (this.#stopped || this.#running) return;
    clearTimeout(this.#timer);
    const grown = this.#options.head().size > this.current.size;
    const due =
      this.#triedAt > this.#lastAt
        ? this.#triedAt + Math.min(RETRY_MS, this.#cadenceMs)
        : this.#lastAt + (grown ? this.#cadenceMs : (this.#options.renewMs ?? 600_000));
    this.#timer = setTimeout(() => this.#run(), Math.max(0, due - performance.now()));
    this.#timer.unref();
  }

  #run(): void {
    if (this.#running) return;
    this.#running = this.#publish()
      .then(() => undefined)
      .catch((error: unknown) => {
        this.#stopped = true;
        this.#options.onFailure?.(error);
      })
      .finally(() => {
        this.#running = undefined;
        this.#schedule();
      });
  }

  /** @returns false if there was no quorum: nothing was stored or shown */
  async #publish(): Promise<boolean> {
    const { store, keys, headFile, now, onPublish } = this.#options;
    const { size, root } = this.#options.head();
    const at = now();
    const signed = await signCheckpoint(
      { origin: keys.origin, size, root },
      { log: keys.log, witness: keys.witness, now: at },
    );
    const note = await this.#collect(signed, size);
    if (note === undefined) {
      this.#triedAt = performance.now();
      return false;
    }
    const checkpoint = { size, root, time: Math.floor(at.getTime() / 1_000), note };
    // The store keeps the first checkpoint of a size, to which log proofs and the times of statements refer; a renewed
    // one passes the fence all the same, so that a superseded process cannot set the head file back.
    await store.publish(checkpoint);
    await headFile.write(note);
    this.#current = checkpoint;
    this.#lastAt = performance.now();
    await onPublish(checkpoint);
    return true;
  }

  /** The note with the cosignatures of the quorum, or undefined if there was none. */
  async #collect(note: string, size: number): Promise<string | undefined> {
    const { quorum, consistency } = this.#options;
    if (!quorum) return note;
    const answer = await quorum.collect(note, size, (from) => {
      if (!consistency) throw new TypeError("witnesses ask for consistency proofs");
      return consistency(from, size);
    });
    if (answer.reached) return answer.note;
    if (answer.ahead !== undefined) await this.#checkNotBehind(quorum, size);
    return undefined;
  }

  /** A witness that claims to have seen more is believed only if it shows a head that this log signed. */
  async #checkNotBehind(quorum: QuorumClient, size: number): Promise<void> {
    const { keys } = this.#options;
    for (const note of await quorum.newest(keys.origin)) {
      try {
        const seen = await verifyCheckpoint(note, { origin: keys.origin, logKey: keys.log.key });
        if (seen.size <= size) continue;
      } catch (error) {
        if (isPeerageError(error)) continue;
        throw error;
      }
      throw new PeerageError(
        "ERR_STORE_CORRUPT",
        "a witness holds a newer head of this log: it was restored or copied",
      );
    }
  }

  /** Shows what was committed last, then stops. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await this.#running;
    clearTimeout(this.#timer);
    if (!this.#stopped && this.#options.head().size > this.current.size) {
      this.#run();
      await this.#running;
    }
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}
