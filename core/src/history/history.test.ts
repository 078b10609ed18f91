import { describe, expect, it } from "vitest";
import { GOLDEN_NOW, goldenCases, vectorsPresent } from "../../../test/_vectors.ts";
import { parseCallProof, signCall } from "../call/proof.ts";
import { identityFromSeed } from "../did/identity.ts";
import { isPeerageError } from "../errors.ts";
import { type Digest, tokenDigest } from "../json/digest.ts";
import type { JsonObject } from "../json/types.ts";
import { approvalRequirement, judgeApproval } from "./approval.ts";
import { generateRun, isKnownEntry, parseEntry, signEntry } from "./entry.ts";
import { entryFacts, Evidence } from "./evidence.ts";
import { verifyHistory } from "./history.ts";
import { issueReceipt, verifyReceipt } from "./receipt.ts";

const now = new Date("2026-11-20T12:00:00Z");
const agent = identityFromSeed(new Uint8Array(32).fill(1));
const server = identityFromSeed(new Uint8Array(32).fill(2));
const run = generateRun();

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    return error.code;
  }
}

async function chain(length: number): Promise<string[]> {
  const tokens: string[] = [];
  for (let i = 0; i < length; i++) {
    const prev = tokens.slice(-1).map(tokenDigest);
    tokens.push(await signEntry(agent, { run, prev, step: `step_${i}`, result: "passed", now }));
  }
  return tokens;
}

const head = (tokens: readonly string[]): Digest[] => tokens.slice(-1).map(tokenDigest);

describe.skipIf(!vectorsPresent)("golden vectors", () => {
  it("A-HIST-01 verifies and refuses the histories as stated", () => {
    for (const c of goldenCases("history", { valid: 7, invalid: 25 })) {
      const verify = () => verifyHistory(c.entries, c.head, { now: new Date((c.now ?? GOLDEN_NOW) * 1000) });
      if (!c.valid) {
        expect(c.expect.codes, c.id).toContain(codeOf(verify));
        continue;
      }
      const history = verify();
      expect(history?.run, c.id).toBe(c.expect.run);
      expect(history?.tips, c.id).toEqual(c.expect.tips);
      expect(history?.entries.map((e) => e.digest)).toEqual(c.expect.digests);
      expect(history?.entries.map((e) => `${e.step}/${e.result}`)).toEqual(c.expect.steps);
    }
  });

  it("A-APPR-02 A-APPR-04 A-APPR-05 A-APPR-08 counts the approvals as stated", () => {
    for (const c of goldenCases("approval", { valid: 3, invalid: 15 })) {
      const entries = (c.entries as string[]).map((token) => parseEntry(token));
      const { guard, caller, req, policy, approvers, withinSeconds, now } = c.context;
      const evidence = new Evidence(entries.map((entry) => entryFacts(entry, entries[0]?.run)));
      const verdict = judgeApproval(
        approvalRequirement({ by: (did) => approvers.includes(did), withinSeconds, timeoutSeconds: Infinity }),
        evidence,
        { now, caller, guard, req, tool: undefined, policy, spent: () => false },
        new Map(),
      );
      expect(verdict.met, c.id).toBe(c.valid);
      if (!verdict.met) expect(c.expect.codes, c.id).toContain(verdict.reason);
      else
        expect(
          verdict.counting.map((place) => evidence.entries[place]?.digest),
          c.id,
        ).toEqual(c.expect.counts);
    }
  });

  it("A-HIST-06 accepts and refuses the receipts as stated", () => {
    for (const c of goldenCases("receipt", { valid: 4, invalid: 8 })) {
      const verify = () =>
        verifyReceipt(c.receipt, {
          server: c.context.server,
          call: parseCallProof(c.context.call),
          prev: c.context.prev,
          result: c.context.result,
        });
      if (c.valid) expect(verify().digest, c.id).toBe(c.expect.tokenDigest);
      else expect(codeOf(verify), c.id).toBe("ERR_RECEIPT_INVALID");
    }
  });
});

