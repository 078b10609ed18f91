import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateIdentity, member, type JsonObject } from "@peerage/core";
import {
  type ApprovalItem,
  ApprovalStore,
  AuditLog,
  AuditReader,
  createGuard,
  signAnswer,
  startHttpGuard,
} from "@peerage/mcp-middleware";
import { afterAll, expect, it } from "vitest";
import { policyOf, signed } from "./_guard.ts";
import { closedPort } from "./_ports.ts";

const folder = mkdtempSync(join(tmpdir(), "peerage-upstream-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("A-APPR-10 an approval and a budget are kept when the server behind the guard cannot be reached", async () => {
  const [identity, caller, alice] = [generateIdentity(), generateIdentity(), generateIdentity()];
  const path = join(folder, "audit.db");
  const policy = policyOf([
    { id: "pay", tools: "pay", agents: "*", approval: { by: alice.did }, budget: { cost: 1, max: 1, per: "30d" } },
  ]);
  const asked: ApprovalItem[] = [];
  const approvals = { waitSeconds: 0, onAsk: (item: ApprovalItem) => asked.push(item) };
  const guard = await createGuard({ identity, policy, audit: new AuditLog({ path, identity }), approvals });
  let received = 0;
  const upstream = createServer((request, response) => {
    received++;
    request.resume().on("end", () => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ jsonrpc: "2.0", id: 1, result: { content: [] } }));
    });
  });
  const port = await closedPort();
  await using proxy = await startHttpGuard({ guard, upstream: `http://127.0.0.1:${port}/mcp`, log: () => undefined });
  const pay = async (): Promise<JsonObject> => {
    const message = await signed(caller, guard.did, "tools/call", { name: "pay", arguments: {} }, { id: 1 });
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const response = await fetch(proxy.url, { method: "POST", headers, body: JSON.stringify(message) });
    return (await response.json()) as JsonObject;
  };
  expect(member(await pay(), "result")).toMatchObject({ isError: true });
  expect(asked).toHaveLength(1);
  using store = new ApprovalStore(path);
  const item = store.show(asked[0]!.id);
  store.submit(item.id, await signAnswer(alice, item, "approved"));
  for (let i = 0; i < 2; i++) {
    expect(member(await pay(), "error")).toMatchObject({ data: { reason: "ERR_UPSTREAM_UNAVAILABLE" } });
    expect(store.show(item.id).state).toBe("approved");
  }
  await new Promise<void>((resolve) => upstream.listen(port, "127.0.0.1", resolve));
  const done = await pay();
  expect(member(done, "result")).toMatchObject({ content: [] });
  expect([store.show(item.id).state, received]).toEqual(["used", 1]);
  using reader = new AuditReader(path);
  const outcomes = [...reader.calls({ verdict: "admitted" })].map(({ outcome }) => [outcome?.outcome, outcome?.sent]);
  expect(outcomes).toEqual([
    ["executed", undefined],
    ["errored", false],
    ["errored", false],
  ]);
  await proxy.close();
  await guard[Symbol.asyncDispose]();
  upstream.closeAllConnections();
  await new Promise((resolve) => upstream.close(resolve));
});
