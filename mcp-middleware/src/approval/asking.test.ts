import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateIdentity, type Identity, type JsonObject, member, requestDigest } from "@peerage/core";
import { afterEach, describe, expect, it } from "vitest";
import { http, policyOf, replyOf, scene, signed, stdio, verdict } from "../../../test/_guard.ts";
import { AuditLog } from "../audit/audit-log.ts";
import { AuditReader } from "../audit/reader.ts";
import { checkKeptReceipt } from "../audit/receipts.ts";
import { verifyAudit } from "../audit/verify.ts";
import { PROTOCOL_VERSION_META } from "../guard/message.ts";
import type { Admission, Context, JsonRpcMessage } from "../guard/types.ts";
import { ApprovalStore } from "./approval-store.ts";
import { signAnswer } from "./item.ts";
import { RequestStates } from "./request-state.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp();
});

const alice = generateIdentity();
const policy = policyOf([
  { id: "refunds", tools: "*", agents: "*", approval: { by: alice.did } },
  { id: "reads", resources: "**", agents: "*", approval: { by: alice.did } },
  { id: "rest", methods: "*", agents: "*", approval: { by: alice.did } },
]);
const url = (id: string): string => `http://127.0.0.1:7777/approvals/${id}`;

interface Scene {
  readonly guard: ReturnType<typeof scene>["guard"];
  readonly caller: Identity;
  readonly path: string;
  readonly approve: (result?: "approved" | "denied") => Promise<void>;
}

