import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { kernelStart } from "./process-start.ts";

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

/** Not so outside Linux, nor in a container that is told an uptime of its own. */
const tells = Math.abs((kernelStart() ?? 0) - performance.timeOrigin) < 10_000;

describe.skipIf(!tells)("where a process begins", () => {
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
