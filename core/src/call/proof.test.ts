import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { GOLDEN_NOW, goldenCases, vectorJson, vectorsPresent } from "../../../test/_vectors.ts";
import { identityFromSeed } from "../did/identity.ts";
import { isPeerageError } from "../errors.ts";
import { tokenDigest } from "../json/digest.ts";
import { parseJson } from "../json/parse.ts";
import type { JsonObject } from "../json/types.ts";
import { canonicalize } from "../json/canonical.ts";
import { toBase64url } from "../encoding/base64.ts";
import { utf8 } from "../encoding/bytes.ts";
import { type CallSubject, checkCallAudienceAndTime, checkCallMessage, parseCallProof, signCall } from "./proof.ts";
import { canonicalAudience } from "./request.ts";

const alice = identityFromSeed(new Uint8Array(32).fill(1));
const guard = identityFromSeed(new Uint8Array(32).fill(2));
const now = new Date("2026-11-20T12:00:00Z");
const audiences = new Set<string>([guard.did]);
const echo = { method: "tools/call", params: { name: "echo", arguments: { message: "hi" } } };

function verify(token: unknown, message: CallSubject, at = now): string | undefined {
  try {
    const proof = parseCallProof(token);
    checkCallAudienceAndTime(proof, { audiences, now: at });
    checkCallMessage(proof, message);
    return undefined;
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    return error.code;
  }
}

const sign = (lifetimeSeconds?: number) =>
  signCall(alice, {
    audience: guard.did,
    message: echo,
    now,
    ...(lifetimeSeconds === undefined ? {} : { lifetimeSeconds }),
  });

it.skipIf(!vectorsPresent)("A-CALL-03 … A-CALL-13 give the stated verdicts on the golden call proofs", () => {
  // Replay, presence and history are questions of the guard; its own test runs the same cases whole.
  const guards = new Set(["ERR_PROOF_MISSING", "ERR_PROOF_REPLAYED", "ERR_HISTORY_INVALID"]);
  const { context } = vectorJson("peerage-golden/golden.json");
  let judged = 0;
  for (const c of goldenCases("call", { valid: 19, invalid: 82 })) {
    if (!c.valid && c.expect.codes.some((code: string) => guards.has(code))) continue;
    const { header, synthetic, ...plain } = c.message;
    const message = synthetic ?? parseJson(JSON.stringify(plain));
    const token = header ? header["Peerage-Call"] : message.params._meta["dev.peerage/call"];
    let code: string | undefined;
    try {
      const proof = parseCallProof(token);
      checkCallAudienceAndTime(proof, {
        audiences: new Set(context.audiences as string[]),
        now: new Date((c.now ?? GOLDEN_NOW) * 1000),
      });
      checkCallMessage(proof, message);
      if (c.expect.tokenDigest) expect(tokenDigest(proof.token)).toBe(c.expect.tokenDigest);
    } catch (error) {
      code = isPeerageError(error) ? error.code : String(error);
    }
    if (c.valid) expect(code, c.id).toBeUndefined();
    else expect(c.expect.codes, c.id).toContain(code);
    judged++;
  }
  expect(judged).toBeGreaterThan(85);
});