describe("a history", () => {
  it("A-HIST-01 is refused when any entry is dropped, doubled, swapped or altered", async () => {
    const tokens = await chain(6);
    expect(codeOf(() => verifyHistory(tokens, head(tokens), { now }))).toBeUndefined();
    for (let i = 0; i < tokens.length; i++) {
      const dropped = tokens.toSpliced(i, 1);
      const doubled = tokens.toSpliced(i, 0, tokens[i] ?? "");
      const altered = tokens.with(
        i,
        (tokens[i] ?? "").replace(/.$/, (last) => (last === "A" ? "Q" : "A")),
      );
      const swapped = i === 0 ? [] : tokens.toSpliced(i - 1, 2, tokens[i] ?? "", tokens[i - 1] ?? "");
      for (const bad of [dropped, doubled, altered, swapped]) {
        expect(
          codeOf(() => verifyHistory(bad, head(tokens), { now })),
          `entry ${i}`,
        ).toBe("ERR_HISTORY_INVALID");
      }
    }
  });

  it("A-HIST-02 has at most 256 entries and 256 KiB, judged before any signature", async () => {
    const garbage = (count: number, length: number) =>
      Array.from({ length: count }, (_, i) => `${i}`.padEnd(length, "x"));
    expect(codeOf(() => verifyHistory(garbage(257, 10), [], { now }))).toBe("ERR_HISTORY_TOO_LONG");
    expect(codeOf(() => verifyHistory(garbage(17, 16_000), [], { now }))).toBe("ERR_HISTORY_TOO_LONG");
    expect(codeOf(() => verifyHistory(garbage(256, 10), [], { now }))).toBe("ERR_HISTORY_INVALID");
    const longest = await chain(256);
    expect(verifyHistory(longest, head(longest), { now })?.entries).toHaveLength(256);
  });

  it("A-HIST-01 needs the proof's head, and a head needs a history", async () => {
    const tokens = await chain(2);
    expect(verifyHistory(undefined, undefined, { now })).toBeUndefined();
    expect(codeOf(() => verifyHistory(tokens, undefined, { now }))).toBe("ERR_HISTORY_INVALID");
    expect(codeOf(() => verifyHistory(undefined, head(tokens), { now }))).toBe("ERR_HISTORY_INVALID");
    expect(codeOf(() => verifyHistory([], [], { now }))).toBe("ERR_HISTORY_INVALID");
    expect(codeOf(() => verifyHistory("token", head(tokens), { now }))).toBe("ERR_HISTORY_INVALID");
  });
});

describe("a receipt", () => {
  it("A-HIST-05 A-HIST-06 is the server's word on one call and its result, and nobody else's", async () => {
    const message = { method: "tools/call", params: { name: "echo", arguments: {} } };
    const call = parseCallProof(await signCall(agent, { audience: server.did, message, now }));
    const result = { content: [{ type: "text", text: "done" }] };
    const policy = tokenDigest("policy");
    const options = { call, result: "executed", response: result, policy, tips: [], now } as const;
    const context = { server: server.did, call, prev: [], result };
    const receipt = await issueReceipt(server, options);
    const entry = verifyReceipt(receipt, context);
    expect(entry).toMatchObject({ step: "tool_call", result: "executed", tool: "echo", audience: agent.did });
    // Each is met once by whoever called: remembered, they would fill a bridge's memory for hours.
    expect(isKnownEntry(entry.digest)).toBe(false);
    const forged = await issueReceipt(agent, options);
    expect(codeOf(() => verifyReceipt(forged, context))).toBe("ERR_RECEIPT_INVALID");
    const other = { ...context, result: { content: [] } };
    expect(codeOf(() => verifyReceipt(receipt, other))).toBe("ERR_RECEIPT_INVALID");
    expect(codeOf(() => verifyReceipt(call.token, context))).toBe("ERR_RECEIPT_INVALID");
  });

  it("A-HIST-06 is refused, and nothing else thrown, for a result that has no digest", async () => {
    const message = { method: "tools/call", params: { name: "echo", arguments: {} } };
    const call = parseCallProof(await signCall(agent, { audience: server.did, message, now }));
    const policy = tokenDigest("policy");
    const receipt = await issueReceipt(server, { call, result: "executed", response: {}, policy, tips: [], now });
    const context = { server: server.did, call, prev: [] };
    const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
    for (const text of ['{"a":"\\ud800"}', '{"a":1e400}', `{"a":${deep}}`]) {
      const result = JSON.parse(text) as JsonObject;
      expect(codeOf(() => verifyReceipt(receipt, { ...context, result }))).toBe("ERR_RECEIPT_INVALID");
    }
    expect(verifyReceipt(receipt, { ...context, result: {} }).result).toBe("executed");
  });
});

it("A-RATE-05 keeps short entries in memory and verifies long ones every time", async () => {
  const good = { run, prev: [], step: "build", result: "passed", now } as const;
  const short = await signEntry(agent, good);
  const long = await signEntry(agent, { ...good, aud: "x".repeat(2_000), sub: { note: "y".repeat(2_000) } });
  for (const token of [short, long, long]) expect(parseEntry(token).token).toBe(token);
  expect([isKnownEntry(tokenDigest(short)), isKnownEntry(tokenDigest(long))]).toEqual([true, false]);
});

it("refuses to sign an entry that nobody would accept", async () => {
  const good = { run, prev: [], step: "build", result: "passed", now } as const;
  await expect(signEntry(agent, good)).resolves.toBeTypeOf("string");
  await expect(signEntry(agent, { ...good, step: "Build!" })).rejects.toThrow(RangeError);
  await expect(signEntry(agent, { ...good, sub: { ratio: 0.5 } })).rejects.toThrow(RangeError);
  await expect(signEntry(agent, { ...good, run: "short" })).rejects.toThrow(RangeError);
});
