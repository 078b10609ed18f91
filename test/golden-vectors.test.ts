import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  canonicalize,
  checkCallAudienceAndTime,
  checkCallMessage,
  checkStatementTime,
  fromHex,
  isPeerageError,
  leafHash,
  parseCallProof,
  parseDid,
  parseJson,
  parseVerifierKey,
  publicKeyOf,
  requestDigest,
  toHex,
  utf8,
  verifyCheckpoint,
  verifyConsistency,
  verifyHistory,
  verifyInclusion,
  verifyReceipt,
  verifyStatement,
} from "@peerage/core";

const path = fileURLToPath(new URL("vectors/protocol.json", import.meta.url));
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each section has its own form
type Case = any;
const vectors = JSON.parse(await readFile(path, "utf8")) as Record<string, Case>;
const sections = [
  "did",
  "json",
  "digest",
  "call",
  "history",
  "receipt",
  "vouch",
  "checkpoint",
  "inclusion",
  "consistency",
];

const verify: Record<string, (one: Case) => unknown> = {
  did: ({ did, publicKey }) => {
    parseDid(did);
    expect(toHex(publicKeyOf(did).bytes)).toBe(publicKey);
  },
  json: ({ text, canonical }) => expect(canonicalize(parseJson(text))).toBe(canonical),
  digest: ({ message, req }) => expect(requestDigest(message.method, message.params)).toBe(req),
  call: ({ token, audience, now, message }) => {
    const proof = parseCallProof(token);
    checkCallAudienceAndTime(proof, { audiences: new Set([audience]), now: new Date(now * 1000) });
    checkCallMessage(proof, message);
  },
  history: ({ entries, head, now }) => verifyHistory(entries, head, { now: new Date(now * 1000) }),
  receipt: ({ receipt, context }) => verifyReceipt(receipt, context),
  vouch: async ({ text, statementId, leafHash: leaf }) => {
    const statement = await verifyStatement(text);
    checkStatementTime(statement, new Date(vectors["now"] * 1000));
    if (statementId !== undefined) expect([statement.id, toHex(leafHash(utf8(text)))]).toEqual([statementId, leaf]);
  },
  checkpoint: async ({ note, size, root }) => {
    const { origin, vkey, witness } = vectors["keys"].log;
    const policy = { origin, logKey: parseVerifierKey(vkey), operatorWitness: parseVerifierKey(witness) };
    const checkpoint = await verifyCheckpoint(note, policy, { now: new Date(vectors["now"] * 1000) });
    expect([checkpoint.size, toHex(checkpoint.root), checkpoint.time]).toEqual([size, root, vectors["now"]]);
  },
  inclusion: ({ index, size, root, leafHash: leaf, proof }) =>
    verifyInclusion({ index, size, root: fromHex(root), leafHash: fromHex(leaf), proof: proof.map(fromHex) }),
  consistency: ({ size1, size2, root1, root2, proof }) =>
    verifyConsistency({ size1, size2, root1: fromHex(root1), root2: fromHex(root2), proof: proof.map(fromHex) }),
};

describe.each(sections)("golden vectors: %s", (section) => {
  it.each((vectors[section] as Case[]).map((one) => [one.id, one]))("%s", async (_, one) => {
    const code = await Promise.resolve()
      .then(() => verify[section]!(one))
      .then(
        () => undefined,
        (error: unknown) => {
          if (!isPeerageError(error)) throw error;
          return error.code;
        },
      );
    expect(code).toBe(one.valid ? undefined : one.code);
  });
});

describe("golden vectors", () => {
  it("are what their script makes, and hold valid and invalid cases of every format", async () => {
    for (const section of sections.filter((name) => name !== "digest")) {
      const cases = vectors[section] as Case[];
      expect(cases.filter(({ valid }) => valid).length, section).toBeGreaterThan(0);
      expect(cases.filter(({ valid }) => !valid).length, section).toBeGreaterThan(4);
    }
    const folder = await mkdtemp(join(tmpdir(), "peerage-vectors-"));
    try {
      const made = join(folder, "protocol.json");
      const script = fileURLToPath(new URL("../scripts/golden-vectors.ts", import.meta.url));
      const ran = spawnSync(process.execPath, [script, made], { encoding: "utf8" });
      expect(ran.status, ran.stderr).toBe(0);
      expect(await readFile(made, "utf8")).toBe(await readFile(path, "utf8"));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

const python = spawnSync("python3", ["-c", "import cryptography"]).status === 0;
if (!python) console.warn("SKIPPED: python3 with the package cryptography is not here, so its verifier is not run");

describe.skipIf(!python)("the verifier in Python", () => {
  it("agrees with every golden vector, and would notice one that is wrong", async () => {
    const script = fileURLToPath(new URL("../examples/python/peerage_verify.py", import.meta.url));
    const run = (file: string) => spawnSync("python3", [script, file], { encoding: "utf8" });
    const ran = run(path);
    expect(ran.status, ran.stdout + ran.stderr).toBe(0);
    const count = sections.reduce((sum, name) => sum + (vectors[name] as Case[]).length, 0);
    expect(ran.stdout).toContain(`${count} of ${count} vectors agree`);
    const folder = await mkdtemp(join(tmpdir(), "peerage-vectors-"));
    try {
      for (const section of sections) {
        const wrong = structuredClone(vectors);
        // An invalid case said to be valid; a digest that is another one.
        const one = (wrong[section] as Case[]).find(({ valid }) => !valid) ?? wrong[section][0];
        if (one.valid) one.req = `sha256:${"0".repeat(64)}`;
        else one.valid = true;
        const { writeFile } = await import("node:fs/promises");
        await writeFile(join(folder, "wrong.json"), JSON.stringify(wrong));
        expect(run(join(folder, "wrong.json")).status, section).toBe(1);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
