import { describe, expect, it } from "vitest";
import { utf8 } from "../encoding/bytes.ts";
import { isPeerageError } from "../errors.ts";
import { isVerified } from "../verified.ts";
import { formatCheckpoint, parseCheckpoint, signCheckpoint, verifyCheckpoint } from "./checkpoint.ts";
import type { CheckpointPolicy } from "./checkpoint-policy.ts";
import { emptyRoot, leafHash, nodeHash } from "./merkle.ts";
import { addSignature, signNote } from "./note.ts";
import { formatLogProof, parseLogProof, verifyLogProof } from "./log-proof.ts";
import { LOG_TYPE, noteSignerFromSeed, type SignatureType, WITNESS_TYPE } from "./verifier-key.ts";

const signer = (name: string, type: SignatureType, byte: number) =>
  noteSignerFromSeed(name, type, new Uint8Array(32).fill(byte));
const origin = "log.example/a";
const log = signer(origin, LOG_TYPE, 1);
const own = signer("log.example/w", WITNESS_TYPE, 2);
const externals = [3, 4, 5, 6].map((byte) => signer(`witness${byte}.example`, WITNESS_TYPE, byte));
const keys = externals.map(({ key }) => key);
const policy: CheckpointPolicy = { origin, logKey: log.key, operatorWitness: own.key };
const now = new Date("2026-11-20T10:00:00Z");
const seconds = now.getTime() / 1000;
const later = (s: number): Date => new Date(now.getTime() + 1000 * s);
const [leaf, other] = [utf8("a leaf"), utf8("another leaf")];
const root = nodeHash(leafHash(leaf), leafHash(other));
const head = { origin, size: 2, root };
const sign = (): Promise<string> => signCheckpoint(head, { log, witness: own, now });
const invalid = (detail: string): unknown => expect.objectContaining({ code: "ERR_CHECKPOINT_INVALID", detail });

/** The original with one byte changed, dropped or repeated, or cut off. */
function* mutations(text: string): Generator<Uint8Array> {
  const bytes = utf8(text);
  for (let i = 0; i < bytes.length; i++) {
    for (const flip of [1, 2, 4, 16, 32, 128]) yield bytes.with(i, bytes[i]! ^ flip);
    yield bytes.with(i, 10);
    yield Uint8Array.from([...bytes.subarray(0, i), ...bytes.subarray(i + 1)]);
    yield Uint8Array.from([...bytes.subarray(0, i), bytes[i]!, ...bytes.subarray(i)]);
    yield bytes.subarray(0, i);
  }
}

describe("checkpoints", () => {
  it("are three lines and nothing else", () => {
    const text = formatCheckpoint(head);
    expect(parseCheckpoint(text)).toEqual(head);
    expect(parseCheckpoint(formatCheckpoint({ origin, size: 0, root: emptyRoot }))).toMatchObject({ size: 0 });
    expect(formatCheckpoint({ ...head, size: Number.MAX_SAFE_INTEGER })).toContain("\n9007199254740991\n");
    for (const bad of [
      { ...head, origin: "" },
      { ...head, origin: "a\nb" },
      { ...head, origin: "a\rb" },
      { ...head, size: -1 },
      { ...head, size: 2 ** 53 },
      { ...head, size: 0 },
      { ...head, root: root.subarray(1) },
    ]) {
      expect(() => formatCheckpoint(bad)).toThrow(RangeError);
    }
    expect(() => parseCheckpoint(`${text}extension\n`)).toThrow(invalid("extension"));
  });

  it("are verified by the verifier's policy, and say when", async () => {
    const note = await sign();
    const verified = await verifyCheckpoint(note, policy, { now });
    expect(verified).toEqual({
      ...head,
      note,
      time: seconds,
      cosignatures: [{ name: own.key.name, time: seconds }],
      witnessed: false,
    });
    expect(isVerified(verified)).toBe(true);
    const bare = await verifyCheckpoint(utf8(note), { origin, logKey: log.key });
    expect(bare).toMatchObject({ note, cosignatures: [], witnessed: false });
    expect("time" in bare).toBe(false);
  });

  it("A-LOG-04 are refused for another origin, another log key, or without the log or the operator's witness", async () => {
    const text = formatCheckpoint(head);
    await expect(verifyCheckpoint(await sign(), policy)).resolves.toMatchObject({ size: 2 });
    const foreign = await signNote(formatCheckpoint({ ...head, origin: "log.example/b" }), [log, own], now);
    await expect(verifyCheckpoint(foreign, policy)).rejects.toThrow(invalid("origin"));
    const stranger = signer(origin, LOG_TYPE, 9);
    await expect(verifyCheckpoint(await signNote(text, [stranger, own], now), policy)).rejects.toThrow(
      invalid("log-signature"),
    );
    await expect(verifyCheckpoint(await signNote(text, [own], now), policy)).rejects.toThrow(invalid("log-signature"));
    await expect(verifyCheckpoint(await signNote(text, [log]), policy)).rejects.toThrow(invalid("operator-witness"));
    const extended = await signNote(`${text}extension\n`, [log, own], now);
    await expect(verifyCheckpoint(extended, policy)).rejects.toThrow(invalid("extension"));
  });

  it("A-LOG-06 stamps over 300 s ahead of the verifier's clock do not count", async () => {
    const note = await sign();
    await expect(verifyCheckpoint(note, policy, { now: later(-299) })).resolves.toMatchObject({ time: seconds });
    await expect(verifyCheckpoint(note, policy, { now: later(-301) })).rejects.toThrow(invalid("operator-witness"));
  });

  it("A-LOG-04 with any byte changed are refused, and by nothing but a PeerageError", async () => {
    const note = await sign();
    const seen = new Set<string>();
    for (const mutation of mutations(note)) {
      const result = await verifyCheckpoint(mutation, policy).catch((error: unknown) => error);
      if (isPeerageError(result, "ERR_CHECKPOINT_INVALID")) seen.add(result.detail ?? "");
      else if (Buffer.compare(mutation, utf8(note)) !== 0) expect.fail(`admitted ${Buffer.from(mutation).toString()}`);
    }
    expect([...seen]).toEqual(
      expect.arrayContaining(["signature", "signature-line", "operator-witness", "control", "utf8"]),
    );
  });
});

