import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { toBase64 } from "../encoding/base64.ts";
import { utf8 } from "../encoding/bytes.ts";
import { isPeerageError } from "../errors.ts";
import { formatCosignature, parseCosignature, verifyCosignature } from "./cosignature.ts";
import { addSignature, formatNote, MAX_NOTE_BYTES, MAX_SIGNATURES, openNote, parseNote, signNote } from "./note.ts";
import {
  createVerifierKey,
  formatVerifierKey,
  LOG_TYPE,
  noteSignerFromSeed,
  parseVerifierKey,
  WITNESS_TYPE,
} from "./verifier-key.ts";

const seed = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const log = noteSignerFromSeed("log.example/a", LOG_TYPE, seed(1));
const witness = noteSignerFromSeed("log.example/w", WITNESS_TYPE, seed(2));
const stranger = noteSignerFromSeed("log.example/a", LOG_TYPE, seed(3));
const now = new Date("2026-11-20T10:00:00Z");
const text = "log.example/a\n\nan empty line, and — a dash\n";
const invalid = (detail: string): unknown => expect.objectContaining({ code: "ERR_CHECKPOINT_INVALID", detail });

describe("verifier keys", () => {
  it("round-trip, and the same key has another id as log and as witness", () => {
    for (const { key } of [log, witness, stranger]) expect(parseVerifierKey(formatVerifierKey(key))).toEqual(key);
    expect(noteSignerFromSeed("log.example/a", WITNESS_TYPE, seed(1)).key.keyId).not.toBe(log.key.keyId);
    expect(noteSignerFromSeed("log.example/b", LOG_TYPE, seed(1)).key.keyId).not.toBe(log.key.keyId);
  });

  it("refuse names that a line cannot carry, and keys that anyone can sign for", () => {
    for (const name of ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\u2028b", "a\u0085b", "a\u0000b", "a\ud800b"]) {
      expect(() => createVerifierKey(name, LOG_TYPE, log.key.publicKey.bytes)).toThrow(RangeError);
    }
    expect(createVerifierKey("é", LOG_TYPE, log.key.publicKey.bytes).name).toBe("é");
    const smallOrder = seed(0).with(0, 1);
    expect(() => createVerifierKey("a", LOG_TYPE, smallOrder)).toThrow(
      expect.objectContaining({ code: "ERR_DID_INVALID" }),
    );
    expect(() => noteSignerFromSeed("a", LOG_TYPE, seed(1).subarray(1))).toThrow(RangeError);
  });
});

