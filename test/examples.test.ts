import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { createCallSigner, signTransport } from "../mcp-middleware/src/sign/index.ts";
import { type ClientName, makeClient, overHttp, overStdio, signing } from "./_battery.ts";
import { node, party, scratch } from "./_mcp.ts";

const alice = party();
const folder = scratch();
const env = { GUARD_HOME: `${folder.path}/guard` };
afterAll(() => folder[Symbol.dispose]());

const names: readonly ClientName[] = ["SDK 1", "SDK 2 auto"];
const path = (file: string): string => fileURLToPath(new URL(`../examples/${file}`, import.meta.url));

/** The example as a process, on a free port. */
async function start(file: string): Promise<AsyncDisposable & { readonly url: string }> {
  const child = spawn(node, [path(file)], {
    env: { ...process.env, ...env, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise((resolve) => child.once("close", resolve));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString().trim()));
    child.once("close", () => reject(new Error(`${file} ended`)));
  });
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** What the tool says to a client of this kind. */
async function whoami(name: ClientName, transport: ReturnType<typeof overHttp>): Promise<string> {
  const client = makeClient(name);
  await client.connect(transport as never);
  try {
    return (await client.callTool({ name: "whoami" })).content[0].text;
  } finally {
    await client.close();
  }
}

const refused = { code: -31401, data: { reason: "ERR_PROOF_MISSING" } };

describe.each(["express/server.ts", "fastify/server.ts", "hono/server.ts", "node/server.ts"])(
  "the example %s",
  (file) => {
    it("A-CALL-01 knows every client that signs, and refuses those that do not", async () => {
      await using server = await start(file);
      for (const name of names) {
        expect(await whoami(name, overHttp(name, server.url, signing(alice, server.url)))).toBe(alice.identity.did);
        await expect(whoami(name, overHttp(name, server.url))).rejects.toMatchObject(refused);
      }
    });
  },
);

describe.each(["stdio/v1.ts", "stdio/v2.ts"])("the example %s", (file) => {
  it("A-CALL-01 knows every client that signs, and refuses those that do not", async () => {
    for (const name of names) {
      const signer = createCallSigner({ signer: alice.identity, endpoint: { command: node, args: [path(file)] } });
      const transport = signTransport(overStdio(name, [node, path(file)], env), signer);
      expect(await whoami(name, transport)).toBe(alice.identity.did);
      await expect(whoami(name, overStdio(name, [node, path(file)], env))).rejects.toMatchObject(refused);
    }
  });
});
