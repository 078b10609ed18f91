/** SDK 1.x on Fastify, with sessions: `node examples/fastify/server.ts`. PORT chooses the port. */
import { randomUUID } from "node:crypto";
import type { AddressInfo } from "node:net";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { currentCaller, guardTransport } from "@peerage/mcp-middleware";
import Fastify from "fastify";
import { exampleGuard } from "../guard.ts";

function build(): McpServer {
  const server = new McpServer({ name: "fastify-example", version: "1.0.0" });
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

const app = Fastify({ bodyLimit: 4 * 1024 * 1024 });
app.route({
  method: ["GET", "POST", "DELETE"],
  url: "/mcp",
  handler: async (request, reply) => {
    const id = request.headers["mcp-session-id"];
    const transport = typeof id === "string" ? sessions.get(id) : await open();
    if (!transport) return reply.code(404).send();
    // From here on the transport answers, perhaps with a stream; Fastify must not.
    reply.hijack();
    return transport.handleRequest(request.raw, reply.raw, request.body);
  },
});
await app.listen({ port: Number(process.env["PORT"] ?? 3000), host: "127.0.0.1" });
const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}/mcp`;
guard.addAudience(url);
console.log(url);
