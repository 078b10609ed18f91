/**
 * The fraud-check agent: an agent that others call over MCP, with a guard of its own inside. It reads the run that its
 * caller presents, which the guard has verified, signs what it found as the next step, and hands the run back.
 */
import { HISTORY_META, parsePolicy } from "@peerage/core";
import { AgentRun, AuditLog, bindInstance, createGuard, currentCaller, guardTransport } from "@peerage/mcp-middleware";
import { McpServer } from "@modelcontextprotocol/server";
import { serveStdio, StdioServerTransport } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";
import { agentKey } from "./key.ts";

const identity = agentKey(process.env["AGENT_KEY"] ?? "fraud-agent.key");
/** Orders that were reported as stolen. */
const reported: ReadonlySet<string> = new Set(["6660"]);

function build(): McpServer {
  const server = new McpServer({ name: "fraud-check", version: "1.0.0" });
  const inputSchema = z.object({ order: z.string(), amount_cents: z.number() });
  server.registerTool("check_refund", { description: "Checks a refund for fraud", inputSchema }, async (refund) => {
    const run = AgentRun.resume(identity, currentCaller()?.history ?? []);
    const result = reported.has(refund.order) ? "failed" : "passed";
    const risk = result === "failed" ? 97 : 12;
    await run.append({
      step: "fraud_check",
      result,
      sub: { risk, order: refund.order, amount_cents: refund.amount_cents },
    });
    return { content: [{ type: "text", text: `${result}, risk ${risk}` }], _meta: { [HISTORY_META]: [...run.tokens] } };
  });
  return server;
}

const audit = new AuditLog({ path: process.env["AGENT_AUDIT"] ?? "fraud-agent.db", identity });
const guard = await createGuard({
  identity,
  audit,
  policy: parsePolicy(`
apiVersion: peerage.dev/v1
kind: Policy
allow:
  - { tools: check_refund, agents: "*", require: [{ step: request_received, by: $caller, at: start, result: accepted }] }
`),
});
serveStdio(() => bindInstance(build()), { transport: guardTransport(new StdioServerTransport(), guard) });
