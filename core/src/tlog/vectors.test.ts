import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fromBase64, toBase64 } from "../encoding/base64.ts";
import { concat, fromHex, toHex, utf8 } from "../encoding/bytes.ts";
import { isPeerageError } from "../errors.ts";
import {
  CompactRange,
  decodeEntryBundle,
  emptyRoot,
  encodeEntryBundle,
  formatCheckpoint,
  formatCosignature,
  formatLogProof,
  formatNote,
  formatTilePath,
  formatVerifierKey,
  leafHash,
  LogForkedError,
  openNote,
  parseCheckpoint,
  parseCosignature,
  parseLogProof,
  parseNote,
  parseVerifierKey,
  ProofBuilder,
  splitTile,
  tileRoot,
  verifyCheckpoint,
  verifyConsistency,
  verifyExtension,
  verifyForkEvidence,
  forkEvidence,
  verifyInclusion,
  verifyLogProof,
} from "./index.ts";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- vectors are data of many shapes
type Json = any;

// Published vectors are kept beside the repository, not in it.
const vectors = new URL("../../../../shared/vectors/", import.meta.url).pathname;
const present = existsSync(vectors);
if (!present) console.warn("SKIPPED: ../shared/vectors is absent, so the published vectors of the log are not run");
const published = describe.skipIf(!present);
const read = (...path: string[]): Buffer => readFileSync(join(vectors, ...path));
const readJson = (...path: string[]): Json => (present ? JSON.parse(read(...path).toString()) : undefined);

/** undefined if it passes, the error if it is refused; anything but a PeerageError fails the test. */
async function refusalOf(check: () => unknown): Promise<{ code: string; detail: string | undefined } | undefined> {
  try {
    await check();
    return undefined;
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    return { code: error.code, detail: error.detail };
  }
}

published("transparency-dev/merkle", () => {
  it("A-LOG-04 all 196 proofs: 11 accepted, 185 refused", async () => {
    const { cases } = readJson("transparency-merkle", "expected.json");
    const tally = { accept: 0, reject: 0 };
    for (const { id, kind, verdict } of cases) {
      const test = readJson("transparency-merkle", "upstream", "testdata", `${id}.json`);
      const proof = (test.proof ?? []).map(fromBase64);
      const refusal = await refusalOf(() => {
        if (kind === "inclusion") {
          const { leafIdx: index, treeSize: size } = test;
          verifyInclusion({ index, size, root: fromBase64(test.root), leafHash: fromBase64(test.leafHash), proof });
        } else {
          const { size1, size2 } = test;
          verifyConsistency({ size1, size2, root1: fromBase64(test.root1), root2: fromBase64(test.root2), proof });
        }
      });
      expect(refusal ? "reject" : "accept", id).toBe(verdict);
      if (refusal) expect(refusal.code, id).toBe(`ERR_${kind.toUpperCase()}_INVALID`);
      tally[verdict as "accept" | "reject"]++;
    }
    expect(tally).toEqual({ accept: 11, reject: 185 });
  });
});

