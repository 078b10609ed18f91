import {
  CALL_META,
  CALL_TYP,
  canonicalAudience,
  canonicalize,
  checkCallAudienceAndTime,
  checkCallMessage,
  approvalRequirement,
  concat,
  entryFacts,
  Evidence,
  judgeApproval,
  digest,
  ENTRY_TYP,
  errorCodes,
  formatTilePath,
  fromBase64,
  fromBase64url,
  fromHex,
  fromUtf8,
  HISTORY_META,
  identityFromSeed,
  isPeerageError,
  type JsonValue,
  keyDigest,
  leafHash,
  LOG_TYPE,
  member,
  MESSAGE_TYP,
  type MultibaseKey,
  multibaseOf,
  noteDigest,
  noteSignerFromSeed,
  parseCallProof,
  parseCheckpoint,
  parseDid,
  parseEntry,
  parseJson,
  parseLogProof,
  parseNote,
  parseSignedNote,
  ProofBuilder,
  RECEIPT_META,
  requestDigest,
  signCompactJws,
  signMessage,
  type Statement,
  StatementSet,
  tokenDigest,
  utf8,
  verifyCheckpoint,
  verifyConsistency,
  verifyForkEvidence,
  verifyHistory,
  verifyLogProof,
  verifyMessage,
  verifyReceipt,
  verifyStatement,
  View,
  WITNESS_TYPE,
} from "@peerage/core";
import { ageRecipient } from "../cli/src/messages/age.ts";
import { formatVerifierKey, parseTime } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { errorNumber, refusalReply } from "../mcp-middleware/src/guard/refusal.ts";
import { MemoryReplayStore } from "../mcp-middleware/src/guard/replay.ts";
import { http, policyOf, replyOf, scene, stdio, verdict } from "./_guard.ts";
import { example, line, protocolText, rows, unread } from "./_protocol.ts";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- examples are documents of many shapes
const json = (name: string): any => parseJson(example(name));
// A column of one name and one seed is cut at the first spaces, whatever their number.
const keys = new Map(
  line("keys")
    .split("\n")
    .map((row) => row.split(/ +/))
    .map(([name, seed, text]) => [name!, { seed: fromHex(seed!), text: text! }]),
);
const key = (name: string) => identityFromSeed(keys.get(name)!.seed);
const [agent, guard, voucher, approver] = ["agent", "guard", "voucher", "approver"].map(key) as [
  ReturnType<typeof key>,
  ReturnType<typeof key>,
  ReturnType<typeof key>,
  ReturnType<typeof key>,
];
const logKey = noteSignerFromSeed("registry.example", LOG_TYPE, keys.get("log")!.seed).key;
const operatorWitness = noteSignerFromSeed("registry.example/witness", WITNESS_TYPE, keys.get("witness")!.seed).key;
const policy = { origin: "registry.example", logKey, operatorWitness };

function attempt(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (isPeerageError(error)) return error.code;
    throw error;
  }
}

function claimsOf(token: string): JsonValue {
  return parseJson(fromUtf8(fromBase64url(token.split(".")[1]!)));
}

async function statements(): Promise<Statement[]> {
  const names = ["profile", "init", "vouch", "revocation"];
  return Promise.all(names.map((name) => verifyStatement(canonicalize(json(name) as JsonValue))));
}

/** The tree of the example's four leaves. */
async function tree(): Promise<ProofBuilder> {
  const hashes = (await statements()).map(({ bytes }) => leafHash(bytes));
  return new ProofBuilder((_level, _n, width) => concat(...hashes).subarray(0, width * 32));
}

describe("docs/protocol.md: identities, JSON, digests", () => {
  it("derives the keys from their seeds", () => {
    for (const name of ["agent", "guard", "voucher", "approver"]) expect(key(name).did).toBe(keys.get(name)!.text);
    expect(formatVerifierKey(logKey)).toBe(keys.get("log")!.text);
    expect(formatVerifierKey(operatorWitness)).toBe(keys.get("witness")!.text);
    expect([line("did"), line("kid")]).toEqual([agent.did, agent.kid]);
  });

  it("accepts and refuses the DIDs as stated", () => {
    for (const [text, stated] of rows("did-verdicts")) expect(attempt(() => (parseDid(text), "accepted"))).toBe(stated);
  });

  it("reads and refuses the texts as stated", () => {
    for (const [text, stated] of rows("json-verdicts")) {
      expect(attempt(() => canonicalize(parseJson(text!)))).toBe(stated);
    }
  });

  it("writes the canonical form and digests it", () => {
    const value = parseJson(example("jcs-input"));
    expect([canonicalize(value), digest(value)]).toEqual([line("jcs-output"), line("jcs-digest")]);
  });

  it("makes these audiences of these endpoints", () => {
    for (const [endpoint, audience] of rows("audiences")) expect(canonicalAudience(endpoint!)).toBe(audience);
  });
});