describe("notes", () => {
  it("are signed and opened: known keys verify, others are listed and mean nothing", async () => {
    const note = await signNote(text, [log, witness, stranger], now);
    const opened = await openNote(utf8(note), [witness.key, log.key]);
    expect(opened.text).toBe(text);
    expect(opened.signed.map(({ key }) => key)).toEqual([log.key, witness.key]);
    expect(opened.signed.map(({ time }) => time)).toEqual([undefined, 1_795_168_800]);
    expect(opened.unknown).toMatchObject([{ name: "log.example/a", keyId: stranger.key.keyId }]);
    expect(formatNote(parseNote(note))).toBe(note);
  });

  it("A-LOG-04 need one known key, compared by whole name and id", async () => {
    const note = await signNote(text, [log], now);
    await expect(openNote(note, [log.key])).resolves.toMatchObject({ text });
    for (const name of ["log.example/", "log.example/ab", "LOG.example/a"]) {
      const other = createVerifierKey(name, LOG_TYPE, log.key.publicKey.bytes);
      await expect(openNote(note, [other, stranger.key])).rejects.toThrow(invalid("unverified"));
    }
    const forged = { ...stranger.key, keyId: log.key.keyId };
    await expect(openNote(note, [forged])).rejects.toThrow(invalid("signature"));
    await expect(openNote(note, [log.key, forged])).rejects.toThrow(invalid("ambiguous-key"));
    await expect(openNote(note, [])).rejects.toThrow(invalid("unverified"));
  });

  it("A-LOG-04 have one form: nothing else is read", async () => {
    const note = await signNote(text, [log], now);
    const line = note.slice(text.length + 1);
    for (const [broken, detail] of [
      [note.replaceAll("\n", "\r\n"), "control"],
      [`\ufeff${note}`, "signature"],
      [`${note}\n`, "no-signatures"],
      [note.trimEnd(), "form"],
      [line, "form"],
      ["", "form"],
      ["\n\n", "no-signatures"],
      [`${note}${line.replace("— ", "- ")}`, "signature-line"],
      [`${note}— ${log.key.name}  AAAAAAA=\n`, "signature-line"],
      [`${note}— ${log.key.name} AAAAAAA= \n`, "signature-line"],
      [`${note}— ${log.key.name} AAAAAA==\n`, "signature-line"],
      [`${note}— ${log.key.name} AAAAAAB=\n`, "signature-line"],
      [`${note}— ${log.key.name} ${toBase64(utf8("123"))}\n`, "signature-line"],
      [`${note}${line.repeat(MAX_SIGNATURES)}`, "too-many"],
      [`${"x".repeat(MAX_NOTE_BYTES)}${note}`, "too-long"],
      [`\ud800${note}`, "utf8"],
    ] as const) {
      await expect(openNote(broken, [log.key]), JSON.stringify(broken.slice(0, 80))).rejects.toThrow(invalid(detail));
    }
    await expect(openNote(`${note}${line.repeat(MAX_SIGNATURES - 1)}`, [log.key])).resolves.toMatchObject({ text });
  });

  it("that would not be read back are not written", async () => {
    for (const bad of ["no newline at the end", "control \u0007\n", "\ud800\n", ""]) {
      await expect(signNote(bad, [log])).rejects.toThrow(expect.objectContaining({ code: "ERR_CHECKPOINT_INVALID" }));
    }
    await expect(signNote(text, [])).rejects.toThrow(invalid("no-signatures"));
    await expect(signNote(text, [witness])).rejects.toThrow(TypeError);
    await expect(signNote(text, [{ ...log, sign: () => new Uint8Array(63) }])).rejects.toThrow(RangeError);
  });

  it("take a newer signature of a key in place of the older", async () => {
    const first = await signNote(text, [log, witness], now);
    const second = await addSignature(first, witness, new Date(now.getTime() + 60_000));
    const { signed } = await openNote(second, [log.key, witness.key]);
    expect(signed.map(({ time }) => time)).toEqual([undefined, 1_795_168_860]);
    expect(parseNote(second).signatures).toHaveLength(2);
  });

  it("random text opens as nothing, or reads back as it was", () => {
    const pieces = fc.constantFrom("\n", "\n\n", "— ", "a", " ", "AAAAAAA=", "log.example/a", "\r", "é", "+");
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        try {
          expect(formatNote(parseNote(parts.join("")))).toBe(parts.join(""));
        } catch (error) {
          if (!isPeerageError(error, "ERR_CHECKPOINT_INVALID")) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("cosignatures", () => {
  it("A-LOG-04 verify with time and text as they were, and with no bit changed", async () => {
    const [, line] = parseNote(await signNote(text, [log, witness], now)).signatures;
    const bytes = line!.signature;
    await expect(verifyCosignature(text, bytes, witness.key)).resolves.toBe(1_795_168_800);
    expect(formatCosignature(parseCosignature(bytes))).toEqual(bytes);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = bytes.with(bit >> 3, bytes[bit >> 3]! ^ (1 << (bit & 7)));
      await expect(verifyCosignature(text, changed, witness.key)).rejects.toMatchObject({
        code: "ERR_CHECKPOINT_INVALID",
      });
    }
    await expect(verifyCosignature(`${text}\n`, bytes, witness.key)).rejects.toThrow(invalid("signature"));
    await expect(verifyCosignature(text, bytes, log.key)).rejects.toThrow(TypeError);
    for (const length of [0, 64, 71, 73])
      expect(() => parseCosignature(new Uint8Array(length))).toThrow(invalid("cosignature-length"));
  });

  it("hold times up to 2^53 − 1 seconds", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (time) => {
        expect(parseCosignature(formatCosignature({ time, signature: new Uint8Array(64) })).time).toBe(time);
      }),
    );
    expect(() => parseCosignature(new Uint8Array(72).with(1, 32))).toThrow(invalid("cosignature-time"));
    for (const time of [-1, 0.5, 2 ** 53])
      expect(() => formatCosignature({ time, signature: new Uint8Array(64) })).toThrow(RangeError);
  });
});
