import type { Context } from "../context.ts";

const DELAY_MS = 150;

/** A line on the terminal that says what is being waited for, once it takes longer than a blink; nothing elsewhere. */
export class Progress {
  readonly #context: Context;
  readonly #label: string;
  readonly #started = performance.now();
  #shown = false;

  constructor(context: Context, label: string) {
    this.#context = context;
    this.#label = label;
  }

  show(done: number, total: number): void {
    const { err, io, globals } = this.#context;
    if (!err.tty || globals.quiet === true || globals.json === true) return;
    if (performance.now() - this.#started < DELAY_MS) return;
    this.#shown = true;
    const bar = err.bar(total === 0 ? 1 : done / total, 24);
    io.stderr.write(`\r  ${this.#label}  ${bar}  ${done} of ${total}\u001b[K`);
  }

  end(): void {
    if (this.#shown) this.#context.io.stderr.write("\r\u001b[K");
    this.#shown = false;
  }
}
