import { describe, expect, it } from "vitest";
import { issueProfile, issueVouch } from "../statement/issue.ts";
import { createNote, parseNote as parseHumanNote } from "../statement/note.ts";
import { trustStoredStatement, verifyStatement } from "../statement/verify.ts";
import { identityFromSeed } from "../did/identity.ts";
import { toBase64 } from "../encoding/base64.ts";
import { concat, equalBytes, fromUtf8, toHex, utf8 } from "../encoding/bytes.ts";
import { sha256 } from "../encoding/sha256.ts";
import { isPeerageError } from "../errors.ts";
import { canonicalize } from "../json/canonical.ts";
import { parseJson } from "../json/parse.ts";
import type { JsonObject } from "../json/types.ts";
import {
  decodeEntryBundle,
  encodeEntryBundle,
  formatAddCheckpoint,
  formatCheckpoint,
  formatCosignature,
  formatLogProof,
  formatNote,
  formatTilePath,
  formatVerifierKey,
  leafHash,
  mlDsaCosignatures,
  noteSignerFromSeed,
  parseAddCheckpoint,
  parseCheckpoint,
  parseCosignature,
  parseLogProof,
  parseMlDsaKey,
  parseNote,
  parseSignatureLines,
  parseTilePath,
  parseTlogPolicy,
  parseVerifierKey,
  signCheckpoint,
  verifyForkEvidence,
  verifyLogEnd,
} from "./index.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 2 ** 31);
const ROUNDS = Number(process.env["FUZZ_ROUNDS"] ?? 1_500);
console.info(`fuzz: FUZZ_SEED=${seed} FUZZ_ROUNDS=${ROUNDS} repeats this run`);

let state = seed === 0 ? 1 : seed;
function below(n: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % n;
}

/** One to four changes of bytes: flipped, cut, doubled, moved, or something interesting put in. */
function mutate(bytes: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  const out = [...bytes];
  const bits = ["\n\n", "\r\n", "\u2014 ", "+", "=", "0", "-1", "9007199254740993", "\0", "\ud7ff", " ", "{", '"', "A"];
  for (let i = 0; i <= below(4); i++) {
    const at = below(out.length + 1);
    const length = below(12);
    const change = below(6);
    if (change === 0 && at < out.length) out[at] = out[at]! ^ (1 << below(8));
    else if (change === 1) out.splice(at, length);
    else if (change === 2) out.splice(at, 0, ...out.slice(at, at + length));
    else if (change === 3) out.splice(at, 0, ...utf8(bits[below(bits.length)]!));
    else if (change === 4) out.splice(at, length, ...[...others[below(others.length)]!].slice(0, 40));
    else if (at < out.length) out[at] = below(256);
  }
  return Uint8Array.from(out);
}

const log = noteSignerFromSeed("log.test/x", 1, new Uint8Array(32).fill(1));
const witness = noteSignerFromSeed("w.test", 4, new Uint8Array(32).fill(2));
const signed = { log, witness, now: new Date(1_795_200_000_000) };
const root = leafHash(utf8("x"));
const [a, b] = await Promise.all(
  [1, 2].map((n) => signCheckpoint({ origin: "log.test/x", size: 7, root: new Uint8Array(32).fill(n) }, signed)),
);
const alice = identityFromSeed(new Uint8Array(32).fill(3));
const bob = identityFromSeed(new Uint8Array(32).fill(4));
const vouch = await issueVouch(alice, { subject: bob.did, scope: ["tools"], confidence: 50 });
const profile = await issueProfile(alice, { role: "agent" });
const vkey = formatVerifierKey(log.key);
const pqBytes = new Uint8Array(1_313).fill(6);
const pqId = toHex(sha256(concat(utf8("pq.test\n"), pqBytes)).subarray(0, 4));
const pqKey = `pq.test+${pqId}+${toBase64(pqBytes)}`;
const nothing = (): undefined => undefined;
const json = (value: unknown): string => canonicalize(value as JsonObject);

/** Reads bytes and writes what it read; undefined where there is no one form to write. */
type Codec = (bytes: Uint8Array) => Promise<Uint8Array | string | undefined> | Uint8Array | string | undefined;

