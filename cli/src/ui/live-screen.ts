import { stripVTControlCharacters } from "node:util";
import { Terminal } from "./terminal.ts";

/** A row as it is written on a terminal of some width: again after each resize. */
export type LiveRow = (ui: Terminal) => readonly string[];

/** How somebody left a live screen: by `q`, or by Ctrl-C. */
export type Left = "quit" | "interrupted";

/** How many rows are kept, to be shown again when the window or the filter changes. */
const KEPT_ROWS = 1_000;
const MAX_FILTER = 60;

/**
 * Rows that come one by one on a terminal, above a footer: `/` filters what is shown, `q` leaves, a resize writes all
 * that fits anew. Rows scroll away as everywhere, so what was seen can be scrolled back to.
 */
export class LiveScreen implements Disposable {
  /** Settles when somebody leaves. */
  readonly left: Promise<Left>;
  readonly #input: NodeJS.ReadStream;
  readonly #output: NodeJS.WriteStream;
  readonly #env: NodeJS.ProcessEnv;
  readonly #status: () => string;
  readonly #heading: readonly string[];
  readonly #rows: LiveRow[] = [];
  readonly #timer: NodeJS.Timeout;
  #leave: (how: Left) => void = () => undefined;
  #filter = "";
  #isTyping = false;
  #isEnded = false;

  /** @param options.status what the footer tells, without styles; asked again each second */
  constructor(options: {
    readonly input: NodeJS.ReadStream;
    readonly output: NodeJS.WriteStream;
    readonly env: NodeJS.ProcessEnv;
    readonly status: () => string;
    /** Lines that stand above already, and stay there when the screen is written anew. */
    readonly heading?: readonly string[];
  }) {
    this.#input = options.input;
    this.#output = options.output;
    this.#env = options.env;
    this.#status = options.status;
    this.#heading = options.heading ?? [];
    this.left = new Promise((resolve) => (this.#leave = resolve));
    this.#input.setRawMode(true);
    this.#input.setEncoding("utf8").on("data", this.#onKeys).resume();
    this.#output.on("resize", this.#onResize);
    process.on("exit", this.#restore);
    this.#timer = setInterval(() => this.#output.write(`\r${this.#footer()}\u001b[K`), 1_000);
    this.#timer.unref();
    this.#output.write(this.#footer());
  }

  /** Shows a row, now if it fits the filter, and whenever it does later. */
  add(row: LiveRow): void {
    if (this.#isEnded) return;
    this.#rows.push(row);
    if (this.#rows.length > KEPT_ROWS) this.#rows.shift();
    const lines = this.#fitting(row, this.#ui());
    if (lines.length > 0) this.#output.write(`\r\u001b[J${lines.join("\n")}\n${this.#footer()}`);
  }

  /** Ends it, once: the terminal is as it was, with the rows on it. */
  [Symbol.dispose](): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearInterval(this.#timer);
    this.#input.off("data", this.#onKeys).pause();
    this.#output.off("resize", this.#onResize);
    process.off("exit", this.#restore);
    this.#output.write("\r\u001b[J");
    this.#restore();
  }

  readonly #restore = (): void => {
    this.#input.setRawMode(false);
  };

  readonly #onResize = (): void => {
    const ui = this.#ui();
    const room = Math.max(1, (this.#output.rows || 24) - 1 - this.#heading.length);
    const shown: string[] = [];
    for (let i = this.#rows.length - 1; i >= 0 && shown.length < room; i--) {
      const row = this.#rows[i];
      if (row) shown.unshift(...this.#fitting(row, ui));
    }
    const text = [...this.#heading, ...shown.slice(-room)].map((line) => `${line}\n`);
    this.#output.write(`\u001b[2J\u001b[H${text.join("")}${this.#footer()}`);
  };

  readonly #onKeys = (chunk: string): void => {
    // An arrow or another key that sends several characters is none of ours.
    if (chunk.startsWith("\u001b") && chunk.length > 1) return;
    for (const key of chunk) this.#onKey(key);
  };

  #onKey(key: string): void {
    if (key === "\u0003") this.#leave("interrupted");
    else if (key === "\u001b") this.#refilter("", false);
    else if (!this.#isTyping) {
      if (key === "q") this.#leave("quit");
      else if (key === "/") this.#refilter("", true);
    } else if (key === "\r" || key === "\n") this.#refilter(this.#filter, false);
    else if (key === "\u007f" || key === "\b") this.#refilter(Array.from(this.#filter).slice(0, -1).join(""), true);
    else if (key === "\u0015") this.#refilter("", true);
    else if (/^[^\p{C}]$/u.test(key) && this.#filter.length < MAX_FILTER) this.#refilter(this.#filter + key, true);
  }

  #refilter(filter: string, isTyping: boolean): void {
    this.#filter = filter;
    this.#isTyping = isTyping;
    this.#onResize();
  }

  #fitting(row: LiveRow, ui: Terminal): readonly string[] {
    const lines = row(ui);
    const text = stripVTControlCharacters(lines.join(" ")).toLowerCase();
    return text.includes(this.#filter.toLowerCase()) ? lines : [];
  }

  #ui(): Terminal {
    return new Terminal(this.#output, this.#env);
  }

  /** One line, never as wide as the window, so that no terminal breaks it. */
  #footer(): string {
    const ui = this.#ui();
    const room = (this.#output.columns || 80) - 1;
    if (this.#isTyping) return fit(`  /${this.#filter}`, room);
    const keys = this.#filter === "" ? `q quit ${ui.mark.dot} / filter` : `/${this.#filter} ${ui.mark.dot} esc all`;
    const status = fit(`  ${this.#status()}`, Math.max(0, room - ui.width(keys) - 3));
    return ui.dim(fit(`${ui.pad(status, room - ui.width(keys) - 1)} ${keys}`, room));
  }
}

function fit(text: string, room: number): string {
  return Array.from(text).slice(0, Math.max(0, room)).join("");
}
