import { generateIdentity, type JsonObject, type JsonValue, member, resultDigest, verifyReceipt } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { policyOf, replyOf, scene, signed, signedEcho, stdio, verdict } from "../../../test/_guard.ts";
import type { GuardCore } from "./guard.ts";
import { receiptOf } from "./results.ts";
import { salvageId } from "./salvage-id.ts";
import type { TrustSource } from "./trust.ts";
import type { DecisionRecord } from "./types.ts";

const MODERN = { meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } };

function trusting(scores: Record<string, number>, more: Partial<TrustSource> = {}): TrustSource {
  return {
    score: (did) => scores[did] ?? "unknown",
    keyState: () => "active",
    ageSeconds: () => 10,
    maxAgeSeconds: 86_400,
    ...more,
  };
}

async function decisionOf(guard: GuardCore, message: JsonObject): Promise<DecisionRecord> {
  const admission = await guard.admit(message, stdio());
  if (!admission.admitted) throw new Error(admission.reason);
  return admission.decision;
}

describe("a refusal", () => {
  const policy = policyOf([
    { tools: "read", agents: "*", trust: 0.25 },
    { tools: "list", agents: "*" },
  ]);

  it("of a tool call by trust or policy is a result with isError, of any other request an error", async () => {
    const { guard, caller } = scene({ policy });
    const call = (name: string, more = {}): Promise<JsonObject> =>
      signed(caller, guard.did, "tools/call", { name }, more);
    const refused = await replyOf(guard.admit(await call("read"), stdio()));
    expect(refused).toMatchObject({
      result: {
        isError: true,
        content: [{ type: "text", text: expect.stringMatching(/^Refused \(ERR_TRUST_INSUFFICIENT\): tool "read": /) }],
        _meta: { "dev.peerage/refusal": { reason: "ERR_TRUST_INSUFFICIENT", retryable: false } },
      },
    });
    expect(refused!["result"]).not.toHaveProperty("resultType");
    expect(await replyOf(guard.admit(await call("read", MODERN), stdio()))).toMatchObject({
      result: { resultType: "complete" },
    });
    const prompt = await signed(caller, guard.did, "prompts/get", { name: "p" });
    expect(await replyOf(guard.admit(prompt, stdio()))).toMatchObject({
      error: { code: -31403, data: { reason: "ERR_POLICY_DENIED" } },
    });
    expect(await verdict(guard.admit(await call("list"), stdio()))).toBe("admitted");
  });

  it("A-POL-02 A-POL-07 names the kind only, and a hidden tool is refused like one that does not exist", async () => {
    const hidden = policyOf([{ tools: "secret", agents: generateIdentity().did, trust: 0.7 }]);
    const { guard, caller } = scene({ policy: hidden, trust: trusting({}), now: () => new Date(1_795_200_000_000) });
    const stamp = { now: new Date(1_795_200_000_000) };
    const texts = await Promise.all(
      ["secret", "absent"].map(async (name) => {
        const reply = await replyOf(
          guard.admit(await signed(caller, guard.did, "tools/call", { name }, { ...stamp, id: 1 }), stdio()),
        );
        const meta = member(reply!["result"], "_meta") as Record<string, unknown>;
        delete meta["dev.peerage/receipt"];
        return JSON.stringify(reply).replaceAll(name, "NAME");
      }),
    );
    expect(texts[0]).toBe(texts[1]);
    expect(texts[0]).not.toMatch(/0\.7|allow\[|did:key/);
  });

  it("repeats no control character and no more than 64 characters of a tool's name", async () => {
    const { guard, caller } = scene({ policy });
    const name = `\u001b[31m\u202e\u0007"${"x".repeat(500)}`;
    const reply = await replyOf(guard.admit(await signed(caller, guard.did, "tools/call", { name }), stdio()));
    const { content } = reply!["result"] as unknown as { content: [{ text: string }] };
    expect(content[0].text).toMatch(/^[\x20-\x7e…]{1,160}$/);
  });

  it("of a key that does not count, or a view that is too old, says so; an active key passes", async () => {
    const states = {
      burnt: "ERR_KEY_REVOKED",
      suspended: "ERR_KEY_REVOKED",
      disputed: "ERR_KEY_DISPUTED",
      active: "admitted",
    } as const;
    for (const [state, expected] of Object.entries(states)) {
      const { guard, caller } = scene({ trust: trusting({}, { keyState: () => state as keyof typeof states }) });
      expect(await verdict(guard.admit(await signedEcho(caller, guard.did), stdio()))).toBe(expected);
    }
    for (const age of [86_401, NaN]) {
      const { guard, caller } = scene({ trust: trusting({}, { ageSeconds: () => age }) });
      const reply = await replyOf(guard.admit(await signedEcho(caller, guard.did), stdio()));
      expect(reply).toMatchObject({
        result: { _meta: { "dev.peerage/refusal": { reason: "ERR_REGISTRY_STALE", retryable: true } } },
      });
    }
  });

  it("A-TRUST-02 of a stranger does not depend on a number: unknown is not 0, and no registry is no trust", async () => {
    const { caller } = scene();
    const call = async (guard: GuardCore): Promise<string> => {
      return verdict(guard.admit(await signed(caller, guard.did, "tools/call", { name: "read" }), stdio()));
    };
    expect(await call(scene({ policy }).guard)).toBe("ERR_TRUST_INSUFFICIENT");
    expect(await call(scene({ policy, trust: trusting({}) }).guard)).toBe("ERR_TRUST_INSUFFICIENT");
    expect(await call(scene({ policy, trust: trusting({ [caller.did]: 0.2499 }) }).guard)).toBe(
      "ERR_TRUST_INSUFFICIENT",
    );
    const { guard } = scene({ policy, trust: trusting({ [caller.did]: 0.25 }) });
    const admission = await guard.admit(await signed(caller, guard.did, "tools/call", { name: "read" }), stdio());
    expect(admission).toMatchObject({ admitted: true, caller: { score: 0.25 }, decision: { rule: "allow[0]" } });
  });

  it("carries a receipt once the proof is used up, and none before", async () => {
    const { guard, caller } = scene({ policy });
    const message = await signed(caller, guard.did, "tools/call", { name: "read" });
    const refused = await guard.admit(message, stdio());
    if (refused.admitted) throw new Error("admitted");
    const call = refused.decision!.proof!;
    const receipt = verifyReceipt(receiptOf(refused.reply!), {
      server: guard.did,
      call,
      prev: [],
      result: refused.reply!["result"],
    });
    expect(receipt).toMatchObject({ step: "tool_call", result: "refused", tool: "read", audience: caller.did });
    const early = await replyOf(guard.admit(await signedEcho(caller, "did:key:other"), stdio()));
    expect(receiptOf(early!)).toBeUndefined();
    const replay = await replyOf(guard.admit(message, stdio()));
    expect(receiptOf(replay!)).toBeUndefined();
  });

  it("of a rule that asks for a durable audit is our own fault while there is none", async () => {
    const durable = policyOf([{ tools: "*", agents: "*", audit: "durable" }], { open: true });
    const { guard, caller } = scene({ policy: durable });
    const reply = await replyOf(guard.admit(await signedEcho(caller, guard.did), stdio()));
    expect(reply).toMatchObject({ error: { code: -31500, data: { reason: "ERR_AUDIT_UNAVAILABLE" } } });
  });
});

describe("a limit of the policy", () => {
  it("A-RATE-01 counts against the verified caller only, and says when to come back", async () => {
    let ms = 1_795_200_000_000;
    const now = (): Date => new Date(ms);
    const limited = policyOf([{ tools: "*", agents: "*", limit: { calls: 2, per: "1m" } }], { open: true });
    const { guard, caller } = scene({ policy: limited, now });
    const call = async (who = caller): Promise<JsonObject> =>
      signed(who, guard.did, "tools/call", { name: "echo" }, { now: now() });
    const right = await call();
    const forged = { ...right, params: { ...(right["params"] as JsonObject), name: "other" } };
    for (let i = 0; i < 10; i++) expect(await verdict(guard.admit(forged, stdio()))).toBe("ERR_PROOF_MISMATCH");
    expect(await verdict(guard.admit(right, stdio()))).toBe("admitted");
    expect(await verdict(guard.admit(await call(), stdio()))).toBe("admitted");
    const refused = await replyOf(guard.admit(await call(), stdio()));
    expect(refused).toMatchObject({
      result: {
        isError: true,
        _meta: { "dev.peerage/refusal": { reason: "ERR_RATE_LIMITED", retryAfterSeconds: 30 } },
      },
    });
    expect(await verdict(guard.admit(await call(generateIdentity()), stdio()))).toBe("admitted");
    ms += 30_000;
    expect(await verdict(guard.admit(await call(), stdio()))).toBe("admitted");
    expect(await verdict(guard.admit(await call(), stdio()))).toBe("ERR_RATE_LIMITED");
  });
});

describe("a response", () => {
  it("gets a receipt that verifies offline, in _meta or in the error's data", async () => {
    const { guard, caller } = scene();
    const decision = await decisionOf(guard, await signedEcho(caller, guard.did, { a: 1 }));
    const response: JsonObject = { jsonrpc: "2.0", id: 1, result: { content: [], _meta: { own: 1 } } };
    const settled = await guard.settle(decision, response);
    const receipt = verifyReceipt(receiptOf(settled), {
      server: guard.did,
      call: decision.proof!,
      prev: [],
      result: settled["result"],
    });
    expect(receipt).toMatchObject({
      result: "executed",
      sub: { res: resultDigest(response["result"]!), policy: decision.policy },
    });
    expect(settled).toMatchObject({ result: { content: [], _meta: { own: 1 } } });

    const failed = await decisionOf(guard, await signedEcho(caller, guard.did));
    const error: JsonObject = { jsonrpc: "2.0", id: 2, error: { code: -32602, message: "no" } };
    const told = await guard.settle(failed, error);
    expect(verifyReceipt(receiptOf(told), { server: guard.did, call: failed.proof!, prev: [] }).result).toBe("errored");
    expect(told).toMatchObject({ id: 2, error: { code: -32602, message: "no" } });
  });

  it("with a number that no two readers digest alike gets a receipt without its digest", async () => {
    const { guard, caller } = scene();
    const decision = await decisionOf(guard, await signedEcho(caller, guard.did));
    const settled = await guard.settle(decision, { jsonrpc: "2.0", id: 1, result: { n: 2 ** 60 } });
    expect(verifyReceipt(receiptOf(settled), { server: guard.did, call: decision.proof!, prev: [] }).sub).toEqual({
      policy: decision.policy,
    });
  });

  it("goes out without a receipt if none can be made: a done call is never turned into an error", async () => {
    const alarms: unknown[] = [];
    const identity = generateIdentity();
    const broken = {
      ...identity,
      sign: (): never => {
        throw new Error("no key");
      },
    };
    const { guard, caller } = scene({ identity: broken, onAlarm: (problem) => alarms.push(problem) });
    const decision = await decisionOf(guard, await signedEcho(caller, guard.did));
    const response = { jsonrpc: "2.0", id: 1, result: {} };
    expect(await guard.settle(decision, response)).toEqual(response);
    expect(alarms).toHaveLength(1);
  });

  it("to initialize and server/discover says what is required", async () => {
    const { guard } = scene({ audiences: ["https://mcp.example.com/mcp"] });
    const result = { capabilities: { tools: {}, extensions: { other: {} } }, serverInfo: { name: "s" } };
    for (const method of ["initialize", "server/discover"]) {
      const decision = await decisionOf(guard, { jsonrpc: "2.0", id: 1, method });
      const settled = await guard.settle(decision, { jsonrpc: "2.0", id: 1, result });
      expect(settled["result"]).toEqual({
        ...result,
        capabilities: {
          tools: {},
          extensions: {
            other: {},
            "dev.peerage/call": {
              v: 1,
              aud: [guard.did, "https://mcp.example.com/mcp"],
              required: true,
              maxAgeSeconds: 300,
              history: true,
              receipts: true,
              mode: "enforce",
            },
          },
        },
      });
    }
  });
});

describe("a list", () => {
  const named = (...names: string[]): JsonValue => names.map((name) => ({ name }));

  it("shows a caller what it could use, and is private in the modern era", async () => {
    const policy = policyOf([
      { tools: ["read", "list"], agents: "*" },
      { tools: "write", agents: "*", trust: 0.5 },
      { tools: "send", agents: "*", args: { to: "me" } },
      { resources: "demo://static/**", agents: "*" },
    ]);
    const { guard, caller } = scene({ policy, trust: trusting({}) });
    const list = async (method: string, result: JsonObject, more = {}): Promise<JsonValue | undefined> => {
      const decision = await decisionOf(guard, await signed(caller, guard.did, method, {}, more));
      const { _meta: _, ...rest } = (await guard.settle(decision, { jsonrpc: "2.0", id: 1, result }))[
        "result"
      ] as JsonObject;
      return rest;
    };
    const tools = { tools: named("read", "write", "send", "delete"), nextCursor: "c" };
    expect(await list("tools/list", tools)).toEqual({ tools: named("read", "send"), nextCursor: "c" });
    expect(await list("tools/list", { ...tools, cacheScope: "public", ttlMs: 9e6 }, MODERN)).toEqual({
      tools: named("read", "send"),
      nextCursor: "c",
      cacheScope: "private",
      ttlMs: 60_000,
    });
    expect(await list("prompts/list", { prompts: named("p") })).toEqual({ prompts: [] });
    const resources = { resources: [{ uri: "demo://static/a" }, { uri: "demo://dynamic/a" }, { name: "no uri" }] };
    expect(await list("resources/list", resources)).toEqual({ resources: [{ uri: "demo://static/a" }] });
    const templates = [{ uriTemplate: "demo://static/{x}" }, { uriTemplate: "demo://dynamic/{x}" }];
    expect(await list("resources/templates/list", { resourceTemplates: templates })).toEqual({
      resourceTemplates: templates.slice(0, 1),
    });
  });

  it("that cannot be read and filtered does not pass", async () => {
    const { guard, caller } = scene();
    const decision = await decisionOf(guard, await signed(caller, guard.did, "tools/list"));
    const settled = await guard.settle(decision, { jsonrpc: "2.0", id: 1, result: { tools: "all of them" } });
    expect(settled).toMatchObject({ error: { code: -31500 } });
    expect(settled).not.toHaveProperty("result");
  });
});

describe("the id of an unreadable text", () => {
  it("is answered if there is exactly one that can be used", () => {
    const cases: [string, string | number | null][] = [
      ['{"jsonrpc":"2.0","id":7,"method":', 7],
      ['{"params":{"id":1,"x":[{"id":2}]},"i\\u0064" : "a\\"b" ,', 'a"b'],
      ['{"id":1,"id":2}', null],
      ['{"id":1e3}', null],
      ['{"id":12345678901234567890}', null],
      ['{"id":null}', null],
      ['{"x":"id","y":["id"]}', null],
      ['[{"id":1}]', null],
      ['{"id":1}{"id":2}', 1],
      ["", null],
      ['{"id":"unended', null],
    ];
    for (const [text, id] of cases) expect([text, salvageId(text)]).toEqual([text, id]);
  });
});