describe("docs/protocol.md: calls", () => {
  const message = json("call-message");
  const token = message.params._meta[CALL_META] as string;
  const now = new Date("2026-11-20T10:00:05Z");
  const replay = () => new MemoryReplayStore({ startedAt: new Date("2026-11-20T09:00:00Z") });

  it("has header, claims and request digest as printed", () => {
    expect(parseJson(fromUtf8(fromBase64url(token.split(".")[0]!)))).toEqual(json("call-header"));
    expect(claimsOf(token)).toEqual(json("call-claims"));
    expect(digest(parseJson(example("call-request")))).toBe(json("call-claims").req);
    expect(canonicalize(parseJson(example("call-request")))).toBe(line("call-request"));
    expect(requestDigest("tools/call", { name: "echo" })).toBe(line("echo-digest"));
    expect([CALL_TYP, ENTRY_TYP].map((typ) => protocolText.includes(`\`${typ}\``))).toEqual([true, true]);
  });

  it("is admitted once by the guard that it names, which forwards what is printed", async () => {
    const { guard: real } = scene({ identity: guard, replay: replay(), now: () => now });
    const admission = await real.admit(message, stdio());
    expect(admission).toMatchObject({ admitted: true, caller: { did: agent.did } });
    expect(admission.admitted && admission.message).toEqual(json("call-forwarded"));
    expect(await verdict(real.admit({ ...message, id: 8 }, stdio()))).toBe("ERR_PROOF_REPLAYED");
  });

  it("holds in the printed window and not a second longer", () => {
    const proof = parseCallProof(token);
    const at = (time: string) => {
      const context = { audiences: new Set([guard.did]), now: new Date(time) };
      return attempt(() => (checkCallAudienceAndTime(proof, context), "holds"));
    };
    expect(at("2026-11-20T09:59:29Z")).toBe("ERR_PROOF_NOT_YET_VALID");
    expect(at("2026-11-20T09:59:30Z")).toBe("holds");
    expect(at("2026-11-20T10:01:30Z")).toBe("holds");
    expect(at("2026-11-20T10:01:31Z")).toBe("ERR_PROOF_EXPIRED");
  });

  it("is carried in a header where there are no params", async () => {
    const { synthetic, headers } = json("http-get");
    const proof = parseCallProof(headers["Peerage-Call"]);
    checkCallMessage(proof, synthetic);
    const audiences = ["https://mcp.example.com/mcp"];
    const { guard: real } = scene({ identity: guard, audiences, replay: replay(), now: () => now });
    const context = http({ "peerage-call": headers["Peerage-Call"], "mcp-session-id": headers["Mcp-Session-Id"] });
    expect(await verdict(real.admitSynthetic(synthetic, context))).toBe("admitted");
  });

  it("is refused and advertised in the printed forms", async () => {
    const audiences = ["https://mcp.example.com/mcp"];
    const options = { identity: guard, audiences, now: () => now };
    const { guard: open } = scene({ ...options, replay: replay() });
    const unsigned = { ...message, params: { ...message.params, _meta: { progressToken: 7 } } };
    expect(await replyOf(open.admit(unsigned, stdio()))).toEqual(json("refusal-identity"));

    const { guard: strict } = scene({
      ...options,
      replay: replay(),
      policy: policyOf([{ tools: "echo", agents: [agent.did] }]),
    });
    const refused = structuredClone(await replyOf(strict.admit(message, stdio()))) as ReturnType<typeof json>;
    expect(refused.result._meta[RECEIPT_META]).toBeTypeOf("string");
    delete refused.result._meta[RECEIPT_META];
    expect(refused).toEqual(json("refusal-policy"));

    const hello = await open.admit({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} }, stdio());
    const settled = await open.settle(hello.decision!, { jsonrpc: "2.0", id: 1, result: { capabilities: {} } });
    const capabilities = member(member(settled, "result"), "capabilities");
    expect(member(member(capabilities, "extensions"), CALL_META)).toEqual(json("advertisement"));
  });
});

