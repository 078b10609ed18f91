import {
  CompactRange,
  formatVerifierKey,
  leafHash,
  LOG_TYPE,
  noteSignerFromSeed,
  signCheckpoint,
  toHex,
  utf8,
  WITNESS_TYPE,
} from "@peerage/core";

/** One case of a format; the other members are the format's own. */
export type Case = { readonly id: string; readonly valid: boolean } & Readonly<Record<string, unknown>>;

/** Cases of the log: a signed head of eleven leaves, and proofs under it. Seeds: log 21, witness 22. */
export async function logCases(
  time: number,
): Promise<{ checkpoint: Case[]; inclusion: Case[]; consistency: Case[]; keys: object }> {
  const hashes = Array.from({ length: 11 }, (_, i) => leafHash(utf8(`leaf ${i}`)));
  const rootAt = (size: number): Uint8Array => rootOf(hashes.slice(0, size));
  const origin = "log.example.org/peerage";
  const logKey = noteSignerFromSeed(origin, LOG_TYPE, new Uint8Array(32).fill(21));
  const witness = noteSignerFromSeed("log.example.org/witness", WITNESS_TYPE, new Uint8Array(32).fill(22));
  const now = new Date(time * 1000);
  const note = await signCheckpoint({ origin, size: 11, root: rootAt(11) }, { log: logKey, witness, now });
  const other = noteSignerFromSeed(origin, LOG_TYPE, new Uint8Array(32).fill(23));
  const forged = await signCheckpoint({ origin, size: 11, root: rootAt(11) }, { log: other, witness, now });
  const path = (index: number, size: number): string[] => inclusion(hashes.slice(0, size), index).map(toHex);
  const link = (size1: number, size2: number): string[] => consistency(hashes.slice(0, size2), size1).map(toHex);
  const bad = (id: string, more: object, code: string): Case => ({ id, valid: false, ...more, code });
  const leaf = (index: number, size: number) => ({
    index,
    size,
    root: toHex(rootAt(size)),
    leafHash: toHex(hashes[index]!),
    proof: path(index, size),
  });
  const pair = (size1: number, size2: number) => ({
    size1,
    size2,
    root1: toHex(rootAt(size1)),
    root2: toHex(rootAt(size2)),
    proof: link(size1, size2),
  });
  const INC = "ERR_INCLUSION_INVALID";
  const CON = "ERR_CONSISTENCY_INVALID";
  const CHK = "ERR_CHECKPOINT_INVALID";
  return {
    keys: { origin, vkey: formatVerifierKey(logKey.key), witness: formatVerifierKey(witness.key) },
    checkpoint: [
      { id: "checkpoint/signed", valid: true, note, size: 11, root: toHex(rootAt(11)) },
      bad("checkpoint/another size", { note: note.replace("\n11\n", "\n12\n") }, CHK),
      bad("checkpoint/another log's key", { note: forged }, CHK),
      bad(
        "checkpoint/another origin",
        { note: note.replace("log.example.org/peerage\n", "log.example.org/other\n") },
        CHK,
      ),
      bad("checkpoint/leading zero", { note: note.replace("\n11\n", "\n011\n") }, CHK),
      bad(
        "checkpoint/the witness's line does not verify",
        { note: note.replace(/(.)(.{8}\n)$/, (_, a: string, b: string) => `${a === "A" ? "B" : "A"}${b}`) },
        CHK,
      ),
      bad("checkpoint/no final newline", { note: note.slice(0, -1) }, CHK),
      bad("checkpoint/unsigned", { note: `${note.split("\n\n")[0] ?? ""}\n\n` }, CHK),
    ],
    inclusion: [
      ...[
        [0, 1],
        [0, 11],
        [10, 11],
        [4, 7],
        [7, 8],
      ].map(([index = 0, size = 0]) => ({ id: `inclusion/${index}-of-${size}`, valid: true, ...leaf(index, size) })),
      bad("inclusion/another leaf", { ...leaf(3, 11), leafHash: toHex(hashes[4]!) }, INC),
      bad("inclusion/another index", { ...leaf(3, 11), index: 2 }, INC),
      bad("inclusion/a hash too few", { ...leaf(3, 11), proof: path(3, 11).slice(1) }, INC),
      bad("inclusion/a hash too many", { ...leaf(3, 11), proof: [...path(3, 11), toHex(hashes[0]!)] }, INC),
      bad("inclusion/beyond the end", { ...leaf(10, 11), index: 11 }, INC),
    ],
    consistency: [
      ...[
        [1, 11],
        [3, 8],
        [8, 11],
        [11, 11],
        [6, 7],
      ].map(([size1 = 0, size2 = 0]) => ({ id: `consistency/${size1}-${size2}`, valid: true, ...pair(size1, size2) })),
      bad("consistency/another old root", { ...pair(3, 8), root1: toHex(rootAt(4)) }, CON),
      bad("consistency/another new root", { ...pair(3, 8), root2: toHex(rootAt(7)) }, CON),
      bad("consistency/shrunk", { ...pair(3, 8), size1: 8, size2: 3 }, CON),
      bad("consistency/a hash too few", { ...pair(3, 11), proof: link(3, 11).slice(1) }, CON),
      bad("consistency/two roots of one size", { ...pair(8, 8), root2: toHex(rootAt(7)) }, CON),
    ],
  };
}

/** RFC 6962 section 2.1.1, written as it is defined: for eleven leaves nothing faster is needed. */
function inclusion(hashes: readonly Uint8Array[], index: number): Uint8Array[] {
  if (hashes.length === 1) return [];
  const k = splitOf(hashes.length);
  return index < k
    ? [...inclusion(hashes.slice(0, k), index), rootOf(hashes.slice(k))]
    : [...inclusion(hashes.slice(k), index - k), rootOf(hashes.slice(0, k))];
}

/** RFC 6962 section 2.1.2. */
function consistency(hashes: readonly Uint8Array[], size: number, whole = true): Uint8Array[] {
  if (size === hashes.length) return whole ? [] : [rootOf(hashes)];
  const k = splitOf(hashes.length);
  return size <= k
    ? [...consistency(hashes.slice(0, k), size, whole), rootOf(hashes.slice(k))]
    : [...consistency(hashes.slice(k), size - k, false), rootOf(hashes.slice(0, k))];
}

function rootOf(hashes: readonly Uint8Array[]): Uint8Array {
  const range = CompactRange.empty();
  for (const hash of hashes) range.append(hash);
  return range.root();
}

function splitOf(size: number): number {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}
