import { signCheckpoint } from "@peerage/core";
import type { HeadFile } from "../keys/head-file.ts";
import type { LogKeys } from "../keys/log-keys.ts";
import type { Head, LogStore, StoredCheckpoint } from "../store/log-store.ts";

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
  /** Least time between two checkpoints of a growing log; 1,000 by default. */
  readonly cadenceMs?: number;
  /** After this long without growth the head is cosigned anew, which renews its age; 600,000 by default. */
  readonly renewMs?: number;
}

/**
 * Shows the log: signs the committed head with the log key, stamps it with the operator's own witness, stores it in the
 * database and in the head file, and only then lets anybody see it.
 */
export class Publisher implements AsyncDisposable {
  readonly #options: PublisherOptions;
  readonly #cadenceMs: number;
  #current: StoredCheckpoint | undefined;
  #lastAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  private constructor(options: PublisherOptions, current: StoredCheckpoint | undefined) {
    this.#options = options;
    this.#current = current;
    this.#cadenceMs = options.cadenceMs ?? 1_000;
  }

  /** Publishes the present head, so that there is always a fresh checkpoint, and starts the clock. */
  static async start(options: PublisherOptions): Promise<Publisher> {
    const publisher = new Publisher(options, await options.store.newestCheckpoint());
    await publisher.#publish();
    publisher.#schedule();
    return publisher;
  }

  /** What is shown now. */
  get current(): StoredCheckpoint {
    if (!this.#current) throw new TypeError("nothing is published before start");
    return this.#current;
  }

  /** Tells that the log grew: it is shown at once, or when a second has passed since the last time. */
  grown(): void {
    this.#schedule();
  }

  #schedule(): void {
    if (this.#stopped || this.#running) return;
    clearTimeout(this.#timer);
    const grown = this.#options.head().size > this.current.size;
    const due = this.#lastAt + (grown ? this.#cadenceMs : (this.#options.renewMs ?? 600_000));
    this.#timer = setTimeout(() => this.#run(), Math.max(0, due - performance.now()));
    this.#timer.unref();
  }

  #run(): void {
    if (this.#running) return;
    this.#running = this.#publish()
      .catch((error: unknown) => {
        this.#stopped = true;
        this.#options.onFailure?.(error);
      })
      .finally(() => {
        this.#running = undefined;
        this.#schedule();
      });
  }

  async #publish(): Promise<void> {
    const { store, keys, headFile, now, onPublish } = this.#options;
    const { size, root } = this.#options.head();
    const at = now();
    const note = await signCheckpoint(
      { origin: keys.origin, size, root },
      { log: keys.log, witness: keys.witness, now: at },
    );
    const checkpoint = { size, root, time: Math.floor(at.getTime() / 1_000), note };
    // The store keeps the first checkpoint of a size, to which log proofs and the times of statements refer; a renewed
    // one passes the fence all the same, so that a superseded process cannot set the head file back.
    await store.publish(checkpoint);
    await headFile.write(note);
    this.#current = checkpoint;
    this.#lastAt = performance.now();
    await onPublish(checkpoint);
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
