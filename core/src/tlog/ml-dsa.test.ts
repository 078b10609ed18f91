import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  addSignatureLines,
  ML_DSA_SIGNATURE_BYTES,
  mlDsaCosignatures,
  noteSignerFromSeed,
  parseMlDsaKey,
  signCheckpoint,
  verifyCheckpoint,
  verifyMlDsaCosignature,
} from "./index.ts";

const log = noteSignerFromSeed("log.test/x", 1, new Uint8Array(32).fill(1));
const operator = noteSignerFromSeed("log.test/x/witness", 4, new Uint8Array(32).fill(2));
const pair = generateKeyPairSync("ml-dsa-44");
const publicKey = pair.publicKey.export({ format: "der", type: "spki" }).subarray(22);
const name = "pq.witness.test";
const typed = Buffer.concat([Buffer.of(6), publicKey]);
const keyId = createHash("sha256").update(`${name}\n`).update(typed).digest("hex").slice(0, 8);
const vkey = `${name}+${keyId}+${typed.toString("base64")}`;

const root = createHash("sha256").update("leaf").digest();
const head = { origin: "log.test/x", size: 70_000, root };

/** What tlog-cosignature says is signed, written down a second time. */
function cosign(time: bigint, over: typeof head = head, by: string = name): Uint8Array {
  const u64 = (value: bigint): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(value);
    return bytes;
  };
  const opaque = (text: string): Buffer => Buffer.concat([Buffer.of(Buffer.byteLength(text)), Buffer.from(text)]);
  const message = Buffer.concat([
    Buffer.from("subtree/v1\n\0"),
    opaque(by),
    u64(time),
    opaque(over.origin),
    u64(0n),
    u64(BigInt(over.size)),
    over.root,
  ]);
  return Buffer.concat([u64(time), sign(null, message, pair.privateKey)]);
}

const bare = await signCheckpoint(head, { log, witness: operator, now: new Date(1_795_200_000_000) });
const withLine = (signature: Uint8Array): string => addSignatureLines(bare, [{ name, keyId, signature }]);

describe("ML-DSA-44 cosignatures", () => {
  it("are read from a note, and verified by the key that a vkey of type 0x06 names", () => {
    const note = withLine(cosign(1_795_200_007n));
    expect(mlDsaCosignatures(note)).toEqual([{ name, keyId, time: 1_795_200_007 }]);
    expect(verifyMlDsaCosignature(note, parseMlDsaKey(vkey))).toEqual({ time: 1_795_200_007 });
  });

  it("are nothing to those who do not know the key: the checkpoint is judged as without them", async () => {
    const policy = { origin: head.origin, logKey: log.key, operatorWitness: operator.key };
    const judged = await verifyCheckpoint(withLine(cosign(1_795_200_007n)), policy);
    expect(judged).toMatchObject({ size: 70_000, witnessed: false, cosignatures: { length: 1 } });
  });

  it("A-LOG-04 are refused over another head, name, time or key, cut short, or with a bit changed", () => {
    const key = parseMlDsaKey(vkey);
    const refused = [
      cosign(1n, { ...head, size: 70_001 }),
      cosign(1n, { ...head, origin: "log.test/y" }),
      cosign(1n, { ...head, root: createHash("sha256").update("other").digest() }),
      cosign(1n, head, "other.witness.test"),
      cosign(1n).map((byte, i) => (i === 7 ? byte ^ 1 : byte)),
      cosign(1n).map((byte, i) => (i === 2_000 ? byte ^ 1 : byte)),
      cosign(1n).subarray(0, ML_DSA_SIGNATURE_BYTES),
    ];
    for (const [i, signature] of refused.entries()) {
      expect(() => verifyMlDsaCosignature(withLine(signature), key), String(i)).toThrow(
        expect.objectContaining({ code: "ERR_CHECKPOINT_INVALID" }),
      );
    }
    expect(() => verifyMlDsaCosignature(bare, key)).toThrow();
    const late = withLine(Buffer.concat([Buffer.alloc(8, 0xff), cosign(1n).subarray(8)]));
    expect(() => mlDsaCosignatures(late)).toThrow(expect.objectContaining({ detail: "cosignature-time" }));
  });

  it("A-LOG-04 vkeys are refused with another type, length, name or key id", () => {
    const other = (bytes: Uint8Array): string => {
      const id = createHash("sha256").update(`${name}\n`).update(bytes).digest("hex").slice(0, 8);
      return `${name}+${id}+${Buffer.from(bytes).toString("base64")}`;
    };
    const bad = [
      vkey.replace(keyId, "00000000"),
      vkey.replace(name, "other"),
      vkey.replace(name, ""),
      `${vkey}=`,
      other(typed.subarray(0, 1_312)),
      other(Buffer.concat([Buffer.of(4), publicKey])),
      "",
      name,
    ];
    for (const text of bad) {
      expect(() => parseMlDsaKey(text), text.slice(0, 40)).toThrow(
        expect.objectContaining({ code: "ERR_CHECKPOINT_INVALID" }),
      );
    }
  });
});
