import { describe, expect, it } from "vitest";
import { GOLDEN_NOW, goldenCases, vectorJson, vectorsPresent } from "../../../test/_vectors.ts";
import { generateIdentity, identityFromSeed } from "../did/identity.ts";
import { fromUtf8, toHex } from "../encoding/bytes.ts";
import { isPeerageError } from "../errors.ts";
import { canonicalize } from "../json/canonical.ts";
import { type JsonObject, type JsonValue, without } from "../json/types.ts";
import { leafHash } from "../tlog/index.ts";
import { hashData, verifySecuredDocument } from "./data-integrity.ts";
import { issueKeyInit, issueProfile, issueRevocation, issueVouch } from "./issue.ts";
import { checkKeyEvent, keyDigest } from "./key-event.ts";
import { createNote, noteDigest, parseNote } from "./note.ts";
import type { Statement } from "./types.ts";
import { checkStatementTime, verifyStatement } from "./verify.ts";

const now = new Date("2026-11-20T12:00:00Z");
const voucher = identityFromSeed(new Uint8Array(32).fill(1));
const agent = identityFromSeed(new Uint8Array(32).fill(2));

async function codeOf(action: () => unknown): Promise<string | undefined> {
  try {
    await action();
    return undefined;
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    return error.code;
  }
}

describe.skipIf(!vectorsPresent)("golden vectors", () => {
  const sections = [
    ["statement", { valid: 11, invalid: 32 }],
    ["vouch", { valid: 6, invalid: 66 }],
  ] as const;
  it.each(sections)("A-STMT-02 … A-STMT-09 give the stated verdicts on section %s", async (section, counts) => {
    for (const c of goldenCases(section, counts)) {
      const judge = async (): Promise<Statement> => {
        const statement = await verifyStatement(c.text);
        checkStatementTime(statement, new Date((c.now ?? GOLDEN_NOW) * 1000));
        if (statement.kind !== "KeyEvent") return statement;
        const chain = await Promise.all((c.chain ?? []).map((text: string) => verifyStatement(text)));
        checkKeyEvent(statement, chain as never);
        return statement;
      };
      if (!c.valid) {
        expect(c.expect.codes, c.id).toContain(await codeOf(judge));
        continue;
      }
      const statement = await judge();
      expect(statement.id, c.id).toBe(c.expect.statementId);
      expect(toHex(leafHash(statement.bytes)), c.id).toBe(c.expect.leafHash);
      if (c.expect.hashData) {
        expect(toHex(hashData(statement.document, statement.document["proof"] as JsonObject))).toBe(c.expect.hashData);
      }
    }
  });

  it("A-STMT-14 digests and refuses the notes as stated", async () => {
    for (const c of goldenCases("note", { valid: 2, invalid: 8 })) {
      if (c.valid) expect(noteDigest(parseNote(c.note)), c.id).toBe(c.expect.noteDigest);
      else expect(c.expect.codes, c.id).toContain(await codeOf(() => parseNote(c.note)));
    }
  });

  it("gives the stated verdicts on the W3C eddsa-jcs-2022 example, none of which is a statement", async () => {
    const suite = vectorJson("w3c-eddsa-jcs-2022/expected.json");
    expect(suite.cases).toHaveLength(7);
    let judged = 0;
    for (const c of suite.cases) {
      if (!c.file.endsWith(".json")) continue;
      const document = vectorJson(`w3c-eddsa-jcs-2022/${c.file}`);
      if (c.id === "proof-context-removed") delete document.proof["@context"];
      if (c.id === "document-edited") document.name = "Alumni credential";
      const code = await codeOf(() => verifySecuredDocument(document));
      expect(code, c.id).toBe(c.verdict === "accept" ? undefined : "ERR_STATEMENT_INVALID");
      expect(await codeOf(() => verifyStatement(canonicalize(document)))).toBe("ERR_STATEMENT_INVALID");
      if (c.hashData) expect(toHex(hashData(document, document.proof))).toBe(c.hashData);
      judged++;
    }
    expect(judged).toBe(5);
  });
});

