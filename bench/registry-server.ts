/**
 * A registry in a process of its own, to be measured: `node bench/registry-server.ts <data folder> [<root> …]` prints its address; a
 * line on its standard input asks for a {@link ServerFigures} since the last one, and its end ends it.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createInterface } from "node:readline";
import { parseDid } from "@peerage/core";
import { serveRegistry } from "@peerage/registry";

/** What a registry's process says of itself. */
export interface ServerFigures {
  /** Of the thread that serves HTTP, in milliseconds. */
  readonly delayP50: number;
  readonly delayP99: number;
  readonly delayMax: number;
  readonly rssMb: number;
  /** Seconds of processor time, all threads. */
  readonly cpu: number;
}

const [dataDir, ...roots] = process.argv.slice(2);
if (dataDir === undefined) throw new TypeError("usage: registry-server.ts <data folder> [<root> …]");
const database = process.env["PEERAGE_DATABASE_URL"];
const server = await serveRegistry({
  dataDir,
  roots: roots.map(parseDid),
  ...(database === undefined ? {} : { database }),
  streams: { maximum: 4_096 },
});
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
let cpu = process.cpuUsage();
process.stdout.write(`${server.url}\n`);
for await (const _ of createInterface(process.stdin)) {
  const used = process.cpuUsage(cpu);
  cpu = process.cpuUsage();
  const ms = (nanoseconds: number): number => nanoseconds / 1e6;
  const figures: ServerFigures = {
    delayP50: ms(delay.percentile(50)),
    delayP99: ms(delay.percentile(99)),
    delayMax: ms(delay.max),
    rssMb: process.memoryUsage().rss / 2 ** 20,
    cpu: (used.user + used.system) / 1e6,
  };
  delay.reset();
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}
await server[Symbol.asyncDispose]();
