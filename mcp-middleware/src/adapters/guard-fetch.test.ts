import { CALL_META, generateIdentity, type JsonObject, parsePolicy, signCall } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { createGuard } from "../guard/create-guard.ts";
import { guardFetch } from "./guard-fetch.ts";

const url = "http://127.0.0.1/mcp";
const alice = generateIdentity();
const policy = parsePolicy(
  JSON.stringify({
    apiVersion: "peerage.dev/v1",
    kind: "Policy",
    allow: [{ tools: ["seen"], agents: [alice.did] }],
  }),
);
const event = (message: JsonObject, id?: number): string =>
  `${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify({ jsonrpc: "2.0", ...message })}\n\n`;
const list = (id: number): JsonObject => ({ id, result: { tools: [{ name: "seen" }, { name: "hidden" }] } });

describe("guardFetch", () => {
  it("A-POL-07 shows no unfiltered list on a stream that is resumed, and leaves its other events alone", async () => {
    const progress = event({ method: "notifications/message", params: { data: "hidden, as a word" } }, 6);
    const events = event(list(1), 5) + progress + event({ id: 2, result: { content: [] } }, 7);
    const headers = { "content-type": "text/event-stream" };
    await using guard = await createGuard({ identity: generateIdentity(), policy, audiences: [url] });
    const fetch = guardFetch(() => new Response(events, { headers }), guard);
    const subject = { method: "http/get", params: { lastEventId: "4" } };
    const token = await signCall(alice, { audience: url, message: subject });
    const response = await fetch(new Request(url, { headers: { "peerage-call": token, "last-event-id": "4" } }));
    const text = await response.text();
    expect(text).not.toContain('"name":"hidden"');
    expect(text).toMatch(/^id: 5\ndata: \{"jsonrpc":"2.0","id":1,"error":/);
    expect(text).toContain(progress);
    expect(text.endsWith(event({ id: 2, result: { content: [] } }, 7))).toBe(true);
  });

  it("A-POL-07 filters the list that was asked for, and no other passes beside it", async () => {
    const headers = { "content-type": "text/event-stream" };
    await using guard = await createGuard({ identity: generateIdentity(), policy, audiences: [url] });
    const fetch = guardFetch(() => new Response(event(list(9)) + event(list(1)), { headers }), guard);
    const message = { method: "tools/list", params: {} };
    const token = await signCall(alice, { audience: url, message });
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, ...message, params: { _meta: { [CALL_META]: token } } });
    const text = await (await fetch(new Request(url, { method: "POST", body }))).text();
    expect(text).not.toContain("hidden");
    expect(text).toContain('"tools":[{"name":"seen"}]');
  });
});
