import {
  generateIdentity,
  type Identity,
  issueReceipt,
  type JsonObject,
  parseCallProof,
  signCall,
  signEntry,
  toBase64url,
  utf8,
} from "@peerage/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CALL_META, http, policyOf, replyOf, scene, signed, signedEcho, stdio, verdict } from "../../../test/_guard.ts";
import { createGuard } from "./create-guard.ts";
import { MemoryReplayStore } from "./replay.ts";

const IDENTITY_POINT = "did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj";

function tokenOf(message: JsonObject): string {
  return ((message["params"] as JsonObject)["_meta"] as JsonObject)[CALL_META] as string;
}

function withMeta(message: JsonObject, meta: JsonObject): JsonObject {
  return { ...message, params: { ...(message["params"] as JsonObject), _meta: meta } };
}

function withToken(message: JsonObject, token: unknown): JsonObject {
  return withMeta(message, { [CALL_META]: token as string });
}

/** A token of any header and claims with a true signature over them. */
function forge(signer: Identity, header: JsonObject, claims: JsonObject): string {
  const signing = `${toBase64url(utf8(JSON.stringify(header)))}.${toBase64url(utf8(JSON.stringify(claims)))}`;
  return `${signing}.${toBase64url(signer.sign(utf8(signing)))}`;
}

function claimsOf(token: string): JsonObject {
  return JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()) as JsonObject;
}

const unsigned = (id: number | undefined, method = "tools/call"): JsonObject => ({
  jsonrpc: "2.0",
  ...(id === undefined ? {} : { id }),
  method,
  params: { name: "echo", arguments: {} },
});