describe("every kind", () => {
  const issue = async (): Promise<Statement[]> => [
    await issueVouch(voucher, { subject: agent.did, scope: ["tools", "code"], confidence: 80, validFrom: now }),
    await issueRevocation(voucher, { revokes: "subject", target: agent.did, now }),
    await issueRevocation(voucher, { revokes: "self", now }),
    await issueProfile(agent, { role: "agent", now }),
    await issueKeyInit(agent, { next: keyDigest(voucher.did.slice(8) as never), now }),
  ];

  it("A-STMT-02 is refused when any member is changed, removed or added", async () => {
    for (const statement of await issue()) {
      expect(await codeOf(() => verifyStatement(statement.bytes))).toBeUndefined();
      for (const edited of edits(statement.document)) {
        const code = await codeOf(() => verifyStatement(canonicalize(edited)));
        expect(code, `${statement.kind}: ${canonicalize(edited)}`).toMatch(/^ERR_(STATEMENT|DID)_INVALID$/);
      }
    }
  });

  it("A-STMT-05 is refused in any other bytes", async () => {
    for (const { bytes } of await issue()) {
      const text = fromUtf8(bytes);
      for (const other of [
        `${text}\n`,
        ` ${text}`,
        text.replace(":", ": "),
        JSON.stringify(JSON.parse(text), null, 1),
      ]) {
        expect(await codeOf(() => verifyStatement(other))).toBe("ERR_STATEMENT_INVALID");
      }
      expect(await codeOf(() => verifyStatement("x".repeat(5_000)))).toBe("ERR_STATEMENT_INVALID");
    }
  });

  it("A-STMT-04 A-CALL-05 is refused with the proof of another statement", async () => {
    const [first, ...rest] = await issue();
    for (const other of rest) {
      const stapled = canonicalize({ ...other.document, proof: first?.document["proof"] as JsonValue });
      expect(await codeOf(() => verifyStatement(stapled))).toBe("ERR_STATEMENT_INVALID");
    }
  });
});

/** Every member of a document changed, removed, or joined by a stranger, at every depth. */
function* edits(document: JsonObject): Generator<JsonObject> {
  yield { ...document, stranger: 1 };
  for (const [name, value] of Object.entries(document)) {
    yield without(document, name);
    yield { ...document, [name]: changed(value) };
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      for (const inner of edits(value as JsonObject)) yield { ...document, [name]: inner };
    }
  }
}

function changed(value: JsonValue): JsonValue {
  if (typeof value === "number") return value + 1;
  if (typeof value === "string") return value.startsWith("2026-") ? value.replace("2026-", "2025-") : `${value}x`;
  if (Array.isArray(value)) return [...(value as JsonValue[]), "zzz"];
  return null;
}

describe("a vouch", () => {
  const options = { subject: agent.did, scope: ["tools"], confidence: 80, validFrom: now };

  it("A-STMT-03 is not yet valid, valid and expired at the right times", async () => {
    const vouch = await issueVouch(voucher, { ...options, validUntil: new Date(now.getTime() + 3_600_000) });
    const at = (seconds: number) => codeOf(() => checkStatementTime(vouch, new Date(now.getTime() + seconds * 1000)));
    expect(await at(0)).toBeUndefined();
    expect(await at(-301)).toBe("ERR_VOUCH_NOT_YET_VALID");
    expect(await at(3_599)).toBeUndefined();
    expect(await at(3_600)).toBe("ERR_VOUCH_EXPIRED");
  });

  it("A-STMT-06 cannot be issued for oneself, for longer than 180 days, or for a weak key", async () => {
    expect(await codeOf(() => issueVouch(voucher, { ...options, subject: voucher.did }))).toBe("ERR_STATEMENT_INVALID");
    const late = new Date(now.getTime() + 181 * 86_400_000);
    expect(await codeOf(() => issueVouch(voucher, { ...options, validUntil: late }))).toBe("ERR_STATEMENT_INVALID");
    const weak = "did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj";
    expect(await codeOf(() => issueVouch(voucher, { ...options, subject: weak }))).toBe("ERR_DID_INVALID");
    expect(await codeOf(() => issueVouch(voucher, options))).toBeUndefined();
  });

  it("A-DID-04 A-STMT-04 signed by a key that is not the issuer's is refused", async () => {
    const thief = generateIdentity();
    const forged = {
      did: voucher.did,
      kid: `${voucher.did}#${thief.did.slice(8)}` as never,
      sign: (bytes: Uint8Array) => thief.sign(bytes),
    };
    const vouch = await issueVouch(forged, options);
    expect(await codeOf(() => verifyStatement(vouch.bytes))).toBe("ERR_KEY_SUPERSEDED");
  });
});

it("A-STMT-14 salts every note afresh, so that an erased one cannot be guessed", async () => {
  const [a, b] = [createNote({ name: "brisk" }), createNote({ name: "brisk" })];
  expect(noteDigest(a)).not.toBe(noteDigest(b));
  expect(await codeOf(() => createNote({ name: "a\u0007" }))).toBe("ERR_NOTE_INVALID");
});
