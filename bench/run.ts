import { fork } from "node:child_process";
import { once } from "node:events";
import { loadavg } from "node:os";
import { join } from "node:path";
import { type Measurement, type Section, toFigures } from "./lib/figures.ts";
import { busyCores, readMachine } from "./lib/machine.ts";
import type { Scale } from "./lib/measure.ts";
import { type Report, REPORT_VERSION } from "./lib/report.ts";
import type { Options } from "./options.ts";
import { sections } from "./sections.ts";

/** How often the load is looked at while a section runs. */
const LOOK_MS = 1_000;

/**
 * Goes through the sections, pass by pass: a pass that comes minutes later meets another weather, and a process that is
 * started anew another layout of its memory, so that both are in the spread.
 * @param told - hears what begins
 */
export async function measureAll(
  { only, size, passes }: Pick<Options, "only" | "size" | "passes">,
  told: (what: string) => void,
): Promise<Report> {
  const startedAt = new Date();
  const before = loadavg();
  const others: number[] = [];
  const load = { highest: before[0] ?? 0 };
  const taken = new Map(only.map((name) => [name, [] as (readonly Measurement[])[]]));
  const failures = new Map<string, string>();
  const seconds = new Map<string, number>();
  for (let pass = 1; pass <= passes; pass++) {
    for (const name of only) {
      if (pass > (sections[name]!.passes ?? passes) || failures.has(name)) continue;
      others.push(await busyCores());
      told(`${name}, pass ${pass} of ${passes}`);
      const started = performance.now();
      try {
        taken.get(name)!.push(await measureSection(name, size, load));
      } catch (error) {
        failures.set(name, (error as Error).message);
      }
      seconds.set(name, (seconds.get(name) ?? 0) + (performance.now() - started) / 1_000);
    }
  }
  return {
    version: REPORT_VERSION,
    startedAt: startedAt.toISOString(),
    seconds: (Date.now() - startedAt.getTime()) / 1_000,
    scale: size,
    passes,
    machine: readMachine(new URL("..", import.meta.url)),
    load: { before, during: load.highest, others },
    sections: only.map((name): Section => {
      const failed = failures.get(name);
      const figures = toFigures(taken.get(name)!);
      return {
        name,
        title: sections[name]!.title,
        figures,
        seconds: seconds.get(name) ?? 0,
        ...(failed === undefined ? {} : { failed }),
      };
    }),
  };
}

async function measureSection(
  name: string,
  size: Scale["size"],
  load: { highest: number },
): Promise<readonly Measurement[]> {
  const child = fork(join(import.meta.dirname, "child.ts"), [name, size], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const look = setInterval(() => (load.highest = Math.max(load.highest, loadavg()[0] ?? 0)), LOOK_MS);
  try {
    let measurements: readonly Measurement[] | undefined;
    child.on("message", (message) => (measurements = message as readonly Measurement[]));
    const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
    if (code !== 0 || !measurements) throw new Error(`its process ended with ${code ?? signal}, see above`);
    return measurements;
  } finally {
    clearInterval(look);
  }
}
