import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parsePolicy } from "@peerage/core";
import { expect, it } from "vitest";
import { createGuard } from "../../mcp-middleware/src/guard/create-guard.ts";
import { startHttpGuard } from "../../mcp-middleware/src/proxy/index.ts";
import { bridged, openPolicy, party, StdioPeer } from "../_mcp.ts";

const SILENCE_MS = 310_000;

it("a call that is silent for 310 s is answered through bridge and HTTP guard, as JSON and as an event stream", async () => {
  const upstream = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const message = JSON.parse(body === "" ? "{}" : body) as { id?: string; params?: { name?: string } };
      const text = JSON.stringify({ jsonrpc: "2.0", id: message.id, result: { protocolVersion: "2025-11-25" } });
      const stream = message.params?.name === "stream";
      const reply = (): void => {
        if (!stream) response.writeHead(200, { "content-type": "application/json" });
        response.end(stream ? `data: ${text}\n\n` : text);
      };
      if (stream) response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      if (message.id === undefined) response.writeHead(request.method === "POST" ? 202 : 405).end();
      else if (message.params?.name === undefined) reply();
      else setTimeout(reply, SILENCE_MS);
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  await using guard = await createGuard({
    identity: party().identity,
    policy: parsePolicy(JSON.stringify(openPolicy)),
  });
  await using proxy = await startHttpGuard({
    guard,
    upstream: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/mcp`,
  });
  await using peer = new StdioPeer(bridged(party(), [proxy.url]));
  await peer.initialize();
  const answers = await Promise.all([peer.call("json"), peer.call("stream")]);
  for (const answer of answers) expect(answer.result._meta["dev.peerage/receipt"]).toMatch(/^ey/);
  upstream.closeAllConnections();
  upstream.close();
});
