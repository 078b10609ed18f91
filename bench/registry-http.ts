/** A registry in one process and its clients in another, over HTTP. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fromUtf8, type Vouch } from "@peerage/core";
import type { LoadPlan, LoadResult } from "./http-load.ts";
import type { ServerFigures } from "./registry-server.ts";
import type { StreamPlan, StreamResult } from "./sse-load.ts";
import type { Row } from "./report.ts";

const CONNECTIONS = 64;
const STREAMS = 2_000;
const EVENTS = 100;
const EVENTS_PER_SECOND = 10;

/** Needs {@link httpStatements} vouches. */
export async function httpRows(vouches: readonly Vouch[]): Promise<Row[]> {
  const bodies = vouches.map(({ bytes }) => fromUtf8(bytes));
  const take = (count: number): string[] => bodies.splice(0, count);
  const rows: Row[] = [];
  const round = (value: number): string => Math.round(value).toLocaleString("en-US");
  {
    await using server = await startServer();
    await server.load({ connections: CONNECTIONS, bodies: take(2_000) }); // compiles what is hot
    await server.figures();
    const submitted = await server.load({ connections: CONNECTIONS, bodies: take(6_000) });
    const { rssMb } = await server.figures();
    rows.push({
      what: `submissions over HTTP, ${CONNECTIONS} connections, each on disk when acknowledged`,
      value: `${round(submitted.perSecond)}/s, p50 ${round(submitted.p50)} ms, p99 ${round(submitted.p99)} ms, ${submitted.failures} failed, ${round(rssMb)} MB`,
      goal: "≥ 2,000/s",
    });
    const proven = await server.load({ connections: 4_000, bodies: take(4_000), proofs: true });
    rows.push({
      what: "submissions with their log proofs, 4,000 at a time, after the next checkpoint (1 s)",
      value: `${round(proven.perSecond)}/s, p99 ${round(proven.p99)} ms, ${proven.failures} failed`,
    });
  }
  rows.push(await delayRow(take(1_000), take(8_000)));
  rows.push(await streamRow(take(EVENTS)));
  return rows;
}

/** How many statements {@link httpRows} posts. */
export const httpStatements: number = 2_000 + 6_000 + 4_000 + 9_000 + EVENTS;

/** The disk is slow now and then: every 50th fsync is held for 30 ms by the tracer. */
async function delayRow(first: readonly string[], bodies: readonly string[]): Promise<Row> {
  const what = "event-loop delay at 1,000 submissions/s, every 50th fsync held for 30 ms";
  const goal = "p99 ≤ 20 ms";
  if (spawnSync("strace", ["-o", "/dev/null", "true"]).status !== 0) {
    return { what, value: "not measured: strace cannot be used here", goal };
  }
  const calls = "fsync,fdatasync";
  const slow = ["-f", "--seccomp-bpf", "-o", "/dev/null", "-e", `trace=${calls}`];
  await using server = await startServer(["strace", ...slow, "-e", `inject=${calls}:delay_enter=30000:when=50+50`]);
  await server.load({ connections: CONNECTIONS, bodies: first, perSecond: 1_000 });
  await server.figures();
  const { perSecond, p99, failures } = await server.load({ connections: CONNECTIONS, bodies, perSecond: 1_000 });
  const { delayP50, delayP99, delayMax, cpu } = await server.figures();
  const ms = (value: number): string => value.toFixed(1);
  return {
    what,
    value: `p50 ${ms(delayP50)}, p99 ${ms(delayP99)}, most ${ms(delayMax)} ms at ${Math.round(perSecond)}/s, ack p99 ${Math.round(p99)} ms, ${failures} failed`,
    ratio: `${ms((cpu * 1_000) / (bodies.length / perSecond) / 10)} % of one core`,
    goal,
  };
}

async function streamRow(bodies: readonly string[]): Promise<Row> {
  await using server = await startServer();
  const readers = await run<StreamResult>(
    "sse-load.ts",
    { ...server.address, streams: STREAMS, events: EVENTS },
    async () => {
      await server.load({ connections: 4, bodies, perSecond: EVENTS_PER_SECOND });
    },
  );
  const { rssMb } = await server.figures();
  const { received, expected, p99 } = readers;
  return {
    what: `live feed, ${STREAMS.toLocaleString("en-US")} clients × ${EVENTS_PER_SECOND} statements/s`,
    value: `${received.toLocaleString("en-US")} of ${expected.toLocaleString("en-US")} received, p99 ${Math.round(p99)} ms after the first, ${Math.round(rssMb)} MB`,
    goal: "nothing lost",
  };
}

interface MeasuredServer extends AsyncDisposable {
  readonly address: Pick<LoadPlan, "host" | "port">;
  load(plan: Omit<LoadPlan, "host" | "port">): Promise<LoadResult>;
  figures(): Promise<ServerFigures>;
}

async function startServer(under: readonly string[] = []): Promise<MeasuredServer> {
  const dataDir = mkdtempSync(join(tmpdir(), "peerage-bench-"));
  const [program, ...rest] = [...under, process.execPath, join(import.meta.dirname, "registry-server.ts"), dataDir];
  const child: ChildProcess = spawn(program, rest, { stdio: ["pipe", "pipe", "inherit"] });
  const gone = new Promise((resolve) => child.once("exit", resolve));
  const lines = createInterface(child.stdout!)[Symbol.asyncIterator]();
  const line = async (): Promise<string> => ((await lines.next()) as { value: string }).value;
  const url = new URL(await line());
  const address = { host: url.hostname, port: Number(url.port) };
  return {
    address,
    load: (plan) => run<LoadResult>("http-load.ts", { ...plan, ...address }),
    figures: async () => {
      child.stdin!.write("\n");
      return JSON.parse(await line()) as ServerFigures;
    },
    [Symbol.asyncDispose]: async () => {
      child.stdin!.end();
      await gone;
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** Runs a load generator to its end. @param during starts when it says that it is ready */
async function run<R>(program: string, plan: LoadPlan | StreamPlan, during?: () => Promise<void>): Promise<R> {
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
