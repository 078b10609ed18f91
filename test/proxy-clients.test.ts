import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as StdioV2 } from "@modelcontextprotocol/client/stdio";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioV1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as HttpV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport as TransportV1 } from "@modelcontextprotocol/sdk/shared/transport.js";
import { parsePolicy } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { createGuard } from "../mcp-middleware/src/guard/create-guard.ts";
import { startHttpGuard } from "../mcp-middleware/src/proxy/index.ts";
import { createCallSigner, MemoryReceiptStore, signFetch, signTransport } from "../mcp-middleware/src/sign/index.ts";
import {
  type Answer,
  bridged,
  type Command,
  everythingStdio,
  guarded,
  modernStdio,
  node,
  openPolicy,
  party,
  scratch,
  startEverythingHttp,
  startModernHttp,
  StdioPeer,
} from "./_mcp.ts";
import { closedPort } from "./_ports.ts";

const server = party();
const alice = party();

const capabilities = { sampling: {}, roots: {}, elicitation: {} };
const clients = {
  "SDK 1.x": () => new ClientV1({ name: "test", version: "1" }, { capabilities }),
  "SDK 2.x legacy": () => new ClientV2({ name: "test", version: "1" }, { capabilities }),
  "SDK 2.x auto": () =>
    new ClientV2({ name: "test", version: "1" }, { capabilities, versionNegotiation: { mode: "auto" } }),
} as const;
type ClientName = keyof typeof clients;
const names = Object.keys(clients) as ClientName[];

interface AnyClient {
  connect(transport: unknown): Promise<void>;
  listTools(): Promise<{ tools: { name: string }[] }>;
  callTool(params: unknown, ...rest: unknown[]): Promise<Answer>;
  listPrompts(): Promise<Answer>;
  listResources(): Promise<Answer>;
  close(): Promise<void>;
}

const client = (name: ClientName): AnyClient => clients[name]();
const overStdio = (name: ClientName, [command, ...args]: Command): unknown =>
  name === "SDK 1.x"
    ? new StdioV1({ command, args, stderr: "ignore" })
    : new StdioV2({ command, args, stderr: "ignore" });
const overHttp = (name: ClientName, url: string, fetch?: Answer): unknown =>
  name === "SDK 1.x"
    ? new HttpV1(new URL(url), fetch ? { fetch } : {})
    : new HttpV2(new URL(url), fetch ? { fetch } : {});

/** What a client sees of a server, without what differs from run to run. */
async function survey(name: ClientName, transport: unknown): Promise<Answer> {
  const mcp = client(name);
  await mcp.connect(transport);
  const { tools } = await mcp.listTools();
  const echo = await mcp.callTool({ name: "echo", arguments: { message: "é 😀 \u2028" } });
  const has = tools.some((tool) => tool.name === "get-sum");
  const seen = {
    tools,
    echo: echo.content,
    ...(has ? { prompts: (await mcp.listPrompts()).prompts, resources: (await mcp.listResources()).resources } : {}),
  };
  await mcp.close();
  return seen;
}

async function guardOver(upstream: string) {
  const guard = await createGuard({ identity: server.identity, policy: parsePolicy(JSON.stringify(openPolicy)) });
  const proxy = await startHttpGuard({ guard, upstream });
  return {
    url: proxy.url,
    async [Symbol.asyncDispose]() {
      await proxy.close();
      await guard[Symbol.asyncDispose]();
    },
  };
}

describe("real clients over stdio", () => {
  for (const name of names) {
    it(`${name} sees server-everything through bridge and guard as it does directly`, async () => {
      const direct = await survey(name, overStdio(name, everythingStdio));
      const through = await survey(name, overStdio(name, bridged(alice, guarded(server, everythingStdio))));
      expect(through).toEqual(direct);
      expect(direct.tools.length).toBeGreaterThan(8);
    });

    it(`${name} sees a server of SDK 2.x through bridge and guard as it does directly`, async () => {
      const direct = await survey(name, overStdio(name, modernStdio));
      const through = await survey(name, overStdio(name, bridged(alice, guarded(server, modernStdio))));
      expect(through).toEqual(direct);
    });

    it(`${name} signs by itself with signTransport, and its receipts are kept`, async () => {
      const [command, ...args] = guarded(server, everythingStdio);
      const receipts = new MemoryReceiptStore();
      const signer = createCallSigner({
        signer: alice.identity,
        endpoint: { command, args },
        receipts,
        history: "chain",
      });
      const transport = overStdio(name, [command, ...args]) as TransportV1;
      const mcp = client(name);
      await mcp.connect(signTransport(transport, signer));
      for (const message of ["one", "two"]) await mcp.callTool({ name: "echo", arguments: { message } });
      await mcp.close();
      expect(receipts.receipts.filter(({ tool }) => tool === "echo")).toHaveLength(2);
    });
  }
});

