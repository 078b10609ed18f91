/** SDK 1.x on `node:http` alone, without sessions: `node examples/node/server.ts`. PORT chooses the port. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { currentCaller, guardTransport } from "@peerage/mcp-middleware";
import { exampleGuard } from "../guard.ts";

function build(): McpServer {
  const server = new McpServer({ name: "node-example", version: "1.0.0" });
  server.registerTool("whoami", { description: "Says who calls" }, () => ({
    content: [{ type: "text", text: currentCaller()?.did ?? "nobody" }],
  }));
  return server;
}

const guard = await exampleGuard();

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url !== "/mcp") {
    response.writeHead(404).end();
    return;
  }
  // A server and a transport for each request; the guard, with its memory of used proofs, is one.
  const transport = guardTransport(new StreamableHTTPServerTransport({}), guard);
  response.on("close", () => void transport.close());
  await build().connect(transport);
  await transport.handleRequest(request, response);
}

const listener = createServer((request, response) => {
  answer(request, response).catch(() => response.destroy());
});
listener.listen(Number(process.env["PORT"] ?? 3000), "127.0.0.1", () => {
  const url = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/mcp`;
  guard.addAudience(url);
  console.log(url);
});
