/** A server in one process and its clients in another, over HTTP on loopback. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { LoadPlan, LoadResult } from "./http-load.ts";
import type { ServerFigures } from "./registry-server.ts";
import type { StreamPlan, StreamResult } from "./sse-load.ts";

/** A server to be measured; disposing ends it and removes what it kept. */
export interface MeasuredServer extends AsyncDisposable {
  readonly address: Pick<LoadPlan, "host" | "port">;
  load(plan: Omit<LoadPlan, "host" | "port">): Promise<LoadResult>;
  /** @param during starts when all readers listen */
  listen(plan: Omit<StreamPlan, "host" | "port">, during: () => Promise<unknown>): Promise<StreamResult>;
}

/** A registry, which tells of itself. */
export interface MeasuredRegistry extends MeasuredServer {
  /** Since the last time it was asked. */
  figures(): Promise<ServerFigures>;
}

/** @param under a program that it runs under, such as a tracer */
export async function startMeasuredRegistry(
  under: readonly string[] = [],
  roots: readonly string[] = [],
): Promise<MeasuredRegistry> {
  const dataDir = mkdtempSync(join(tmpdir(), "peerage-bench-"));
  const { line, ask, ...server } = await start([...under], ["registry-server.ts", dataDir, ...roots], () =>
    rmSync(dataDir, { recursive: true, force: true }),
  );
  return {
    ...server,
    figures: async () => {
      ask();
      return JSON.parse(await line()) as ServerFigures;
    },
  };
}

/** The bare server that stands beside the registry. */
export function startBareServer(): Promise<MeasuredServer> {
  return start([], ["fixtures/bare-server.ts"], () => undefined);
}

async function start(
  under: readonly string[],
  [script = "", ...words]: readonly string[],
  done: () => void,
): Promise<MeasuredServer & { readonly line: () => Promise<string>; readonly ask: () => void }> {
  const [program, ...args] = [...under, process.execPath, join(import.meta.dirname, script), ...words] as [string];
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const line = async (): Promise<string> => ((await lines.next()) as { value: string }).value;
  const url = new URL(await line());
  const address = { host: url.hostname, port: Number(url.port) };
  return {
    address,
    line,
    ask: () => child.stdin.write("\n"),
    load: (plan) => run<LoadResult>("http-load.ts", { ...plan, ...address }),
    listen: (plan, during) => run<StreamResult>("sse-load.ts", { ...plan, ...address }, during),
    [Symbol.asyncDispose]: async () => {
      child.stdin.end();
      await gone;
      done();
    },
  };
}

/** Runs a load generator to its end. */
async function run<R>(program: string, plan: LoadPlan | StreamPlan, during?: () => Promise<unknown>): Promise<R> {
  const folder = mkdtempSync(join(tmpdir(), "peerage-bench-load-"));
  try {
    writeFileSync(join(folder, "plan.json"), JSON.stringify(plan));
    const child = spawn(process.execPath, [join(import.meta.dirname, program), join(folder, "plan.json")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let result: R | undefined;
    for await (const line of createInterface(child.stdout)) {
      if (line === "ready") await during?.();
      else result = JSON.parse(line) as R;
    }
    if (result === undefined) throw new Error(`${program} has measured nothing`);
    return result;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