describe("quorums", () => {
  const quorum = (threshold: number, witnesses = keys): CheckpointPolicy => ({
    ...policy,
    quorum: { witnesses, threshold },
  });

  it("make a checkpoint witnessed as of the stamp that reached them", async () => {
    let note = await sign();
    await expect(verifyCheckpoint(note, quorum(1))).rejects.toThrow(invalid("quorum"));
    for (const [i, delay] of [30, 10, 20].entries()) note = await addSignature(note, externals[i]!, later(delay));
    for (const [threshold, time] of [
      [1, 10],
      [2, 20],
      [3, 30],
    ] as const) {
      const verified = await verifyCheckpoint(note, quorum(threshold));
      expect(verified).toMatchObject({ witnessed: true, time: seconds + time });
      expect(verified.cosignatures).toHaveLength(4);
    }
    await expect(verifyCheckpoint(note, quorum(4))).rejects.toThrow(invalid("quorum"));
    await expect(verifyCheckpoint(note, quorum(3), { now: later(-271) })).rejects.toThrow(invalid("quorum"));
    await expect(verifyCheckpoint(note, quorum(2), { now: later(-271) })).resolves.toMatchObject({
      time: seconds + 20,
    });
    expect(await verifyCheckpoint(note, policy)).toMatchObject({ witnessed: false, time: seconds });
  });

  it("A-LOG-06 count neither the operator's witness, nor the log's key, nor one key under two names", async () => {
    const alias = signer("alias.example", WITNESS_TYPE, 2);
    const logAlias = signer("log-alias.example", WITNESS_TYPE, 1);
    const twin = signer("twin.example", WITNESS_TYPE, 3);
    const note = await signNote(formatCheckpoint(head), [log, own, alias, logAlias, externals[0]!, twin], now);
    const all = [own.key, alias.key, logAlias.key, keys[0]!, twin.key];
    const verified = await verifyCheckpoint(note, quorum(1, all));
    expect(verified.cosignatures.map(({ name }) => name)).toEqual([own.key.name, "witness3.example"]);
    await expect(verifyCheckpoint(note, quorum(2, all))).rejects.toThrow(invalid("quorum"));
  });

  it("that make no sense are a mistake of whoever wrote the policy", async () => {
    const note = await sign();
    for (const threshold of [0, -1, 1.5, NaN, 5])
      await expect(verifyCheckpoint(note, quorum(threshold))).rejects.toThrow(RangeError);
    await expect(verifyCheckpoint(note, { ...policy, operatorWitness: log.key })).rejects.toThrow(TypeError);
    await expect(verifyCheckpoint(note, { ...policy, logKey: own.key })).rejects.toThrow(TypeError);
    expect(() => signCheckpoint(head, { log: own, witness: log, now })).toThrow(TypeError);
  });
});

describe("log proofs", () => {
  const proofOf = async (): Promise<string> =>
    formatLogProof({ index: 0, hashes: [leafHash(other)], checkpoint: await sign() });

  it("prove a leaf offline, with the time of their checkpoint", async () => {
    const proof = await proofOf();
    expect(formatLogProof(parseLogProof(proof))).toBe(proof);
    const proven = await verifyLogProof(proof, leaf, policy, { now });
    expect(proven).toMatchObject({ index: 0, size: 2, time: seconds, witnessed: false, checkpoint: { root } });
    expect(isVerified(proven)).toBe(true);
  });

  it("A-LOG-04 prove no other leaf, by no other policy, and say nothing beside", async () => {
    const proof = await proofOf();
    const inclusion = expect.objectContaining({ code: "ERR_INCLUSION_INVALID" });
    await expect(verifyLogProof(proof, other, policy)).rejects.toThrow(inclusion);
    await expect(verifyLogProof(proof, leaf, { ...policy, origin: "log.example/b" })).rejects.toThrow(
      invalid("origin"),
    );
    const extra = formatLogProof({ ...parseLogProof(proof), extra: utf8("hello") });
    expect(parseLogProof(extra).extra).toEqual(utf8("hello"));
    await expect(verifyLogProof(extra, leaf, policy)).rejects.toThrow(inclusion);
    for (const bad of [
      { index: -1 },
      { index: 2 ** 53 },
      { hashes: [new Uint8Array(31)] },
      { hashes: Array(64).fill(root) },
      { checkpoint: "" },
    ]) {
      expect(() => formatLogProof({ ...parseLogProof(proof), ...bad })).toThrow(RangeError);
    }
    expect(() => parseLogProof("x".repeat(200_000))).toThrow(inclusion);
  });

  it("A-LOG-04 with any byte changed are refused, and by nothing but a PeerageError", async () => {
    const proof = await proofOf();
    const codes = new Set<string>();
    for (const mutation of mutations(proof)) {
      const result = await verifyLogProof(mutation, leaf, policy).catch((error: unknown) => error);
      if (isPeerageError(result)) codes.add(result.code);
      else if (Buffer.compare(mutation, utf8(proof)) !== 0) expect.fail(`admitted ${Buffer.from(mutation).toString()}`);
    }
    expect([...codes].sort()).toEqual(["ERR_CHECKPOINT_INVALID", "ERR_INCLUSION_INVALID"]);
  });
});
