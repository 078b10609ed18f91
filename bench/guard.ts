/**
 * What the guard and the bridge add to a call: interleaved rounds of direct and guarded calls, median of the rounds'
 * medians. Processes are real ones over pipes and loopback; the server behind them answers at once, so nothing hides.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { Agent, request } from "node:http";
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { generateIdentity, parsePolicy, toHex, generateSeed, identityFromSeed } from "@peerage/core";
import { createCallSigner, createGuard, guardTransport, signTransport } from "@peerage/mcp-middleware";
import { bridged, type Command, guarded, party, rawServer } from "../test/_mcp.ts";
import { median, type Row, type Section } from "./report.ts";

const rounds = 9;
const calls = 150;
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
    { what: "… signer and guard, proof only", value: ms(proof), ratio: `+${ms(proof - direct)}`, goal: "≤ +0.3 ms" },
    {
      what: "… signer and guard, with receipts",
      value: ms(receipts),
      ratio: `+${ms(receipts - direct)}`,
      goal: "≤ +0.45 ms",
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
      goal: "≤ +0.6 ms",
    },
  ];
}

async function http(): Promise<Row[]> {
  const seed = generateSeed();
  const upstream = await printedUrl(new URL("fixtures/http-server.ts", import.meta.url).pathname);
  const guard = await printedUrl(
    new URL("fixtures/http-guard.ts", import.meta.url).pathname,
    toHex(seed),
    upstream.url,
  );
  try {
    const lanes = [httpLane(upstream.url), httpLane(guard.url, identityFromSeed(seed).did)];
    const [direct = 0, guarded = 0] = await interleave(lanes);
    return [
      { what: "HTTP: direct", value: ms(direct), ratio: "reference" },
      {
        what: "… signed, through the HTTP guard, with receipts",
        value: ms(guarded),
        ratio: `+${ms(guarded - direct)}, × ${(guarded / direct).toFixed(2)}`,
        goal: "≤ +1.2 ms",
      },
    ];
  } finally {
    guard.child.kill();
    upstream.child.kill();
  }
}

/** Runs the lanes in turn, round by round, so that what the machine does besides falls on all of them. */
async function interleave(lanes: readonly Lane[]): Promise<number[]> {
  const medians = lanes.map((): number[] => []);
  try {
    for (const lane of lanes) for (let i = 0; i < 100; i++) await lane.call();
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
    await Promise.all(lanes.map((lane) => lane.close()));
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

function httpLane(url: string, server?: `did:key:z6Mk${string}`): Lane {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const signer = server && createCallSigner({ signer: generateIdentity(), endpoint: { url }, server });
  let id = 0;
  return {
    call: async () => {
      const message = {
        jsonrpc: "2.0",
        id: ++id,
        method: "tools/call",
        params: { name: "echo", arguments: { message: "hi" } },
      };
      const answer = await post(url, JSON.stringify(signer ? await signer.sign(message) : message), agent);
      if (!answer.includes('"content"') || answer.includes('"isError"')) throw new Error(`answered with ${answer}`);
    },
    close: async () => agent.destroy(),
  };
}

function post(url: string, body: string, agent: Agent): Promise<string> {
  const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
  return new Promise((resolve, reject) => {
    request(url, { method: "POST", agent, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve(text));
    })
      .on("error", reject)
      .end(body);
  });
}

async function printedUrl(script: string, ...args: string[]): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  return { child, url: value as string };
}

function ms(value: number): string {
  return `${value.toFixed(3)} ms`;
}
