import { setImmediate } from "node:timers/promises";
import type { Goal, Measurement, Unit } from "./figures.ts";

/** How much of everything: `quick` shows that all of it works, `full` adds what takes minutes. */
export interface Scale {
  readonly size: "quick" | "normal" | "full";
}

/** One of three, by scale; `full` is `normal` where nothing else is said. */
export function at<T>({ size }: Scale, of: { quick: T; normal: T; full?: T }): T {
  return size === "full" ? (of.full ?? of.normal) : of[size];
}

/** Measures one section, in a process of its own. */
export type Bench = (scale: Scale) => Promise<readonly Measurement[]>;

interface Named {
  readonly id: string;
  readonly what: string;
  readonly beside?: string;
  readonly goal?: Goal;
  readonly note?: string;
}

/** Something that is done again and again. */
export interface Repeated extends Named {
  readonly run: () => unknown;
}

/** How long a round of one case is measured, and how many rounds. */
export interface RateOptions {
  readonly rounds: number;
  /** Milliseconds of processor time. */
  readonly ms: number;
}

/** What is usual: rounds long enough that a collection of garbage is a part of each. */
export function rateOptions(scale: Scale): RateOptions {
  return at(scale, { quick: { rounds: 3, ms: 8 }, normal: { rounds: 10, ms: 60 } });
}

/**
 * Calls a second of this process's own processor time, all threads counted, so that other processes have no part in it.
 * The cases take turns, round by round, so that what the machine does besides falls on all of them.
 */
export async function measureRates(cases: readonly Repeated[], { rounds, ms }: RateOptions): Promise<Measurement[]> {
  const loops = [];
  for (const { run } of cases) loops.push(await loopOf(run, ms));
  const taken = cases.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, loop] of loops.entries()) taken[i]!.push(await loop());
    await setImmediate();
  }
  return cases.map(({ run: _, ...named }, i) => ({ ...named, unit: "/s", better: "more", rounds: taken[i]! }));
}

/** Warms up, and finds how many calls go between two looks at the clock. */
async function loopOf(run: () => unknown, ms: number): Promise<() => Promise<number>> {
  const isAsync = run() instanceof Promise;
  const many = async (count: number): Promise<void> => {
    if (isAsync) for (let i = 0; i < count; i++) await run();
    else for (let i = 0; i < count; i++) run();
  };
  let batch = 1;
  let used = 0;
  for (const start = process.cpuUsage(); used < ms * 1_500;) {
    const before = used;
    await many(batch);
    used = usedSince(start);
    if (used - before < 1_000) batch *= 2;
  }
  return async () => {
    const start = process.cpuUsage();
    let calls = 0;
    let used = 0;
    while (used < ms * 1_000) {
      await many(batch);
      calls += batch;
      used = usedSince(start);
    }
    return (calls * 1e6) / used;
  };
}

/** Something that is done once to each of many things, which are made anew for every round and not measured. */
export interface Prepared<T> extends Named {
  readonly count: number;
  readonly make: (count: number) => readonly T[] | Promise<readonly T[]>;
  /** A promise is waited for. */
  readonly run: (thing: T) => unknown;
  /** So many at once, one by default. */
  readonly atOnce?: number;
}

/** As {@link measureRates}, for what cannot be done twice to one thing, such as admitting a call. */
export async function measurePrepared(cases: readonly Prepared<unknown>[], rounds: number): Promise<Measurement[]> {
  const taken = cases.map((): number[] => []);
  // The first round warms up.
  for (let round = -1; round < rounds; round++) {
    for (const [i, { count, make, run, atOnce = 1 }] of cases.entries()) {
      const things = await make(count);
      const start = process.cpuUsage();
      if (atOnce === 1) for (const thing of things) await run(thing);
      for (let n = 0; atOnce > 1 && n < things.length; n += atOnce)
        await Promise.all(things.slice(n, n + atOnce).map((thing) => run(thing)));
      const rate = (things.length * 1e6) / usedSince(start);
      if (round >= 0) taken[i]!.push(rate);
    }
  }
  return cases.map(({ id, what, beside, goal, note }, i) => {
    const named = { id, what, ...(beside && { beside }), ...(goal && { goal }), ...(note && { note }) };
    return { ...named, unit: "/s", better: "more", rounds: taken[i]! };
  });
}

/** Microseconds of processor time since. */
export function usedSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

/** Milliseconds of processor time that something takes. */
export function cpuMs(action: () => unknown): number {
  const start = process.cpuUsage();
  action();
  return usedSince(start) / 1_000;
}

/** Milliseconds by the clock that something takes. */
export async function wallMs(action: () => unknown): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

/** A measurement of rounds that are there already; less is better unless it is a rate. */
export function measured(
  id: string,
  what: string,
  unit: Unit,
  rounds: readonly number[],
  more: Partial<Measurement> = {},
): Measurement {
  return { id, what, unit, better: unit.endsWith("/s") ? "more" : "less", rounds, ...more };
}