published("C2SP signed notes", () => {
  const suite = readJson("signed-note", "cases.json");
  const tally = (cases: Json[]): unknown => ({
    cases: cases.length,
    accept: cases.filter(({ verdict }) => verdict === "accept").length,
    reject: cases.filter(({ verdict }) => verdict === "reject").length,
  });

  it("verifier keys: 9 accepted, 11 refused", async () => {
    expect(tally(suite.vkeys)).toEqual({ cases: 20, accept: 9, reject: 11 });
    for (const { id, vkey, verdict, name, keyId, type, publicKey, reason } of suite.vkeys) {
      const refusal = await refusalOf(() => {
        const key = parseVerifierKey(vkey);
        expect({ ...key, publicKey: toHex(key.publicKey.bytes) }).toEqual({ name, keyId, type, publicKey });
        expect(formatVerifierKey(key)).toBe(vkey);
      });
      expect(refusal, id).toEqual(
        verdict === "accept" ? undefined : { code: "ERR_CHECKPOINT_INVALID", detail: reason },
      );
    }
  });

  it("A-LOG-04 verifier keys mangled in 2,276 ways: all refused", async () => {
    const { vkey, count } = suite.vkeyMangling as { vkey: string; count: number };
    const mangled: string[] = [];
    for (let start = 0; start < vkey.length; start++) {
      for (let end = start + 1; end <= vkey.length; end++)
        if (end - start < vkey.length) mangled.push(vkey.slice(start, end));
      mangled.push(vkey.slice(0, start) + String.fromCharCode(vkey.charCodeAt(start) + 1) + vkey.slice(start + 1));
    }
    expect(mangled).toHaveLength(count);
    expect(count).toBe(2276);
    for (const text of mangled) expect(await refusalOf(() => parseVerifierKey(text)), text).toBeDefined();
    expect(await refusalOf(() => parseVerifierKey(vkey))).toBeUndefined();
  });

  it("A-LOG-04 notes: 9 accepted, 20 refused", async () => {
    expect(tally(suite.notes)).toEqual({ cases: 29, accept: 9, reject: 20 });
    for (const { id, vkeys, text, hex, verdict, signed, unknown, noteText, reason } of suite.notes) {
      for (const note of hex === undefined ? [text, utf8(text)] : [fromHex(hex)]) {
        const refusal = await refusalOf(async () => {
          const opened = await openNote(note, vkeys.map(parseVerifierKey));
          const name = (line: { name: string; keyId: string }): string => `${line.name}+${line.keyId}`;
          expect(opened.text).toBe(noteText);
          expect(opened.signed.map(name)).toEqual(signed);
          expect(opened.unknown.map(name)).toEqual(unknown);
          expect(formatNote(parseNote(note))).toBe(text);
        });
        expect(refusal, id).toEqual(
          verdict === "accept" ? undefined : { code: "ERR_CHECKPOINT_INVALID", detail: reason },
        );
      }
    }
  });

  it("A-LOG-04 checkpoints: 3 accepted, 18 refused", async () => {
    expect(tally(suite.checkpoints)).toEqual({ cases: 21, accept: 3, reject: 18 });
    for (const { id, text, verdict, origin, size, root } of suite.checkpoints) {
      const refusal = await refusalOf(() => {
        const checkpoint = parseCheckpoint(text);
        expect(checkpoint).toEqual({ origin, size, root: fromBase64(root) });
        expect(formatCheckpoint(checkpoint)).toBe(text);
      });
      expect(refusal?.code, id).toBe(verdict === "accept" ? undefined : "ERR_CHECKPOINT_INVALID");
    }
  });

  it("A-LOG-04 log proofs: 3 accepted, 10 refused", async () => {
    expect(tally(suite.proofs)).toEqual({ cases: 13, accept: 3, reject: 10 });
    for (const { id, text, verdict, index, hashes, extra, checkpoint, reason } of suite.proofs) {
      const refusal = await refusalOf(() => {
        const proof = parseLogProof(text);
        expect(proof).toMatchObject({ index, checkpoint });
        expect(proof.hashes).toHaveLength(hashes);
        expect(proof.extra ? toBase64(proof.extra) : null).toBe(extra);
        expect(formatLogProof(proof)).toBe(text);
      });
      expect(refusal, id).toEqual(verdict === "accept" ? undefined : { code: "ERR_INCLUSION_INVALID", detail: reason });
    }
  });

  it("times of cosignatures: 1 accepted, 2 refused", async () => {
    expect(tally(suite.cosignatureTimes)).toEqual({ cases: 3, accept: 1, reject: 2 });
    for (const { id, signature, verdict, time } of suite.cosignatureTimes) {
      let bytes: Uint8Array | undefined;
      try {
        bytes = fromBase64(signature);
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError);
      }
      const refusal = bytes
        ? await refusalOf(() => {
            const cosignature = parseCosignature(bytes.subarray(4));
            expect(cosignature.time).toBe(time);
            expect(formatCosignature(cosignature)).toEqual(bytes.subarray(4));
          })
        : "not base64";
      expect(refusal === undefined, id).toBe(verdict === "accept");
    }
  });
});

