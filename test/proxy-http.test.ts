import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { CALL_META, type Identity, type JsonObject, type JsonValue, parsePolicy, signCall } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { createGuard } from "../mcp-middleware/src/guard/create-guard.ts";
import { type HttpGuardOptions, startHttpGuard } from "../mcp-middleware/src/proxy/index.ts";
import { type Answer, openPolicy, party } from "./_mcp.ts";

const alice = party().identity;
const mallory = party().identity;

interface Seen {
  readonly method: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** A guard in front of a server of our own that records all that reaches it. */
async function scene(handler: Handler = echo, options: Partial<HttpGuardOptions> = {}) {
  const seen: Seen[] = [];
  const upstream = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      seen.push({ method: incoming.method ?? "", headers: incoming.headers, body });
      handler(incoming, response, body);
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const { port } = upstream.address() as AddressInfo;
  const guard = await createGuard({ identity: party().identity, policy: parsePolicy(JSON.stringify(openPolicy)) });
  const logged: string[] = [];
  const proxy = await startHttpGuard({
    guard,
    upstream: `http://127.0.0.1:${port}/mcp`,
    log: (line) => logged.push(line),
    ...options,
  });
  return {
    url: proxy.url,
    seen,
    logged,
    async [Symbol.asyncDispose]() {
      await proxy.close();
      await guard[Symbol.asyncDispose]();
      upstream.closeAllConnections();
      await new Promise((resolve) => upstream.close(resolve));
    },
  };
}

function echo(_request: IncomingMessage, response: ServerResponse, body: string): void {
  if (body === "") {
    response.writeHead(405).end();
    return;
  }
  const message = JSON.parse(body) as { id?: JsonValue; method?: string; params?: JsonValue };
  if (message.id === undefined || message.method === undefined) {
    response.writeHead(202).end();
    return;
  }
  const session = message.method === "initialize" ? { "mcp-session-id": crypto.randomUUID() } : {};
  response.writeHead(200, { "content-type": "application/json", ...session });
  response.end(JSON.stringify({ jsonrpc: "2.0", id: message.id, result: { echoed: message.params ?? null } }));
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly text: string;
  readonly json: Answer;
}

function send(
  url: string,
  method: string,
  headers: Record<string, string | string[]> = {},
  body?: string | Buffer,
  path?: string,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      { method, headers, ...(path === undefined ? {} : { path }), agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          let json: Answer;
          try {
            json = JSON.parse(text);
          } catch {
            json = undefined;
          }
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
        });
        response.on("error", reject);
      },
    );
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

async function signed(url: string, method: string, params: JsonObject = {}, id?: JsonValue, who: Identity = alice) {
  const token = await signCall(who, { audience: url, message: { method, params } });
  return JSON.stringify({
    jsonrpc: "2.0",
    ...(id === undefined ? {} : { id }),
    method,
    params: { ...params, _meta: { [CALL_META]: token } },
  });
}

const call = (url: string, args: JsonObject = {}, id: JsonValue = 1, who: Identity = alice) =>
  signed(url, "tools/call", { name: "echo", arguments: args }, id, who);

function proof(url: string, method: string, params: JsonObject, who: Identity = alice): Promise<string> {
  return signCall(who, { audience: url, message: { method, params } });
}

async function openSession(url: string, who: Identity = alice): Promise<string> {
  const reply = await send(url, "POST", {}, await signed(url, "initialize", {}, 0, who));
  return reply.headers["mcp-session-id"] as string;
}

