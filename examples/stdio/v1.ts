/** SDK 1.x over stdio: `peerage proxy -- node examples/stdio/v1.ts` is the command for a host. */
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { currentCaller, guardTransport } from "@peerage/mcp-middleware";
import { exampleGuard } from "../guard.ts";

const server = new McpServer({ name: "stdio-example", version: "1.0.0" });
server.registerTool("whoami", { description: "Says who calls" }, () => ({
  content: [{ type: "text", text: currentCaller()?.did ?? "nobody" }],
}));

const guard = await exampleGuard();
await server.connect(guardTransport(new StdioServerTransport(), guard));
