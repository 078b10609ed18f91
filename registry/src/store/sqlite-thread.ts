import { Worker } from "node:worker_threads";
import type { Durability, FullTile, Head, StoredCheckpoint, StoredEntry } from "./log-store.ts";
import { type PackedBatch, packBatch } from "./sqlite-batch.ts";
import type { PublishOutcome } from "./sqlite-writer.ts";

/** What the thread is asked, one after the other. */
export type WriterRequest =
  | { readonly kind: "append"; readonly batch: PackedBatch; readonly old: Head; readonly head: Head }
  | { readonly kind: "publish"; readonly checkpoint: StoredCheckpoint }
  | { readonly kind: "durability" }
  | { readonly kind: "close" };

/** What it answers, in the order asked. */
export type WriterResponse = { readonly result: unknown } | { readonly error: string };

/** A writer in a thread of its own: a commit may wait for the disk for as long as it takes, and nothing else waits. */
export class SqliteWriterThread implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #pending: PromiseWithResolvers<unknown>[] = [];
  #ended: Error | undefined;

  private constructor(path: string, epoch: number) {
    // The packed package holds JavaScript, and nothing rewrites an address.
    const file = import.meta.url.endsWith(".ts") ? "./sqlite-worker.ts" : "./sqlite-worker.js";
    this.#worker = new Worker(new URL(file, import.meta.url), { workerData: { path, epoch } });
    this.#worker.on("message", (response: WriterResponse) => {
      const asked = this.#pending.shift();
      if (this.#pending.length === 0) this.#worker.unref();
      if ("error" in response) asked?.reject(new Error(response.error));
      else asked?.resolve(response.result);
    });
    this.#worker.on("error", (error) => this.#end(error as Error));
    this.#worker.on("exit", () => this.#end(new Error("the thread that writes the log has ended")));
  }

  /** Starts the thread. @throws {Error} see {@link SqliteWriter} */
  static async start(path: string, epoch: number): Promise<SqliteWriterThread> {
    const thread = new SqliteWriterThread(path, epoch);
    await thread.#expect();
    return thread;
  }

  /** See {@link SqliteWriter.append}. */
  async append(entries: readonly StoredEntry[], tiles: readonly FullTile[], old: Head, head: Head): Promise<boolean> {
    const batch = packBatch(entries, tiles);
    return (await this.#ask({ kind: "append", batch, old, head }, [batch.bytes.buffer])) as boolean;
  }

  async publish(checkpoint: StoredCheckpoint): Promise<PublishOutcome> {
    return (await this.#ask({ kind: "publish", checkpoint })) as PublishOutcome;
  }

  async durability(): Promise<Durability> {
    return (await this.#ask({ kind: "durability" })) as Durability;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    const gone = new Promise((resolve) => this.#worker.once("exit", resolve));
    this.#worker.ref();
    this.#worker.postMessage({ kind: "close" } satisfies WriterRequest);
    await gone;
  }

  #ask(request: WriterRequest, transfer: readonly ArrayBuffer[] = []): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended);
    const answer = this.#expect();
    this.#worker.postMessage(request, transfer);
    return answer;
  }

  /** An answer is due, so the process must not end before it. */
  #expect(): Promise<unknown> {
    const asked = Promise.withResolvers<unknown>();
    this.#pending.push(asked);
    this.#worker.ref();
    return asked.promise;
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const asked of this.#pending.splice(0)) asked.reject(this.#ended);
  }
}
