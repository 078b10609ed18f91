/** Tools for an agent of the Vercel AI SDK: `node agent.mjs <URL of a guarded server>`. */
import { fileURLToPath } from "node:url";
import { createMCPClient } from "@ai-sdk/mcp";
import { Experimental_StdioMCPTransport as StdioTransport } from "@ai-sdk/mcp/mcp-stdio";
import { generateIdentity } from "@peerage/core";
import { createCallSigner, signFetch } from "@peerage/mcp-middleware";
import { generateText } from "ai";
import { MockLanguageModelV4 } from "ai/test";

const url = process.argv[2];
const server = ["node", fileURLToPath(new URL("../stdio/v1.ts", import.meta.url))];

// In place of a model: the SDK's own double, which asks for the tool `whoami` and needs no account.
const asked = { type: "tool-call", toolCallId: "1", toolName: "whoami", input: "{}" };
const model = new MockLanguageModelV4({
  doGenerate: {
    content: [asked],
    finishReason: { unified: "tool-calls" },
    usage: { inputTokens: {}, outputTokens: {} },
    warnings: [],
  },
});

// Over stdio, nothing but the command changes: the bridge signs with the key that `peerage init` made.
const bridged = new StdioTransport({ command: "peerage", args: ["proxy", "--", ...server] });
await use("signed, over stdio", bridged);
await use("unsigned, over stdio", new StdioTransport({ command: server[0], args: server.slice(1) }));

// Over HTTP, the client's own `fetch` signs. A real agent keeps its identity; this one is made for the run.
const signer = createCallSigner({ signer: generateIdentity(), endpoint: { url } });
await use("signed, over HTTP", { type: "http", url, fetch: signFetch(fetch, signer, { endpoint: url }) });
await use("unsigned, over HTTP", { type: "http", url });

/** Lists the tools, and gives them to a model that uses one. */
async function use(how, transport) {
  const client = await createMCPClient({ transport });
  try {
    const tools = await client.tools();
    console.log(`${how}: tools ${Object.keys(tools).join(", ")}`);
    const { toolResults } = await generateText({ model, tools, prompt: "Who am I?" });
    console.log(`${how}: admitted as ${toolResults[0].output.content[0].text}`);
  } catch (error) {
    console.log(`${how}: ${error.message}`);
  } finally {
    await client.close();
  }
}
