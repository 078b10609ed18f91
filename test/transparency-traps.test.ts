import { spawn } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import {
  ClientCredentialsProvider as ProviderV2,
  StreamableHTTPClientTransport as HttpV2,
} from "@modelcontextprotocol/client";
import { ClientCredentialsProvider as ProviderV1 } from "@modelcontextprotocol/sdk/client/auth-extensions.js";
import { StreamableHTTPClientTransport as HttpV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { describe, expect, it } from "vitest";
import { type ClientName, makeClient, signing } from "./_battery.ts";
import { strictGuard } from "./_conformance.ts";
import { CALL_META, signed } from "./_guard.ts";
import { bridged, guarded, node, party, scratch, startEverythingHttp, StdioPeer } from "./_mcp.ts";

const alice = party();
const server = party();

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** A server of our own on a free loopback port. */
async function serving(handler: Handler): Promise<AsyncDisposable & { readonly origin: string }> {
  const listener = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => handler(request, response, body));
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  return {
    origin: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}

function json(response: ServerResponse, value: unknown, headers: Record<string, string> = {}, status = 200): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
}

describe("a server that demands OAuth", () => {
  it.for<ClientName>(["SDK 1", "SDK 2 legacy", "SDK 2 auto"])(
    "A-HTTP-06 sees no proof outside its endpoint, and %s's signed calls beside the token",
    async (name) => {
      const seen: { path: string; signed: boolean; authorized: boolean }[] = [];
      await using at = await serving((request, response, body) => {
        const path = request.url ?? "";
        const authorized = request.headers.authorization === "Bearer good";
        const isSigned = body.includes(CALL_META) || request.headers["peerage-call"] !== undefined;
        seen.push({ path, signed: isSigned, authorized });
        const origin = `http://${request.headers.host ?? ""}`;
        if (path.startsWith("/.well-known/oauth-protected-resource")) {
          json(response, { resource: `${origin}/mcp`, authorization_servers: [origin] });
        } else if (path.startsWith("/.well-known/")) {
          json(response, {
            issuer: origin,
            authorization_endpoint: `${origin}/authorize`,
            token_endpoint: `${origin}/token`,
            response_types_supported: ["code"],
            grant_types_supported: ["client_credentials"],
            token_endpoint_auth_methods_supported: ["client_secret_basic"],
          });
        } else if (path === "/token") {
          json(response, { access_token: "good", token_type: "Bearer", expires_in: 3600 });
        } else if (!authorized) {
          const challenge = `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`;
          json(response, { error: "invalid_token" }, { "www-authenticate": challenge }, 401);
        } else if (request.method !== "POST") {
          response.writeHead(405).end();
        } else {
          const { id, method } = JSON.parse(body) as { id?: number; method: string };
          const capabilities = { tools: {} };
          const hello = { protocolVersion: "2025-11-25", capabilities, serverInfo: { name: "o", version: "1" } };
          if (id === undefined) response.writeHead(202).end();
          else if (method === "initialize") json(response, { jsonrpc: "2.0", id, result: hello });
          else if (method === "tools/list") json(response, { jsonrpc: "2.0", id, result: { tools: [] } });
          else json(response, { jsonrpc: "2.0", id, error: { code: -32601, message: "Method not found" } }, {}, 404);
        }
      });
      const url = `${at.origin}/mcp`;
      const credentials = { clientId: "client", clientSecret: "secret", expectedIssuer: at.origin };
      const fetch = signing(alice, url);
      const transport =
        name === "SDK 1"
          ? new HttpV1(new URL(url), { fetch, authProvider: new ProviderV1(credentials) })
          : new HttpV2(new URL(url), { fetch, authProvider: new ProviderV2(credentials) });
      const client = makeClient(name);
      await client.connect(transport as never);
      expect((await client.listTools()).tools).toEqual([]);
      await client.close();
      const inside = seen.filter(({ path }) => path === "/mcp");
      const outside = seen.filter(({ path }) => path !== "/mcp");
      expect(outside.map(({ path }) => path)).toContain("/token");
      expect(outside.filter((one) => one.signed)).toEqual([]);
      expect(inside.every((one) => one.signed)).toBe(true);
      expect(inside.some((one) => one.authorized)).toBe(true);
    },
  );
});

describe.each([
  { ending: "LF", eol: "\n" },
  { ending: "CR", eol: "\r" },
  { ending: "CRLF", eol: "\r\n" },
])("an event stream with $ending, cut in two at every byte", ({ eol }) => {
  const line = '{ "jsonrpc":"2.0","id":7,"result":{"big":12345678901234567890,"u":"\u2028é😀"} }';
  const recorded = Buffer.from(
    [
      ": hi",
      "",
      "retry: 1",
      "id: a1",
      `data: {"jsonrpc":"2.0","method":"notifications/x"}`,
      "",
      `data: ${line}`,
      "",
      "",
    ].join(eol),
  );

  it("A-HIST-06 arrives through the HTTP guard as it was sent, but for the receipt", async () => {
    let cut = 0;
    await using at = await serving((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(recorded.subarray(0, cut));
      setImmediate(() => response.end(recorded.subarray(cut)));
    });
    await using guard = await strictGuard(`${at.origin}/mcp`);
    for (cut = 1; cut < recorded.length; cut++) {
      const call = await signed(alice.identity, guard.url, "tools/call", { name: "x", arguments: {} }, { id: 7 });
      const response = await fetch(guard.url, { method: "POST", body: JSON.stringify(call) });
      const text = await response.text();
      expect(text).toContain("dev.peerage/receipt");
      expect(text.replace(/,"_meta":\{"dev\.peerage\/receipt":"[^"]+"\}/, "")).toBe(recorded.toString());
    }
  });
});

describe("bridge and guard over stdio", () => {
  const speaker = [
    node,
    "-e",
    `process.stderr.write("a word to the operator\\n");
     process.stdin.on("data", () => undefined).on("end", () => process.exit(7));`,
  ] as const;

  it("let the server's stderr through and end with its exit code", async () => {
    await using peer = new StdioPeer(bridged(alice, guarded(server, speaker)));
    await expect.poll(() => peer.stderr, { timeout: 20_000 }).toContain("a word to the operator");
    peer.child.stdin?.end();
    expect(await peer.exited).toEqual({ code: 7, signal: null });
    expect(peer.lines).toEqual([]);
  });
});

describe("the MCP Inspector over HTTP", () => {
  const inspector = fileURLToPath(new URL("../node_modules/.bin/mcp-inspector", import.meta.url));

  it("is told why it is refused, and asked for no login: it exits with 1 and our message", async () => {
    await using upstream = await startEverythingHttp();
    await using guard = await strictGuard(upstream.url);
    using home = scratch();
    const call = ["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hi"];
    const child = spawn(node, [inspector, "--cli", guard.url, "--transport", "http", ...call], {
      env: { ...process.env, HOME: home.path },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const code = await new Promise((resolve) => child.once("close", resolve));
    expect(code).toBe(1);
    expect(said).toContain("ERR_PROOF_MISSING");
    expect(said).not.toContain("auth_required");
  });
});