describe("docs/protocol.md: histories", () => {
  const { params } = json("history-message");
  const response = json("history-response");
  const tokens = params._meta[HISTORY_META] as string[];
  const receipt = response.result._meta[RECEIPT_META] as string;
  const now = new Date("2026-11-20T10:01:31Z");
  const proof = parseCallProof(params._meta[CALL_META]);

  it("has the printed entries", () => {
    const names = ["entry-plan", "entry-approval", "entry-receipt"];
    expect([...tokens, receipt].map(claimsOf)).toEqual(names.map(json));
    expect(tokenDigest(tokens[1]!)).toBe(line("history-tip"));
  });

  it("verifies with the call, and the approval in it counts", () => {
    checkCallMessage(proof, { method: "tools/call", params });
    checkCallAudienceAndTime(proof, { audiences: new Set([guard.did]), now });
    const history = verifyHistory(tokens, proof.head, { now })!;
    expect(history.tips).toEqual([line("history-tip")]);
    const evidence = new Evidence(history.entries.map((entry) => entryFacts(entry, history.run)));
    const by = (did: string) => did === approver.did;
    const asked = approvalRequirement({ by, withinSeconds: 600, timeoutSeconds: 600 });
    const judged = (caller: string, spent: boolean) => {
      const { req, tool } = proof;
      const ours = { policy: json("entry-approval").sub.policy as string, spent: () => spent };
      const call = { now: now.getTime() / 1000, caller, guard: guard.did, req, tool, ...ours };
      return judgeApproval(asked, evidence, call, new Map());
    };
    expect(judged(agent.did, false)).toEqual({ met: true, counting: [1] });
    expect(judged(agent.did, true)).toMatchObject({ met: false });
    expect(judged(voucher.did, false)).toMatchObject({ met: false, reason: "ERR_APPROVAL_INVALID" });
  });

  it("is answered by a receipt for this call and this result only", () => {
    const context = { server: guard.did, call: proof, prev: proof.head!, result: response.result };
    expect(verifyReceipt(receipt, context)).toMatchObject({ result: "executed", issuer: guard.did });
    const altered = { ...context, result: { content: [] } };
    expect(attempt(() => verifyReceipt(receipt, altered).result)).toBe("ERR_RECEIPT_INVALID");
    expect(json("vouch").credentialSubject.evidence).toEqual([parseEntry(receipt).digest]);
  });
});

describe("docs/protocol.md: statements", () => {
  it("verifies each of them, and the vouch has the printed id and length", async () => {
    const [profile, init, vouch, revocation] = await statements();
    expect([profile, init, vouch, revocation].map((statement) => statement!.issuer)).toEqual([
      agent.did,
      agent.did,
      voucher.did,
      voucher.did,
    ]);
    expect(vouch!.id).toBe(line("vouch-id"));
    expect(protocolText).toContain(`without spaces, it has ${vouch!.bytes.length.toLocaleString("en")} bytes`);
    expect(revocation).toMatchObject({ kind: "Revocation", target: vouch!.id });
    const note = parseNote(json("note") as JsonValue);
    expect(profile).toMatchObject({ kind: "AgentProfile", noteDigest: noteDigest(note) });
    const [next, committed] = line("next-key").split("\n");
    expect(keyDigest(next as MultibaseKey)).toBe(committed);
    expect(init).toMatchObject({ kind: "KeyEvent", event: "init", next: committed });
  });

  it("count at the printed times as printed", async () => {
    const set = new StatementSet();
    const times = ["2026-11-20T10:00:01Z", "2026-11-20T10:00:01Z", "2026-11-20T10:05:01Z", "2026-11-20T11:00:01Z"];
    for (const [index, statement] of (await statements()).entries()) {
      set.add({ statement: statement as never, index, time: parseTime(times[index])! });
    }
    const head = { origin: policy.origin, size: 4, root: new Uint8Array(32), witnessed: false, note: "" };
    for (const [time, vouch, subject] of rows("state")) {
      const view = new View(set, { ...head, time: parseTime(time)! });
      const { received, key: state } = view.agent(agent.did)!;
      expect([received[0]?.status, state.status], time).toEqual([vouch, subject]);
    }
  });
});

