/** SDK 1.x on Express, with sessions: `node examples/express/server.ts`. PORT chooses the port. */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createMcpExpressApp } from "@modelcontextprotocol/sdk/server/express.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { currentCaller, guardTransport } from "@peerage/mcp-middleware";
import { exampleGuard } from "../guard.ts";

function build(): McpServer {
  const server = new McpServer({ name: "express-example", version: "1.0.0" });
  server.registerTool("whoami", { description: "Says who calls" }, () => ({
    content: [{ type: "text", text: currentCaller()?.did ?? "nobody" }],
  }));
  return server;
}

const guard = await exampleGuard();
const sessions = new Map<string, StreamableHTTPServerTransport>();

async function open(): Promise<StreamableHTTPServerTransport> {
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: (id) => void sessions.delete(id),
  });
  await build().connect(guardTransport(transport, guard));
  return transport;
}

const app = createMcpExpressApp();
app.all("/mcp", async (request: IncomingMessage & { body?: unknown }, response: ServerResponse) => {
  const id = request.headers["mcp-session-id"];
  const transport = typeof id === "string" ? sessions.get(id) : await open();
  if (transport) await transport.handleRequest(request, response, request.body);
  else response.writeHead(404).end();
});
const server: Server = app.listen(Number(process.env["PORT"] ?? 3000), "127.0.0.1", () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
  guard.addAudience(url);
  console.log(url);
});