describe("real clients over HTTP", () => {
  it("see the same of server-everything through bridge and HTTP guard as directly", async () => {
    await using upstream = await startEverythingHttp();
    await using guard = await guardOver(upstream.url);
    for (const name of names) {
      const direct = await survey(name, overHttp(name, upstream.url));
      expect(await survey(name, overStdio(name, bridged(alice, [guard.url])))).toEqual(direct);
    }
  });

  it("see the same of a server of SDK 2.x through bridge and HTTP guard as directly", async () => {
    await using upstream = await startModernHttp();
    await using guard = await guardOver(upstream.url);
    for (const name of names) {
      const direct = await survey(name, overHttp(name, upstream.url));
      expect(await survey(name, overStdio(name, bridged(alice, [guard.url])))).toEqual(direct);
    }
  });

  it("sign by themselves with signFetch, and a modern client that cancels aborts the call upstream", async () => {
    await using everything = await startEverythingHttp();
    await using modern = await startModernHttp();
    for (const upstream of [everything, modern]) {
      await using guard = await guardOver(upstream.url);
      for (const name of names) {
        const receipts = new MemoryReceiptStore();
        const signer = createCallSigner({ signer: alice.identity, endpoint: { url: guard.url }, receipts });
        const fetch = signFetch(globalThis.fetch, signer, { endpoint: guard.url });
        const direct = await survey(name, overHttp(name, upstream.url));
        expect(await survey(name, overHttp(name, guard.url, fetch))).toEqual(direct);
        expect(receipts.receipts.some(({ tool }) => tool === "echo")).toBe(true);
      }
    }
    await using guard = await guardOver(modern.url);
    const mcp = client("SDK 2.x auto");
    await mcp.connect(overStdio("SDK 2.x auto", bridged(alice, [guard.url])));
    const abort = new AbortController();
    const waiting = mcp.callTool({ name: "wait", arguments: { ms: 60_000 } }, { signal: abort.signal });
    const heard = async (text: string): Promise<void> => {
      while (!modern.stderr().includes(text)) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await heard("wait started");
    abort.abort();
    await expect(waiting).rejects.toThrow();
    await heard("wait aborted");
    await mcp.close();
  });

  it("reach an unguarded server and a dead one: the id is answered either way", async () => {
    await using upstream = await startEverythingHttp();
    await using peer = new StdioPeer(bridged(alice, [upstream.url]));
    await peer.initialize();
    expect((await peer.call("echo", { message: "hi" })).result.content[0].text).toBe("Echo: hi");
    await using dead = new StdioPeer(bridged(alice, ["http://127.0.0.1:9/mcp"]));
    expect((await dead.initialize()).error).toMatchObject({ code: -31502 });
    dead.child.stdin?.end();
    expect(await dead.exited).toEqual({ code: 0, signal: null });
  });

  it("ends its session on SIGTERM, and exits as a signalled process does", async () => {
    await using upstream = await startEverythingHttp();
    await using guard = await guardOver(upstream.url);
    await using peer = new StdioPeer(bridged(alice, [guard.url]));
    await peer.initialize();
    await peer.call("echo", { message: "hi" });
    peer.child.kill("SIGTERM");
    expect((await peer.exited).code).toBe(143);
  });

  it("opens a new session when the server has forgotten the old one", async () => {
    const port = String(await closedPort());
    await using upstream = await startEverythingHttp(port);
    await using peer = new StdioPeer(bridged(alice, [upstream.url]));
    await peer.initialize();
    await peer.call("echo", { message: "one" });
    await upstream[Symbol.asyncDispose]();
    await using _second = await startEverythingHttp(port);
    const again = await peer.call("echo", { message: "two" });
    expect(again.result?.content[0].text ?? again).toBe("Echo: two");
  });
});

describe("the MCP Inspector", () => {
  const inspector = fileURLToPath(new URL("../node_modules/.bin/mcp-inspector", import.meta.url));

  function inspect(
    target: readonly string[],
    args: readonly string[],
  ): Promise<{ code: number | null; out: string; err: string }> {
    return new Promise((resolve) => {
      const home = scratch();
      const command = [inspector, "--cli", "-q", ...target, ...args, "--format", "json"];
      const child = spawn(node, command, {
        env: { ...process.env, HOME: home.path },
        stdio: ["ignore", "pipe", "pipe"],
      });
      let out = "";
      let err = "";
      child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
      child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
      child.once("close", (code) => {
        home[Symbol.dispose]();
        resolve({ code, out, err });
      });
    });
  }

  it("lists and calls through bridge and guard as it does directly, and is refused unsigned with our message", async () => {
    const through = bridged(alice, guarded(server, everythingStdio));
    const echo = ["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hi"];
    for (const args of [["--method", "tools/list"], echo]) {
      const direct = await inspect(everythingStdio, args);
      const signed = await inspect(through, args);
      expect(direct.code).toBe(0);
      expect(strip(JSON.parse(signed.out))).toEqual(strip(JSON.parse(direct.out)));
    }
    const unsigned = await inspect(guarded(server, everythingStdio), echo);
    expect(unsigned.code).toBe(1);
    expect(unsigned.out + unsigned.err).toContain("ERR_PROOF_MISSING");
    expect(unsigned.out + unsigned.err).toContain("peerage proxy --");
  });

  /** The output without our receipt, which the Inspector shows like any other `_meta`. */
  function strip(output: Answer): Answer {
    const isOurs = (value: unknown): boolean =>
      typeof value === "object" && value !== null && Object.keys(value).every((key) => key.startsWith("dev.peerage/"));
    return JSON.parse(
      JSON.stringify(output, (key, value: unknown) => (key === "_meta" && isOurs(value) ? undefined : value)),
    );
  }
});
