import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { generateIdentity, type Identity, type JsonObject, signCall } from "@peerage/core";
import { createGuard, currentCaller, type Guard, guardTransport } from "@peerage/mcp-middleware";
import { afterAll, describe, expect, it } from "vitest";
import { permissive, signed } from "./_guard.ts";
import { ENDPOINT, type Fetch, Journal, wirings } from "./_wirings.ts";

const MODERN = "2026-07-28";
const accept = { "content-type": "application/json", accept: "application/json, text/event-stream" };

interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly session: string | null;
  /** The JSON-RPC message, or the problem document; of an event stream the last message. */
  readonly body: JsonObject | undefined;
}

async function send(fetch: Fetch, method: string, headers: Record<string, string>, body?: unknown): Promise<Answer> {
  const text = body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) };
  const response = await fetch(ENDPOINT, { method, headers: { ...accept, ...headers }, ...text });
  const type = response.headers.get("content-type");
  const raw = type === "text/event-stream" && method === "GET" ? "" : await response.text();
  const data = raw.split("\n").findLast((line) => line.startsWith("data: {"));
  const json = data?.slice(6) ?? raw;
  return {
    status: response.status,
    type,
    session: response.headers.get("mcp-session-id"),
    body: json === "" ? undefined : (JSON.parse(json) as JsonObject),
  };
}

const hello = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } };
let lastId = 1_000;

async function open(fetch: Fetch, who: Identity): Promise<Record<string, string>> {
  const { session, status } = await send(fetch, "POST", {}, await signed(who, ENDPOINT, "initialize", hello));
  expect([status, typeof session]).toEqual([200, "string"]);
  return { "mcp-session-id": session!, "mcp-protocol-version": "2025-11-25" };
}

async function proofFor(who: Identity, method: string, params: JsonObject): Promise<Record<string, string>> {
  return { "peerage-call": await signCall(who, { audience: ENDPOINT, message: { method, params } }) };
}

function callOf(who: Identity, name: string, args: JsonObject = {}): Promise<JsonObject> {
  return signed(who, ENDPOINT, "tools/call", { name, arguments: args }, { id: ++lastId });
}

async function guardOf(): Promise<Guard> {
  return createGuard({ identity: generateIdentity(), policy: permissive(), audiences: [ENDPOINT] });
}