describe("the HTTP guard", () => {
  it("admits a signed call with a receipt, refuses it unsigned with HTTP 200, and forwards no proof", async () => {
    await using at = await scene();
    const unsigned = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "echo" } });
    const refused = await send(at.url, "POST", {}, unsigned);
    expect(refused).toMatchObject({
      status: 200,
      json: { id: 1, error: { code: -31401, data: { reason: "ERR_PROOF_MISSING" } } },
    });
    expect(at.seen).toEqual([]);
    const admitted = await send(at.url, "POST", {}, await call(at.url, { a: 1 }));
    expect(admitted.json.result.echoed).toEqual({ name: "echo", arguments: { a: 1 } });
    expect(admitted.json.result._meta["dev.peerage/receipt"]).toMatch(/^ey/);
    expect(at.seen[0]?.body).not.toContain("peerage");
  });

  it("A-HTTP-01 refuses Mcp-* headers that are not what the body says", async () => {
    await using at = await scene();
    const meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };
    const modern = async (headers: Record<string, string>) => {
      const message = { method: "tools/call", params: { name: "écho", arguments: {} } };
      const token = await signCall(alice, { audience: at.url, message });
      const params = { ...message.params, _meta: { ...meta, [CALL_META]: token } };
      return send(at.url, "POST", headers, JSON.stringify({ jsonrpc: "2.0", id: 1, ...message, params }));
    };
    const right = {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": `=?base64?${Buffer.from("écho").toString("base64")}?=`,
    };
    for (const wrong of [{ "mcp-method": "ping" }, { "mcp-name": "echo" }, { "mcp-protocol-version": "2025-11-25" }]) {
      const reply = await modern({ ...right, ...wrong });
      expect(reply).toMatchObject({
        status: 400,
        json: { error: { code: -32020, data: { reason: "ERR_HEADER_MISMATCH" } } },
      });
    }
    expect(at.seen).toEqual([]);
    expect((await modern(right)).json.result.echoed.name).toBe("écho");
  });

  it("A-HTTP-02 refuses duplicated headers, encoded bodies and ambiguous lengths, and forwards none of them", async () => {
    await using at = await scene();
    const token = await proof(at.url, "http/get", {});
    for (const twice of ["Peerage-Call", "Mcp-Session-Id", "Mcp-Name", "Last-Event-ID"]) {
      const reply = await send(at.url, "POST", { [twice]: [token, token] }, await call(at.url));
      expect(reply.status).toBe(400);
    }
    const zipped = await send(at.url, "POST", { "content-encoding": "gzip" }, gzipSync(await call(at.url)));
    expect(zipped.status).toBe(415);
    const { hostname, port } = new URL(at.url);
    const raw = (lengths: string) =>
      new Promise<string>((resolve) => {
        const socket = connect(Number(port), hostname, () => {
          socket.end(`POST /mcp HTTP/1.1\r\nHost: ${hostname}\r\n${lengths}\r\n\r\n{}`);
        });
        let text = "";
        socket.on("data", (chunk) => (text += chunk.toString()));
        socket.on("close", () => resolve(text));
      });
    expect(await raw("Content-Length: 2\r\nContent-Length: 3")).toMatch(/^HTTP\/1\.1 400/);
    expect(await raw("Content-Length: 2\r\nTransfer-Encoding: chunked")).toMatch(/^HTTP\/1\.1 400/);
    expect(at.seen).toEqual([]);
  });

  it("A-HTTP-03 deletes inbound identity headers of ours; names the verified caller only where asked to", async () => {
    for (const injectIdentity of [false, true]) {
      await using at = await scene(echo, { injectIdentity });
      await send(at.url, "POST", { "peerage-caller": mallory.did, authorization: "Bearer x" }, await call(at.url));
      expect(at.seen[0]?.headers["peerage-caller"]).toBe(injectIdentity ? alice.did : undefined);
      expect(at.seen[0]?.headers["peerage-call"]).toBeUndefined();
      expect(at.seen[0]?.headers.authorization).toBe("Bearer x");
    }
  });

  it("A-HTTP-04 refuses unsigned subscriptions, a bad proof on discovery and other paths, without a stream byte", async () => {
    await using at = await scene();
    const listen = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "subscriptions/listen", params: {} });
    expect((await send(at.url, "POST", {}, listen)).json.error.code).toBe(-31401);
    const discover = { jsonrpc: "2.0", id: 1, method: "server/discover", params: { _meta: { [CALL_META]: "x.y.z" } } };
    expect((await send(at.url, "POST", {}, JSON.stringify(discover))).json.error.data.reason).toBe(
      "ERR_PROOF_MALFORMED",
    );
    for (const path of ["/", "/mcp/", "/other", "/mcp?x=1", "/x/../mcp", "//mcp"]) {
      expect((await send(at.url, "GET", {}, undefined, path)).status).toBe(404);
    }
    expect(at.seen).toEqual([]);
  });

  it("A-HTTP-05 refuses foreign host names, absolute-form targets and upstream redirects", async () => {
    await using other = await scene();
    await using at = await scene((_request, response) => response.writeHead(307, { location: other.url }).end());
    expect((await send(at.url, "POST", { host: "evil.example" }, await call(at.url))).status).toBe(403);
    expect((await send(at.url, "POST", {}, await call(at.url), "http://evil.example/mcp")).status).toBe(404);
    expect(at.seen).toEqual([]);
    const redirected = await send(at.url, "POST", {}, await call(at.url));
    expect(redirected).toMatchObject({ status: 200, json: { id: 1, error: { code: -31502 } } });
    expect(redirected.headers.location).toBeUndefined();
    expect(other.seen).toEqual([]);
  });

  it("A-HTTP-07 aborts the upstream request when the client goes away, and serves others meanwhile", async () => {
    let aborted: () => void = () => undefined;
    const gone = new Promise<void>((resolve) => (aborted = resolve));
    await using at = await scene((incoming, response, body) => {
      if (!body.includes("hang")) {
        echo(incoming, response, body);
        return;
      }
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      response.on("close", aborted);
    });
    const hanging = request(at.url, { method: "POST" });
    hanging.on("error", () => undefined);
    hanging.end(await call(at.url, { hang: true }));
    await new Promise((resolve) => hanging.once("response", resolve));
    expect((await send(at.url, "POST", {}, await call(at.url, {}, 2))).status).toBe(200);
    hanging.destroy();
    await gone;
  });

  it("A-HTTP-07 answers the id when the server is gone, breaks off or ends its stream early", async () => {
    await using at = await scene((incoming, response, body) => {
      if (body.includes("reset")) {
        incoming.socket.destroy();
      } else if (body.includes("early")) {
        response.writeHead(200, { "content-type": "text/event-stream" });
        response.end('data: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n');
      } else {
        response.writeHead(200, { "content-type": "application/json", "content-length": "500" });
        response.write("{");
        setImmediate(() => incoming.socket.destroy());
      }
    });
    expect((await send(at.url, "POST", {}, await call(at.url, { how: "reset" }))).json.error.code).toBe(-31502);
    expect((await send(at.url, "POST", {}, await call(at.url, { how: "half" }))).json.error.code).toBe(-31502);
    const early = await send(at.url, "POST", {}, await call(at.url, { how: "early" }));
    expect(early.text).toContain('data: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n');
    expect(JSON.parse(/data: (.*"error".*)\n/.exec(early.text)?.[1] ?? "")).toMatchObject({
      id: 1,
      error: { code: -31502 },
    });
  });

  it("A-JSON-01 refuses batches with 400, and A-JSON-07 bodies over 4 MiB with 413", async () => {
    await using at = await scene();
    const one = await call(at.url);
    for (const batch of [`[${one}]`, `[${one},{"jsonrpc":"2.0","id":2,"method":"ping"}]`, "[]"]) {
      const reply = await send(at.url, "POST", {}, batch);
      expect(reply).toMatchObject({ status: 400, json: { error: { data: { reason: "ERR_MESSAGE_BATCH" } } } });
    }
    const large = await send(at.url, "POST", {}, `"${"x".repeat(4 * 1024 * 1024)}"`).catch(() => undefined);
    if (large)
      expect(large).toMatchObject({ status: 413, json: { error: { data: { reason: "ERR_MESSAGE_TOO_LARGE" } } } });
    expect(at.seen).toEqual([]);
    expect((await send(at.url, "POST", {}, one)).status).toBe(200);
  });

  it("limits failed proofs on one connection", async () => {
    await using at = await scene(echo, { failedProofsPerMinute: 2 });
    const unsigned = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/list" });
    const { hostname, port } = new URL(at.url);
    const raw = `POST /mcp HTTP/1.1\r\nHost: ${hostname}\r\nContent-Length: ${unsigned.length}\r\n\r\n${unsigned}`;
    const statuses = await new Promise<string[]>((resolve) => {
      const socket = connect(Number(port), hostname, () => socket.write(raw));
      const found: string[] = [];
      socket.on("data", (chunk) => {
        const status = /^HTTP\/1\.1 (\d+)/.exec(chunk.toString())?.[1];
        if (status === undefined) return;
        found.push(status);
        if (found.length < 3) socket.write(raw);
        else socket.end();
      });
      socket.on("close", () => resolve(found));
    });
    expect(statuses).toEqual(["200", "200", "429"]);
    expect((await send(at.url, "POST", {}, await call(at.url))).status).toBe(200);
  });

  it("takes no address beyond loopback without a proxy in front", async () => {
    await expect(scene(echo, { listen: { host: "0.0.0.0" } })).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
  });
});

