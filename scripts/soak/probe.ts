/**
 * Loaded into a process by `--import` before its own code: answers the soak's question for a {@link Reading} over the
 * IPC channel. It keeps nothing alive and changes nothing of what the process does.
 */
import { createHook } from "node:async_hooks";
import { readdirSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";

/** What a process says of itself. Bytes, milliseconds, numbers of things. */
export interface Reading {
  readonly rss: number;
  /** Used heap of the main thread, after a full garbage collection. */
  readonly heap: number;
  /** Memory of buffers outside of the heap. */
  readonly external: number;
  /**
   * How many there are of each kind of resource that keeps the loop running, of `timers` (those too that keep nothing
   * running), and of `fds`, the open files and sockets.
   */
  readonly resources: Readonly<Record<string, number>>;
  /** Delay of the event loop since the last reading. */
  readonly delay: { readonly p50: number; readonly p99: number; readonly max: number };
}

declare global {
  var gc: NodeJS.GCFunction | undefined;
}

// A worker thread is started with the same arguments; it is read with the process that it belongs to.
if (isMainThread && process.channel) {
  const timers = new Set<number>();
  createHook({
    init: (id, type) => {
      if (type === "Timeout") timers.add(id);
    },
    destroy: (id) => {
      timers.delete(id);
    },
    trackPromises: false,
  }).enable();
  const loop = monitorEventLoopDelay({ resolution: 10 });
  loop.enable();
  process.on("message", (message) => {
    if (message === "read") process.send?.(read());
  });
  process.channel.unref();

  const read = (): Reading => {
    const delay = { p50: loop.percentile(50) / 1e6, p99: loop.percentile(99) / 1e6, max: loop.max / 1e6 };
    // Twice: what a finaliser lets go of is collected by the next one.
    globalThis.gc?.();
    globalThis.gc?.();
    loop.reset();
    const { rss, heapUsed, external } = process.memoryUsage();
    return { rss, heap: heapUsed, external, resources: { ...resources(), timers: timers.size }, delay };
  };
}

function resources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  // One is the descriptor of the folder that is being listed.
  if (process.platform === "linux") counts["fds"] = readdirSync("/proc/self/fd").length - 1;
  return counts;
}