describe.each(wirings.filter((wiring) => wiring.name.includes("sessions")))("$name", ({ start }) => {
  async function scene(): Promise<{ fetch: Fetch; journal: Journal; alice: Identity; mallory: Identity }> {
    const journal = new Journal();
    const wired = await start(await guardOf(), journal);
    if (wired.kind !== "http") throw new Error("not over HTTP");
    return { fetch: wired.fetch, journal, alice: generateIdentity(), mallory: generateIdentity() };
  }

  it("A-SESS-01 A-SESS-02 A-SESS-03 keeps the four intruders out while the owner's call runs and completes", async () => {
    const { fetch, journal, alice, mallory } = await scene();
    const session = await open(fetch, alice);
    const slow = await callOf(alice, "slow");
    const running = send(fetch, "POST", session, slow);
    await expect.poll(() => journal.ran).toEqual(["slow"]);

    expect(await send(fetch, "POST", session, await callOf(mallory, "echo"))).toMatchObject({
      status: 200,
      body: { error: { code: -31401, data: { reason: "ERR_SESSION_BOUND" } } },
    });
    const cancel = { requestId: slow["id"]! };
    const unsigned = { jsonrpc: "2.0", method: "notifications/cancelled", params: cancel };
    expect(await send(fetch, "POST", session, unsigned)).toMatchObject({
      status: 400,
      body: { error: { data: { reason: "ERR_PROOF_MISSING" } } },
    });
    const foreign = await signed(mallory, ENDPOINT, "notifications/cancelled", cancel);
    expect(await send(fetch, "POST", session, foreign)).toMatchObject({ status: 400 });
    for (const method of ["GET", "DELETE"] as const) {
      const params = { session: session["mcp-session-id"]! };
      expect(await send(fetch, method, session)).toMatchObject({ status: 400, type: "application/problem+json" });
      const stolen = await proofFor(mallory, `http/${method.toLowerCase()}`, params);
      expect(await send(fetch, method, { ...session, ...stolen })).toMatchObject({
        status: 404,
        body: { code: "ERR_NOT_FOUND" },
      });
    }
    expect(journal.ran).toEqual(["slow"]);
    journal.release();
    expect(await running).toMatchObject({ status: 200, body: { result: { content: [{ text: "done" }] } } });

    const params = { session: session["mcp-session-id"]! };
    const stream = await send(fetch, "GET", { ...session, ...(await proofFor(alice, "http/get", params)) });
    expect(stream).toMatchObject({ status: 200, type: "text/event-stream" });
    const end = await send(fetch, "DELETE", { ...session, ...(await proofFor(alice, "http/delete", params)) });
    expect(end.status).toBe(200);
  });

  it("A-JSON-01 A-JSON-02 refuses batches and doubled names whole, before any of it runs", async () => {
    const { fetch, journal, alice } = await scene();
    const session = await open(fetch, alice);
    const unsigned = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "echo" } };
    for (const batch of [[await callOf(alice, "echo"), unsigned], [await callOf(alice, "echo")], []]) {
      expect(await send(fetch, "POST", session, batch)).toMatchObject({
        status: 400,
        body: { error: { code: -32600 } },
      });
    }
    const doubled = JSON.stringify(await callOf(alice, "echo")).replace('"name":"echo"', '"name":"slow","name":"echo"');
    expect(await send(fetch, "POST", session, doubled)).toMatchObject({
      status: 400,
      body: { error: { data: { reason: "ERR_JSON_DUPLICATE_KEY" } } },
    });
    expect(await send(fetch, "POST", session, "{")).toMatchObject({ status: 400, body: { error: { code: -32700 } } });
    const huge = JSON.stringify(await callOf(alice, "echo", { text: "x".repeat(4 * 1024 * 1024) }));
    expect(await send(fetch, "POST", session, huge)).toMatchObject({ status: 413 });
    expect(journal.ran).toEqual([]);
    expect(await send(fetch, "POST", session, await callOf(alice, "echo", { text: "hi" }))).toMatchObject({
      body: { result: { content: [{ text: "hi" }] } },
    });
  });

  it("frees what a transport refuses for reasons of its own, so that the id can be used again", async () => {
    const { fetch, alice } = await scene();
    const session = await open(fetch, alice);
    const wrongAccept = { ...session, accept: "text/plain" };
    const call = await callOf(alice, "echo");
    expect((await send(fetch, "POST", wrongAccept, call)).status).toBe(406);
    const again = { ...(await callOf(alice, "echo", { text: "x" })), id: call["id"]! };
    expect(await send(fetch, "POST", session, again)).toMatchObject({ body: { result: { content: [{ text: "x" }] } } });
  });

  it("cancels for the caller, and a cancelled call gives its id back", async () => {
    const { fetch, journal, alice } = await scene();
    const session = await open(fetch, alice);
    const slow = await callOf(alice, "slow");
    void send(fetch, "POST", session, slow).catch(() => undefined);
    await expect.poll(() => journal.ran).toEqual(["slow"]);
    const cancel = await signed(alice, ENDPOINT, "notifications/cancelled", { requestId: slow["id"]! });
    expect((await send(fetch, "POST", session, cancel)).status).toBe(202);
    await expect.poll(() => journal.ran).toEqual(["slow", "aborted"]);
    journal.release();
  });
});

