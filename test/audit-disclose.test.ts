import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateIdentity } from "@peerage/core";
import {
  AuditLog,
  AuditReader,
  createGuard,
  disclose,
  eraseOpenings,
  exportLines,
  rotateAudit,
  verifyAudit,
  verifyDisclosure,
} from "@peerage/mcp-middleware";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerEnvelope, dataSchemas } from "../cli/src/schemas.ts";
import { Home } from "./_cli.ts";
import { policyOf, signed, stdio } from "./_guard.ts";

const folder = mkdtempSync(join(tmpdir(), "peerage-disclose-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const identity = generateIdentity();
const path = join(folder, "audit.db");
const args = { amount_cents: 1_250_000, card: "4000-1234", note: { a: [1, "x"] }, "": 0 };

/** So many calls, the log closed and signed after them. */
async function calls(count: number): Promise<void> {
  const policy = policyOf([{ id: "pay", tools: "pay", agents: "*", args: { amount_cents: { ">": 0 } } }]);
  const audit = new AuditLog({ path, identity, args: "sealed" });
  const guard = await createGuard({ identity, policy, audit });
  for (let i = 0; i < count; i++) {
    const message = await signed(generateIdentity(), guard.did, "tools/call", { name: "pay", arguments: args });
    const admission = await guard.admit(message, stdio());
    if (!admission.admitted) throw new Error(admission.reason);
    await guard.settle(admission.decision, { jsonrpc: "2.0", id: 1, result: { content: [] } });
  }
  await guard[Symbol.asyncDispose]();
}

/** The places of the recorded calls, oldest first. */
function places(): number[] {
  using reader = new AuditReader(path);
  return [...reader.calls({ target: "pay" })].map(({ decision }) => decision.seq).reverse();
}

beforeAll(() => calls(6));

describe("arguments by salted digests", () => {
  it("A-HIST-08 stand in no record, and one of them is shown with its call, signed by the guard, and the others are not", async () => {
    using reader = new AuditReader(path);
    const text = [...exportLines(reader)].join("\n");
    // As a number by itself: salts and digests may hold the digits by chance.
    for (const secret of [/4000-1234/, /\b1250000\b/]) expect(text).not.toMatch(secret);
    for (const seq of places()) {
      const proven = await verifyDisclosure(disclose(reader, seq, ["amount_cents"]), { guard: identity.did });
      expect(proven).toMatchObject({ guard: identity.did, opened: { amount_cents: 1_250_000 }, size: reader.size });
      const [decision, outcome] = proven.records;
      expect(decision).toMatchObject({ kind: "decision", seq, verdict: "admitted", target: "pay" });
      expect(outcome).toMatchObject({ kind: "outcome", outcome: "executed" });
      const shown = disclose(reader, seq, ["amount_cents"]);
      expect(shown).not.toContain("4000-1234");
    }
    const all = await verifyDisclosure(disclose(reader, places()[0]!, Object.keys(args)));
    expect(all.opened).toEqual(args);
    // The same arguments of two calls have nothing in common for who sees the digests.
    const sealed = places().map((seq) => reader.call(seq)!.decision.input!.sealed!["card"]);
    expect(new Set(sealed).size).toBe(6);
    expect(() => disclose(reader, places()[0]!, ["other"])).toThrow(expect.objectContaining({ code: "ERR_NOT_FOUND" }));
  });

  it("A-HIST-07 is refused with another value, salt, name, record, proof or guard", async () => {
    using reader = new AuditReader(path);
    const [seq = 0] = places();
    const text = disclose(reader, seq, ["amount_cents"]);
    // Where chance put a character there, another one.
    type Change = readonly [RegExp, string | ((...match: string[]) => string)];
    const changes: readonly Change[] = [
      [/"value":1250000/, '"value":125000'],
      [/("salt":")(.)/, (_, start, found) => `${start}${found === "-" ? "_" : "-"}`],
      [/"name":"amount_cents"/, '"name":"card"'],
      [/admitted/, "refused"],
      [/"seq\\":\d+/, '"seq\\":0'],
      [/("proof":\[")(..)/, (_, start, found) => `${start}${found === "00" ? "11" : "00"}`],
      [/"proof":\["[0-9a-f]{64}",?/, '"proof":['],
      [/peerage-audit/, "peerage-audio"],
      [/"kind":"disclosure"/, '"kind":"export"'],
    ];
    await verifyDisclosure(text);
    for (const [from, to] of changes) {
      expect(text, String(from)).toMatch(from);
      const changed = typeof to === "string" ? text.replace(from, to) : text.replace(from, to);
      expect(changed).not.toBe(text);
      await expect(verifyDisclosure(changed), String(from)).rejects.toThrow();
    }
    await expect(verifyDisclosure(text, { guard: generateIdentity().did })).rejects.toThrow();
    for (const nothing of ["", "{}", "[]", "null", '{"kind":"disclosure","v":1}']) {
      await expect(verifyDisclosure(nothing)).rejects.toThrow();
    }
  });

  it("can be disclosed after a rotation, replayed while they are kept, and erased without a trace in the chain", async () => {
    await using home = await Home.make();
    const data = async (exit: number, ...argv: string[]) => {
      const { code, stdout, stderr } = await home.call([...argv, "--json"]);
      expect(code, stdout + stderr).toBe(exit);
      const said = JSON.parse(stdout);
      expect(answerEnvelope.safeParse(said).error).toBeUndefined();
      if (exit === 0) expect(dataSchemas[said.command]!.safeParse(said.data).error).toBeUndefined();
      return said.data;
    };
    using old = new AuditReader(path);
    const archived = [...old.calls({ target: "pay" })].map(({ decision }) => decision.id);
    expect(rotateAudit(path)).toBeDefined();
    await calls(5);
    const [seq = 0] = places();
    expect(seq).toBeGreaterThan(10);
    for (const place of places()) {
      using reader = new AuditReader(path);
      expect((await verifyDisclosure(disclose(reader, place, ["card"]))).opened).toEqual({ card: "4000-1234" });
    }
    expect(await data(0, "calls", "replay", "--audit", path)).toMatchObject({ counts: { same: 5, undecidable: 0 } });

    const file = join(home.path, "call.json");
    await data(0, "audit", "disclose", String(seq), "--arg", "amount_cents", "--audit", path, "--out", file);
    expect(await data(0, "audit", "verify", file, "--guard", identity.did)).toMatchObject({
      opened: { amount_cents: 1_250_000 },
    });
    writeFileSync(file, readFileSync(file, "utf8").replace("1250000", "1250001"));
    expect(await data(6, "audit", "verify", file)).toHaveProperty("error");

    const before = await verifyAudit(path);
    expect(await data(0, "audit", "erase", String(seq), "--audit", path, "--yes")).toMatchObject({ erased: 4 });
    expect(await verifyAudit(path)).toEqual(before);
    expect((await home.call(["audit", "disclose", String(seq), "--arg", "card", "--audit", path])).code).toBe(5);
    expect(await data(0, "calls", "replay", "--audit", path)).toMatchObject({ counts: { same: 4, undecidable: 1 } });
    using reader = new AuditReader(path);
    const recent = [...reader.calls({ target: "pay" })].map(({ decision }) => decision.id);
    // Also of calls that are archived by now: the archive itself never held them.
    for (const id of [...archived, ...recent]) eraseOpenings(path, id);
    for (const suffix of ["", "-wal"]) {
      const bytes = readFileSync(path + suffix, "latin1");
      expect(bytes.includes("4000-1234"), suffix).toBe(false);
    }
  });
});
