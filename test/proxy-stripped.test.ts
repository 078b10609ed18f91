import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { CALL_META, type JsonObject, parsePolicy } from "@peerage/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGuard, type Guard } from "@peerage/mcp-middleware";
import { type HttpGuard, startHttpGuard, startStdioHost, type StdioHost } from "../mcp-middleware/src/proxy/index.ts";
import { Home } from "./_cli.ts";
import { bridged, openPolicy, party, rawServer, StdioPeer } from "./_mcp.ts";

/** A gateway of the careless kind: it passes JSON-RPC on, and of `_meta` nothing. */
function carelessGateway(target: () => string): ReturnType<typeof createServer> {
  return createServer((incoming, response) => {
    let text = "";
    incoming.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
    incoming.on("end", () => {
      let body = text;
      if (text !== "") {
        const message = JSON.parse(text) as JsonObject & { params?: JsonObject };
        const { _meta: _, ...params } = message.params ?? {};
        body = JSON.stringify({ ...message, ...(message.params ? { params } : {}) });
      }
      const headers = { ...incoming.headers, "content-length": String(Buffer.byteLength(body)) };
      const outgoing = request(target(), { method: incoming.method, headers, agent: false }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      outgoing.on("error", () => response.destroy());
      outgoing.end(body);
    });
  });
}

describe("a hop that strips _meta", () => {
  let host: StdioHost;
  let guard: Guard;
  let proxy: HttpGuard;
  let gateway: ReturnType<typeof createServer>;
  let outside: string;
  let home: Home;
  const logged: string[] = [];

  beforeAll(async () => {
    const [command, ...args] = rawServer;
    host = startStdioHost({ command, args });
    let inside = "";
    gateway = carelessGateway(() => inside);
    await new Promise<void>((resolve) => gateway.listen(0, "127.0.0.1", resolve));
    outside = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}/mcp`;
    guard = await createGuard({
      identity: party().identity,
      policy: parsePolicy(JSON.stringify(openPolicy)),
      // The bridge's own stream is opened, and opened again, when it likes.
      onDecision: ({ method }, verdict) => {
        if (method === "tools/call") logged.push(verdict.admitted ? "admitted" : verdict.reason);
      },
    });
    const upstream = "http://127.0.0.1/mcp";
    proxy = await startHttpGuard({ guard, upstream, publicUrl: outside, connect: host.connect, injectIdentity: true });
    guard.addAudience(proxy.url);
    inside = proxy.url;
    home = await Home.make();
    await home.ok(["init", "me", "--no-input"]);
  });
  afterAll(async () => {
    await proxy.close();
    await host[Symbol.asyncDispose]();
    await guard[Symbol.asyncDispose]();
    gateway.closeAllConnections();
    await new Promise((resolve) => gateway.close(resolve));
    await home[Symbol.asyncDispose]();
  });

  it("A-CALL-16 is got round by the bridge with the header Peerage-Call, and never by sending unsigned", async () => {
    await using peer = new StdioPeer(bridged(party(), [outside]));
    await peer.initialize();
    logged.length = 0;
    const answer = await peer.call("received", { a: 1 });
    expect(JSON.parse(answer.result.content[0].text)).toEqual({ name: "received", arguments: { a: 1 } });
    expect(answer.result._meta["dev.peerage/receipt"]).toMatch(/^ey/);
    expect(logged).toContain("ERR_PROOF_MISSING");
    logged.length = 0;
    expect((await peer.call("echo", { b: 2 })).result.isError).toBeUndefined();
    expect(logged).toEqual(["admitted"]);
    expect(peer.stderr).toContain("strips _meta");
    expect(peer.lines.join("\n")).not.toContain(CALL_META + '":"ey');
  });

  it("A-CALL-16 is found by peerage doctor, between the URLs on its two sides", async () => {
    const ran = await home.run(["doctor", "--via", outside, "--via", proxy.url, "--json"]);
    const { data } = JSON.parse(ran.stdout) as { data: { checks: { name: string; state: string; text: string }[] } };
    const hops = data.checks.filter(({ name }) => name === "hop");
    expect(hops.map(({ state }) => state)).toEqual(["problem", "ok"]);
    expect(hops[0]?.text).toContain(`between it and ${proxy.url}`);
    expect(ran.code).toBe(1);
    const fine = await home.run(["doctor", "--via", proxy.url, "--plain"]);
    expect(fine.stdout).toContain("arrive with their proof");
  });
});