published("a log written by Tessera", () => {
  const expected = readJson("tessera-log", "expected.json");
  const folder = ["tessera-log", "upstream", "testdata", "log"];

  it("16 checkpoints, 15 bundles and 15 tiles: roots rebuilt from both, every size consistent with 15", async () => {
    const policy = { origin: expected.origin, logKey: parseVerifierKey(expected.vkey) };
    const leaves = expected.leafHashes.map(fromHex);
    const range = CompactRange.empty();
    expect(expected.cases.filter(({ id }: { id: string }) => id.startsWith("checkpoint."))).toHaveLength(16);
    expect(readdirSync(join(vectors, ...folder, "tile/0/000.p"))).toHaveLength(15);
    expect(readdirSync(join(vectors, ...folder, "tile/entries/000.p"))).toHaveLength(15);
    const last = await verifyCheckpoint(read(...folder, "checkpoint"), policy);
    expect(last.size).toBe(15);
    for (let size = 0; size <= 15; size++) {
      const { root, consistencyTo15 } = expected.cases.find(({ id }: { id: string }) => id === `checkpoint.${size}`);
      const checkpoint = await verifyCheckpoint(read(...folder, `checkpoint.${size}`), policy);
      expect(checkpoint).toMatchObject({ size, root: fromHex(root) });
      if (size === 0) {
        expect(checkpoint.root).toEqual(emptyRoot);
        continue;
      }
      const bundle = Uint8Array.from(read(...folder, formatTilePath({ level: "entries", n: 0, width: size })));
      const entries = decodeEntryBundle(bundle, size);
      expect(entries.map((entry) => Buffer.from(entry).toString())).toEqual(expected.entries.slice(0, size));
      expect(encodeEntryBundle(entries)).toEqual(bundle);
      range.append(leafHash(entries[size - 1]!));
      expect(range.root()).toEqual(checkpoint.root);
      const tile = Uint8Array.from(read(...folder, formatTilePath({ level: 0, n: 0, width: size })));
      expect(splitTile(tile)).toEqual(leaves.slice(0, size));
      expect(tileRoot(tile)).toEqual(checkpoint.root);

      const builder = new ProofBuilder((level, n, width) =>
        Uint8Array.from(read(...folder, formatTilePath({ level, n, width }))),
      );
      const proof = await builder.consistency(size, 15);
      expect(proof.map(toHex)).toEqual(consistencyTo15 ?? []);
      await verifyExtension(checkpoint, last, { logKey: policy.logKey, proof });
      const inclusion = await builder.inclusion(size - 1, 15);
      expect(inclusion.map(toHex)).toEqual(expected.inclusionAt15[size - 1]);
      verifyInclusion({ index: size - 1, size: 15, root: last.root, leafHash: leaves[size - 1], proof: inclusion });
    }
  });
});

