/** Tools for an agent of Mastra: `node agent.mjs <URL of a guarded server>`. No model is asked. */
import { fileURLToPath } from "node:url";
import { MCPClient } from "@mastra/mcp";
import { generateIdentity } from "@peerage/core";
import { createCallSigner, signFetch } from "@peerage/mcp-middleware";

const url = process.argv[2];
const server = ["node", fileURLToPath(new URL("../stdio/v1.ts", import.meta.url))];

// Over stdio, nothing but the command changes: the bridge signs with the key that `peerage init` made.
await use("signed, over stdio", { command: "peerage", args: ["proxy", "--", ...server] });
await use("unsigned, over stdio", { command: server[0], args: server.slice(1) });

// Over HTTP, the client's own `fetch` signs. A real agent keeps its identity; this one is made for the run.
const signer = createCallSigner({ signer: generateIdentity(), endpoint: { url } });
await use("signed, over HTTP", { url: new URL(url), fetch: signFetch(fetch, signer, { endpoint: url }) });
await use("unsigned, over HTTP", { url: new URL(url) });

/** Lists the tools, and calls one as an agent does when its model asks for it: `new Agent({ …, tools })`. */
async function use(how, guarded) {
  const client = new MCPClient({ id: how, servers: { guarded } });
  try {
    const { toolsets, errors } = await client.listToolsetsWithErrors();
    if (errors.guarded) throw new Error(errors.guarded);
    console.log(`${how}: tools ${Object.keys(toolsets.guarded).join(", ")}`);
    const result = await toolsets.guarded.whoami.execute({}, {});
    console.log(`${how}: admitted as ${result.content[0].text}`);
  } catch (error) {
    console.log(`${how}: ${error.message}`);
  } finally {
    await client.disconnect();
  }
}
