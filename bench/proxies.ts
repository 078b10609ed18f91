/**
 * What the guard and the bridge add to a call: interleaved rounds of direct and guarded calls, median of the rounds'
 * medians. Processes are real ones over pipes and loopback; the server behind them answers at once, so nothing hides.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { generateIdentity, parsePolicy, toHex, generateSeed, identityFromSeed } from "@peerage/core";
import { createCallSigner, createGuard, guardTransport, signFetch, signTransport } from "@peerage/mcp-middleware";
import { bridged, type Command, guarded, party, rawServer, startEverythingHttp } from "../test/_mcp.ts";
import type { Measurement } from "./lib/figures.ts";
import { at, measured, type Scale, wallMs } from "./lib/measure.ts";
import { median } from "./lib/stats.ts";

/** Servers run for long: what is measured is compiled code. */
const warmUp = 600;
const openPolicy = { apiVersion: "peerage.dev/v1", kind: "Policy", open: true, allow: [{ tools: "*", agents: "*" }] };

/** One way to make a call, and how to put it away. */
interface Lane {
  /** What it is called in the report: id and words. */
  readonly name: readonly [id: string, what: string, more?: Pick<Measurement, "goal">];
  call(): Promise<void>;
  close(): Promise<void>;
}

interface Plan {
  readonly rounds: number;
  readonly calls: number;
}

export async function benchProxies(scale: Scale): Promise<Measurement[]> {
  const plan = at(scale, { quick: { rounds: 2, calls: 20 }, normal: { rounds: 6, calls: 120 } });
  return [...(await inProcess(plan)), ...(await stdio(plan)), ...(await http(plan, scale))];
}

const addsAtMost = (ms: number): Pick<Measurement, "goal"> => ({ goal: { of: "added", atMost: ms } });

async function inProcess(plan: Plan): Promise<Measurement[]> {
  const lanes = await Promise.all([
    memoryLane(["memory-direct", "in process, SDK 1.x in memory: direct"]),
    memoryLane(["memory-proof", "… signer and guard, proof only", addsAtMost(0.2)], { receipts: false }),
    memoryLane(["memory-receipts", "… signer and guard, with receipts", addsAtMost(0.2)], { receipts: true }),
  ]);
  return closing(lanes, () => interleave(lanes, plan));
}

async function stdio(plan: Plan): Promise<Measurement[]> {
  const server = party();
  const lanes = await Promise.all([
    pipeLane(["stdio-direct", "stdio: direct"], rawServer),
    pipeLane(
      ["stdio-both", "… through bridge and guard, with receipts", addsAtMost(0.4)],
      bridged(party(), guarded(server, rawServer)),
    ),
  ]);
  return closing(lanes, () => interleave(lanes, plan));
}

/**
 * Before server-everything, unmodified, with a client of the official SDK on both ways: what a user has who puts bridge
 * and guard between the two.
 */
async function http(plan: Plan, scale: Scale): Promise<Measurement[]> {
  const seed = generateSeed();
  await using upstream = await startEverythingHttp();
  const script = new URL("fixtures/http-guard.ts", import.meta.url).pathname;
  const guard = await printedUrl(script, toHex(seed), upstream.url);
  const { did } = identityFromSeed(seed);
  const signer = createCallSigner({ signer: generateIdentity(), endpoint: { url: guard.url }, server: did });
  const fetch = signFetch(globalThis.fetch, signer, { endpoint: guard.url });
  const [command, ...args] = bridged(party(), [guard.url]);
  try {
    const lanes = await Promise.all([
      sdkLane(
        ["http-direct", "HTTP, server-everything: direct"],
        new StreamableHTTPClientTransport(new URL(upstream.url)),
      ),
      sdkLane(
        ["http-bridge", "… bridge and HTTP guard", { goal: { of: "ratio", atMost: 1.4 } }],
        new StdioClientTransport({ command, args, stderr: "inherit" }),
      ),
      sdkLane(
        ["http-signing-client", "… client that signs, and HTTP guard"],
        new StreamableHTTPClientTransport(new URL(guard.url), { fetch }),
      ),
    ]);
    return await closing(lanes, async () => [...(await interleave(lanes, plan)), ...(await throughputs(lanes, scale))]);
  } finally {
    guard.child.kill();
  }
}

async function closing<T>(lanes: readonly Lane[], measure: () => Promise<T>): Promise<T> {
  try {
    return await measure();
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()));
  }
}

