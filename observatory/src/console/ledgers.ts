import type { ConsoleOptions } from "./source.ts";
import { Ledger } from "./ledger.ts";
import type { News, Row } from "./row.ts";

/** Followed at a time; a page that stays open is one. */
const MOST_STREAMS = 32;
const HEARTBEAT_MS = 15_000;
const POLL_MS = 100;
/** How long the logs are followed after the last page was asked for. */
const LINGER_MS = 60_000;

/** The logs of all guards of this machine. They are followed while somebody looks, and not otherwise. */
export class Ledgers implements Disposable {
  readonly #options: Pick<ConsoleOptions, "guards" | "pollMs" | "inMind">;
  readonly #ledgers = new Map<string, Ledger>();
  readonly #listeners = new Set<(news: News) => void>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #wanted = 0;
  #streams = 0;

  constructor(options: Pick<ConsoleOptions, "guards" | "pollMs" | "inMind">) {
    this.#options = options;
  }

  /** The ledgers as they are now, read to their end, by name. */
  async now(): Promise<readonly Ledger[]> {
    this.#wanted = Date.now();
    await this.#look();
    this.#schedule();
    return [...this.#ledgers.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Answers a page that wants to know whenever something was recorded, as server-sent events; 503 beyond 32 of them. */
  stream(): Response {
    if (this.#streams >= MOST_STREAMS)
      return new Response("too many pages follow\n", { status: 503, headers: { "retry-after": "30" } });
    const encoder = new TextEncoder();
    let end = (): void => undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#streams++;
        const send = (text: string): void => {
          // A page that does not read any more is told to come back instead of being waited for.
          if ((controller.desiredSize ?? 0) < -512) end();
          else controller.enqueue(encoder.encode(text));
        };
        const listener = (news: News): void => send(`id: ${news.guard}:${news.seq}\ndata: ${JSON.stringify(news)}\n\n`);
        const heart = setInterval(() => {
          this.#wanted = Date.now();
          send(": still here\n\n");
        }, HEARTBEAT_MS);
        heart.unref();
        this.#listeners.add(listener);
        this.#schedule();
        let isOver = false;
        end = () => {
          if (isOver) return;
          isOver = true;
          clearInterval(heart);
          this.#listeners.delete(listener);
          this.#streams--;
          try {
            controller.close();
          } catch {
            // The page has gone already.
          }
        };
        send("retry: 1000\n: following\n\n");
      },
      cancel: () => end(),
    });
    const headers = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store" };
    return new Response(body, { headers });
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#wanted = -Infinity;
    this.#listeners.clear();
  }

  #look(): Promise<void> {
    this.#looking ??= this.#read().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #read(): Promise<void> {
    const guards = this.#options.guards();
    for (const source of guards) {
      if (this.#ledgers.get(source.name)?.source !== source)
        this.#ledgers.set(source.name, new Ledger(source, this.#options.inMind));
    }
    const names = new Set(guards.map(({ name }) => name));
    for (const name of this.#ledgers.keys()) if (!names.has(name)) this.#ledgers.delete(name);
    for (const ledger of this.#ledgers.values()) {
      await ledger.catchUp((news) => {
        for (const listener of this.#listeners) listener(news);
      });
    }
  }

  #schedule(): void {
    if (this.#timer || this.#wanted === -Infinity) return;
    const { pollMs = POLL_MS } = this.#options;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#listeners.size === 0 && Date.now() - this.#wanted > LINGER_MS) return;
      // A log that cannot be read just now may be read the next time; pages say so when they are asked for.
      void this.#look()
        .catch(() => undefined)
        .then(() => this.#schedule());
    }, pollMs);
    this.#timer.unref();
  }
}

/** The newest calls first, of several logs by time. */
export function newestFirst(ledgers: readonly Ledger[]): Row[] {
  if (ledgers.length === 1) return (ledgers[0]?.rows ?? []).toReversed();
  return ledgers.flatMap(({ rows }) => rows).sort((a, b) => b.at - a.at || b.seq - a.seq);
}