published("golden vectors of Peerage", () => {
  const golden = readJson("peerage-golden", "golden.json");
  const logKey = present ? parseVerifierKey(golden.log.vkey) : undefined!;
  const [operatorWitness, w9] = present ? golden.log.witnessVkeys.map(parseVerifierKey) : [];
  const policy = { origin: present ? golden.log.origin : "", logKey, operatorWitness };
  const now = new Date((present ? golden.now : 0) * 1000 + 60_000);
  const counts = (cases: Json[]): number[] => [
    cases.filter((c) => c.valid).length,
    cases.filter((c) => !c.valid).length,
  ];

  async function run(section: string, valid: number, invalid: number, check: (test: Json) => unknown): Promise<void> {
    expect(counts(golden[section])).toEqual([valid, invalid]);
    for (const test of golden[section]) {
      const refusal = await refusalOf(() => check(test));
      if (test.valid) expect(refusal, test.id).toBeUndefined();
      else expect(test.expect.codes, test.id).toContain(refusal?.code);
    }
  }

  it("A-LOG-04 checkpoint: 5 valid, 13 invalid", () =>
    run("checkpoint", 5, 13, async ({ note, expect: { size, root, signed } }) => {
      const verified = await verifyCheckpoint(note, policy, { now });
      expect({ size: verified.size, root: toHex(verified.root) }).toEqual({ size, root });
      const opened = await openNote(note, [logKey, operatorWitness, w9]);
      expect(opened.signed.map(({ name, keyId }) => `${name}+${keyId}`)).toEqual(signed);
      const quorum = { witnesses: [operatorWitness, w9], threshold: 1 };
      const witnessed = await refusalOf(() => verifyCheckpoint(note, { ...policy, quorum }));
      expect(witnessed === undefined).toBe(signed.length === 3);
    }));

  it("A-LOG-04 inclusion: 7 valid, 11 invalid", () =>
    run("inclusion", 7, 11, (test) => {
      const hash = test.leaf === undefined ? fromHex(test.leafHash) : leafHash(fromHex(test.leaf));
      verifyInclusion({ ...test, root: fromHex(test.root), leafHash: hash, proof: test.proof.map(fromHex) });
    }));

  it("A-LOG-02 consistency: 7 valid, 7 invalid", () =>
    run("consistency", 7, 7, (test) => {
      verifyConsistency({
        ...test,
        root1: fromHex(test.root1),
        root2: fromHex(test.root2),
        proof: test.proof.map(fromHex),
      });
    }));

  it("A-LOG-04 logProof: 3 valid, 6 invalid", () =>
    run("logProof", 3, 6, async ({ statement, proof, expect: { index, size, time } }) => {
      const all = [...golden.statement, ...golden.vouch];
      const leaf = utf8(all.find(({ id }) => id === statement).text);
      const proven = await verifyLogProof(proof, leaf, policy, { now });
      expect(proven).toMatchObject({ index, size, time, witnessed: false });
      expect(formatLogProof(parseLogProof(proof))).toBe(proof);
    }));

  it("log: leaves and all 12 roots", async () => {
    const { leaves, roots } = golden.log;
    const hashes = leaves.map(({ statement, leafHash: expected }: Json) => {
      const hash = leafHash(utf8(golden.statement.find(({ id }: Json) => id === statement).text));
      expect(toHex(hash)).toBe(expected);
      return hash;
    });
    const builder = new ProofBuilder((_level, n, width) => concat(...hashes.slice(n * 256, n * 256 + width)));
    expect(roots).toHaveLength(12);
    for (const [size, root] of roots.entries()) expect(toHex(await builder.root(size))).toBe(root);
  });

  it("A-LOG-02 fork: two roots at one size are evidence, and the same head twice is not", async () => {
    const a = await verifyCheckpoint(golden.fork.a, policy, { now });
    const b = await verifyCheckpoint(golden.fork.b, policy, { now });
    const caught = await verifyExtension(a, b, { logKey, proof: [] }).catch((error: unknown) => error);
    expect(caught).toBeInstanceOf(LogForkedError);
    expect(caught).toMatchObject(golden.fork.expect);
    const { origin, vkey } = golden.fork;
    const evidence = { type: "ForkEvidence", origin, vkey, a: golden.fork.a, b: golden.fork.b, proof: [] };
    expect((caught as LogForkedError).evidence).toEqual(evidence);
    await expect(verifyForkEvidence(evidence, { origin, logKey })).resolves.toEqual(evidence);
    await expect(forkEvidence([a, a], logKey)).rejects.toMatchObject({ code: "ERR_CONSISTENCY_INVALID" });
    await expect(verifyExtension(a, a, { logKey, proof: [] })).resolves.toBeUndefined();
  });
});
