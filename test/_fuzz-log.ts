import {
  addProof,
  canonicalize,
  concat,
  createNote,
  decodeEntryBundle,
  encodeEntryBundle,
  formatAddCheckpoint,
  formatCheckpoint,
  formatLogProof,
  formatSignedNote,
  formatTilePath,
  formatVerifierKey,
  fromUtf8,
  identityFromSeed,
  issueKeyInit,
  issueProfile,
  issueReport,
  issueRevocation,
  issueVouch,
  type JsonObject,
  keyDigest,
  leafHash,
  mlDsaCosignatures,
  noteSignerFromSeed,
  openSignedNote,
  parseAddCheckpoint,
  parseCheckpoint,
  parseJson,
  parseLogProof,
  parseMlDsaKey,
  parseNote,
  parseSignatureLines,
  parseSignedNote,
  parseTilePath,
  parseTlogPolicy,
  parseVerifierKey,
  sha256,
  signCheckpoint,
  splitTile,
  toBase64,
  toHex,
  tokenDigest,
  trustStoredStatement,
  utf8,
  verifyForkEvidence,
  verifyLogEnd,
  verifySecuredDocument,
  verifyStatement,
} from "@peerage/core";
import { formatCosignature, parseCosignature } from "../core/src/tlog/index.ts";
import type { Target } from "./_fuzz.ts";
import { mutateClaims } from "./_fuzz-mutations.ts";

const log = noteSignerFromSeed("log.test/x", 1, new Uint8Array(32).fill(1));
const witness = noteSignerFromSeed("w.test", 4, new Uint8Array(32).fill(2));
const signed = { log, witness, now: new Date(1_795_200_000_000) };
const root = leafHash(utf8("x"));
const [a, b] = (await Promise.all(
  [1, 2].map((n) => signCheckpoint({ origin: "log.test/x", size: 7, root: new Uint8Array(32).fill(n) }, signed)),
)) as [string, string];
const alice = identityFromSeed(new Uint8Array(32).fill(3));
const bob = identityFromSeed(new Uint8Array(32).fill(4));
const next = identityFromSeed(new Uint8Array(32).fill(5));
const vouch = await issueVouch(alice, { subject: bob.did, scope: ["tools"], confidence: 50 });
const init = await issueKeyInit(alice, { next: keyDigest(next.kid.split("#")[1] as `z6Mk${string}`) });
const statements = [
  vouch,
  await issueProfile(alice, { role: "agent" }),
  await issueRevocation(alice, { revokes: "statement", target: vouch.id }),
  await issueReport(alice, { subject: bob.did, category: "spam", evidence: [tokenDigest("x")] }),
  init,
];
const vkey = formatVerifierKey(log.key);
const pqBytes = new Uint8Array(1_313).fill(6);
const pqId = toHex(sha256(concat(utf8("pq.test\n"), pqBytes)).subarray(0, 4));
const pqKey = `pq.test+${pqId}+${toBase64(pqBytes)}`;
const json = (value: unknown): string => canonicalize(value as JsonObject);

/** A statement whose members were changed and that was signed again by its issuer. */
async function signedAgain(random: Parameters<NonNullable<Target["forge"]>>[0]): Promise<Uint8Array> {
  const { proof, ...document } = parseJson(random.pick(statements).bytes) as Record<string, JsonObject>;
  const changed = mutateClaims(document, random);
  const { created, verificationMethod } = proof as unknown as Parameters<typeof addProof>[2];
  return utf8(canonicalize({ ...changed, proof: await addProof(alice, changed, { created, verificationMethod }) }));
}