const parsers: Record<string, { samples: readonly (string | Uint8Array)[]; codec: Codec }> = {
  "a signed note": { samples: [a!, b!], codec: (x) => formatNote(parseNote(x)) },
  "a checkpoint": {
    samples: [formatCheckpoint({ origin: "log.test/x", size: 20_852_163, root })],
    codec: (x) => formatCheckpoint(parseCheckpoint(fromUtf8(x))),
  },
  "a vkey": {
    samples: [vkey, formatVerifierKey(witness.key)],
    codec: (x) => formatVerifierKey(parseVerifierKey(fromUtf8(x))),
  },
  "an ML-DSA vkey": {
    samples: [pqKey],
    codec: (x) => void parseMlDsaKey(fromUtf8(x)),
  },
  "a cosignature": {
    samples: [formatCosignature({ time: 1_795_200_000, signature: new Uint8Array(64).fill(5) })],
    codec: (x) => formatCosignature(parseCosignature(x)),
  },
  "ML-DSA lines": { samples: [a!], codec: (x) => void mlDsaCosignatures(x) },
  "a log proof": {
    samples: [formatLogProof({ index: 3, hashes: [root, root], checkpoint: a! })],
    codec: (x) => formatLogProof(parseLogProof(x)),
  },
  "add-checkpoint": {
    samples: [formatAddCheckpoint({ oldSize: 3, proof: [root, root], checkpoint: a! })],
    codec: (x) => formatAddCheckpoint(parseAddCheckpoint(x)),
  },
  "a witness's answer": {
    samples: [a!.slice(a!.indexOf("\u2014"))],
    codec: (x) => void parseSignatureLines(fromUtf8(x)),
  },
  "a tlog-policy": {
    samples: [
      `log ${vkey}\nwitness w ${formatVerifierKey(witness.key)} https://w.test\ngroup g any w\ngroup h all g\nquorum h\n`,
    ],
    codec: (x) => void parseTlogPolicy(fromUtf8(x)),
  },
  "a tile's path": {
    samples: ["tile/3/x001/067.p/8", "tile/entries/x001/x234/067", "tile/0/000"],
    codec: (x) => formatTilePath(parseTilePath(fromUtf8(x))),
  },
  "a bundle of entries": {
    samples: [encodeEntryBundle([utf8("one"), utf8(""), utf8("three")])],
    codec: (x) => encodeEntryBundle(decodeEntryBundle(x, 3)),
  },
  "a statement": { samples: [vouch.bytes, profile.bytes], codec: async (x) => (await verifyStatement(x)).bytes },
  "a stored statement": { samples: [vouch.bytes], codec: (x) => trustStoredStatement(x).bytes },
  "a note of people": {
    samples: [json(createNote({ name: "brisk", text: "é", urls: ["https://x.test/"] }))],
    codec: (x) => void parseHumanNote(parseJson(x)),
  },
  "evidence of a fork": {
    samples: [json({ type: "ForkEvidence", origin: "log.test/x", vkey, a, b, proof: [] })],
    codec: (x) => verifyForkEvidence(parseJson(x)).then(nothing),
  },
  "the end of a log": {
    samples: [json({ type: "LogEnd", origin: "log.test/x", vkey, checkpoint: a })],
    codec: (x) => verifyLogEnd(parseJson(x)).then(nothing),
  },
};

/** Text that is no UTF-8 is refused before a parser sees it, by the error of the platform. */
const isForeign = (error: unknown): boolean => error instanceof TypeError && /utf|encoded/i.test(error.message);

describe("parsers of the log under mutation", () => {
  const all = Object.values(parsers).flatMap(({ samples }) =>
    samples.map((one) => (typeof one === "string" ? utf8(one) : one)),
  );
  for (const [name, { samples, codec }] of Object.entries(parsers)) {
    it(`A-LOG-04 ${name} is read back as it was written, or refused with a code of ours`, async () => {
      const own = samples.map((one) => (typeof one === "string" ? utf8(one) : one));
      for (let round = 0; round < ROUNDS; round++) {
        const bytes = round < own.length ? own[round]! : mutate(own[below(own.length)]!, all);
        const at = `FUZZ_SEED=${seed} round ${round}: ${JSON.stringify(fromLatin(bytes))}`;
        try {
          const written = await codec(bytes);
          if (written === undefined) continue;
          expect(equalBytes(typeof written === "string" ? utf8(written) : written, bytes), at).toBe(true);
        } catch (error) {
          if (round < own.length || (!isPeerageError(error) && !isForeign(error)))
            throw new Error(at, { cause: error });
        }
      }
    });
  }
});

function fromLatin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 2_000));
}