describe("a call proof", () => {
  it("verifies for its message, its audience and its minute", async () => {
    expect(verify(await sign(), echo)).toBeUndefined();
  });

  it("A-CALL-06 is refused when one bit anywhere in the token is flipped", async () => {
    const token = await sign();
    expect(verify(token, echo)).toBeUndefined();
    fc.assert(
      fc.property(fc.nat(token.length - 1), fc.nat(6), (at, bit) => {
        const flipped = String.fromCharCode(token.charCodeAt(at) ^ (1 << bit));
        expect(verify(token.slice(0, at) + flipped + token.slice(at + 1), echo)).toBeDefined();
      }),
      { numRuns: 1_000 },
    );
  });

  it("A-CALL-07 is refused for any other message", async () => {
    const token = await sign();
    const others: CallSubject[] = [
      { ...echo, method: "tools/list" },
      { method: "tools/call", params: { name: "echo2", arguments: { message: "hi" } } },
      { method: "tools/call", params: { name: "echo", arguments: { message: "ho" } } },
      { method: "tools/call", params: { name: "echo", arguments: { message: "hi", more: null } } },
      { method: "tools/call", params: { name: "echo", arguments: { message: "hi" }, task: {} } },
    ];
    for (const other of others) expect(verify(token, other)).toBe("ERR_PROOF_MISMATCH");
    const relabelled = { ...echo, params: { ...echo.params, _meta: { progressToken: 7 } } };
    expect(verify(token, relabelled)).toBeUndefined();
  });

  it("A-CALL-12 holds from iat − 30 s to exp + 30 s, to the second", async () => {
    const token = await sign(60);
    const at = (seconds: number) => verify(token, echo, new Date(now.getTime() + seconds * 1000));
    expect(at(-30)).toBeUndefined();
    expect(at(-31)).toBe("ERR_PROOF_NOT_YET_VALID");
    expect(at(90)).toBeUndefined();
    expect(at(91)).toBe("ERR_PROOF_EXPIRED");
    expect(() => sign(301)).toThrow(RangeError);
    expect(verify(await sign(300), echo)).toBeUndefined();
  });

  it("A-CALL-04 A-CALL-05 is refused over 16 KiB, in other serialisations, with other types", async () => {
    const token = await sign();
    const [, claims = "", signature = ""] = token.split(".");
    const header = (members: object) => toBase64url(utf8(canonicalize({ alg: "EdDSA", kid: alice.kid, ...members })));
    const cases: unknown[] = [
      `${token.slice(0, -1)}${"A".repeat(16_384)}`,
      { protected: header({}), payload: claims, signature },
      [token],
      `${token}=`,
      `${token}.`,
      `${header({ typ: "peerage-entry+jwt" })}.${claims}.${signature}`,
      `${header({ typ: "peerage-call+jwt", crit: ["exp"] })}.${claims}.${signature}`,
      `${header({ typ: "peerage-call+jwt", alg: "none" })}.${claims}.`,
      null,
      "",
    ];
    for (const value of cases) expect(verify(value, echo)).toBe("ERR_PROOF_MALFORMED");
    expect(verify(token, echo)).toBeUndefined();
  });

  it("A-CALL-04 A-CALL-11 is refused with a claim too many, and with a list of audiences that has the right one", async () => {
    const forge = (change: (claims: JsonObject) => JsonObject) => async (): Promise<string | undefined> => {
      const [header, payload] = (await sign()).split(".").slice(0, 2);
      const claims = parseJson(Buffer.from(payload!, "base64url").toString()) as JsonObject;
      const signed = `${header!}.${toBase64url(utf8(canonicalize(change(claims))))}`;
      return verify(`${signed}.${toBase64url(alice.sign(utf8(signed)))}`, echo);
    };
    expect(await forge((claims) => claims)()).toBeUndefined();
    expect(await forge((claims) => ({ ...claims, admin: true }))()).toBe("ERR_PROOF_MALFORMED");
    expect(await forge((claims) => ({ ...claims, aud: [guard.did] }))()).toBe("ERR_PROOF_MALFORMED");
  });

  it("A-CALL-13 carries 128 fresh random bits each time", async () => {
    const ids = await Promise.all(Array.from({ length: 100 }, async () => parseCallProof(await sign()).jti));
    expect(new Set(ids).size).toBe(100);
    expect(ids.every((jti) => jti.length === 22)).toBe(true);
  });
});

it("A-CALL-11 makes one audience of the spellings of one endpoint, and refuses user names", () => {
  expect(canonicalAudience("HTTPS://MCP.Example.com:443/mcp?x=1#y")).toBe("https://mcp.example.com/mcp");
  expect(canonicalAudience("http://127.0.0.1:7070/mcp")).toBe("http://127.0.0.1:7070/mcp");
  expect(canonicalAudience("https://mcp.example.com")).toBe("https://mcp.example.com/");
  expect(() => canonicalAudience("https://user@mcp.example.com/mcp")).toThrow(TypeError);
  expect(() => canonicalAudience("ftp://mcp.example.com/")).toThrow(TypeError);
});
