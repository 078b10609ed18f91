import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { generateIdentity } from "@peerage/core";
import { ApprovalStore, AuditLog, AuditReader, createGuard, signAnswer, verifyAudit } from "@peerage/mcp-middleware";
import { afterAll, describe, expect, it } from "vitest";
import { createCallSigner } from "../mcp-middleware/src/sign/call-signer.ts";
import { signFetch } from "../mcp-middleware/src/sign/sign-fetch.ts";
import { signTransport } from "../mcp-middleware/src/sign/sign-transport.ts";
import { policyOf } from "./_guard.ts";
import { type AnyClient, type ClientKind, clients, ENDPOINT, Journal, type Wiring, wirings } from "./_wirings.ts";

const folder = mkdtempSync(join(tmpdir(), "peerage-approval-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const alice = generateIdentity();
let files = 0;

/** A client whose user opens the URLs that a server shows. */
function opening(kind: ClientKind, open: (url: string) => Promise<void>): AnyClient {
  const info = { name: "client", version: "1" };
  const capabilities = { elicitation: { url: {} } };
  const accept = async (request: { params: { url?: string } }): Promise<{ action: "accept" }> => {
    await open(request.params.url ?? "");
    return { action: "accept" };
  };
  if (kind.name === "SDK 1 client") {
    const client = new ClientV1(info, { capabilities });
    client.setRequestHandler(ElicitRequestSchema, (request) => accept(request as never));
    return client;
  }
  const mode = kind.name === "SDK 2 auto client" ? { versionNegotiation: { mode: "auto" as const } } : {};
  const client = new ClientV2(info, { capabilities, ...mode });
  client.setRequestHandler("elicitation/create", (request) => accept(request as never));
  return client;
}

const all = wirings.flatMap((wiring) =>
  clients.map((kind) => ({ title: `${wiring.name}, ${kind.name}`, wiring, kind })),
);

describe.each(all)("$title", ({ wiring, kind }: { wiring: Wiring; kind: ClientKind }) => {
  it("A-APPR-10 is led to a person in the form it understands, and its call is made once", async () => {
    const identity = generateIdentity();
    const path = join(folder, `${++files}.db`);
    const policy = policyOf([{ tools: "echo", agents: "*", approval: { by: alice.did } }]);
    const audit = new AuditLog({ path, identity });
    const approvals = { url: (id: string) => `http://127.0.0.1:7777/approvals/${id}`, waitSeconds: 20 };
    const guard = await createGuard({ identity, policy, audit, approvals, audiences: [ENDPOINT] });
    const journal = new Journal();
    const opened: string[] = [];
    const approve = async (url: string): Promise<void> => {
      opened.push(url);
      using store = new ApprovalStore(path);
      const item = store.show(url.split("/").at(-1) ?? "");
      store.submit(item.id, await signAnswer(alice, item, "approved"));
    };
    const client = opening(kind, approve);
    const wired = await wiring.start(guard, journal);
    const endpoint = wired.kind === "line" ? { command: "fixture", args: [] } : { url: ENDPOINT };
    const reports: Error[] = [];
    const signer = createCallSigner({ signer: generateIdentity(), endpoint, onReport: (error) => reports.push(error) });
    const transport =
      wired.kind === "line"
        ? signTransport(kind.line(wired) as never, signer)
        : kind.http(signFetch(wired.fetch, signer, { endpoint: ENDPOINT }));
    await client.connect(transport as never);

    const call = { name: "echo", arguments: { text: "hi" } };
    let result = (await client.callTool(call)) as { content: [{ text: string }]; isError?: boolean };
    const isPlain = result.isError === true;
    if (isPlain) {
      expect(journal.ran).toEqual([]);
      await approve(/http:\S+[A-Za-z0-9_-]/.exec(result.content[0].text)?.[0] ?? "");
      result = (await client.callTool(call)) as typeof result;
    }
    expect(result.content).toEqual([{ type: "text", text: "hi" }]);
    expect([journal.ran, opened.length, reports]).toEqual([["echo"], 1, []]);
    // Only a legacy session over HTTP has no stream on which the guard could ask.
    const isModern = kind.name === "SDK 2 auto client" && wiring.name === "SDK 2 createMcpHandler";
    expect(isPlain).toBe(wired.kind === "http" && !isModern);
    await client.close();
    await guard[Symbol.asyncDispose]();
    expect(await verifyAudit(path, { guard: guard.did })).not.toHaveProperty("defect");
    using reader = new AuditReader(path);
    expect([...reader.calls({ target: "echo", verdict: "admitted" })]).toHaveLength(1);
  });
});
