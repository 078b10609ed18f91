/** SDK 2.x on Hono, both eras of MCP: `node examples/hono/server.ts`. PORT chooses the port. */
import { serve } from "@hono/node-server";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { currentCaller, guardFetch } from "@peerage/mcp-middleware";
import { Hono } from "hono";
import { exampleGuard } from "../guard.ts";

function build(): McpServer {
  const server = new McpServer({ name: "hono-example", version: "1.0.0" });
  server.registerTool("whoami", { description: "Says who calls" }, () => ({
    content: [{ type: "text", text: currentCaller()?.did ?? "nobody" }],
  }));
  return server;
}

const guard = await exampleGuard();
const handle = guardFetch(createMcpHandler(build).fetch, guard);

const app = new Hono();
app.all("/mcp", (context) => handle(context.req.raw));
const port = Number(process.env["PORT"] ?? 3000);
serve({ fetch: app.fetch, hostname: "127.0.0.1", port }, (info) => {
  const url = `http://127.0.0.1:${info.port}/mcp`;
  guard.addAudience(url);
  console.log(url);
});