/** Calls a second of each lane, by how many are on their way at once. */
async function throughputs(lanes: readonly Lane[], scale: Scale): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (const parallel of at(scale, { quick: [4], normal: [1, 4, 16, 64] })) {
    const rates = await throughput(
      lanes,
      parallel,
      at(scale, { quick: 40, normal: 240 }),
      at(scale, { quick: 1, normal: 4 }),
    );
    for (const [i, { name }] of lanes.entries()) {
      measurements.push({
        id: `proxies/${name[0]}-${parallel}-at-once`,
        what: `${name[1]}, ${parallel} at once`,
        unit: "/s",
        better: "more",
        rounds: rates[i]!,
        ...(i > 0 ? { beside: `proxies/${lanes[0]!.name[0]}-${parallel}-at-once` } : {}),
        ...(i === 1 && parallel === 16 ? { goal: { of: "ratio", atLeast: 0.7 } } : {}),
      });
    }
  }
  return measurements;
}

async function throughput(
  lanes: readonly Lane[],
  parallel: number,
  calls: number,
  rounds: number,
): Promise<number[][]> {
  const rates = lanes.map((): number[] => []);
  // The first round warms everything up.
  for (let round = -1; round < rounds; round++) {
    for (const [i, lane] of lanes.entries()) {
      let left = calls;
      const worker = async (): Promise<void> => {
        while (left-- > 0) await lane.call();
      };
      const ms = await wallMs(() => Promise.all(Array.from({ length: parallel }, worker)));
      if (round >= 0) rates[i]!.push((calls * 1_000) / ms);
    }
  }
  return rates;
}

/**
 * The median time of a call, round by round. The lanes take turns, so that what the machine does besides falls on all of
 * them; the first is the reference of the others.
 */
async function interleave(lanes: readonly Lane[], { rounds, calls }: Plan): Promise<Measurement[]> {
  const medians = lanes.map((): number[] => []);
  for (const lane of lanes) for (let i = 0; i < Math.min(warmUp, calls * 5); i++) await lane.call();
  for (let round = 0; round < rounds; round++) {
    for (const [i, lane] of lanes.entries()) {
      const times: number[] = [];
      for (let n = 0; n < calls; n++) times.push(await wallMs(() => lane.call()));
      medians[i]!.push(median(times));
    }
  }
  const reference = `proxies/${lanes[0]!.name[0]}`;
  return lanes.map(({ name: [id, what, more = {}] }, i) =>
    measured(`proxies/${id}`, what, "ms", medians[i]!, { ...(i > 0 ? { beside: reference } : {}), ...more }),
  );
}

async function sdkLane(name: Lane["name"], transport: unknown): Promise<Lane> {
  const client = new Client({ name: "bench", version: "1" });
  await client.connect(transport as never);
  return {
    name,
    call: async () => {
      const { content } = await client.callTool({ name: "echo", arguments: { message: "hi" } });
      if (!Array.isArray(content)) throw new Error("no answer");
    },
    close: () => client.close(),
  };
}

async function memoryLane(name: Lane["name"], guarding?: { receipts: boolean }): Promise<Lane> {
  const server = new McpServer({ name: "bench", version: "1" });
  server.registerTool("echo", { inputSchema: {} }, () => ({ content: [{ type: "text", text: "hi" }] }));
  const [clientSide, serverSide] = InMemoryTransport.createLinkedPair();
  const client = new Client({ name: "bench", version: "1" });
  if (guarding) {
    const identity = generateIdentity();
    const guard = await createGuard({ identity, policy: parsePolicy(JSON.stringify(openPolicy)), ...guarding });
    guardTransport(serverSide, guard);
    const endpoint = { command: "bench", args: [] };
    signTransport(clientSide, createCallSigner({ signer: generateIdentity(), endpoint, server: identity.did }));
  }
  await server.connect(serverSide);
  await client.connect(clientSide);
  return {
    name,
    call: async () => {
      await client.callTool({ name: "echo", arguments: {} });
    },
    close: () => client.close(),
  };
}

async function pipeLane(name: Lane["name"], [command, ...args]: Command): Promise<Lane> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exchange = async (message: object): Promise<void> => {
    child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
    const { value, done } = await lines.next();
    if (done || value.includes('"error"')) throw new Error(`a call was answered with ${value ?? "nothing"}`);
  };
  const clientInfo = { name: "bench", version: "1" };
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
  await exchange({ id: 0, method: "initialize", params });
  child.stdin.write('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
  let id = 0;
  return {
    name,
    call: () => exchange({ id: ++id, method: "tools/call", params: { name: "echo", arguments: { message: "hi" } } }),
    close: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve()).stdin.end();
      }),
  };
}

async function printedUrl(script: string, ...args: string[]): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  return { child, url: value as string };
}
