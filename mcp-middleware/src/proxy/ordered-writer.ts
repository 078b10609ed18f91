import type { Writable } from "node:stream";

type Piece = string | Uint8Array | undefined;

/**
 * Writes pieces in the order in which they were handed over, also when some of them are still being made: an answer that
 * waits for its receipt is not overtaken by what came after it. Tells its source to pause while the stream is full.
 */
export class OrderedWriter {
  readonly #stream: Writable;
  readonly #onPressure: (full: boolean) => void;
  #tail: Promise<void> | undefined;
  #open = true;

  constructor(stream: Writable, onPressure: (full: boolean) => void = () => undefined) {
    this.#stream = stream;
    this.#onPressure = onPressure;
    stream.on("drain", () => this.#onPressure(false));
    stream.on("error", () => (this.#open = false));
    stream.on("close", () => (this.#open = false));
  }

  /** Writes now if nothing waits, otherwise after all that waits. */
  write(piece: Piece | Promise<Piece>): void {
    if (this.#tail === undefined && !(piece instanceof Promise)) {
      this.#put(piece);
      return;
    }
    const before = this.#tail ?? Promise.resolve();
    const tail: Promise<void> = before
      .then(() => piece)
      .then((ready) => this.#put(ready))
      .finally(() => {
        if (this.#tail === tail) this.#tail = undefined;
      });
    this.#tail = tail;
  }

  /** Ends the stream once all that was handed over is written, in one system call with the last of it. */
  end(): void {
    if (this.#tail === undefined) this.#stream.end();
    else void this.#tail.finally(() => this.end());
  }

  /** Settles when all that was handed over is in the hands of the operating system, or the reader is gone. */
  async flush(): Promise<void> {
    while (this.#tail !== undefined) await this.#tail;
    if (!this.#open) return;
    await new Promise<void>((resolve) => {
      this.#stream.once("close", resolve);
      this.#stream.write("", () => resolve());
    });
  }

  #put(piece: Piece): void {
    if (piece === undefined || !this.#open) return;
    if (!this.#stream.write(piece)) this.#onPressure(true);
  }
}
