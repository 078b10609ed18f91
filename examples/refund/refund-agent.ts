/**
 * The refund agent: a process with a key of its own. It takes orders line by line, as JSON, and answers line by line. For
 * each ticket it begins a run; the run goes with it to the fraud-check agent and to the payment server, and takes in what
 * they sign.
 */
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { type Did, isJsonObject, member } from "@peerage/core";
import { AgentRun, createCallSigner, REFUSAL_META, signTransport } from "@peerage/mcp-middleware";
import { agentKey } from "./key.ts";

/** A server that this agent calls: the command that starts it, and who it is. */
interface Server {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly did: Did;
}

type Order =
  | { readonly do: "begin"; readonly ticket: string }
  | { readonly do: "check" | "refund"; readonly args: Record<string, unknown> }
  | { readonly do: "save"; readonly path: string };

const identity = agentKey(process.env["AGENT_KEY"] ?? "refund-agent.key");
const { fraud, payments } = JSON.parse(process.env["AGENT_SERVERS"] ?? "{}") as { fraud: Server; payments: Server };

/** One client each, for all runs: the run that is worked on is what its signer presents. */
async function connect(server: Server, run: AgentRun): Promise<Client> {
  const { command, args, env, did } = server;
  const endpoint = { command, args };
  const signer = createCallSigner({
    signer: identity,
    endpoint,
    server: did,
    history: run,
    onReport: ({ code, message }) => void process.stderr.write(`refund agent: ${code}: ${message}\n`),
  });
  const transport = new StdioClientTransport({ command, args: [...args], env: { ...env }, stderr: "inherit" });
  const client = new Client({ name: "refund-agent", version: "1.0.0" });
  await client.connect(signTransport(transport, signer));
  return client;
}

class Ticket {
  readonly run: AgentRun;
  readonly #clients = new Map<Server, Promise<Client>>();

  constructor(run: AgentRun) {
    this.run = run;
  }

  async call(server: Server, name: string, args: Record<string, unknown>): Promise<object> {
    if (!this.#clients.has(server)) this.#clients.set(server, connect(server, this.run));
    const client = await this.#clients.get(server);
    const result = (await client?.callTool({ name, arguments: args })) as Record<string, unknown>;
    const [block] = result["content"] as readonly { readonly text?: string }[];
    const meta = result["_meta"];
    const refusal = isJsonObject(meta) ? member(meta, REFUSAL_META) : undefined;
    const reason = member(refusal, "reason");
    return {
      ok: result["isError"] !== true,
      ...(typeof reason === "string" ? { reason } : {}),
      text: block?.text ?? "",
    };
  }

  async close(): Promise<void> {
    for (const client of this.#clients.values()) await (await client).close();
  }
}

let ticket: Ticket | undefined;

async function obey(order: Order): Promise<object> {
  if (order.do === "begin") {
    await ticket?.close();
    ticket = new Ticket(await AgentRun.start(identity, { sub: { ticket: order.ticket } }));
    return { ok: true, run: ticket.run.id };
  }
  if (!ticket) throw new Error("no ticket was begun");
  if (order.do === "save") {
    writeFileSync(order.path, `${JSON.stringify(ticket.run.tokens, null, 1)}\n`);
    return { ok: true, entries: ticket.run.entries.length };
  }
  if (order.do === "check") return await ticket.call(fraud, "check_refund", order.args);
  return await ticket.call(payments, "payments.refund", order.args);
}

for await (const line of createInterface(process.stdin)) {
  const answer = await obey(JSON.parse(line) as Order).catch((error: unknown) => ({ ok: false, text: String(error) }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await ticket?.close();
