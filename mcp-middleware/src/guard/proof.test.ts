import {
  generateIdentity,
  type Identity,
  issueReceipt,
  type JsonObject,
  parseCallProof,
  signEntry,
  toBase64url,
  utf8,
} from "@peerage/core";
import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import {
  CALL_META,
  http,
  replyOf,
  scene,
  signed,
  signedEcho,
  stdio,
  tokenOf,
  unsigned,
  verdict,
  withMeta,
  withToken,
} from "../../../test/_guard.ts";
import { MemoryReplayStore } from "./replay.ts";

const IDENTITY_POINT = "did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj";

/** A token of any header and claims with a true signature over them. */
function forge(signer: Identity, header: JsonObject, claims: JsonObject): string {
  const signing = `${toBase64url(utf8(JSON.stringify(header)))}.${toBase64url(utf8(JSON.stringify(claims)))}`;
  return `${signing}.${toBase64url(signer.sign(utf8(signing)))}`;
}

function claimsOf(token: string): JsonObject {
  return JSON.parse(Buffer.from(token.split(".")[1]!, "base64url").toString()) as JsonObject;
}

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

  it("A-CALL-16 takes the proof from the header where a hop stripped _meta, for exactly the message it was made for", async () => {
    const { guard, caller } = scene();
    const header = async (): Promise<Record<string, string>> => ({
      "peerage-call": tokenOf(await signedEcho(caller, guard.did)),
    });
    const other = { ...unsigned(1), params: { name: "echo", arguments: { path: "/etc/passwd" } } };
    expect(await verdict(guard.admit(other, http(await header())))).toBe("ERR_PROOF_MISMATCH");
    const once = await header();
    expect(await verdict(guard.admit(unsigned(2), http(once)))).toBe("admitted");
    expect(await verdict(guard.admit(unsigned(3), http(once)))).toBe("ERR_PROOF_REPLAYED");
    expect(await verdict(guard.admit(unsigned(4), http({})))).toBe("ERR_PROOF_MISSING");
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
