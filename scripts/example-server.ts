/** The example MCP server of `npm start`: two tools, no idea of identities. The guard stands in front of it. */
import { serve } from "@hono/node-server";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";

function build(): McpServer {
  const server = new McpServer({ name: "peerage-example", version: "1.0.0" });
  server.registerTool(
    "echo",
    { description: "Says a message again", inputSchema: z.object({ message: z.string() }) },
    ({ message }) => ({ content: [{ type: "text", text: `Echo: ${message}` }] }),
  );
  server.registerTool(
    "add",
    { description: "Adds two numbers", inputSchema: z.object({ a: z.number(), b: z.number() }) },
    ({ a, b }) => ({ content: [{ type: "text", text: String(a + b) }] }),
  );
  return server;
}

/** Starts the server on a free port of 127.0.0.1. @returns its MCP endpoint */
export function startExampleServer(): Promise<string> {
  const handler = createMcpHandler(build);
  return new Promise((resolve) => {
    serve({ fetch: (request) => handler.fetch(request), hostname: "127.0.0.1", port: 0 }, ({ port }) => {
      resolve(`http://127.0.0.1:${port}/mcp`);
    });
  });
}