describe("sessions of the HTTP guard", () => {
  const inSession = (session: string) => ({ "mcp-session-id": session });

  it("A-SESS-02 drops an unsigned or foreign cancellation of a running call; its owner gets the result", async () => {
    let finish: () => void = () => undefined;
    await using at = await scene((incoming, response, body) => {
      if (body.includes("slow")) finish = () => echo(incoming, response, body);
      else echo(incoming, response, body);
    });
    const session = await openSession(at.url);
    const slow = send(at.url, "POST", inSession(session), await call(at.url, { slow: true }, 5));
    await expect.poll(() => at.seen.length).toBe(2);
    const cancel = { requestId: 5 };
    const unsigned = JSON.stringify({ jsonrpc: "2.0", method: "notifications/cancelled", params: cancel });
    expect((await send(at.url, "POST", inSession(session), unsigned)).status).toBe(400);
    const foreign = await signed(at.url, "notifications/cancelled", cancel, undefined, mallory);
    expect((await send(at.url, "POST", inSession(session), foreign)).status).toBe(400);
    expect(at.seen.filter(({ body }) => body.includes("cancelled"))).toEqual([]);
    finish();
    expect((await slow).json.result.echoed.arguments).toEqual({ slow: true });
    const own = await signed(at.url, "notifications/cancelled", cancel);
    expect((await send(at.url, "POST", inSession(session), own)).status).toBe(202);
  });

  it("A-SESS-03 opens and deletes a session's stream for its owner only", async () => {
    await using at = await scene((incoming, response, body) => {
      if (incoming.method === "GET")
        response.writeHead(200, { "content-type": "text/event-stream" }).end("data: {}\n\n");
      else if (incoming.method === "DELETE") response.writeHead(200).end();
      else echo(incoming, response, body);
    });
    const session = await openSession(at.url);
    const headers = async (method: "http/get" | "http/delete", params: JsonObject, who: Identity) => ({
      ...inSession(session),
      "peerage-call": await proof(at.url, method, params, who),
    });
    for (const [method, name] of [
      ["GET", "http/get"],
      ["DELETE", "http/delete"],
    ] as const) {
      expect((await send(at.url, method, inSession(session))).status).toBe(400);
      const foreign = await send(at.url, method, await headers(name, { session }, mallory));
      expect(foreign).toMatchObject({ status: 404, json: { code: "ERR_NOT_FOUND" } });
    }
    // A proof for another place in the stream, or for another session.
    const moved = { ...(await headers("http/get", { session }, alice)), "last-event-id": "7" };
    expect((await send(at.url, "GET", moved)).status).toBe(400);
    expect((await send(at.url, "GET", await headers("http/get", { session: "x" }, alice))).status).toBe(400);
    expect(at.seen.map(({ method }) => method)).toEqual(["POST"]);

    expect((await send(at.url, "GET", await headers("http/get", { session }, alice))).text).toBe("data: {}\n\n");
    expect((await send(at.url, "DELETE", await headers("http/delete", { session }, alice))).status).toBe(200);
    expect((await send(at.url, "POST", inSession(session), await call(at.url))).status).toBe(404);
  });

  it("knows no session that it did not open", async () => {
    await using at = await scene();
    const reply = await send(at.url, "POST", inSession("guessed"), await call(at.url));
    expect(reply).toMatchObject({ status: 404, json: { id: 1 } });
    expect(at.seen).toEqual([]);
  });
});

