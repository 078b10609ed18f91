import { styleText } from "node:util";
import stringWidth from "string-width";

type Style = Parameters<typeof styleText>[0];

/** Marks of state; each stands beside a word, so meaning never hangs on colour or on a glyph. */
export interface Marks {
  readonly ok: string;
  readonly no: string;
  readonly warn: string;
  readonly wait: string;
  readonly on: string;
  readonly off: string;
  /** Not checked. */
  readonly none: string;
  readonly arrow: string;
  readonly rule: string;
  readonly dot: string;
  readonly full: string;
  readonly empty: string;
  readonly ellipsis: string;
  readonly atLeast: string;
}

const unicode: Marks = {
  ok: "✓",
  no: "✕",
  warn: "!",
  wait: "◔",
  on: "●",
  off: "○",
  none: "–",
  arrow: "→",
  rule: "─",
  dot: "·",
  full: "━",
  empty: "╌",
  ellipsis: "…",
  atLeast: "≥",
};

const ascii: Marks = {
  ok: "[ok]",
  no: "[x]",
  warn: "[!]",
  wait: "[..]",
  on: "*",
  off: "o",
  none: "-",
  arrow: "->",
  rule: "-",
  dot: "|",
  full: "=",
  empty: ".",
  ellipsis: "...",
  atLeast: ">=",
};

/** What stands in texts that were made without a terminal: ends of fingerprints, arrows, dashes. */
const asciiOf = new Map<string, string>([
  ...Object.entries(unicode).map(([name, sign]) => [sign as string, ascii[name as keyof Marks]] as const),
  ["—", "-"],
]);
const signs = new RegExp(`[${[...asciiOf.keys()].filter((sign) => sign !== "!").join("")}]`, "g");

/** One line of a list of facts: a mark, a label, and what is so. */
export interface Fact {
  readonly mark?: "ok" | "no" | "warn" | "wait" | "none" | undefined;
  readonly label: string;
  readonly value: string;
}

/** How to write on one stream: its width, its colours, its alphabet. */
export class Terminal {
  readonly columns: number;
  readonly mark: Marks;
  readonly tty: boolean;
  readonly #isUtf8: boolean;
  readonly #stream: NodeJS.WritableStream;

  constructor(stream: NodeJS.WritableStream, env: NodeJS.ProcessEnv) {
    this.#stream = stream;
    this.tty = (stream as Partial<NodeJS.WriteStream>).isTTY === true;
    const columns = (stream as Partial<NodeJS.WriteStream>).columns;
    this.columns = this.tty ? Math.min(100, Math.max(60, columns ?? 80)) : 80;
    this.#isUtf8 = speaksUtf8(env);
    this.mark = this.#isUtf8 ? unicode : ascii;
  }

  #style(style: Style, text: string): string {
    return styleText(style, text, { stream: this.#stream });
  }

  bold(text: string): string {
    return this.#style("bold", text);
  }

  dim(text: string): string {
    return this.#style("gray", text);
  }

  good(text: string): string {
    return this.#style("green", text);
  }

  warn(text: string): string {
    return this.#style("yellow", text);
  }

  bad(text: string): string {
    return this.#style("red", text);
  }

  /** Fingerprints, links, scopes. */
  accent(text: string): string {
    return this.#style("cyan", text);
  }

  /** A text with our own signs as this terminal can show them; letters of names stay as they are. */
  shown(text: string): string {
    return this.#isUtf8 ? text : text.replace(signs, (sign) => asciiOf.get(sign) ?? sign);
  }

  /** Columns that a text takes on screen; styles take none. */
  width(text: string): number {
    return stringWidth(text);
  }

  pad(text: string, width: number): string {
    return text + " ".repeat(Math.max(0, width - this.width(text)));
  }

  padStart(text: string, width: number): string {
    return " ".repeat(Math.max(0, width - this.width(text))) + text;
  }

  /**
   * Breaks words into lines that leave `indent` columns free. A word that is longer than a line, such as a DID, stays
   * whole, and so do words with a no-break space between, which is written as a plain one.
   */
  wrap(text: string, indent = 0): string[] {
    const room = Math.max(20, this.columns - indent);
    const lines: string[] = [];
    let line = "";
    for (const word of text.split(" ")) {
      if (line !== "" && this.width(line) + 1 + this.width(word) > room) {
        lines.push(line);
        line = word;
      } else line = line === "" ? word : `${line} ${word}`;
    }
    lines.push(line);
    return lines.map((one) => one.replaceAll("\u00a0", " "));
  }

  /** Columns with two spaces between; the last one wraps, the others are as wide as their widest cell. */
  table(rows: readonly (readonly string[])[], indent = 2): string[] {
    const shown = rows.map((row) => row.map((cell) => this.shown(cell)));
    const widths: number[] = [];
    for (const row of shown) {
      row.slice(0, -1).forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, this.width(cell))));
    }
    const start = indent + widths.reduce((sum, width) => sum + width + 2, 0);
    return shown.flatMap((row) => {
      const head =
        " ".repeat(indent) +
        row
          .slice(0, -1)
          .map((cell, i) => `${this.pad(cell, widths[i] ?? 0)}  `)
          .join("");
      const [first = "", ...more] = this.wrap(row.at(-1) ?? "", start);
      return [(head + first).trimEnd(), ...more.map((line) => " ".repeat(start) + line)];
    });
  }

  /** A list of facts, their labels in one column. */
  facts(facts: readonly Fact[]): string[] {
    const marks = Math.max(...facts.map(({ mark }) => (mark ? this.width(this.mark[mark]) : 1)));
    return this.table(
      facts.map(({ mark, label, value }) => [
        mark ? this.pad(this.#mark(mark), marks) : " ".repeat(marks),
        mark ? label : this.dim(label),
        value,
      ]),
    );
  }

  #mark(mark: NonNullable<Fact["mark"]>): string {
    const text = this.mark[mark];
    if (mark === "ok") return this.good(text);
    if (mark === "no") return this.bad(text);
    return mark === "none" ? this.dim(text) : this.warn(text);
  }

  /** A bar for a share in [0, 1]: its full and empty parts are different glyphs, so it reads without colour. */
  bar(share: number, width = 32): string {
    const full = Math.round(Math.min(1, Math.max(0, share)) * width);
    return this.good(this.mark.full.repeat(full)) + this.dim(this.mark.empty.repeat(width - full));
  }

  /** A link where the terminal knows them (OSC 8), the plain address elsewhere. */
  link(url: string): string {
    if (!this.tty || !/^https?:\/\/[\x21-\x7e]+$/.test(url)) return url;
    return `\u001b]8;;${url}\u001b\\${url}\u001b]8;;\u001b\\`;
  }
}

function speaksUtf8(env: NodeJS.ProcessEnv): boolean {
  const locale = [env["LC_ALL"], env["LC_CTYPE"], env["LANG"]].find((value) => value !== undefined && value !== "");
  if (locale !== undefined) return /utf-?8/i.test(locale);
  return env["TERM"] !== "linux" && env["TERM"] !== "dumb";
}
