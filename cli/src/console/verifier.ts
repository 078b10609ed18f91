import { Worker } from "node:worker_threads";
import type { AuditReport } from "@peerage/mcp-middleware";

/** What the thread answers: a report, or why there is none. */
export interface Verified {
  readonly id: number;
  readonly report?: AuditReport;
  readonly problem?: string;
}

/**
 * Verifies audit logs in a thread of its own, started when the first is asked for: a long log must not hold up the pages,
 * nor a guard in the same process.
 */
export class AuditVerifier implements Disposable {
  #worker: Worker | undefined;
  #next = 0;
  readonly #waiting = new Map<number, PromiseWithResolvers<AuditReport>>();

  /** @throws {Error} if the log cannot be read at all */
  verify(path: string): Promise<AuditReport> {
    const worker = (this.#worker ??= this.#start());
    const id = this.#next++;
    const answer = Promise.withResolvers<AuditReport>();
    this.#waiting.set(id, answer);
    worker.ref();
    worker.postMessage({ id, path });
    return answer.promise;
  }

  [Symbol.dispose](): void {
    void this.#worker?.terminate();
  }

  #start(): Worker {
    const suffix = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const worker = new Worker(new URL(`./verify-worker.${suffix}`, import.meta.url), { execArgv: [] });
    worker.on("message", ({ id, report, problem }: Verified) => {
      const answer = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (report) answer?.resolve(report);
      else answer?.reject(new Error(problem));
      // An idle thread must not keep the process alive.
      if (this.#waiting.size === 0) worker.unref();
    });
    const failed = (error: unknown): void => {
      if (this.#worker === worker) this.#worker = undefined;
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    worker.on("error", failed);
    worker.on("exit", () => failed(new Error("the verifying thread ended")));
    return worker;
  }
}
