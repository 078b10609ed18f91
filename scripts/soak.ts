/**
 * `npm run soak -- --minutes 30`: a registry with its observatory, a guard over HTTP with its audit log, a signing bridge
 * and the public, each a process of its own, under a steady load. Every ten seconds each is asked for its memory, its
 * handles, its timers and the delay of its event loop. It ends with 1 if something grew beyond the limits it prints, or if
 * a handle, timer, process or temporary file was left over.
 */
import { parseArgs } from "node:util";
import { machineLine } from "../bench/lib/machine.ts";
import { table } from "./soak/figures.ts";
import { judge, LIMITS, type Sample } from "./soak/judge.ts";
import { complaints, rested, runLoad } from "./soak/run.ts";
import { startWorld } from "./soak/world.ts";

const USAGE = `npm run soak -- [--minutes 30] [--every 10] [--json]

  --minutes  how long the load lasts, from 0.25; slopes are judged from ${LIMITS.judgedFromMinutes} minutes on, a shorter run prints them
  --every    seconds between two readings
  --json     one JSON document a line
`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    every: { type: "string", default: "10" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

const tell = (data: object, text: string): void =>
  void process.stdout.write(values.json ? `${JSON.stringify(data)}\n` : `${text}\n`);

async function soak(minutes: number, everySeconds: number): Promise<readonly string[]> {
  const machine = machineLine();
  tell({ machine, minutes }, `${machine}\n`);
  await using world = await startWorld({
    agents: 120,
    load: { writesPerSecond: 1, readsPerSecond: 5, streams: 6, streamSeconds: 20 },
  });
  // Everything has run once before the first count: what is opened lazily and kept is no leak.
  const warmUp = Math.min(5, minutes / 4);
  const samples: Sample[] = [];
  const load = { world, callsPerSecond: 5, everySeconds };
  const onSample = (sample: Sample): void => {
    samples.push(sample);
    const figures = Object.entries(sample.readings).map(
      ([name, { heap, rss }]) => `${name} ${(heap / 2 ** 20).toFixed(1)}/${(rss / 2 ** 20).toFixed(0)}`,
    );
    tell(sample, `${sample.minute.toFixed(1).padStart(5)} min  heap/rss MiB  ${figures.join("  ")}`);
  };
  const wrong = await runLoad({ ...load, minutes: warmUp, from: 0, onSample });
  const before = await rested(world);
  wrong.push(...(await runLoad({ ...load, minutes: minutes - warmUp, from: warmUp, onSample })));
  const after = await rested(world, before);
  wrong.push(...(await complaints(world)));
  const files = await world.temporaryFiles();
  const ends = await world.stop();
  const verdict = judge({ samples: samples.filter(({ minute }) => minute > warmUp), wrong, before, after, minutes });
  const head = ["", "first third", "last third", "slope a minute", "standard error", "limit"];
  tell(verdict, `\n${table(head, verdict.rows)}\n`);
  return [
    ...verdict.faults,
    ...ends,
    ...(files.length === 0 ? [] : [`temporary files were left over: ${files.join(", ")}`]),
  ];
}

if (values.help) {
  process.stdout.write(USAGE);
} else {
  const [minutes, every] = [Number(values.minutes), Number(values.every)];
  if (!(minutes >= 0.25) || !(every >= 1)) {
    process.stderr.write(USAGE);
    process.exit(2);
  }
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  const faults = await soak(minutes, every);
  for (const fault of faults) tell({ fault }, `✗ ${fault}`);
  if (faults.length === 0) tell({ ok: true }, "✓ nothing grew beyond its limit, and nothing was left over");
  process.exit(faults.length === 0 ? 0 : 1);
}
