import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

const module = new URL("./process-start.ts", import.meta.url).href;
/** By how much a process that runs this takes itself to be older than its own first time, in milliseconds. */
const told = `import { processStart } from ${JSON.stringify(module)};
  console.log(Math.floor(performance.timeOrigin - processStart().getTime()));`;

/** A shell waits so long, and becomes the process: its beginning stays that of the shell. */
function earlierAfter(seconds: number, code: string): number {
  const script = `sleep ${seconds}; exec "$0" --input-type=module -e "$1"`;
  const { stdout, stderr } = spawnSync("/bin/sh", ["-c", script, process.execPath, code], { encoding: "utf8" });
  if (stdout === "") throw new Error(stderr);
  return Number(stdout);
}

/** False outside Linux, and in a container that is told an uptime of its own. */
function isTold(): boolean {
  if (!existsSync("/proc/self/stat")) return false;
  const ticks = readFileSync("/proc/self/stat", "latin1").split(") ")[1]!.split(" ")[19];
  const age = Number.parseFloat(readFileSync("/proc/uptime", "latin1")) - Number(ticks) / 100;
  const told = Math.abs(age - process.uptime()) < 10;
  if (!told) console.warn("SKIPPED: this system tells no process when it began");
  return told;
}

describe.skipIf(!isTold())("where a process begins", () => {
  it("is where the kernel began it, and the moment before in which its first call may have been signed", () => {
    const earlier = earlierAfter(0.4, told);
    expect(earlier).toBeGreaterThanOrEqual(100 + 400 - 20);
    expect(earlier).toBeLessThanOrEqual(900);
  });

  it("is never long before the first time that it took itself, nor before a thread of it", () => {
    expect(earlierAfter(1.5, told)).toBe(900);
    const inThread = `import { Worker } from "node:worker_threads";
      new Worker(${JSON.stringify(told.replace("import {", "const {").replace("} from ", "} = await import(").replace(";", ");"))}, { eval: true });`;
    expect(earlierAfter(0.4, inThread)).toBe(100);
  });
});