function desk(waitSeconds = 0, now = (): Date => new Date()): Scene {
  const folder = mkdtempSync(join(tmpdir(), "peerage-asking-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "audit.db");
  const identity = generateIdentity();
  const audit = new AuditLog({ path, identity, now });
  const { guard, caller } = scene({ identity, policy, audit, now, approvals: { url, waitSeconds } });
  cleanups.push(() => guard[Symbol.asyncDispose]());
  const approve: Scene["approve"] = async (result = "approved") => {
    using store = new ApprovalStore(path, { now });
    const [item] = store.list();
    if (!item) throw new Error("nothing was asked");
    store.submit(item.id, await signAnswer(alice, item, result, { now: now() }));
  };
  return { guard, caller, path, approve };
}

const modern: JsonObject = {
  [PROTOCOL_VERSION_META]: "2026-07-28",
  "io.modelcontextprotocol/clientCapabilities": { elicitation: { url: {} } },
};
const call = (more: JsonObject = {}): JsonObject => ({ name: "refund", arguments: { cents: 5 }, ...more });

function resultOf(reply: JsonRpcMessage | undefined): JsonObject {
  return (reply?.["result"] ?? {}) as JsonObject;
}

function dataOf(reply: JsonRpcMessage | undefined): JsonObject {
  return (member(member(resultOf(reply), "_meta"), "dev.peerage/refusal") ??
    member(reply?.["error"], "data") ??
    {}) as JsonObject;
}

describe("a modern caller that can open URLs", () => {
  it("is asked by input_required and admitted by a retry that carries the state, which goes no further", async () => {
    const { guard, caller, path, approve } = desk();
    const ask = async (params: JsonObject): Promise<JsonObject> =>
      signed(caller, guard.did, "tools/call", params, { meta: modern });
    const first = resultOf(await replyOf(guard.admit(await ask(call()), stdio())));
    expect(first).toMatchObject({ resultType: "input_required" });
    const { requestState, inputRequests } = first as { requestState: string; inputRequests: JsonObject };
    expect(inputRequests).toMatchObject({
      "peerage.approval": {
        method: "elicitation/create",
        params: { mode: "url", url: expect.stringContaining("/approvals/") },
      },
    });
    const retry = call({ requestState, inputResponses: { "peerage.approval": { action: "accept" } } });
    expect(resultOf(await replyOf(guard.admit(await ask(retry), stdio())))).toMatchObject({
      resultType: "input_required",
    });
    await approve();
    const admitted = await guard.admit(await ask(retry), stdio());
    expect(admitted.admitted && admitted.message["params"]).toEqual({ ...call(), _meta: modern });
    if (admitted.admitted) await guard.settle(admitted.decision, { jsonrpc: "2.0", id: 1, result: { content: [] } });
    // The record speaks of the request, the receipt of what was signed: it is the call's own all the same.
    using reader = new AuditReader(path);
    const results = [...reader.calls()].map((one) => checkKeptReceipt(reader.receipt(one)!, guard.did, one).result);
    expect(results).toEqual(["executed", "pending", "pending"]);
    expect((await verifyAudit(path)).defect).toBeUndefined();
  });

  it("A-APPR-06 gets nothing by saying accept, however often; after three rounds the answer is plain", async () => {
    const { guard, caller } = desk();
    let params = call();
    const forms: unknown[] = [];
    for (let round = 0; round < 5; round++) {
      const message = await signed(caller, guard.did, "tools/call", params, { meta: modern });
      const result = resultOf(await replyOf(guard.admit(message, stdio())));
      forms.push(result["resultType"]);
      const { requestState } = result as { requestState?: string };
      if (requestState !== undefined)
        params = call({ requestState, inputResponses: { "peerage.approval": { action: "accept" } } });
    }
    expect(forms).toEqual(["input_required", "input_required", "input_required", "complete", "complete"]);
  });

  it("A-APPR-07 is refused with a state that is altered, expired, of another caller or guard, or for another call", async () => {
    let now = new Date("2026-11-20T12:00:00Z");
    const { guard, caller, approve } = desk(0, () => now);
    const ask = async (by: Identity, params: JsonObject): Promise<string> =>
      verdict(guard.admit(await signed(by, guard.did, "tools/call", params, { meta: modern, now }), stdio()));
    const first = await signed(caller, guard.did, "tools/call", call(), { meta: modern, now });
    const { requestState } = resultOf(await replyOf(guard.admit(first, stdio()))) as { requestState: string };
    await approve();
    const inputResponses = { "peerage.approval": { action: "accept" } };
    const flipped = requestState.slice(0, -1) + (requestState.endsWith("A") ? "B" : "A");
    const foreign = new RequestStates(new Uint8Array(32)).seal({
      guard: guard.did,
      caller: caller.did,
      req: `sha256:${"0".repeat(64)}`,
      item: "x",
      exp: 2_000_000_000,
      round: 1,
    })!;
    for (const state of [flipped, foreign, "peerage1.", "peerage1.e30.e30", requestState.replace(".", "..")]) {
      expect(await ask(caller, call({ requestState: state, inputResponses }))).toBe("ERR_APPROVAL_INVALID");
    }
    expect(await ask(caller, call({ inputResponses }))).toBe("ERR_APPROVAL_INVALID");
    expect(await ask(caller, call({ requestState: "another server's", inputResponses }))).toBe("ERR_APPROVAL_INVALID");
    expect(await ask(generateIdentity(), call({ requestState, inputResponses }))).toBe("ERR_APPROVAL_INVALID");
    expect(await ask(caller, { ...call({ requestState, inputResponses }), name: "pay" })).toBe("ERR_APPROVAL_INVALID");
    expect(await ask(caller, { ...call({ requestState }), arguments: { cents: 6 } })).toBe("ERR_APPROVAL_INVALID");
    expect(await ask(caller, call({ requestState, inputResponses }))).toBe("admitted");
    now = new Date(now.getTime() + 3_600_000);
    expect(await ask(caller, call({ requestState, inputResponses }))).toBe("ERR_APPROVAL_INVALID");
  });

  it("A-APPR-07 is refused with a state that another guard gave under the same key", () => {
    const [mine, other, caller] = [generateIdentity(), generateIdentity(), generateIdentity()];
    const states = new RequestStates(new Uint8Array(32).fill(7));
    const params = { name: "pay", arguments: { cents: 5 } };
    const now = new Date("2026-11-20T12:00:00Z");
    const unwrapFrom = (guard: Identity): unknown => {
      const req = requestDigest("tools/call", params);
      const exp = now.getTime() / 1000 + 60;
      const requestState = states.seal({ guard: guard.did, caller: caller.did, req, item: "i", exp, round: 1 })!;
      const expected = { guard: mine.did, caller: caller.did, now };
      return states.unwrap("tools/call", { ...params, requestState }, expected).state;
    };
    expect(unwrapFrom(mine)).toMatchObject({ guard: mine.did });
    expect(() => unwrapFrom(other)).toThrow(expect.objectContaining({ code: "ERR_APPROVAL_INVALID", detail: "guard" }));
  });

  it("gets back what the server behind the guard had asked, and other answers are a new request", async () => {
    const { guard, caller, approve } = desk();
    const followUp = call({
      requestState: "upstream",
      inputResponses: { name: { action: "accept", content: { x: 1 } } },
    });
    const ask = async (params: JsonObject): Promise<Admission> =>
      guard.admit(await signed(caller, guard.did, "tools/call", params, { meta: modern }), stdio());
    const { requestState } = resultOf(await replyOf(ask(followUp))) as { requestState: string };
    await approve();
    const ours = { "peerage.approval": { action: "accept" } };
    const other = call({ requestState, inputResponses: { ...ours, name: { action: "decline" } } });
    expect(await verdict(ask(other))).toBe("ERR_APPROVAL_INVALID");
    const admitted = await ask(call({ requestState, inputResponses: ours }));
    expect(admitted.admitted && admitted.message["params"]).toEqual({ ...followUp, _meta: modern });
  });

  it("is told plainly where the method has no such answer, or where it said that it can show forms only", async () => {
    const { guard, caller } = desk();
    const meta = { ...modern, "io.modelcontextprotocol/clientCapabilities": { elicitation: {} } };
    const forms = await replyOf(guard.admit(await signed(caller, guard.did, "tools/call", call(), { meta }), stdio()));
    expect(resultOf(forms)).toMatchObject({ isError: true, resultType: "complete" });
    const other = await replyOf(
      guard.admit(await signed(caller, guard.did, "tasks/get", {}, { meta: modern }), stdio()),
    );
    expect(other).toMatchObject({
      error: { code: -31428, data: { reason: "ERR_APPROVAL_REQUIRED", retryable: true } },
    });
    expect(dataOf(other)["url"]).toMatch(/^http:\/\/127\.0\.0\.1:7777\/approvals\/[A-Za-z0-9_-]{22}$/);
    const read = await signed(caller, guard.did, "resources/read", { uri: "file:///a" }, { meta: modern });
    expect(resultOf(await replyOf(guard.admit(read, stdio())))).toMatchObject({ resultType: "input_required" });
  });
});

describe("a legacy caller that can open URLs", () => {
  const able = { protocolVersion: "2025-11-25", capabilities: { elicitation: { url: {} } } };

  /** A session on a pipe, with what the guard itself sent on it. */
  async function session(waitSeconds: number): Promise<Scene & { context: Context; sent: JsonObject[] }> {
    const made = desk(waitSeconds);
    const sent: JsonObject[] = [];
    const context = { ...stdio(), send: (message: JsonObject) => void sent.push(message) };
    await made.guard.admit(await signed(made.caller, made.guard.did, "initialize", able), context);
    return { ...made, context, sent };
  }

  it("is asked on its own pipe while the call waits, and told when that is over", async () => {
    const { guard, caller, context, sent, approve } = await session(50);
    const waiting = guard.admit(await signed(caller, guard.did, "tools/call", call()), context);
    await expect.poll(() => sent.length).toBe(1);
    const [question] = sent;
    expect(question).toMatchObject({ method: "elicitation/create", params: { mode: "url" } });
    const answer = { jsonrpc: "2.0", id: question!["id"]!, result: { action: "accept" } };
    expect(await guard.admit(answer, context)).toMatchObject({ admitted: false, status: 202 });
    await approve();
    expect(await verdict(waiting)).toBe("admitted");
    expect(sent[1]).toMatchObject({ method: "notifications/elicitation/complete" });
  });

  it("A-APPR-06 A-SESS-05 is not admitted by any answer, and an invented one is told to nobody", async () => {
    const { guard, caller, context, sent } = await session(50);
    const invented = { jsonrpc: "2.0", id: "peerage-approval-1", result: { action: "accept" } };
    expect(await guard.admit(invented, context)).toMatchObject({ admitted: false, status: 202 });
    const waiting = guard.admit(await signed(caller, guard.did, "tools/call", call()), context);
    await expect.poll(() => sent.length).toBe(1);
    expect(await guard.admit({ jsonrpc: "2.0", id: "another", result: {} }, context)).toMatchObject({ admitted: true });
    await guard.admit({ jsonrpc: "2.0", id: sent[0]!["id"]!, result: { action: "decline" } }, context);
    const reply = await replyOf(waiting);
    expect(resultOf(reply)).toMatchObject({ isError: true });
    expect(dataOf(reply)["url"]).toBeDefined();
  });

  it("is told plainly where the guard has no way to ask, such as over HTTP", async () => {
    const { guard, caller, approve } = desk();
    const connection = {};
    await guard.admit(await signed(caller, guard.did, "initialize", able), http({}, connection));
    const message = await signed(caller, guard.did, "tools/call", call());
    expect(resultOf(await replyOf(guard.admit(message, http({}, connection))))).toMatchObject({ isError: true });
    await approve();
    const again = await signed(caller, guard.did, "tools/call", call());
    expect(await verdict(guard.admit(again, http({}, connection)))).toBe("admitted");
  });

  it("keeps its id while it waits, and gives it back after", async () => {
    const { guard, caller, context, sent } = await session(50);
    const first = guard.admit(await signed(caller, guard.did, "tools/call", call(), { id: "one" }), context);
    await expect.poll(() => sent.length).toBe(1);
    const same = await signed(caller, guard.did, "tools/call", call(), { id: "one" });
    expect(await verdict(guard.admit(same, context))).toBe("ERR_MESSAGE_INVALID");
    const cancel = await signed(caller, guard.did, "notifications/cancelled", { requestId: "one" });
    expect(await verdict(guard.admit(cancel, context))).toBe("admitted");
    expect(await verdict(first)).toBe("ERR_APPROVAL_REQUIRED");
  });
});
