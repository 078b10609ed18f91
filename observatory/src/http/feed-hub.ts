import type { Context } from "hono";
import { type Did, LruMap } from "@peerage/core";
import { type EntryData, entryData, entryVerb } from "../entries.ts";
import type { AgentRef } from "../page.ts";
import type { ObservatorySource } from "../source.ts";
import { sigilOf } from "../ui/sigil.ts";

/** Streams at a time, in all and for one address. */
const MOST_STREAMS = 2000;
const MOST_PER_ADDRESS = 8;
const HEARTBEAT_MS = 20_000;
/** Encoded events that are kept for those who follow. */
const KEPT_EVENTS = 2048;

/**
 * The live feed as server-sent events: `id` is the log index, so that a client that comes back with `Last-Event-ID` gets
 * every entry exactly once. Each client is read at its own pace; an event is encoded once for all of them.
 */
export class FeedHub {
  readonly #source: ObservatorySource;
  readonly #ref: (did: Did) => AgentRef;
  readonly #events = new LruMap<number, Uint8Array>(KEPT_EVENTS);
  readonly #waiting = new Set<() => void>();
  readonly #perAddress = new Map<string, number>();
  #streams = 0;
  #size = 0;
  #unsubscribe: (() => void) | undefined;

  constructor(source: ObservatorySource, ref: (did: Did) => AgentRef) {
    this.#source = source;
    this.#ref = ref;
  }

  /** Answers one subscriber, or 503 where there are too many. */
  async answer(c: Context): Promise<Response> {
    const address = addressOf(c);
    const own = isShared(address) ? 0 : (this.#perAddress.get(address) ?? 0);
    if (this.#streams >= MOST_STREAMS || own >= MOST_PER_ADDRESS) {
      return c.text("too many streams: reload the page for newer entries\n", 503, { "retry-after": "30" });
    }
    const headers = {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-store",
      "x-accel-buffering": "no",
    };
    // A body that nobody reads would hold its place for good.
    if (c.req.raw.method === "HEAD") return c.body(null, 200, headers);
    this.#enter(address);
    let size: number;
    try {
      ({ size } = await this.#source.view());
    } catch (error) {
      this.#leave(address);
      throw error;
    }
    this.#size = Math.max(this.#size, size);
    // A page that was made a while ago names the newest entry it shows; a stream that broke off, the last it got.
    const last = /^\d{1,15}$/.exec(c.req.header("last-event-id") ?? c.req.query("after") ?? "")?.[0];
    const from = last === undefined ? size : Math.min(size, Number(last) + 1);
    return c.body(this.#stream(from, address), 200, headers);
  }

  #stream(from: number, address: string): ReadableStream<Uint8Array> {
    let next = from;
    let open = true;
    let wake: (() => void) | undefined;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => controller.enqueue(encoder.encode("retry: 2000\n: following\n\n")),
        pull: async (controller) => {
          if (next >= this.#size) {
            await new Promise<void>((resolve) => {
              const timer = setTimeout(resolve, HEARTBEAT_MS);
              wake = () => {
                clearTimeout(timer);
                resolve();
              };
              this.#waiting.add(wake);
            });
            if (wake) this.#waiting.delete(wake);
          }
          // `cancel` may have come while this was waiting.
          try {
            const bytes = next < this.#size ? await this.#event(next++) : encoder.encode(": still here\n\n");
            if (open) controller.enqueue(bytes);
          } catch (error) {
            if (open) this.#leave(address);
            open = false;
            throw error;
          }
        },
        cancel: () => {
          if (open) this.#leave(address);
          open = false;
          wake?.();
        },
      },
      { highWaterMark: 0 },
    );
  }

  async #event(index: number): Promise<Uint8Array> {
    const known = this.#events.get(index);
    if (known) return known;
    const view = await this.#source.view();
    for await (const leaf of this.#source.leaves(index, index + 1)) {
      const entry = await entryData(leaf, { source: this.#source, ref: this.#ref, seen: { view } });
      const bytes = encoder.encode(`id: ${index}\ndata: ${JSON.stringify(eventData(entry))}\n\n`);
      this.#events.set(index, bytes);
      return bytes;
    }
    return encoder.encode(": nothing\n\n");
  }

  /** Listens before the size is read, so that nothing falls between the two. */
  #enter(address: string): void {
    this.#streams++;
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    this.#unsubscribe ??= this.#source.subscribe((publication) => {
      this.#size = Math.max(this.#size, publication.size);
      for (const wake of [...this.#waiting]) wake();
    });
  }

  #leave(address: string): void {
    this.#streams--;
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(address, left);
    else this.#perAddress.delete(address);
    if (this.#streams > 0) return;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
  }
}

const encoder = new TextEncoder();

/** The entry, its words, and the drawings of its parties, so that a page can show it without asking again. */
function eventData(entry: EntryData): object {
  const parties = [entry.from, entry.to].filter((party) => party !== undefined);
  return {
    ...entry,
    verb: entryVerb(entry),
    sigils: Object.fromEntries(parties.map(({ did }) => [did, sigilOf(did)])),
  };
}

/** Behind a reverse proxy everybody comes from the loopback address: it has no limit of its own. */
function isShared(address: string): boolean {
  return address === "" || address === "::1" || address.startsWith("127.") || address.startsWith("::ffff:127.");
}

/** The peer's address, where the server says it. */
function addressOf(c: Context): string {
  const env = c.env as { incoming?: { socket?: { remoteAddress?: string } } } | undefined;
  return env?.incoming?.socket?.remoteAddress ?? "";
}
