import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { type JsonObject, parseCallProof, parsePolicy } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { createGuard } from "../mcp-middleware/src/guard/create-guard.ts";
import { runBridge, startHttpGuard } from "../mcp-middleware/src/proxy/index.ts";
import { createCallSigner } from "../mcp-middleware/src/sign/index.ts";
import { type Answer, openPolicy, party } from "./_mcp.ts";

const alice = party().identity;

interface Seen {
  readonly method: string;
  readonly headers: IncomingMessage["headers"];
  readonly message: Answer;
}
type Handler = (seen: Seen, response: ServerResponse, all: readonly Seen[]) => void;

/** A bridge, in this process, to a server of our own. */
async function scene(handler: Handler, headers: Record<string, string> = {}) {
  const seen: Seen[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      const one = {
        method: incoming.method ?? "",
        headers: incoming.headers,
        message: body === "" ? undefined : JSON.parse(body),
      };
      seen.push(one);
      handler(one, response, seen);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  const input = new PassThrough();
  const output = new PassThrough();
  const lines: string[] = [];
  const logged: string[] = [];
  let wake: () => void = () => undefined;
  output.on("data", (chunk: Buffer) => {
    lines.push(...chunk.toString().split("\n").filter(Boolean));
    wake();
  });
  const signer = createCallSigner({ signer: alice, endpoint: { url } });
  const log = (line: string): void => void logged.push(line);
  const ended = runBridge({ signer, url, headers, input, output, log, signals: false });
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds())
      await Promise.race([new Promise<void>((resolve) => (wake = resolve)), new Promise((r) => setTimeout(r, 10))]);
  };
  return {
    url,
    seen,
    lines,
    logged,
    until,
    send: (message: JsonObject) => void input.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`),
    async answer(id: number): Promise<Answer> {
      const find = (): string | undefined => lines.find((line) => JSON.parse(line).id === id);
      await until(() => find() !== undefined);
      return JSON.parse(find() ?? "");
    },
    async close() {
      input.end();
      return await ended;
    },
    async [Symbol.asyncDispose]() {
      input.end();
      await ended;
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function json(response: ServerResponse, id: unknown, result: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify({ jsonrpc: "2.0", id, result }));
}

/** Answers the handshake; what it does not know is for the test. */
function handshake({ method, message }: Seen, response: ServerResponse): boolean {
  if (message?.method === "initialize") {
    json(response, message.id, { protocolVersion: "2025-11-25", capabilities: {} }, { "mcp-session-id": "s1" });
  } else if (message?.method === "notifications/initialized" || (message && message.method === undefined)) {
    response.writeHead(202).end();
  } else if (method === "GET" || method === "DELETE") {
    response.writeHead(405).end();
  } else {
    return false;
  }
  return true;
}

const call = (id: number): JsonObject => ({ id, method: "tools/call", params: { name: "x", arguments: {} } });

describe("the bridge to Streamable HTTP", () => {
  it("keeps the handshake in order, then carries session, version and its own headers; DELETE ends the session", async () => {
    await using at = await scene(
      (seen, response) => {
        if (seen.message?.method === "initialize") setTimeout(() => handshake(seen, response), 30);
        else if (seen.method === "DELETE") response.writeHead(204).end();
        else if (!handshake(seen, response)) json(response, seen.message.id, {});
      },
      { authorization: "Bearer t" },
    );
    at.send({ id: 0, method: "initialize", params: {} });
    at.send({ method: "notifications/initialized" });
    at.send(call(1));
    await at.answer(1);
    // Its own stream is asked for beside the call.
    await at.until(() => at.seen.some(({ method }) => method === "GET"));
    expect(await at.close()).toEqual({ code: 0, signal: null });
    const posts = at.seen.filter(({ method }) => method === "POST");
    expect(posts.map(({ message }) => message.method)).toEqual([
      "initialize",
      "notifications/initialized",
      "tools/call",
    ]);
    expect(posts[0]?.headers["mcp-session-id"]).toBeUndefined();
    expect(posts[2]?.headers).toMatchObject({ "mcp-session-id": "s1", "mcp-protocol-version": "2025-11-25" });
    const last = at.seen.at(-1);
    expect(last?.method).toBe("DELETE");
    expect(last?.headers.authorization).toBe("Bearer t");
    expect(parseCallProof(last?.headers["peerage-call"])).toMatchObject({ method: "http/delete", audience: at.url });
    expect(at.seen.filter(({ method }) => method === "GET")).toHaveLength(1);
  });

  it("resumes an answer that broke off, from the last event, and asks for it with a proof of its own", async () => {
    await using at = await scene((seen, response) => {
      if (seen.method === "GET" && seen.headers["last-event-id"] !== undefined) {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.end('id: 3\ndata: {"jsonrpc":"2.0","id":1,\ndata: "result":{"ok":true}}\n\n');
      } else if (!handshake(seen, response)) {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.end('retry: 1\nid: 2\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n');
      }
    });
    at.send({ id: 0, method: "initialize", params: {} });
    at.send(call(1));
    expect((await at.answer(1)).result).toEqual({ ok: true });
    expect(at.lines.map((line) => JSON.parse(line).method ?? JSON.parse(line).id)).toEqual([
      0,
      "notifications/progress",
      1,
    ]);
    const resumed = at.seen.find(({ headers }) => headers["last-event-id"] !== undefined);
    expect(resumed?.headers["last-event-id"]).toBe("2");
    expect(parseCallProof(resumed?.headers["peerage-call"]).method).toBe("http/get");
  });

  it("turns an HTTP error, an early end and a body that is no JSON into an error for that id", async () => {
    await using at = await scene((seen, response) => {
      if (handshake(seen, response)) return;
      if (seen.message.id === 1) response.writeHead(503).end("busy");
      else if (seen.message.id === 2) response.writeHead(200, { "content-type": "text/event-stream" }).end(": bye\n\n");
      else if (seen.message.id === 3) response.writeHead(200, { "content-type": "application/json" }).end("<html>");
      else if (seen.message.id === 4) response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
      else
        response.writeHead(400).end(JSON.stringify({ jsonrpc: "2.0", id: 5, error: { code: -32020, message: "m" } }));
    });
    at.send({ id: 0, method: "initialize", params: {} });
    for (const id of [1, 2, 3, 4]) {
      at.send(call(id));
      expect((await at.answer(id)).error).toMatchObject({ code: -31502, data: { reason: "ERR_UPSTREAM_UNAVAILABLE" } });
    }
    at.send(call(5));
    expect((await at.answer(5)).error).toEqual({ code: -32020, message: "m" });
  });

  it("writes an answer of several lines as one frame", async () => {
    await using at = await scene((seen, response) => {
      if (handshake(seen, response)) return;
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ jsonrpc: "2.0", id: 1, result: { a: "x\ny" } }, null, 2));
    });
    at.send({ id: 0, method: "initialize", params: {} });
    at.send(call(1));
    expect((await at.answer(1)).result).toEqual({ a: "x\ny" });
    expect(at.lines).toHaveLength(2);
  });

  it("hands on what the server asks on its own stream, and posts the host's answer with a proof in the header", async () => {
    await using at = await scene((seen, response) => {
      if (seen.method === "GET" && seen.headers["last-event-id"] === undefined) {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.write('id: 1\ndata: {"jsonrpc":"2.0","id":"q","method":"roots/list"}\n\n');
      } else {
        handshake(seen, response);
      }
    });
    at.send({ id: 0, method: "initialize", params: {} });
    at.send({ method: "notifications/initialized" });
    await at.until(() => at.lines.some((line) => line.includes("roots/list")));
    at.send({ id: "q", result: { roots: [] } });
    await at.until(() => at.seen.some(({ message }) => message?.id === "q"));
    const answer = at.seen.find(({ message }) => message?.id === "q");
    expect(answer?.message).toEqual({ jsonrpc: "2.0", id: "q", result: { roots: [] } });
    expect(parseCallProof(answer?.headers["peerage-call"]).method).toBe("http/response");
  });

  it("A-CALL-15 signs for the URL that was dialled, so a server that hands calls on to another gains nothing", async () => {
    await using guard = await createGuard({
      identity: party().identity,
      policy: parsePolicy(JSON.stringify(openPolicy)),
    });
    let reached = 0;
    const target = createServer((incoming, response) => {
      reached++;
      incoming.resume();
      json(response, 1, {});
    });
    await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
    const upstream = `http://127.0.0.1:${(target.address() as AddressInfo).port}/mcp`;
    await using honest = await startHttpGuard({ guard, upstream });
    await using at = await scene(({ message }, response) => {
      if (message.method === "initialize") {
        const extensions = { "dev.peerage/call": { v: 1, aud: [guard.did, honest.url] } };
        json(response, message.id, { protocolVersion: "2025-11-25", capabilities: { extensions } });
        return;
      }
      const relayed = request(honest.url, { method: "POST", agent: false }, (answer) => {
        response.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(response);
      });
      relayed.end(JSON.stringify(message));
    });
    at.send({ id: 0, method: "initialize", params: {} });
    at.send(call(1));
    expect((await at.answer(1)).error).toMatchObject({ code: -31401, data: { reason: "ERR_PROOF_AUDIENCE" } });
    expect(reached).toBe(0);
    target.closeAllConnections();
    target.close();
  });

  it("A-HTTP-06 writes a name with CR, LF and foreign characters as base64 into the header", async () => {
    await using at = await scene((seen, response) => json(response, seen.message.id, {}));
    const name = "a\r\nPeerage-Caller: evil é";
    const _meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
    at.send({ id: 1, method: "tools/call", params: { name, arguments: {}, _meta } });
    await at.answer(1);
    expect(at.seen[0]?.headers["mcp-name"]).toBe(`=?base64?${Buffer.from(name).toString("base64")}?=`);
    expect(at.seen[0]?.headers["peerage-caller"]).toBeUndefined();
  });

  it("opens one new session for all calls that find the old one gone, and signs each again", async () => {
    let gone = false;
    let opened = 0;
    await using at = await scene((seen, response) => {
      if (seen.message?.method === "initialize") {
        opened++;
        json(response, seen.message.id, { protocolVersion: "2025-11-25" }, { "mcp-session-id": `s${opened}` });
      } else if (handshake(seen, response)) {
        return;
      } else if (gone && seen.headers["mcp-session-id"] === "s1") {
        response.writeHead(404).end();
      } else {
        json(response, seen.message.id, { session: seen.headers["mcp-session-id"] });
      }
    });
    at.send({ id: 0, method: "initialize", params: {} });
    at.send(call(1));
    expect((await at.answer(1)).result.session).toBe("s1");
    gone = true;
    for (const id of [2, 3, 4]) at.send(call(id));
    for (const id of [2, 3, 4]) expect((await at.answer(id)).result.session).toBe("s2");
    expect(opened).toBe(2);
    expect(at.lines.filter((line) => JSON.parse(line).id === 0)).toHaveLength(1);
    const tokens = at.seen.flatMap(({ message }) =>
      message?.id === 2 ? [message.params._meta["dev.peerage/call"]] : [],
    );
    expect(new Set(tokens).size).toBe(2);
  });

  it("A-HTTP-07 outlives what a hostile server sends, and answers for it", async () => {
    const deep = `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`;
    await using at = await scene((seen, response) => {
      if (seen.message?.method !== "tools/list") {
        json(response, seen.message.id, { fine: true });
        return;
      }
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(`retry: 99999999999999\ndata: {"id":1,"result":{"tools":[{"name":"x","inputSchema":${deep}}]}}\n\n`);
    });
    const _meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
    at.send({ id: 1, method: "tools/list", params: { _meta } });
    expect((await at.answer(1)).error.data.reason).toBe("ERR_UPSTREAM_UNAVAILABLE");
    at.send(call(2));
    expect((await at.answer(2)).result).toEqual({ fine: true });
  });

  it("A-CLI-07 names a tool that it drops without the controls in its name", async () => {
    await using at = await scene((seen, response) => {
      const inputSchema = { properties: { a: { type: "object", "x-mcp-header": "A" } } };
      const names = ["\u009b31mred", "\u001b]0;title\u0007", "\u202eevil", "n".repeat(9_999)];
      json(response, seen.message.id, { tools: [{ name: "fine" }, ...names.map((name) => ({ name, inputSchema }))] });
    });
    const _meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
    at.send({ id: 1, method: "tools/list", params: { _meta } });
    expect((await at.answer(1)).result.tools).toEqual([{ name: "fine" }]);
    expect(at.logged).toHaveLength(4);
    for (const line of at.logged) expect(line).toMatch(/^[\x20-\x7e]{1,200}$/);
  });
});
