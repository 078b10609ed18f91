import type { Exit } from "./errors.ts";
import type { Terminal } from "./ui/terminal.ts";
import { visible, visibleLines } from "./ui/visible.ts";

/** What a command answers, in every form at once: text, `--plain` and `--json` come from this one object. */
export interface Result {
  /** Default 0. */
  readonly exit?: Exit;
  /** The data of `--json`: whole DIDs and digests, RFC 3339 times, scores as numbers or `"unknown"`. */
  readonly data: object;
  /** Lines for people; foreign text in it is already made visible. */
  readonly text: readonly string[];
  /** Rows of `--plain`, tab-separated without header; default: the text. */
  readonly plain?: readonly (readonly (string | number)[])[];
}

/** The word of `--json` for an exit code that is an answer; undefined for an error. */
export function answerOf(exit: Exit): "yes" | "no" | "invalid" | "waiting" | "problems" | undefined {
  switch (exit) {
    case 0:
      return "yes";
    case 1:
      return "problems";
    case 3:
      return "no";
    case 6:
      return "invalid";
    case 8:
      return "waiting";
    default:
      return undefined;
  }
}

/** The one-line envelope of `--json` for an answer. */
export function envelope(command: string, result: Result): string {
  const exit = result.exit ?? 0;
  return jsonLine({ v: 1, ok: true, command, answer: answerOf(exit), exit, data: result.data });
}

/** The one-line envelope of `--json` for an error. */
export function errorEnvelope(command: string, exit: Exit, error: object): string {
  return jsonLine({ v: 1, ok: false, command, exit, error });
}

// What JSON leaves as it is and a terminal obeys: DEL and C1, bidirectional and zero-width characters, tags.
const obeyed =
  /[\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udfff]/g;

/** One line of JSON, safe on a terminal: escaped, so that a reader gets the same text. */
export function jsonLine(value: object): string {
  return escaped(JSON.stringify(value));
}

/** A text of JSON that means the same, with nothing in it that a terminal would obey. */
export function escaped(json: string): string {
  return json.replace(obeyed, (text) =>
    Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`).join(""),
  );
}

/** Rows as `--plain` writes them: tabs between and none inside, and nothing that a terminal would obey. */
export function plainLines(rows: readonly (readonly (string | number)[])[]): string[] {
  return rows.map((row) => row.map((cell) => plainCell(String(cell))).join("\t"));
}

function plainCell(text: string): string {
  const line = text.replace(/[\t\r\n]/g, " ");
  return line.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (one) => `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`);
}

/** An error as people read it: what and why, then the command that mends it. */
export function errorLines(ui: Terminal, message: string, hint: string | undefined): string[] {
  const lines = visibleLines(ui.shown(message))
    .flatMap((part) => ui.wrap(part, 5))
    .map((part, i) => (i === 0 ? `  ${ui.bad(ui.mark.no)}  ${part}` : `     ${part}`));
  if (hint !== undefined) lines.push(`     ${ui.dim("fix")}  ${visible(ui.shown(hint), 1_000)}`);
  return lines;
}