describe("SDK 2 createMcpHandler behind guardFetch", () => {
  const meta = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": { name: "raw", version: "1" },
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const headers = (method: string, name?: string): Record<string, string> => ({
    "mcp-protocol-version": MODERN,
    "mcp-method": method,
    ...(name === undefined ? {} : { "mcp-name": name }),
  });

  async function scene(): Promise<{ fetch: Fetch; journal: Journal; alice: Identity }> {
    const journal = new Journal();
    const wired = await wirings.find(({ name }) => name.includes("createMcpHandler"))!.start(await guardOf(), journal);
    if (wired.kind !== "http") throw new Error("not over HTTP");
    return { fetch: wired.fetch, journal, alice: generateIdentity() };
  }

  it("A-HTTP-04 refuses an unsigned subscriptions/listen without a byte of a stream; the signed one opens it", async () => {
    const { fetch, alice } = await scene();
    const params = { notifications: { toolsListChanged: true } };
    const unsigned = { jsonrpc: "2.0", id: 1, method: "subscriptions/listen", params: { ...params, _meta: meta } };
    expect(await send(fetch, "POST", headers("subscriptions/listen"), unsigned)).toMatchObject({
      status: 200,
      type: "application/json",
      body: { error: { code: -31401 } },
    });
    const right = await signed(alice, ENDPOINT, "subscriptions/listen", params, { meta });
    const response = await fetch(ENDPOINT, {
      method: "POST",
      headers: { ...accept, ...headers("subscriptions/listen") },
      body: JSON.stringify(right),
    });
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const reader = response.body!.getReader();
    const { value } = await reader.read();
    expect(new TextDecoder().decode(value)).toContain("notifications/subscriptions/acknowledged");
    await reader.cancel();
  });

  it("A-HTTP-01 refuses headers that differ from the body: 400 and -32020; the right ones pass", async () => {
    const { fetch, journal, alice } = await scene();
    const call = (): Promise<JsonObject> =>
      signed(alice, ENDPOINT, "tools/call", { name: "echo", arguments: {} }, { meta });
    const wrong: Record<string, string>[] = [
      headers("tools/list", "echo"),
      headers("tools/call", "whoami"),
      headers("tools/call", `=?base64?${Buffer.from("whoami").toString("base64")}?=`),
      headers("tools/call", "=?base64?!?="),
      headers("tools/call"),
      { ...headers("tools/call", "echo"), "mcp-protocol-version": "2025-11-25" },
      {},
    ];
    for (const other of wrong) {
      expect(await send(fetch, "POST", other, await call())).toMatchObject({
        status: 400,
        body: { error: { code: -32020, data: { reason: "ERR_HEADER_MISMATCH" } } },
      });
    }
    expect(journal.ran).toEqual([]);
    const sentinel = `=?base64?${Buffer.from("echo").toString("base64")}?=`;
    for (const name of ["echo", sentinel]) {
      expect(await send(fetch, "POST", headers("tools/call", name), await call())).toMatchObject({
        status: 200,
        body: { result: {} },
      });
    }
  });

  it("leaves the server's own status as it is: a signed unknown method answers 404 and -32601", async () => {
    const { fetch, alice } = await scene();
    const message = await signed(alice, ENDPOINT, "demo/unknown", {}, { meta });
    expect(await send(fetch, "POST", headers("demo/unknown"), message)).toMatchObject({
      status: 404,
      body: { error: { code: -32601 } },
    });
  });
});

describe("SDK 1 over node:http", () => {
  const servers: Server[] = [];
  afterAll(() => servers.forEach((server) => server.close()));

  it("refuses at the socket what it refuses anywhere, and serves the signed call", async () => {
    const guard = await guardOf();
    const transport = guardTransport(
      new StreamableHTTPServerTransport({ sessionIdGenerator: () => crypto.randomUUID() }),
      guard,
    );
    const server = new McpServer({ name: "node", version: "1" });
    server.registerTool("whoami", {}, () => ({ content: [{ type: "text", text: currentCaller()?.did ?? "nobody" }] }));
    await server.connect(transport);
    const listener = createServer((request, response) => void transport.handleRequest(request, response));
    servers.push(listener);
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/mcp`;
    const overSocket: Fetch = (_, init) => fetch(url, init);

    const alice = generateIdentity();
    const session = await open(overSocket, alice);
    const unsigned = { jsonrpc: "2.0", id: 5, method: "tools/call", params: { name: "whoami" } };
    expect(await send(overSocket, "POST", session, unsigned)).toMatchObject({
      status: 200,
      body: { id: 5, error: { code: -31401 } },
    });
    expect(await send(overSocket, "GET", session)).toMatchObject({ status: 400, type: "application/problem+json" });
    expect(await send(overSocket, "POST", session, await callOf(alice, "whoami"))).toMatchObject({
      status: 200,
      body: { result: { content: [{ text: alice.did }] } },
    });
    await transport.close();
  });
});

describe("one guard on two wirings", () => {
  it("A-CALL-08 admits a proof on one of them only", async () => {
    const guard = await guardOf();
    const journal = new Journal();
    const modern = await wirings.find(({ name }) => name.includes("createMcpHandler"))!.start(guard, journal);
    const legacy = await wirings.find(({ name }) => name === "SDK 1 HTTP with sessions")!.start(guard, journal);
    if (modern.kind !== "http" || legacy.kind !== "http") throw new Error("not over HTTP");
    const alice = generateIdentity();
    const session = await open(legacy.fetch, alice);
    const call = await callOf(alice, "echo");
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        i % 2 ? send(modern.fetch, "POST", {}, call) : send(legacy.fetch, "POST", session, call),
      ),
    );
    expect(answers.filter(({ body }) => body?.["result"] !== undefined)).toHaveLength(1);
    expect(journal.ran).toEqual(["echo"]);
  });
});
