import { readFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

/** Whoever starts a process may have signed a moment before. */
const BEFORE_MS = 100;
/** A process takes its own first time later than the kernel began it, on a busy machine by so much; more is not believed. */
const LATE_MS = 800;
/** Ticks a second in which Linux tells times to programs, on every processor that Node runs on. */
const TICKS = 100;

/**
 * The time before which nobody can have meant this process: it is 0.1 s before the process began, by the kernel's word
 * where there is one, and at most 0.9 s before the first time that the process took itself.
 */
export function processStart(): Date {
  const own = performance.timeOrigin;
  const began = isMainThread ? (kernelStart() ?? own) : own;
  return new Date(Math.max(own - LATE_MS, Math.min(own, began)) - BEFORE_MS);
}

/** When the kernel began this process, in Unix milliseconds; undefined where it does not tell. See proc(5), `starttime`. */
function kernelStart(): number | undefined {
  try {
    // In this order, a process that is held up between them takes itself for older, which is bounded, and not for younger.
    const now = Date.now();
    const uptime = Number(readFileSync("/proc/uptime", "latin1").split(" ")[0]);
    // The name, in parentheses, is the second field and may hold anything; the time is the 22nd.
    const fields = readFileSync("/proc/self/stat", "latin1")
      .replace(/^.*\) /s, "")
      .split(" ");
    const began = now - (uptime - Number(fields[19]) / TICKS) * 1_000;
    return Number.isFinite(began) ? began : undefined;
  } catch {
    return undefined;
  }
}