/** The formats of the log: C2SP notes, checkpoints, proofs, tiles, and the statements in it. */
export const logTargets: readonly Target[] = [
  {
    name: "A-LOG-04 a signed note",
    samples: [a, b],
    shapes: ["lines"],
    rewrite: (x) => formatSignedNote(parseSignedNote(x)),
    weight: 2,
  },
  {
    name: "A-LOG-04 a note opened with its keys",
    samples: [a, b],
    shapes: ["lines"],
    read: (x) => openSignedNote(x, [log.key, witness.key]),
  },
  {
    name: "A-LOG-04 a checkpoint",
    samples: [formatCheckpoint({ origin: "log.test/x", size: 20_852_163, root })],
    shapes: ["lines"],
    rewrite: (x) => formatCheckpoint(parseCheckpoint(fromUtf8(x))),
    weight: 2,
  },
  {
    name: "A-LOG-04 a vkey",
    samples: [vkey, formatVerifierKey(witness.key)],
    rewrite: (x) => formatVerifierKey(parseVerifierKey(fromUtf8(x))),
  },
  { name: "A-LOG-04 an ML-DSA vkey", samples: [pqKey], read: (x) => parseMlDsaKey(fromUtf8(x)) },
  {
    name: "A-LOG-04 a cosignature",
    samples: [formatCosignature({ time: 1_795_200_000, signature: new Uint8Array(64).fill(5) })],
    rewrite: (x) => formatCosignature(parseCosignature(x)),
  },
  { name: "A-LOG-04 ML-DSA lines", samples: [a], shapes: ["lines"], read: (x) => mlDsaCosignatures(x) },
  {
    name: "A-LOG-04 a log proof",
    samples: [formatLogProof({ index: 3, hashes: [root, root], checkpoint: a })],
    shapes: ["lines"],
    rewrite: (x) => formatLogProof(parseLogProof(x)),
    weight: 2,
  },
  {
    name: "A-LOG-04 add-checkpoint",
    samples: [formatAddCheckpoint({ oldSize: 3, proof: [root, root], checkpoint: a })],
    shapes: ["lines"],
    rewrite: (x) => formatAddCheckpoint(parseAddCheckpoint(x)),
  },
  {
    name: "A-LOG-04 a witness's answer",
    samples: [a.slice(a.indexOf("\u2014"))],
    shapes: ["lines"],
    read: (x) => parseSignatureLines(fromUtf8(x)),
  },
  {
    name: "A-LOG-04 a tlog-policy",
    samples: [
      `log ${vkey}\nwitness w ${formatVerifierKey(witness.key)} https://w.test\ngroup g any w\ngroup h all g\nquorum h\n`,
    ],
    shapes: ["lines"],
    read: (x) => parseTlogPolicy(fromUtf8(x)),
  },
  {
    name: "A-LOG-04 a tile's path",
    samples: ["tile/3/x001/067.p/8", "tile/entries/x001/x234/067", "tile/0/000"],
    rewrite: (x) => formatTilePath(parseTilePath(fromUtf8(x))),
  },
  {
    name: "A-LOG-04 a tile",
    samples: [new Uint8Array(96).fill(7)],
    rewrite: (x) => concat(...splitTile(x)),
  },
  {
    name: "A-LOG-04 a bundle of entries",
    samples: [encodeEntryBundle([utf8("one"), utf8(""), utf8("three")])],
    rewrite: (x) => encodeEntryBundle(decodeEntryBundle(x, 3)),
  },
  {
    name: "A-LOG-04 a statement",
    samples: statements.map(({ bytes }) => bytes),
    shapes: ["json"],
    rewrite: async (x) => (await verifyStatement(x)).bytes,
    forge: signedAgain,
    weight: 4,
  },
  {
    name: "A-LOG-04 a stored statement",
    samples: statements.map(({ bytes }) => bytes),
    shapes: ["json"],
    rewrite: (x) => trustStoredStatement(x).bytes,
    forge: signedAgain,
    weight: 2,
  },
  {
    name: "A-LOG-04 a document with a data integrity proof",
    samples: statements.map(({ bytes }) => bytes),
    shapes: ["json"],
    read: (x) => verifySecuredDocument(parseJson(x)),
    forge: signedAgain,
  },
  {
    name: "A-LOG-04 a note of people",
    samples: [json(createNote({ name: "brisk", text: "é", urls: ["https://x.test/"] }))],
    shapes: ["json"],
    read: (x) => parseNote(parseJson(x)),
  },
  {
    name: "A-LOG-04 evidence of a fork",
    samples: [json({ type: "ForkEvidence", origin: "log.test/x", vkey, a, b, proof: [] })],
    shapes: ["json"],
    read: (x) => verifyForkEvidence(parseJson(x)),
  },
  {
    name: "A-LOG-04 the end of a log",
    samples: [json({ type: "LogEnd", origin: "log.test/x", vkey, checkpoint: a })],
    shapes: ["json"],
    read: (x) => verifyLogEnd(parseJson(x)),
  },
];
