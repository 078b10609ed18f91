import { Agent, type IncomingMessage, request } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { CALL_META, type Identity, type JsonObject, parsePolicy, signCall } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { createGuard } from "../mcp-middleware/src/guard/create-guard.ts";
import { startHttpGuard } from "../mcp-middleware/src/proxy/index.ts";
import { openPolicy, party } from "./_mcp.ts";

/** Writes its answer byte by byte, as no HTTP library would let it. */
type Upstream = (socket: Socket, request: { readonly text: string; readonly id: unknown }) => void;

async function scene(upstream: Upstream) {
  const server = createServer((socket) => {
    let text = "";
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (end < 0 || text.length < end + 4 + length) return;
      const whole = text;
      text = "";
      const body = whole.slice(end + 4);
      upstream(socket, { text: whole, id: body === "" ? undefined : (JSON.parse(body) as JsonObject)["id"] });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const guard = await createGuard({ identity: party().identity, policy: parsePolicy(JSON.stringify(openPolicy)) });
  const proxy = await startHttpGuard({ guard, upstream: `http://127.0.0.1:${port}/mcp`, log: () => undefined });
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  return {
    url: proxy.url,
    send: (body: string, headers: Record<string, string | string[]> = {}) => post(proxy.url, agent, body, headers),
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await proxy.close();
      await guard[Symbol.asyncDispose]();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
}

function post(url: string, agent: Agent, body: string, headers: Record<string, string | string[]>): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: "POST", agent, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
      response.on("error", reject);
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

async function signed(url: string, method: string, params: JsonObject, id: number, who: Identity): Promise<string> {
  const token = await signCall(who, { audience: url, message: { method, params } });
  return JSON.stringify({ jsonrpc: "2.0", id, method, params: { ...params, _meta: { [CALL_META]: token } } });
}
const call = (url: string, id: number, who: Identity): Promise<string> =>
  signed(url, "tools/call", { name: "echo", arguments: {} }, id, who);

function answer(socket: Socket, result: JsonObject, id: unknown, type = "application/json", more = ""): void {
  const body = JSON.stringify({ jsonrpc: "2.0", id, result });
  socket.write(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\n${more}Content-Length: ${body.length}\r\n\r\n${body}`);
}

const alice = party().identity;

describe("the HTTP guard before a hostile server or client", () => {
  it("A-HTTP-07 survives a long answer that breaks off, by its server or by its reader", async () => {
    const megabyte = "a".repeat(1 << 20);
    let isLong = true;
    await using at = await scene((socket, { id }) => {
      if (!isLong) {
        answer(socket, { fine: true }, id);
        return;
      }
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
      for (let i = 0; i < 33; i++) socket.write(`100000\r\n${megabyte}\r\n`);
      socket.write("1\r\na\r\n", () => setTimeout(() => socket.destroy(), 20));
    });
    await expect(at.send(await call(at.url, 1, alice))).rejects.toThrow();
    const { port } = new URL(at.url);
    const body = await call(at.url, 2, alice);
    await new Promise<void>((resolve) => {
      const reader = connect(Number(port), "127.0.0.1", () => {
        reader.write(
          `POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
      });
      reader.once("data", () => reader.destroy());
      reader.once("close", () => resolve());
    });
    isLong = false;
    expect((await at.send(await call(at.url, 3, alice))).text).toContain('"fine":true');
  });

  it("A-HTTP-07 answers for a server whose status is none", async () => {
    let status = "099";
    await using at = await scene((socket, { id }) => {
      if (status === "200") answer(socket, { fine: true }, id);
      else socket.write(`HTTP/1.1 ${status} Odd\r\nContent-Length: 0\r\n\r\n`);
    });
    expect((await at.send(await call(at.url, 1, alice))).text).toContain("ERR_UPSTREAM_UNAVAILABLE");
    status = "200";
    expect((await at.send(await call(at.url, 2, alice))).text).toContain('"fine":true');
  });

  it("A-POL-07 passes no list on that came as another media type", async () => {
    let type = "text/plain";
    await using at = await scene((socket, { id }) => answer(socket, { tools: [{ name: "hidden" }] }, id, type));
    const list = (id: number): Promise<string> => signed(at.url, "tools/list", {}, id, alice);
    const refused = await at.send(await list(1));
    expect(refused.text).not.toContain("hidden");
    expect(refused.text).toContain("ERR_GUARD_FAULT");
    type = "application/json";
    expect((await at.send(await list(2))).text).toContain("hidden");
  });

  it("A-HTTP-02 takes every header name for what it is, both ways", async () => {
    let seen = "";
    await using at = await scene((socket, { text, id }) => {
      seen = text;
      answer(socket, {}, id, "application/json", "constructor: theirs\r\n__proto__: theirs\r\n");
    });
    const reply = await at.send(await call(at.url, 1, alice), { constructor: "ours" });
    expect(seen.match(/^constructor: .*$/gim)).toEqual(["constructor: ours"]);
    expect(reply.headers["constructor"]).toBe("theirs");
  });

  it("A-HTTP-02 refuses a Connection header that would hide from the server what was judged here", async () => {
    let reached = 0;
    await using at = await scene((socket, { id }) => {
      reached++;
      answer(socket, {}, id);
    });
    for (const name of ["mcp-session-id", "Mcp-Method", "last-event-id", "Origin", "peerage-call"]) {
      const reply = await at.send(await call(at.url, 1, alice), { connection: `keep-alive, ${name}` });
      expect([name, reply.status, reached]).toEqual([name, 400, 0]);
    }
    expect((await at.send(await call(at.url, 1, alice), { connection: "keep-alive, x-mine" })).status).toBe(200);
    expect(reached).toBe(1);
  });

  it("A-RATE-05 keeps no sessions that do not exist, so made-up ids lock nobody out", async () => {
    await using at = await scene((socket, { id, text }) => {
      const session = text.includes('"initialize"') ? `Mcp-Session-Id: ${crypto.randomUUID()}\r\n` : "";
      answer(socket, {}, id, "application/json", session);
    });
    const replies = await Promise.all(
      Array.from({ length: 1_100 }, async (_, i) =>
        at.send(await signed(at.url, "ping", {}, i, alice), { "mcp-session-id": crypto.randomUUID() }),
      ),
    );
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([404]));
    const opened = await at.send(await signed(at.url, "initialize", {}, 0, alice));
    const session = opened.headers["mcp-session-id"] as string;
    const used = await at.send(await call(at.url, 1, alice), { "mcp-session-id": session });
    expect([used.status, used.text]).toEqual([200, expect.not.stringMatching(/"error":|ERR_[A-Z_]+"/)]);
    const foreign = await at.send(await call(at.url, 2, party().identity), { "mcp-session-id": session });
    expect(foreign.text).toContain("ERR_SESSION_BOUND");
  });
});
