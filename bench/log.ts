/** The log: durable appends beside the raw rate of signatures, and proofs from a log that has grown. */
import { spawnSync } from "node:child_process";
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Measurement } from "./lib/figures.ts";
import { at, measured, type Scale } from "./lib/measure.ts";
import { appendPlan, appendRows, statementsFor } from "./log-append.ts";
import { buildLog, type GrownLogFigures } from "./grown-log.ts";
import { makeVouches } from "./vouches.ts";

export async function benchLog(scale: Scale): Promise<Measurement[]> {
  const folder = mkdtempSync(join(tmpdir(), "peerage-bench-"));
  try {
    const plan = appendPlan(scale);
    const vouches = await makeVouches(statementsFor(plan));
    const sizes = at(scale, { quick: [10_000], normal: [10_000, 100_000], full: [10_000, 100_000, 1_000_000] });
    const grown: Measurement[] = [];
    for (const size of sizes) grown.push(...(await proofs(join(folder, `${size}.db`), size)));
    return [
      measured("log/fsync", "one fsync of 4 KiB on this disk", "ms", fsyncs(folder)),
      ...(await appendRows(vouches, plan)),
      ...grown,
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A process of its own measures it: neither its memory nor its start is that of the one that filled the log. */
async function proofs(path: string, size: number): Promise<Measurement[]> {
  await buildLog(path, size);
  const program = [join(import.meta.dirname, "grown-log.ts"), path];
  const { stdout, status } = spawnSync(process.execPath, program, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (status !== 0) throw new Error(`the log of ${size} entries could not be measured`);
  const { hashes, reopenMs, cold, warm, recent, rssMiB } = JSON.parse(stdout) as GrownLogFigures;
  const entries = `${size.toLocaleString("en-US")} entries`;
  const id = (name: string): string => `log/${name}-${size}`;
  const isLargest = size === 1_000_000;
  const beside = id("hashes");
  return [
    measured(id("reopen"), `reopening ${entries}, root checked`, "ms", reopenMs, {
      goal: { of: "value", atMost: 1_000 },
    }),
    measured(
      beside,
      `the hashes of one path, computed (SHA-256 of 65 bytes, ${Math.ceil(Math.log2(size))} times)`,
      "/s",
      hashes,
    ),
    measured(id("proof-cold"), `inclusion proof, ${entries}: tile not in memory`, "/s", cold, {
      beside,
      ...(isLargest ? { goal: { of: "value", atLeast: 1_500 } } : {}),
    }),
    measured(id("proof-warm"), `inclusion proof, ${entries}: all tiles in memory`, "/s", warm, {
      beside,
      ...(isLargest ? { goal: { of: "value", atLeast: 50_000 } } : {}),
    }),
    measured(id("proof-recent"), `inclusion proof, ${entries}: the newest 5,000`, "/s", recent, { beside }),
    measured(id("memory"), `memory of the process after that, ${entries}`, "MiB", [rssMiB], {
      ...(isLargest ? { goal: { of: "value", atMost: 400 } } : {}),
    }),
  ];
}

function fsyncs(folder: string): number[] {
  const fd = openSync(join(folder, "fsync-probe"), "w");
  const times: number[] = [];
  for (let i = 0; i < 40; i++) {
    writeSync(fd, Buffer.alloc(4_096, i), 0, 4_096, 0);
    const start = performance.now();
    fsyncSync(fd);
    times.push(performance.now() - start);
  }
  closeSync(fd);
  return times;
}
