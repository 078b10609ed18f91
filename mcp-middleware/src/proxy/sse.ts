import { ByteQueue } from "./byte-queue.ts";
import type { Edit } from "./splice.ts";

/** An event of more bytes than this is passed on in pieces and never read: 32 MiB. */
export const MAX_EVENT_BYTES: number = 32 * 1024 * 1024;

const LF = 0x0a;
const CR = 0x0d;

export interface SseSplitterOptions {
  /** One whole event: exactly its bytes, with the blank line that ends it. Comments count as events of their own. */
  readonly onEvent: (raw: Buffer) => void;
  /** Bytes of an event that is too long to be kept. */
  readonly onPiece?: (raw: Buffer) => void;
  readonly maxBytes?: number;
}

/**
 * Splits a server-sent event stream into events without changing a byte: all pieces together are the input. Lines may end
 * in CR, LF or CRLF, and chunks may cut anywhere, also inside CRLF: an event is handed on at its CR, and the LF that
 * follows leads the next one.
 */
export class SseSplitter {
  readonly #options: SseSplitterOptions;
  readonly #maxBytes: number;
  readonly #held = new ByteQueue();
  #lineIsEmpty = true;
  #hasContent = false;
  #afterCr = false;
  #oversize = false;

  constructor(options: SseSplitterOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? MAX_EVENT_BYTES;
  }

  /** True if all that was handed on are whole events: here something may be put in. */
  get atBoundary(): boolean {
    return !this.#oversize;
  }

  push(chunk: Buffer): void {
    let from = 0;
    let at = 0;
    // Each is searched for again only once it is passed: a chunk of many CR and no LF is read once, not once a line.
    let nextCr = chunk.indexOf(CR);
    let nextLf = chunk.indexOf(LF);
    while (at < chunk.length) {
      if (this.#afterCr && chunk[at] === LF) {
        this.#afterCr = false;
        at++;
        continue;
      }
      this.#afterCr = false;
      if (nextCr >= 0 && nextCr < at) nextCr = chunk.indexOf(CR, at);
      if (nextLf >= 0 && nextLf < at) nextLf = chunk.indexOf(LF, at);
      const end = nextCr >= 0 && (nextLf < 0 || nextCr < nextLf) ? nextCr : nextLf;
      if (end < 0) {
        this.#lineIsEmpty = false;
        this.#hasContent = true;
        break;
      }
      if (end > at) {
        this.#lineIsEmpty = false;
        this.#hasContent = true;
      }
      at = end + 1;
      this.#afterCr = chunk[end] === CR;
      // A CRLF in one piece belongs together; the loop above takes the LF of a cut one.
      if (this.#afterCr && chunk[at] === LF) {
        at++;
        this.#afterCr = false;
      }
      const ends = this.#lineIsEmpty && this.#hasContent;
      this.#lineIsEmpty = true;
      if (ends) {
        this.#keep(chunk.subarray(from, at));
        this.#flush();
        from = at;
      }
    }
    this.#keep(chunk.subarray(from));
  }

  /** The bytes of an event that never ended; they are no event. */
  end(): Buffer {
    return this.#held.take();
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    if (this.#oversize) {
      this.#options.onPiece?.(part);
      return;
    }
    this.#held.push(part);
    if (this.#held.length <= this.#maxBytes) return;
    this.#oversize = true;
    this.#options.onPiece?.(this.end());
  }

  #flush(): void {
    this.#hasContent = false;
    if (this.#oversize) this.#oversize = false;
    else this.#options.onEvent(this.end());
  }
}

/** An event as the HTML standard reads it. */
export interface SseEvent {
  /** The raw text, from which nothing is missing. */
  readonly text: string;
  /** All `data` lines joined by newlines; undefined if there is none. */
  readonly data: string | undefined;
  /** `message` by default. */
  readonly type: string;
  readonly id: string | undefined;
  /** Milliseconds. */
  readonly retry: number | undefined;
  /** Where each `data` line stands in `text`. */
  readonly spans: readonly { readonly start: number; readonly end: number }[];
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reads one raw event; undefined if it is not UTF-8. */
export function parseSseEvent(raw: Uint8Array): SseEvent | undefined {
  let text: string;
  try {
    text = strictUtf8.decode(raw);
  } catch {
    return undefined;
  }
  const spans: { start: number; end: number }[] = [];
  let type = "message";
  let id: string | undefined;
  let retry: number | undefined;
  const line = /([^\r\n]*)(?:\r\n|\r|\n|$)/y;
  for (let start = text.startsWith("\uFEFF") ? 1 : 0; start < text.length; start = line.lastIndex) {
    line.lastIndex = start;
    const content = line.exec(text)?.[1] ?? "";
    const colon = content.indexOf(":");
    const field = colon < 0 ? content : content.slice(0, colon);
    const from = colon < 0 ? content.length : colon + (content[colon + 1] === " " ? 2 : 1);
    const value = content.slice(from);
    if (field === "data") spans.push({ start: start + from, end: start + content.length });
    else if (field === "event") type = value;
    else if (field === "id" && !value.includes("\0")) id = value;
    else if (field === "retry" && /^[0-9]+$/.test(value)) retry = Number(value);
  }
  const data = spans.length === 0 ? undefined : spans.map(({ start, end }) => text.slice(start, end)).join("\n");
  return { text, data, type: type === "" ? "message" : type, id, retry, spans };
}

/** Edits of an event's `data` as edits of its raw text, also where the data runs over several lines. */
export function editsInEvent(event: SseEvent, edits: readonly Edit[]): readonly Edit[] {
  const rawOffset = (offset: number): number => {
    let before = 0;
    for (const { start, end } of event.spans) {
      if (offset <= before + end - start) return start + offset - before;
      before += end - start + 1;
    }
    throw new RangeError("an edit lies outside the data");
  };
  return edits.map(({ start, end, text }) => ({ start: rawOffset(start), end: rawOffset(end), text }));
}
