import { generateIdentity, type Identity } from "@peerage/core";
import { createGuard, type Guard } from "@peerage/mcp-middleware";
import { describe, expect, it } from "vitest";
import { createCallSigner } from "../mcp-middleware/src/sign/call-signer.ts";
import { MemoryReceiptStore } from "../mcp-middleware/src/sign/receipts.ts";
import { signFetch } from "../mcp-middleware/src/sign/sign-fetch.ts";
import { signTransport } from "../mcp-middleware/src/sign/sign-transport.ts";
import { permissive, policyOf } from "./_guard.ts";
import {
  type AnyClient,
  type ClientKind,
  clients,
  ENDPOINT,
  Journal,
  type Wired,
  type Wiring,
  wirings,
} from "./_wirings.ts";

interface Connected extends AsyncDisposable {
  readonly client: AnyClient;
  readonly receipts: MemoryReceiptStore;
  readonly reports: Error[];
}

async function connect(kind: ClientKind, wired: Wired, agent: Identity): Promise<Connected> {
  const client = kind.make();
  const receipts = new MemoryReceiptStore();
  const reports: Error[] = [];
  const endpoint = wired.kind === "line" ? { command: "fixture", args: [] } : { url: ENDPOINT };
  const signer = createCallSigner({ signer: agent, endpoint, receipts, onReport: (error) => reports.push(error) });
  const transport =
    wired.kind === "line"
      ? signTransport(kind.line(wired) as never, signer)
      : kind.http(signFetch(wired.fetch, signer, { endpoint: ENDPOINT }));
  await client.connect(transport as never);
  return { client, receipts, reports, [Symbol.asyncDispose]: () => client.close() };
}

async function guardOf(policy = permissive()): Promise<{ guard: Guard; alarms: unknown[] }> {
  const alarms: unknown[] = [];
  const guard = await createGuard({
    identity: generateIdentity(),
    policy,
    audiences: [ENDPOINT],
    onAlarm: (problem) => alarms.push(problem),
  });
  return { guard, alarms };
}

const textOf = (result: unknown): string => (result as { content: [{ text: string }] }).content[0].text;
const all = wirings.flatMap((wiring) =>
  clients.map((kind) => ({ title: `${wiring.name}, ${kind.name}`, wiring, kind })),
);

describe.each(all)("$title", ({ wiring, kind }: { wiring: Wiring; kind: ClientKind }) => {
  it("names the verified caller to tools, resources and prompts, and receipts every call", async () => {
    const { guard, alarms } = await guardOf();
    const agent = generateIdentity();
    const journal = new Journal();
    await using connected = await connect(kind, await wiring.start(guard, journal), agent);
    const { client, receipts, reports } = connected;
    const who = JSON.parse(textOf(await client.callTool({ name: "whoami" })));
    expect(who).toEqual({ did: agent.did, clientId: agent.did, score: "unknown" });
    expect(await client.readResource({ uri: "demo://who" })).toMatchObject({ contents: [{ text: agent.did }] });
    expect(await client.getPrompt({ name: "who" })).toMatchObject({ messages: [{ content: { text: agent.did } }] });
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(["echo", "whoami", "slow"]);
    expect(receipts.receipts.filter((receipt) => receipt.method === "tools/call")).toHaveLength(1);
    expect(reports).toEqual([]);
    expect(alarms).toEqual([]);
  });

  it("A-CALL-01 refuses an unsigned client's calls, so that the tool does not run, and tells it why", async () => {
    const { guard } = await guardOf();
    const journal = new Journal();
    const wired = await wiring.start(guard, journal);
    const client = kind.make();
    const transport = wired.kind === "line" ? kind.line(wired) : kind.http(wired.fetch);
    await client.connect(transport as never);
    await expect(client.callTool({ name: "echo" })).rejects.toMatchObject({
      code: -31401,
      message: expect.stringContaining("ERR_PROOF_MISSING"),
      data: { reason: "ERR_PROOF_MISSING" },
    });
    expect(journal.ran).toEqual([]);
    await client.close();
  });

  it("refuses by policy with a result that the model can read, and hides what cannot be used", async () => {
    const { guard } = await guardOf(policyOf([{ tools: "echo", agents: "*" }]));
    const journal = new Journal();
    await using connected = await connect(kind, await wiring.start(guard, journal), generateIdentity());
    const { client } = connected;
    expect(await client.callTool({ name: "whoami" })).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining("ERR_POLICY_DENIED") }],
    });
    expect(textOf(await client.callTool({ name: "echo", arguments: { text: "hi" } }))).toBe("hi");
    expect((await client.listTools()).tools.map((tool) => tool.name)).toEqual(["echo"]);
    expect(journal.ran).toEqual(["echo"]);
  });
});
