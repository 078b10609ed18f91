/**
 * The payment server: an MCP server over stdio that knows nothing of identities, policies or people. What it was asked to
 * do it does, and notes in the file LEDGER; everything else is the guard's business.
 */
import { appendFileSync } from "node:fs";
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

const ledger = process.env["LEDGER"] ?? "ledger.ndjson";

function build(): McpServer {
  const server = new McpServer({ name: "payments", version: "1.0.0" });
  const inputSchema = z.object({
    order: z.string(),
    amount_cents: z.number(),
    currency: z.string(),
    priority: z.string().optional(),
  });
  server.registerTool("payments.refund", { description: "Pays a refund", inputSchema }, (refund) => {
    appendFileSync(ledger, `${JSON.stringify(refund)}\n`);
    return {
      content: [{ type: "text", text: `refunded ${refund.amount_cents} ${refund.currency} for ${refund.order}` }],
    };
  });
  return server;
}

serveStdio(build, { transport: new StdioServerTransport() });
