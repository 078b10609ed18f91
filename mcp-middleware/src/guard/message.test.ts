import type { JsonObject } from "@peerage/core";
import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { http, policyOf, scene, signed, signedEcho, stdio, unsigned, verdict } from "../../../test/_guard.ts";

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