describe("the proof", () => {
  it("A-CALL-01 refuses unsigned requests and drops unsigned notifications; the signed ones pass", async () => {
    const { guard, caller } = scene();
    expect(await replyOf(guard.admit(unsigned(7), stdio()))).toMatchObject({
      id: 7,
      error: { code: -31401, data: { reason: "ERR_PROOF_MISSING", retryable: false, metaKeys: [] } },
    });
    const dropped = await guard.admit(unsigned(undefined, "notifications/cancelled"), stdio());
    expect(dropped).toMatchObject({ admitted: false, reason: "ERR_PROOF_MISSING" });
    expect(dropped).not.toHaveProperty("reply");
    expect(await verdict(guard.admit(await signedEcho(caller, guard.did), stdio()))).toBe("admitted");
    const cancel = await signed(caller, guard.did, "notifications/cancelled", { requestId: 7 });
    expect(await verdict(guard.admit(cancel, stdio()))).toBe("admitted");
  });

  it("A-CALL-02 takes no name, argument, header or score for an identity", async () => {
    const { guard } = scene();
    const claim = withMeta(unsigned(1), {
      clientInfo: { name: "admin" },
      "dev.peerage/score": 1,
      "dev.peerage/caller": guard.did,
    });
    const headers = { "x-agent-name": "admin", "peerage-caller": guard.did };
    expect(await verdict(guard.admit(claim, http(headers)))).toBe("ERR_PROOF_MISSING");
  });

  it("A-CALL-03 A-CALL-04 refuses every header but the one of the profile", async () => {
    const { guard, caller } = scene();
    const right = await signedEcho(caller, guard.did);
    const claims = claimsOf(tokenOf(right));
    const header = { alg: "EdDSA", kid: caller.kid, typ: "peerage-call+jwt" };
    const wrong: JsonObject[] = [
      ...["none", "HS256", "ES256", "RS256", "eddsa"].map((alg) => ({ ...header, alg })),
      { ...header, alg: ["EdDSA"] },
      ...["jwk", "jku", "x5c", "crit", "b64", "cty", "anything"].map((name) => ({ ...header, [name]: "x" })),
      { ...header, crit: ["b64"], b64: false },
    ];
    for (const other of wrong) {
      const token = forge(caller, other, claims);
      expect(await verdict(guard.admit(withToken(right, token), stdio()))).toBe("ERR_PROOF_MALFORMED");
    }
    const token = tokenOf(right);
    for (const text of [
      `${token}=`,
      token.replaceAll(".", ".."),
      `${token}.`,
      "",
      5,
      null,
      [token],
      { token },
      token + "A".repeat(16_384),
    ]) {
      expect(await verdict(guard.admit(withToken(right, text), stdio()))).toBe("ERR_PROOF_MALFORMED");
    }
    expect(await verdict(guard.admit(right, stdio()))).toBe("admitted");
  });

  it("A-CALL-05 refuses a signature that was made for another purpose", async () => {
    const { guard, caller } = scene();
    const right = await signedEcho(caller, guard.did);
    const run = "A".repeat(22);
    const entry = await signEntry(caller, { run, prev: [], step: "tool_call", result: "executed" });
    const call = parseCallProof(tokenOf(right));
    const receipt = await issueReceipt(caller, { call, result: "executed", policy: call.req, tips: [] });
    const jwt = forge(caller, { alg: "EdDSA", kid: caller.kid, typ: "JWT" }, claimsOf(tokenOf(right)));
    for (const token of [entry, receipt, jwt]) {
      expect(await verdict(guard.admit(withToken(right, token), stdio()))).toBe("ERR_PROOF_MALFORMED");
    }
    expect(await verdict(guard.admit(right, stdio()))).toBe("admitted");
  });

  it("A-CALL-06 refuses a key that is not the issuer's, and any change of one character of the token", async () => {
    const { guard, caller } = scene();
    const other = generateIdentity();
    const right = await signedEcho(caller, guard.did);
    const claims = claimsOf(tokenOf(right));
    const kids = [other.kid, caller.did, `${caller.did}#${other.did.slice(8)}`, `#${caller.did.slice(8)}`];
    for (const kid of kids) {
      const token = forge(other, { alg: "EdDSA", kid, typ: "peerage-call+jwt" }, claims);
      expect(await verdict(guard.admit(withToken(right, token), stdio()))).toBe("ERR_PROOF_MALFORMED");
    }
    const token = tokenOf(right);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(token.length - 1),
        fc.constantFrom("A", "Q", "g", "w", "_", "-", ".", "z", "0"),
        async (index, character) => {
          fc.pre(token[index] !== character);
          const flipped = token.slice(0, index) + character + token.slice(index + 1);
          expect(await verdict(guard.admit(withToken(right, flipped), stdio()))).not.toBe("admitted");
        },
      ),
      { numRuns: 300 },
    );
    expect(await verdict(guard.admit(right, stdio()))).toBe("admitted");
  });

  it("A-CALL-07 refuses a proof of another message and repairs nothing", async () => {
    const { guard, caller } = scene();
    const right = await signedEcho(caller, guard.did, { text: "hi" });
    const params = right["params"] as JsonObject;
    const changed: JsonObject[] = [
      { ...right, params: { ...params, arguments: { text: "ho" } } },
      { ...right, params: { ...params, name: "delete_all" } },
      { ...right, params: { ...params, task: { ttl: 1 } } },
      { ...right, method: "prompts/get" },
      withToken(right, tokenOf(await signedEcho(caller, guard.did))),
    ];
    for (const message of changed) expect(await verdict(guard.admit(message, stdio()))).toBe("ERR_PROOF_MISMATCH");
    const moved = { ...withMeta(right, { ...(params["_meta"] as JsonObject), progressToken: 4 }), id: "another id" };
    expect(await verdict(guard.admit(moved, stdio()))).toBe("admitted");
  });

  it("A-CALL-08 admits one of 50 parallel replays, on any connection and wiring of the guard", async () => {
    const { guard, caller } = scene();
    const right = await signedEcho(caller, guard.did);
    const text = JSON.stringify(right);
    const verdicts = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const context = i % 2 === 0 ? stdio() : http();
        return verdict(i % 3 === 0 ? guard.admit(right, context) : guard.admitText(text, context));
      }),
    );
    expect(verdicts.filter((one) => one === "admitted")).toHaveLength(1);
    expect(verdicts.filter((one) => one === "ERR_PROOF_REPLAYED")).toHaveLength(49);
  });

  it("A-CALL-10 keeps nothing of forged proofs, and the victim's own call passes", async () => {
    const replay = new MemoryReplayStore();
    const { guard, caller } = scene({ replay });
    const right = await signedEcho(caller, guard.did);
    const [header, claims, signature] = tokenOf(right).split(".") as [string, string, string];
    for (let i = 0; i < 500; i++) {
      const noise = toBase64url(
        Uint8Array.from(Buffer.from(signature, "base64url"), (byte, at) =>
          at === i % 32 ? byte ^ (1 + (i % 255)) : byte,
        ),
      );
      await guard.admit(withToken(right, `${header}.${claims}.${noise}`), stdio());
    }
    expect(replay.size).toBe(0);
    expect(await verdict(guard.admit(right, stdio()))).toBe("admitted");
    expect(replay.size).toBe(1);
  });

  it("A-CALL-11 takes its own DID and URL for its audience and nothing that looks like them", async () => {
    const { guard, caller } = scene({ audiences: ["HTTPS://MCP.example.com:443/mcp?a#b"] });
    const wrong = [
      generateIdentity().did,
      "https://mcp.example.com/mcp2",
      "https://mcp.example.com/mc",
      "https://mcp.example.com:8443/mcp",
      "https://u@mcp.example.com/mcp",
      "https://MCP.example.com/mcp",
      "http://mcp.example.com/mcp",
      "http://evil.example/mcp",
      "",
    ];
    const headers = { host: "evil.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "http" };
    for (const audience of wrong) {
      const refused = guard.admit(await signedEcho(caller, audience), http(headers));
      expect(await verdict(refused)).toBe("ERR_PROOF_AUDIENCE");
    }
    for (const audience of [guard.did, "https://mcp.example.com/mcp"]) {
      expect(await verdict(guard.admit(await signedEcho(caller, audience), http(headers)))).toBe("admitted");
    }
  });

  it("A-CALL-12 walks the edges of a proof's time", async () => {
    let seconds = 1_795_200_000;
    const now = (): Date => new Date(seconds * 1000);
    const replay = new MemoryReplayStore({ startedAt: new Date(0) });
    const { guard, caller } = scene({ now, replay });
    const issued = seconds;
    const edges: [number, string][] = [
      [-31, "ERR_PROOF_NOT_YET_VALID"],
      [-30, "admitted"],
      [0, "admitted"],
      [90, "admitted"],
      [91, "ERR_PROOF_EXPIRED"],
    ];
    for (const [offset, expected] of edges) {
      const message = await signed(caller, guard.did, "tools/call", { name: "echo" }, { now: new Date(issued * 1000) });
      seconds = issued + offset;
      expect(await verdict(guard.admit(message, stdio()))).toBe(expected);
    }
  });

  it("A-CALL-13 refuses a jti that could be guessed", async () => {
    const { guard, caller } = scene();
    const right = await signedEcho(caller, guard.did);
    const { jti: _, ...claims } = claimsOf(tokenOf(right));
    const header = { alg: "EdDSA", kid: caller.kid, typ: "peerage-call+jwt" };
    for (const jti of [undefined, "", "a".repeat(21), "a".repeat(4_000), 7]) {
      const token = forge(caller, header, jti === undefined ? claims : { ...claims, jti });
      expect(await verdict(guard.admit(withToken(right, token), stdio()))).toBe("ERR_PROOF_MALFORMED");
    }
    expect(await verdict(guard.admit(right, stdio()))).toBe("admitted");
  });

  it("A-CALL-14 takes a proof in the wrong place for none, and a bad one on a lifecycle message for a bad one", async () => {
    const { guard, caller } = scene();
    const right = await signedEcho(caller, guard.did);
    const token = tokenOf(right);
    const inArguments = { ...unsigned(1), params: { name: "echo", arguments: { [CALL_META]: token } } };
    const beside = { ...unsigned(2), [CALL_META]: token };
    const inParams = { ...unsigned(3), params: { name: "echo", arguments: {}, [CALL_META]: token } };
    for (const message of [inArguments, beside, inParams]) {
      expect(await verdict(guard.admit(message, stdio()))).toBe("ERR_PROOF_MISSING");
    }
    expect(await verdict(guard.admit(unsigned(4), http({ "peerage-call": token })))).toBe("ERR_PROOF_MISSING");
    const two = http({ "peerage-call": tokenOf(await signedEcho(caller, guard.did)) });
    expect(await verdict(guard.admit(right, two))).toBe("ERR_PROOF_MALFORMED");

    const ping: JsonObject = { jsonrpc: "2.0", id: 5, method: "ping" };
    for (const bad of ["x", "", null, 1]) {
      expect(await verdict(guard.admit({ ...ping, params: { _meta: { [CALL_META]: bad } } }, stdio()))).toBe(
        "ERR_PROOF_MALFORMED",
      );
    }
    const misplaced: JsonObject[] = [
      { ...ping, [CALL_META]: token },
      { ...ping, params: { [CALL_META]: token } },
    ];
    for (const message of misplaced) expect(await verdict(guard.admit(message, stdio()))).toBe("ERR_PROOF_MISSING");
    expect(await verdict(guard.admit({ ...ping, params: { _meta: { [CALL_META]: token } } }, stdio()))).toBe(
      "ERR_PROOF_MISMATCH",
    );
    expect(await verdict(guard.admit(ping, stdio()))).toBe("admitted");
    expect(await verdict(guard.admit(right, http({ "peerage-call": token })))).toBe("admitted");
  });

  it("A-CALL-16 names the _meta keys that arrived where a hop stripped the proof, and accepts no bearer token for it", async () => {
    const { guard } = scene();
    const stripped = withMeta(unsigned(1), { progressToken: 1, "com.example/trace": "x" });
    const reply = await replyOf(guard.admit(stripped, http({ authorization: "Bearer secret" })));
    expect(reply).toMatchObject({
      error: { data: { reason: "ERR_PROOF_MISSING", metaKeys: ["progressToken", "com.example/trace"] } },
    });
    expect(JSON.stringify(reply)).not.toContain("secret");
  });

  it("A-DID-01 refuses the identity point, which signs anything, before any signature is checked", async () => {
    const { guard, caller } = scene();
    const right = await signedEcho(caller, guard.did);
    const kid = `${IDENTITY_POINT}#${IDENTITY_POINT.slice(8)}`;
    const header = { alg: "EdDSA", kid, typ: "peerage-call+jwt" };
    const signing = [header, { ...claimsOf(tokenOf(right)), iss: IDENTITY_POINT }].map((part) =>
      toBase64url(utf8(JSON.stringify(part))),
    );
    // R = the identity point, S = 0: holds for every message under that key.
    const signature = new Uint8Array(64);
    signature[0] = 1;
    const token = [...signing, toBase64url(signature)].join(".");
    expect(await verdict(guard.admit(withToken(right, token), stdio()))).toBe("ERR_DID_INVALID");
    expect(await verdict(guard.admit(right, stdio()))).toBe("admitted");
  });
});

