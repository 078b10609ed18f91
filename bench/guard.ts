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
import { median, type Row, type Section } from "./report.ts";

const rounds = 9;
const calls = 150;
/** Servers run for long: what is measured is compiled code. */
const warmUp = 1_000;
const parallel = 16;
const openPolicy = { apiVersion: "peerage.dev/v1", kind: "Policy", open: true, allow: [{ tools: "*", agents: "*" }] };

/** One way to make a call, and how to put it away. */
interface Lane {
  call(): Promise<void>;
  close(): Promise<void>;
}

export async function benchGuard(): Promise<Section> {
  const rows = [...(await inProcess()), ...(await stdio()), ...(await http())];
  return { title: `Added latency of a call, ${rounds} rounds of ${calls}, p50`, rows };
}

async function inProcess(): Promise<Row[]> {
  const lanes = await Promise.all([memoryLane(), memoryLane({ receipts: false }), memoryLane({ receipts: true })]);
  const [direct = 0, proof = 0, receipts = 0] = await interleave(lanes);
  return [
    { what: "in process, SDK 1.x in memory: direct", value: ms(direct), ratio: "reference" },
    { what: "… signer and guard, proof only", value: ms(proof), ratio: `+${ms(proof - direct)}`, goal: "≤ +0.2 ms" },
    {
      what: "… signer and guard, with receipts",
      value: ms(receipts),
      ratio: `+${ms(receipts - direct)}`,
      goal: "≤ +0.2 ms",
    },
  ];
}

async function stdio(): Promise<Row[]> {
  const server = party();
  const lanes = await Promise.all([pipeLane(rawServer), pipeLane(bridged(party(), guarded(server, rawServer)))]);
  const [direct = 0, both = 0] = await interleave(lanes);
  return [
    { what: "stdio: direct", value: ms(direct), ratio: "reference" },
    {
      what: "… through bridge and guard, with receipts",
      value: ms(both),
      ratio: `+${ms(both - direct)}`,
      goal: "≤ +0.4 ms",
    },
  ];
}

/**
 * Before server-everything, unmodified, with a client of the official SDK on both ways: what a user has who puts bridge
 * and guard between the two.
 */
async function http(): Promise<Row[]> {
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
      sdkLane(new StreamableHTTPClientTransport(new URL(upstream.url))),
      sdkLane(new StdioClientTransport({ command, args, stderr: "inherit" })),
      sdkLane(new StreamableHTTPClientTransport(new URL(guard.url), { fetch })),
    ]);
    const [direct = 0, chain = 0, inClient = 0] = await interleave(lanes, false);
    const rates = await throughput(lanes);
    await Promise.all(lanes.map((lane) => lane.close()));
    const beside = (value: number): string => `+${ms(value - direct)}, × ${(value / direct).toFixed(2)}`;
    const share = (value: number | undefined): string =>
      `${(100 * ((value ?? 0) / (rates[0] ?? 1))).toFixed(0)} % of direct`;
    const perSecond = (value: number | undefined): string => `${(value ?? 0).toFixed(0)}/s`;
    return [
      { what: "HTTP, server-everything: direct", value: ms(direct), ratio: "reference" },
      { what: "… bridge and HTTP guard", value: ms(chain), ratio: beside(chain), goal: "≤ × 1.4" },
      { what: "… client that signs, and HTTP guard", value: ms(inClient), ratio: beside(inClient) },
      { what: `HTTP, ${parallel} parallel calls: direct`, value: perSecond(rates[0]), ratio: "reference" },
      { what: "… bridge and HTTP guard", value: perSecond(rates[1]), ratio: share(rates[1]), goal: "≥ 70 %" },
      { what: "… client that signs, and HTTP guard", value: perSecond(rates[2]), ratio: share(rates[2]) },
    ];
  } finally {
    guard.child.kill();
  }
}

/** Calls a second of each lane with so many at once: median of interleaved rounds. */
async function throughput(lanes: readonly Lane[]): Promise<number[]> {
  const rates = lanes.map((): number[] => []);
  for (let round = 0; round < 7; round++) {
    for (const [i, lane] of lanes.entries()) {
      let left = 320;
      const start = performance.now();
      await Promise.all(
        Array.from({ length: parallel }, async () => {
          while (left-- > 0) await lane.call();
        }),
      );
      // The first round warms everything up.
      if (round > 0) rates[i]!.push(320_000 / (performance.now() - start));
    }
  }
  return rates.map(median);
}

async function sdkLane(transport: unknown): Promise<Lane> {
  const client = new Client({ name: "bench", version: "1" });
  await client.connect(transport as never);
  return {
    call: async () => {
      const { content } = await client.callTool({ name: "echo", arguments: { message: "hi" } });
      if (!Array.isArray(content)) throw new Error("no answer");
    },
    close: () => client.close(),
  };
}

/** Runs the lanes in turn, round by round, so that what the machine does besides falls on all of them. */
async function interleave(lanes: readonly Lane[], closes = true): Promise<number[]> {
  const medians = lanes.map((): number[] => []);
  try {
    for (const lane of lanes) for (let i = 0; i < warmUp; i++) await lane.call();
    for (let round = 0; round < rounds; round++) {
      for (const [i, lane] of lanes.entries()) {
        const times: number[] = [];
        for (let n = 0; n < calls; n++) {
          const start = performance.now();
          await lane.call();
          times.push(performance.now() - start);
        }
        medians[i]!.push(median(times));
      }
    }
  } finally {
    if (closes) await Promise.all(lanes.map((lane) => lane.close()));
  }
  return medians.map(median);
}

async function memoryLane(guarding?: { receipts: boolean }): Promise<Lane> {
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
    call: async () => {
      await client.callTool({ name: "echo", arguments: {} });
    },
    close: () => client.close(),
  };
}

async function pipeLane([command, ...args]: Command): Promise<Lane> {
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

function ms(value: number): string {
  return `${value.toFixed(3)} ms`;
}
