import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  CALL_META,
  digest,
  generateSeed,
  type Identity,
  identityFromSeed,
  issueReceipt,
  type JsonObject,
  member,
  parseCallProof,
  RECEIPT_META,
} from "@peerage/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Home } from "./_cli.ts";

const NOWHERE = "http://127.0.0.1:9";

describe("call says of a receipt that it holds only if it was verified", () => {
  let home: Home;
  beforeAll(async () => {
    home = await Home.make();
    await home.ok(["key", "new", "scout"]);
  });
  afterAll(() => home[Symbol.asyncDispose]());

  it("A-HIST-07 not by a key that is not the first of its server, while the log cannot be read", async () => {
    const own = identityFromSeed(generateSeed());
    for (const [by, holds] of [
      [own, true],
      [identityFromSeed(generateSeed(), { did: own.did }), false],
    ] as const) {
      await using server = await receipting(by);
      const argv = ["--identity", "scout", "--registry", NOWHERE, "call", server.url, "echo", "--json"];
      const ran = await home.call(argv);
      expect(ran.code, ran.stderr).toBe(holds ? 0 : 6);
      expect(JSON.parse(ran.stdout).data).toMatchObject({ signed: true, admitted: true, receiptHolds: holds });
    }
  });

  it("A-HIST-07 nor what comes from a server that named nobody, to which nothing was signed", async () => {
    const script = join(home.path, "nameless.mjs");
    await writeFile(
      script,
      `import { createInterface } from "node:readline";
for await (const line of createInterface({ input: process.stdin })) {
  const { id, method } = JSON.parse(line);
  if (id === undefined) continue;
  const say = (result) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", id, result }) + "\\n");
  if (method === "initialize") say({ protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "s", version: "1" } });
  else say({ content: [], ...(process.argv[2] ? { _meta: { "${RECEIPT_META}": process.argv[2] } } : {}) });
}
`,
    );
    const call = ["--identity", "scout", "call", "any", "--json", "--", process.execPath, script];
    const [without, made] = [await home.call(call), await home.call([...call, "made.up.receipt"])];
    expect(without.code, without.stderr).toBe(0);
    expect(JSON.parse(without.stdout).data).toMatchObject({ signed: false, receiptHolds: null });
    expect(made.code).toBe(6);
    expect(JSON.parse(made.stdout).data).toMatchObject({ signed: false, receiptHolds: false });
  });
});

/** An MCP server of one tool that names itself and signs receipts, with whatever key. */
async function receipting(by: Identity): Promise<{ readonly url: string } & AsyncDisposable> {
  const answer = async ({ method, params }: JsonObject): Promise<JsonObject> => {
    const serverInfo = { name: "s", version: "1" };
    const extensions = { [CALL_META]: { v: 1, aud: [by.did] } };
    if (method !== "tools/call")
      return { protocolVersion: "2025-11-25", capabilities: { tools: {}, extensions }, serverInfo };
    const call = parseCallProof(member(member(params, "_meta"), CALL_META));
    const response = { content: [] };
    const receipt = await issueReceipt(by, { call, result: "executed", response, policy: digest(null), tips: [] });
    return { ...response, _meta: { [RECEIPT_META]: receipt } };
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      void (async () => {
        if (request.method !== "POST") return response.writeHead(405).end();
        const message = JSON.parse(Buffer.concat(chunks).toString()) as JsonObject;
        if (message["id"] === undefined) return response.writeHead(202).end();
        const body = JSON.stringify({ jsonrpc: "2.0", id: message["id"], result: await answer(message) });
        return response.writeHead(200, { "content-type": "application/json" }).end(body);
      })();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
