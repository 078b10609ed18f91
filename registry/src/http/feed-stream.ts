import type { Published } from "../published.ts";
import type { StoredCheckpoint } from "../store/log-store.ts";
import { feedEvent, type FeedPages } from "./feed-pages.ts";
import type { StreamLimits } from "./service.ts";

export interface FeedStreamOptions {
  readonly pages: FeedPages;
  readonly published: Published;
  readonly limits: StreamLimits;
  /** Once aborted, the stream ends and says why. */
  readonly stopping: AbortSignal;
  /** Index of the first entry to send. */
  readonly from: number;
  readonly describeCheckpoint: (checkpoint: StoredCheckpoint) => object;
  /** Once, when the stream has ended. `cut` if the reader did not take what was due. */
  readonly onEnd: (cut: boolean) => void;
}

const PAGE = 64;
const MAX_BEHIND = 10_000;
const encoder = new TextEncoder();

/**
 * Published entries as server-sent events. The id of an event is the log index, so a reader that names the last one it
 * saw gets every later one exactly once. Nothing is made before the reader takes it, so a slow one costs one page of
 * memory; one that stops taking is cut.
 */
export function feedStream(options: FeedStreamOptions): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(new FeedSource(options), { highWaterMark: 1 });
}

/** What a reader gets at once: entries, then what else there is to say. */
interface Part {
  readonly page?: Uint8Array;
  readonly text: string;
  /** The stream ends with it. */
  readonly last?: true;
}

class FeedSource {
  readonly #options: FeedStreamOptions;
  #next: number;
  #shown: StoredCheckpoint | undefined;
  /** Since when the reader has not asked for more, or 0 while it waits for us. */
  #idleSince = 0;
  #wake: (() => void) | undefined;
  #ended = false;
  #unsubscribe: (() => void) | undefined;
  #watch: NodeJS.Timeout | undefined;

  constructor(options: FeedStreamOptions) {
    this.#options = options;
    this.#next = options.from;
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const { published, limits, stopping } = this.#options;
    const wake = (): void => this.#wake?.();
    const unsubscribe = published.subscribe(wake);
    stopping.addEventListener("abort", wake);
    this.#unsubscribe = () => {
      unsubscribe();
      stopping.removeEventListener("abort", wake);
    };
    this.#watch = setInterval(() => this.#checkStall(controller), Math.max(10, limits.stallMs / 4));
    this.#watch.unref();
    controller.enqueue(encoder.encode("retry: 5000\n\n"));
    this.#idleSince = performance.now();
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#idleSince = 0;
    const { page, text, last } = (await this.#produce()) ?? (await this.#waitThenProduce());
    if (this.#ended) return;
    if (page) controller.enqueue(page);
    if (text !== "") controller.enqueue(encoder.encode(text));
    this.#idleSince = performance.now();
    if (last === true) {
      controller.close();
      this.#end(false);
    }
  }

  cancel(): void {
    this.#end(false);
  }

  async #produce(): Promise<Part | undefined> {
    const { pages, published, describeCheckpoint, stopping } = this.#options;
    const { checkpoint } = published;
    if (this.#next > checkpoint.size) return { text: closing("future-cursor"), last: true };
    if (checkpoint.size - this.#next > MAX_BEHIND) return { text: closing("too-far-behind"), last: true };
    const end = Math.min(this.#next + PAGE, checkpoint.size);
    const part: { page?: Uint8Array } = this.#next < end ? { page: await pages.read(this.#next, end) } : {};
    this.#next = end;
    let text = "";
    if (this.#next === checkpoint.size && this.#shown !== checkpoint) {
      this.#shown = checkpoint;
      text = feedEvent("checkpoint", describeCheckpoint(checkpoint));
    }
    if (stopping.aborted) return { ...part, text: text + closing("shutting-down", 2_000), last: true };
    return part.page || text !== "" ? { ...part, text } : undefined;
  }

  async #waitThenProduce(): Promise<Part> {
    const { stopping } = this.#options;
    const published = await new Promise<boolean>((resolve) => {
      // A publication may have slipped in since there was nothing to send.
      if (this.#ended || stopping.aborted || this.#shown !== this.#options.published.checkpoint) {
        resolve(true);
        return;
      }
      const timer = setTimeout(() => resolve(false), this.#options.limits.heartbeatMs);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
    this.#wake = undefined;
    return (published && !this.#ended ? await this.#produce() : undefined) ?? { text: ": still here\n\n" };
  }

  #checkStall(controller: ReadableStreamDefaultController<Uint8Array>): void {
    const { published, limits } = this.#options;
    const due = this.#shown !== published.checkpoint;
    if (!due || this.#idleSince === 0 || performance.now() - this.#idleSince < limits.stallMs) return;
    this.#end(true);
    controller.error(new Error("consumer-too-slow"));
  }

  #end(cut: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#unsubscribe?.();
    clearInterval(this.#watch);
    this.#wake?.();
    this.#options.onEnd(cut);
  }
}

/** Tells why the stream ends; a browser that reconnects by itself should not do so soon. */
function closing(reason: "future-cursor" | "too-far-behind" | "shutting-down", retryMs: number = 60_000): string {
  return `retry: ${retryMs}\n${feedEvent("closed", { reason })}`;
}
