import { ByteQueue } from "./byte-queue.ts";

/** A stdio line may be this long, newline excluded: the limit of the MCP SDKs, 10 MiB. */
export const MAX_LINE_BYTES: number = 10 * 1024 * 1024;

const NEWLINE = 0x0a;

export interface LineSplitterOptions {
  /** Bytes of one line, newline excluded; 10 MiB by default. */
  readonly maxBytes?: number;
  /** One whole line, without its newline; never empty. The bytes are the reader's to keep. */
  readonly onLine: (line: Buffer) => void;
  /** A line went over the limit. Called once for it, at once; the rest of the line is skipped, not kept. */
  readonly onTooLarge: () => void;
}

/**
 * Splits a byte stream into newline-delimited messages (MCP stdio framing). It looks at byte 0x0A and nothing else, so
 * chunks may cut a UTF-8 character and U+2028 inside a string is no line end. It holds at most `maxBytes` bytes. What
 * follows the last newline is no message: a sender that died in mid-line has sent half an answer.
 */
export class LineSplitter {
  readonly #options: LineSplitterOptions;
  readonly #maxBytes: number;
  readonly #held = new ByteQueue();
  #skipping = false;

  constructor(options: LineSplitterOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? MAX_LINE_BYTES;
  }

  /** Bytes of the unfinished line that are held in memory. */
  get heldBytes(): number {
    return this.#held.length;
  }

  /** Takes the next chunk and hands on every line that it ends. */
  push(chunk: Buffer): void {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from);
      if (end < 0) break;
      this.#keep(chunk.subarray(from, end));
      this.#flush();
      from = end + 1;
    }
    this.#keep(chunk.subarray(from));
  }

  #keep(part: Buffer): void {
    if (this.#skipping || part.length === 0) return;
    if (this.#held.length + part.length > this.#maxBytes) {
      this.#skipping = true;
      this.#held.take();
      this.#options.onTooLarge();
      return;
    }
    this.#held.push(part);
  }

  #flush(): void {
    const line = this.#held.take();
    if (this.#skipping) {
      this.#skipping = false;
      return;
    }
    if (!isBlank(line)) this.#options.onLine(line);
  }
}

/** True for a line of JSON white space, as a CRLF writer leaves between messages. */
function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}
