import { closeSync, fdatasync, openSync } from "node:fs";
import { promisify } from "node:util";

/** What was written is on the disk after at most this time, also where the power fails. */
const FLUSH_MS = 50;

const sync = promisify(fdatasync);

/**
 * Brings SQLite's write-ahead log to the disk a moment after a commit, off the main thread. The commit itself has handed
 * it to the operating system already.
 */
export class Flusher {
  readonly #path: string;
  readonly #onProblem: (problem: unknown) => void;
  #file: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(databasePath: string, onProblem: (problem: unknown) => void) {
    this.#path = `${databasePath}-wal`;
    this.#onProblem = onProblem;
  }

  /** Something was committed. */
  touch(): void {
    this.#timer ??= setTimeout(() => {
      this.flush().catch(this.#onProblem);
    }, FLUSH_MS).unref();
  }

  /** Settles once all that was committed before is on the disk. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // A flush that runs already may have begun before the last commit.
    await this.#running?.catch(() => undefined);
    this.#file ??= openSync(this.#path, "r+");
    this.#running = sync(this.#file);
    await this.#running;
  }

  /** Does not flush: closing the database does. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#running?.catch(() => undefined);
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}
