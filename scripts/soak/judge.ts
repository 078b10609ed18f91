import { driftOf, slopeOf } from "./figures.ts";
import type { Reading } from "./probe.ts";

/** What the processes and the load said at one time. */
export interface Sample {
  /** Since the start. */
  readonly minute: number;
  readonly readings: Readonly<Record<string, Reading>>;
  readonly latency: Latency;
  /** Logged since the last sample. */
  readonly statements: number;
}

/** Medians since the last sample, in milliseconds. */
export interface Latency {
  readonly call: number;
  readonly page: number;
  readonly write: number;
}

/** Resources by process and kind. */
type Resources = Readonly<Record<string, Reading["resources"]>>;

/**
 * What may grow. A log is kept in memory by whoever follows it, so a registry and a guard grow with every statement; all
 * else is flat. A slope counts as far as it is beyond twice its standard error.
 */
export const LIMITS = {
  /** Below that the warm-up is shorter than five minutes, in which code is compiled and caches fill. */
  judgedFromMinutes: 20,
  /** Bytes of heap, and of resident memory, a statement, for those who follow the log. */
  heapPerStatement: 8 * 1024,
  rssPerStatement: 24 * 1024,
  /** Bytes a minute for everybody: an hour of it is 1.5 and 30 MiB. */
  heapPerMinute: 25 * 1024,
  rssPerMinute: 512 * 1024,
  /** The last third's median latency beside the first's: so many times as long, and so many milliseconds more. */
  latencyTimes: 2,
  latencyMs: 20,
} as const;

const FOLLOWERS = new Set(["registry", "guard"]);

export interface Verdict {
  /** The cells of a table: what, first third, last third, slope a minute, its standard error, limit. */
  readonly rows: readonly (readonly string[])[];
  readonly faults: readonly string[];
}

export interface Judged {
  /** Those after the warm-up. */
  readonly samples: readonly Sample[];
  /** What should not have been, at any time from the start on. */
  readonly wrong: readonly string[];
  /** What was held at rest, after the warm-up and at the end. */
  readonly before: Resources;
  readonly after: Resources;
  readonly minutes: number;
}

/** Compares what was measured with the limits. */
export function judge({ samples, wrong, before, after, minutes }: Judged): Verdict {
  const rows: (readonly string[])[] = [];
  const faults = [...new Set(wrong)];
  const judged = minutes >= LIMITS.judgedFromMinutes;
  if (judged && samples.length < 3) faults.push("too few readings to judge a slope: take them more often");
  const spanned = (samples.at(-1)?.minute ?? 0) - (samples[0]?.minute ?? 0);
  const written = samples.slice(1).reduce((sum, { statements }) => sum + statements, 0);
  const perMinute = spanned === 0 ? 0 : written / spanned;
  for (const name of Object.keys(samples[0]?.readings ?? {})) {
    for (const [kind, flat, each] of [
      ["heap", LIMITS.heapPerMinute, LIMITS.heapPerStatement],
      ["rss", LIMITS.rssPerMinute, LIMITS.rssPerStatement],
    ] as const) {
      const limit = flat + (FOLLOWERS.has(name) ? each * perMinute : 0);
      const points = samples.map(({ minute, readings }) => ({ x: minute, y: readings[name]![kind] }));
      const { perUnit, error } = slopeOf(points);
      const { first, last } = driftOf(points.map(({ y }) => y));
      rows.push([`${name} ${kind}`, mib(first), mib(last), kib(perUnit), kib(error), kib(limit)]);
      if (judged && !(perUnit - 2 * error <= limit)) {
        faults.push(
          `${name}: its ${kind} grows by ${kib(perUnit)} ± ${kib(error)} a minute, the limit is ${kib(limit)}`,
        );
      }
    }
    const delays = samples.map(({ minute, readings }) => ({ x: minute, y: readings[name]!.delay.p99 }));
    rows.push(timeRow(`${name} loop p99`, delays, ""));
  }
  for (const kind of ["call", "page", "write"] as const) {
    const points = samples.flatMap(({ minute, latency }) =>
      Number.isFinite(latency[kind]) ? [{ x: minute, y: latency[kind] }] : [],
    );
    const { first, last } = driftOf(points.map(({ y }) => y));
    const limit = first * LIMITS.latencyTimes + LIMITS.latencyMs;
    rows.push(timeRow(`${kind} p50`, points, ms(limit)));
    if (judged && !(last <= limit)) faults.push(`a ${kind} takes ${ms(last)} at the end, ${ms(first)} at first`);
  }
  return { rows, faults: [...faults, ...leaks(before, after)] };
}

function leaks(before: Resources, after: Resources): string[] {
  return Object.entries(after).flatMap(([name, kinds]) =>
    Object.entries(kinds).flatMap(([kind, number]) => {
      const had = before[name]?.[kind] ?? 0;
      return number > had ? [`${name} holds ${number} ${kind} at rest, and held ${had} after the warm-up`] : [];
    }),
  );
}

function timeRow(what: string, points: readonly { x: number; y: number }[], limit: string): readonly string[] {
  const { perUnit, error } = slopeOf(points);
  const { first, last } = driftOf(points.map(({ y }) => y));
  return [what, ms(first), ms(last), ms(perUnit), ms(error), limit];
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const kib = (bytes: number): string => `${(bytes / 1024).toFixed(1)} KiB`;
const ms = (value: number): string => `${value.toFixed(2)} ms`;
