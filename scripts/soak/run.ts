import { median } from "../../bench/lib/stats.ts";
import type { CallReport } from "./calls.ts";
import type { Latency, Sample } from "./judge.ts";
import type { LoadReport } from "./load.ts";
import type { Reading } from "./probe.ts";
import type { World } from "./world.ts";

/** One stretch of load. */
export interface LoadRun {
  readonly world: World;
  readonly minutes: number;
  /** Minute of the soak at which it begins. */
  readonly from: number;
  readonly callsPerSecond: number;
  readonly everySeconds: number;
  readonly onSample: (sample: Sample) => void;
}

/**
 * Loads the world for so long and reads its processes every few seconds.
 * @returns what should not have been, from the end of the load before on
 */
export async function runLoad({
  world,
  minutes,
  from,
  callsPerSecond,
  everySeconds,
  onSample,
}: LoadRun): Promise<string[]> {
  const { caller, load } = world;
  // Only the times of what was still under way belong to no window.
  const wrong = await complaints(world);
  await load.ask("go");
  caller.go(callsPerSecond);
  const start = Date.now();
  const windows = Math.max(1, Math.round((minutes * 60) / everySeconds));
  for (let n = 1; n <= windows; n++) {
    await until(start + (n * minutes * 60_000) / windows);
    const readings = await readAll(world);
    const [calls, done] = [caller.report(), await load.ask<LoadReport>("report")];
    onSample({ minute: from + (Date.now() - start) / 60_000, readings, ...summary(calls, done) });
    wrong.push(...calls.wrong, ...done.wrong);
  }
  await load.ask("rest");
  await caller.rest();
  return wrong;
}

/** What should not have been since the last report: answers come in at rest as well, or never. */
export async function complaints({ caller, load }: World): Promise<string[]> {
  const { wrong } = caller.report();
  return [...wrong, ...(await load.ask<LoadReport>("report")).wrong];
}

/**
 * What every process holds when nothing is asked of it: the greatest of a few readings, as some timers come and go by
 * themselves. After `before` it is waited, for two minutes at most, until nothing is more than that.
 */
export async function rested(
  world: World,
  before?: Readonly<Record<string, Reading["resources"]>>,
): Promise<Record<string, Reading["resources"]>> {
  if (before === undefined) await until(Date.now() + KEEP_ALIVE_MS);
  const most: Record<string, Record<string, number>> = {};
  const end = Date.now() + (before === undefined ? 5_000 : 120_000);
  for (;;) {
    const readings = await readAll(world);
    let more = false;
    for (const [name, { resources }] of Object.entries(readings)) {
      const known = (most[name] ??= {});
      for (const [kind, number] of Object.entries(resources)) {
        if (before === undefined) known[kind] = Math.max(known[kind] ?? 0, number);
        else if (number > (before[name]?.[kind] ?? 0)) more = true;
      }
      if (before !== undefined) most[name] = { ...resources };
    }
    if (Date.now() > end || (before !== undefined && !more)) return most;
    await until(Date.now() + 1_000);
  }
}

/** Kept-alive connections are closed after five seconds without a request, by default on either side. */
const KEEP_ALIVE_MS = 7_000;

async function readAll({ processes }: World): Promise<Record<string, Reading>> {
  return Object.fromEntries(await Promise.all(processes.map(async (one) => [one.name, await one.read()] as const)));
}

function summary({ calls }: CallReport, load: LoadReport): Pick<Sample, "latency" | "statements"> {
  const latency: Latency = { call: median(calls), page: median(load.pages), write: median(load.writes) };
  return { latency, statements: load.writes.length };
}

function until(time: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, time - Date.now())));
}
