import { LruMap } from "@peerage/core";
import type { LogReads, StoredEntry } from "../store/log-store.ts";

const KEPT = 64;
const encoder = new TextEncoder();

/**
 * Pages of the feed as bytes. Readers of the live feed are mostly equally far, so a page is read and written out once for
 * all of them; what is published never changes.
 */
export class FeedPages {
  readonly #reads: LogReads;
  readonly #describe: (entry: StoredEntry) => Promise<object>;
  readonly #kept = new LruMap<string, Promise<Uint8Array>>(KEPT);

  constructor(reads: LogReads, describe: (entry: StoredEntry) => Promise<object>) {
    this.#reads = reads;
    this.#describe = describe;
  }

  /** The events of published entries with from ≤ index < to. */
  async read(from: number, to: number): Promise<Uint8Array> {
    const key = `${from}-${to}`;
    const kept = this.#kept.get(key);
    // A failure is not kept: the next reader tries anew.
    if (kept) return kept.catch(() => this.#write(from, to));
    const page = this.#write(from, to);
    this.#kept.set(key, page);
    return page;
  }

  async #write(from: number, to: number): Promise<Uint8Array> {
    let text = "";
    for (const entry of await this.#reads.entries(from, to)) {
      text += feedEvent("statement", await this.#describe(entry), entry.index);
    }
    return encoder.encode(text);
  }
}

/** One server-sent event. */
export function feedEvent(name: string, data: object, id?: number): string {
  return `${id === undefined ? "" : `id: ${id}\n`}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
