/** SDK 2.x over stdio, both eras of MCP: `peerage proxy -- node examples/stdio/v2.ts` is the command for a host. */
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { bindInstance, currentCaller, guardTransport } from "@peerage/mcp-middleware";
import { exampleGuard } from "../guard.ts";

function build(): McpServer {
  const server = new McpServer({ name: "stdio-example", version: "1.0.0" });
  server.registerTool("whoami", { description: "Says who calls" }, () => ({
    content: [{ type: "text", text: currentCaller()?.did ?? "nobody" }],
  }));
  return server;
}

const guard = await exampleGuard();
serveStdio(() => bindInstance(build()), { transport: guardTransport(new StdioServerTransport(), guard) });
