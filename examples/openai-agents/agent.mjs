/** Tools for an agent of the OpenAI Agents SDK: `node agent.mjs <URL of a guarded server>`. No model is asked. */
import { fileURLToPath } from "node:url";
import { Agent, MCPServerStdio, MCPServerStreamableHttp, RunContext } from "@openai/agents";
import { generateIdentity } from "@peerage/core";
import { createCallSigner, signFetch } from "@peerage/mcp-middleware";

const url = process.argv[2];
const server = ["node", fileURLToPath(new URL("../stdio/v1.ts", import.meta.url))];
const errorFunction = null; // A refusal is thrown. By default it is told to the model, which may read what to do.

// Over stdio, nothing but the command changes: the bridge signs with the key that `peerage init` made.
const bridged = { command: "peerage", args: ["proxy", "--", ...server] };
await use("signed, over stdio", new MCPServerStdio({ ...bridged, errorFunction }));
const [command, ...args] = server;
await use("unsigned, over stdio", new MCPServerStdio({ command, args, errorFunction }));

// Over HTTP, the client's own `fetch` signs. A real agent keeps its identity; this one is made for the run.
const signer = createCallSigner({ signer: generateIdentity(), endpoint: { url } });
const signing = signFetch(fetch, signer, { endpoint: url });
await use("signed, over HTTP", new MCPServerStreamableHttp({ url, fetch: signing, errorFunction }));
await use("unsigned, over HTTP", new MCPServerStreamableHttp({ url, errorFunction }));

/** Gives an agent the tools of a server, and calls one as `run(agent, …)` does when the model asks for it. */
async function use(how, mcpServer) {
  await mcpServer.connect();
  try {
    const context = new RunContext();
    const tools = await new Agent({ name: "helper", mcpServers: [mcpServer] }).getMcpTools(context);
    console.log(`${how}: tools ${tools.map(({ name }) => name).join(", ")}`);
    const result = await tools[0].invoke(context, "{}");
    console.log(`${how}: admitted as ${result.text}`);
  } catch (error) {
    console.log(`${how}: ${error.message}`);
  } finally {
    await mcpServer.close();
  }
}