describe("answers through the HTTP guard", () => {
  const answer = (body: string, id: string) => body.replaceAll("@id", id);
  const receipt = /,"_meta":\{"dev\.peerage\/receipt":"[^"]+"\}/;

  it("A-HIST-06 are the server's bytes but for the receipt, as JSON and as events of any line ending", async () => {
    const json = '{ "jsonrpc":"2.0", "id":1,\n "result":{"big":12345678901234567890, "x":1.0, "u":"\\u00e9 é"} }\n';
    const line = '{ "jsonrpc":"2.0", "id":1, "result":{"big":12345678901234567890, "x":1.0, "u":"\\u00e9 é"} }';
    const bodies = [
      ["application/json", json],
      ["text/event-stream", `: hi\r\n\r\nid: 1\r\nevent: message\r\ndata: ${line}\r\n\r\n`],
      ["text/event-stream", `retry: 5\rid: 1\rdata: {"jsonrpc":"2.0","method":"notifications/x"}\r\rdata: ${line}\r\r`],
      ["text/event-stream", `data: ${json.trim().replace("\n", "\ndata: ")}\n\n`],
    ] as const;
    for (const encoding of ["identity", "gzip"]) {
      for (const [type, body] of bodies) {
        await using at = await scene((_request, response) => {
          response.writeHead(200, {
            "content-type": type,
            ...(encoding === "gzip" ? { "content-encoding": "gzip" } : {}),
          });
          response.end(encoding === "gzip" ? gzipSync(body) : body);
        });
        const reply = await send(at.url, "POST", {}, await call(at.url));
        expect(reply.text).toMatch(receipt);
        expect(reply.text.replace(receipt, "")).toBe(answer(body, "1"));
      }
    }
  });

  it("stream: each event leaves as it comes, silence is filled with comments, and a resumed stream has the same receipt", async () => {
    const line = '{"jsonrpc":"2.0","id":1,"result":{"n":1}}';
    let more: () => void = () => undefined;
    await using at = await scene(
      (incoming, response, body) => {
        if (incoming.method === "GET") {
          response.writeHead(200, { "content-type": "text/event-stream" }).end(`id: 2\ndata: ${line}\n\n`);
        } else if (body.includes("tools/call")) {
          response.writeHead(200, { "content-type": "text/event-stream" });
          response.write('id: 1\ndata: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n');
          more = () => response.end(`id: 2\ndata: ${line}\n\n`);
        } else {
          echo(incoming, response, body);
        }
      },
      { keepAliveMs: 20 },
    );
    const session = await openSession(at.url);
    const headers = { "mcp-session-id": session };
    const outgoing = request(at.url, { method: "POST", headers });
    outgoing.end(await call(at.url));
    const response = await new Promise<IncomingMessage>((resolve) => outgoing.once("response", resolve));
    let text = "";
    await new Promise<void>((resolve) => {
      response.on("data", (chunk: Buffer) => {
        text += chunk.toString();
        if (text.includes("progress") && text.includes(":\n\n")) resolve();
      });
    });
    more();
    await new Promise((resolve) => response.once("end", resolve));
    expect(text.replaceAll(":\n\n", "").replace(receipt, "")).toBe(
      `id: 1\ndata: {"jsonrpc":"2.0","method":"notifications/progress"}\n\nid: 2\ndata: ${line}\n\n`,
    );
    const resumed = await send(at.url, "GET", {
      ...headers,
      "last-event-id": "1",
      "peerage-call": await proof(at.url, "http/get", { session, lastEventId: "1" }),
    });
    expect(receipt.exec(resumed.text)?.[0]).toBe(receipt.exec(text)?.[0]);
  });

  it("pass whole where they cannot be read, except a list, which becomes an error", async () => {
    const twice = '{"jsonrpc":"2.0","id":1,"result":{"tools":[]},"result":{"tools":[{"name":"hidden"}]}}';
    await using at = await scene((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" }).end(twice);
    });
    expect((await send(at.url, "POST", {}, await call(at.url))).text).toBe(twice);
    const list = await send(at.url, "POST", {}, await signed(at.url, "tools/list", {}, 1));
    expect(list.json.error).toMatchObject({ code: -31500 });
    expect(list.text).not.toContain("hidden");
  });
});
