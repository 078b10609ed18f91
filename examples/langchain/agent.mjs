/** Tools for an agent of LangChain.js: `node agent.mjs <URL of a guarded server>`. No model is asked. */
import { fileURLToPath } from "node:url";
import { MultiServerMCPClient } from "@langchain/mcp-adapters";

const url = process.argv[2];
const server = ["node", fileURLToPath(new URL("../stdio/v1.ts", import.meta.url))];

// Nothing but the command changes: the bridge signs with the key that `peerage init` made.
await use("signed, over stdio", { command: "peerage", args: ["proxy", "--", ...server] });
await use("unsigned, over stdio", { command: server[0], args: server.slice(1) });

// The adapter takes no `fetch` of one's own, so the bridge signs for a server over HTTP as well.
await use("signed, over HTTP", { command: "peerage", args: ["proxy", url] });
await use("unsigned, over HTTP", { url });

/** Lists the tools, and calls one as an agent does when its model asks for it: `createAgent({ model, tools })`. */
async function use(how, guarded) {
  const client = new MultiServerMCPClient({ mcpServers: { guarded } });
  try {
    const tools = await client.getTools();
    console.log(`${how}: tools ${tools.map(({ name }) => name).join(", ")}`);
    const { text } = await tools[0].invoke({});
    console.log(`${how}: admitted as ${text}`);
  } catch (error) {
    console.log(`${how}: ${error.message}`);
  } finally {
    await client.close();
  }
}