describe("docs/protocol.md: the log", () => {
  it("signs the roots of the printed leaves at the printed times", async () => {
    const builder = await tree();
    for (const [name, size, time] of [
      ["checkpoint-3", 3, "2026-11-20T10:05:01Z"],
      ["checkpoint-4", 4, "2026-11-20T11:00:01Z"],
    ] as const) {
      const checkpoint = await verifyCheckpoint(example(name), policy);
      expect(checkpoint).toMatchObject({ size, time: parseTime(time), witnessed: false });
      expect(checkpoint.root).toEqual(await builder.root(size));
    }
  });

  it("proves the vouch, and that the later head extends the earlier one", async () => {
    const vouch = await verifyStatement(canonicalize(json("vouch") as JsonValue));
    const proven = await verifyLogProof(example("log-proof"), vouch.bytes, policy);
    expect(proven).toMatchObject({ index: 2, size: 3, time: parseTime("2026-11-20T10:05:01Z") });
    expect(parseLogProof(example("log-proof")).checkpoint).toBe(example("checkpoint-3"));
    const [older, newer] = ["checkpoint-3", "checkpoint-4"].map((name) =>
      parseCheckpoint(parseSignedNote(example(name)).text),
    ) as [ReturnType<typeof parseCheckpoint>, ReturnType<typeof parseCheckpoint>];
    const { from, to, proof } = json("consistency");
    expect([from, to]).toEqual([older.size, newer.size]);
    const hashes = (proof as string[]).map(fromBase64);
    verifyConsistency({ size1: from, size2: to, root1: older.root, root2: newer.root, proof: hashes });
  });

  it("P-LOG-15 shows a fork by a path that begins with the true root of the smaller tree, and not without it", async () => {
    const evidence = json("fork");
    await verifyForkEvidence(evidence, policy);
    expect(evidence.b).toBe(example("checkpoint-4"));
    expect(fromBase64(evidence.proof[0])).toEqual(await (await tree()).root(2));
    const shortened = { ...evidence, proof: evidence.proof.slice(1) };
    await expect(verifyForkEvidence(shortened, policy)).rejects.toMatchObject({ code: "ERR_CONSISTENCY_INVALID" });
  });

  it("names tiles as printed", () => {
    for (const [level, n, width, path] of rows("tile-paths")) {
      const at = { level: level === "entries" ? level : Number(level), n: Number(n), width: Number(width) };
      expect(formatTilePath(at as Parameters<typeof formatTilePath>[0])).toBe(path);
    }
  });
});

describe("docs/protocol.md: sealed messages", () => {
  it("P-MSG-1 seals to the printed recipients", () => {
    expect(rows("message-recipients")).toEqual([
      ["agent", ageRecipient(multibaseOf(agent.did))],
      ["guard", ageRecipient(multibaseOf(guard.did))],
    ]);
  });

  it("P-MSG-2 reads a message with the printed claims, and writes the same members", async () => {
    const claims = json("message-claims");
    const content = utf8(`${await signCompactJws(agent, MESSAGE_TYP, claims)}\nhello`);
    const now = new Date(claims.iat * 1_000);
    const message = verifyMessage(content, { recipient: guard.did, now });
    expect(message).toMatchObject({ sender: agent.did, body: utf8("hello"), expiresAt: claims.exp, jti: claims.jti });
    const own = await signMessage(agent, { recipient: guard.did, body: utf8("hello"), now });
    const token = fromUtf8(own.subarray(0, own.indexOf(10)));
    expect(claimsOf(token)).toEqual({ ...claims, jti: expect.any(String) });
  });
});

describe("docs/protocol.md: codes", () => {
  const table = [...protocolText.matchAll(/^\| `(ERR_\w+)` +\| (\S+) +\| (\S+) +\|/gm)];

  it("P-ERR-1 lists every code once, and no other", () => {
    expect(table.map(([, code]) => code)).toEqual([...errorCodes]);
  });

  it("P-ERR-2 P-ERR-3 gives the number and the word on retrying that a guard sends", () => {
    const sent = table.filter(([, , number]) => number !== "–");
    expect(sent.length).toBeGreaterThan(25);
    for (const [, code, number, retryable] of sent) {
      const reason = code as (typeof errorCodes)[number];
      const { reply } = refusalReply({ reason, now: new Date(0) }, stdio());
      expect(String(errorNumber(reason)), code).toBe(number);
      expect(member(reply, "error"), code).toMatchObject({
        code: Number(number),
        data: { reason, retryable: retryable === "yes", now: "1970-01-01T00:00:00.000Z" },
      });
    }
  });
});

it("checks every example of docs/protocol.md", () => {
  expect([...unread]).toEqual([]);
  expect(utf8(protocolText).length).toBeGreaterThan(0);
});