describe("the message", () => {
  it("A-JSON-01 refuses batches whole, whatever is in them", async () => {
    const { guard, caller } = scene();
    const right = await signedEcho(caller, guard.did);
    for (const batch of [[right, unsigned(1)], [right], []]) {
      for (const admission of [guard.admit(batch, http()), guard.admitText(JSON.stringify(batch), http())]) {
        expect(await admission).toMatchObject({
          reason: "ERR_MESSAGE_BATCH",
          status: 400,
          reply: { id: null, error: { code: -32600 } },
        });
      }
    }
    expect(await verdict(guard.admit(right, http()))).toBe("admitted");
  });

  it("A-JSON-02 refuses repeated names at any depth, also escaped; neither wins", async () => {
    const { guard, caller } = scene();
    const text = JSON.stringify(await signedEcho(caller, guard.did, { a: { b: 1 } }));
    const doubled = [
      text.replace('"name":"echo"', '"name":"rm","name":"echo"'),
      text.replace('"name":"echo"', '"n\\u0061me":"rm","name":"echo"'),
      text.replace('"b":1', '"b":2,"b":1'),
      text.replace('"method"', '"id":1,"method"'),
    ];
    for (const other of doubled) {
      expect(await verdict(guard.admitText(other, stdio()))).toBe("ERR_JSON_DUPLICATE_KEY");
    }
    expect(await verdict(guard.admitText(text, stdio()))).toBe("admitted");
  });

  it("A-JSON-03 passes __proto__, constructor and prototype on as plain members", async () => {
    const { guard, caller } = scene();
    const args = JSON.parse(
      '{"__proto__":{"polluted":true},"constructor":{"prototype":1},"prototype":2}',
    ) as JsonObject;
    const admission = await guard.admitText(JSON.stringify(await signedEcho(caller, guard.did, args)), stdio());
    expect(admission.admitted && JSON.stringify((admission.message["params"] as JsonObject)["arguments"])).toBe(
      JSON.stringify(args),
    );
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("A-JSON-04 refuses numbers that would arrive as others; 1.0 and 1e2 mean the same behind it", async () => {
    const { guard, caller } = scene();
    const send = async (number: string): Promise<string> => {
      const text = JSON.stringify(await signedEcho(caller, guard.did, { n: Number(number) }));
      return verdict(guard.admitText(text.replace(/"n":[^,}]*/, `"n":${number}`), stdio()));
    };
    for (const number of ["9007199254740992", "12345678901234567890", "1e400", "0.1000000000000000055", "-0"]) {
      // The signer would refuse too: what is signed here is what would arrive.
      expect(await send(number).catch(() => "unsignable")).toMatch(/ERR_JSON_NUMBER|unsignable/);
      const raw = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"n":${number}}}}`;
      expect(await verdict(guard.admitText(raw, stdio()))).toBe("ERR_JSON_NUMBER");
    }
    for (const number of ["1.0", "1e2", "0.1"]) expect(await send(number)).toBe("admitted");
    for (const n of [2 ** 53, -0, NaN, Infinity]) {
      expect(await verdict(guard.admit({ ...unsigned(1), params: { name: "echo", arguments: { n } } }, stdio()))).toBe(
        "ERR_JSON_NUMBER",
      );
    }
  });

  it("A-JSON-05 answers what is no JSON with a code, and never throws", async () => {
    const { guard } = scene();
    const cases: [string | Uint8Array, string][] = [
      ['{"a":"\\ud800"}', "ERR_JSON_STRING"],
      [Uint8Array.of(0x22, 0xff, 0x22), "ERR_JSON_STRING"],
      ["[".repeat(65), "ERR_JSON_DEPTH"],
      ["[".repeat(1_000_000), "ERR_JSON_DEPTH"],
      ["{} {}", "ERR_JSON_SYNTAX"],
      ["{/*x*/}", "ERR_JSON_SYNTAX"],
      ["NaN", "ERR_JSON_SYNTAX"],
      ["", "ERR_JSON_SYNTAX"],
    ];
    for (const [text, code] of cases) expect(await verdict(guard.admitText(text, stdio()))).toBe(code);
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json(), fc.uint8Array()), async (text) => {
        expect(await verdict(guard.admitText(text, stdio()))).toMatch(/^ERR_(JSON|MESSAGE|PROOF)_/);
      }),
      { numRuns: 300 },
    );
    await fc.assert(
      fc.asyncProperty(fc.anything(), async (value) => {
        expect(await verdict(guard.admit(value, stdio()))).toMatch(/^ERR_(JSON|MESSAGE|PROOF)_/);
      }),
      { numRuns: 300 },
    );
  });

  it("A-JSON-06 refuses what is not one request, notification or response, and unknown methods by policy", async () => {
    const policy = policyOf([{ tools: ["*"], agents: "*" }], { open: true });
    const { guard, caller } = scene({ policy });
    const right = await signedEcho(caller, guard.did);
    const { id: _, ...withoutId } = right;
    const shapes: JsonObject[] = [
      withoutId,
      ...[null, {}, 1.5, true, []].map((id) => ({ ...right, id })),
      { ...right, result: {} },
      { ...right, jsonrpc: "1.0" },
      { ...right, extra: 1 },
      { ...right, params: [] },
      { ...right, method: "notifications/initialized" },
      { jsonrpc: "2.0", id: 1 },
      { jsonrpc: "2.0", id: 1, result: {}, error: {} },
    ];
    for (const message of shapes) expect(await verdict(guard.admit(message, stdio()))).toBe("ERR_MESSAGE_INVALID");
    for (const method of ["Tools/Call", "tools/call ", "tools/invoke"]) {
      const message = await signed(caller, guard.did, method, { name: "echo" });
      expect(await verdict(guard.admit(message, stdio()))).toBe("ERR_POLICY_DENIED");
    }
    const pipe = stdio();
    expect(await verdict(guard.admit(right, pipe))).toBe("admitted");
    const sameId = { ...(await signedEcho(caller, guard.did)), id: right["id"] as number };
    expect(await verdict(guard.admit(sameId, pipe))).toBe("ERR_MESSAGE_INVALID");
    expect(await verdict(guard.admit(sameId, stdio()))).toBe("admitted");
  });

  it("A-JSON-08 passes on the object that was verified, without our members and without touching the received one", async () => {
    const { guard, caller } = scene();
    const meta = { progressToken: "p", "dev.peerage/history-hint": 1, "com.example/x": { "dev.peerage/call": "kept" } };
    const right = await signed(
      caller,
      guard.did,
      "tools/call",
      { name: "echo", arguments: { "dev.peerage/x": 1 } },
      { meta },
    );
    const before = JSON.stringify(right);
    const admission = await guard.admitText(before, stdio());
    expect(admission.admitted && admission.message).toEqual({
      ...right,
      params: {
        name: "echo",
        arguments: { "dev.peerage/x": 1 },
        _meta: { progressToken: "p", "com.example/x": { "dev.peerage/call": "kept" } },
      },
    });
    expect(JSON.stringify(right)).toBe(before);
  });

  it("A-JSON-07 refuses a message over the limit of its transport, and answers its id", async () => {
    const { guard } = scene();
    const body = `{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{"name":"${"x".repeat(4 * 1024 * 1024)}"}}`;
    expect(await guard.admitText(body, http())).toMatchObject({
      reason: "ERR_MESSAGE_TOO_LARGE",
      status: 413,
      reply: { id: 42 },
    });
    expect(await verdict(guard.admitText(body, stdio()))).toBe("ERR_PROOF_MISSING");
  });
});

describe("a failing part", () => {
  it("refuses with ERR_GUARD_FAULT whatever throws inside, and tells the operator only", async () => {
    const alarms: unknown[] = [];
    const broken = (): never => {
      throw new Error("secret path");
    };
    const { caller } = scene();
    for (const options of [
      { policy: broken },
      { onDecision: broken },
      { replay: { insert: broken, size: 0, [Symbol.dispose]: () => undefined } },
      { trust: { score: broken, keyState: () => "active" as const, ageSeconds: () => 0, maxAgeSeconds: 1 } },
    ]) {
      const { guard } = scene({ ...options, onAlarm: (problem) => alarms.push(problem) });
      const reply = await replyOf(guard.admit(await signedEcho(caller, guard.did), stdio()));
      expect(reply).toMatchObject({ error: { code: -31500, data: { reason: "ERR_GUARD_FAULT", retryable: true } } });
      expect(JSON.stringify(reply)).not.toContain("secret");
    }
    expect(alarms.length).toBeGreaterThanOrEqual(4);
  });

  it("does not start on a policy that cannot be read", async () => {
    const policy = (): never => {
      throw new Error("unreadable");
    };
    await expect(createGuard({ identity: generateIdentity(), policy })).rejects.toThrow("unreadable");
  });
});

describe("the lifecycle set", () => {
  it("comes unsigned or signed, and open: [] wants it signed", async () => {
    const initialize = { jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion: "2025-11-25" } };
    const { guard, caller } = scene();
    const open = await guard.admit(initialize, stdio());
    expect(open.admitted && open.caller).toBe(undefined);
    const closed = scene({ open: [] });
    expect(await verdict(closed.guard.admit(initialize, stdio()))).toBe("ERR_PROOF_MISSING");
    const own = await closed.guard.admit(
      await signed(caller, closed.guard.did, "initialize", initialize.params),
      stdio(),
    );
    expect(own).toMatchObject({ admitted: true, caller: { did: caller.did } });
    const token = await signCall(caller, { audience: guard.did, message: initialize });
    const late = {
      ...initialize,
      params: { ...initialize.params, protocolVersion: "x", _meta: { [CALL_META]: token } },
    };
    expect(await verdict(guard.admit(late, stdio()))).toBe("ERR_PROOF_MISMATCH");
  });
});
