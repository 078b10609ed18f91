/* eslint-disable @typescript-eslint/no-non-null-assertion -- every index is within bounds by construction */
import { toHex } from "../encoding/bytes.ts";
import { sha256 } from "../encoding/sha256.ts";
import type { Digest } from "../json/digest.ts";

const SIZE = 32;

/** Digest of an edge set: SHA-256 over the 32-byte ids of its vouches in ascending order. */
export function edgeDigest(ids: readonly Digest[]): Digest {
  const bytes = new Uint8Array(ids.length * SIZE);
  ids.forEach((id, i) => decode(id, bytes, i * SIZE));
  const sorted = new Uint8Array(bytes.length);
  inOrder(bytes, ids.length).forEach((from, to) => {
    sorted.set(bytes.subarray(from * SIZE, (from + 1) * SIZE), to * SIZE);
  });
  return `sha256:${toHex(sha256(sorted))}`;
}

/** The positions of the ids in ascending order: by as many leading bits as fit beside a position in a double, then all. */
function inOrder(bytes: Uint8Array, count: number): number[] {
  const places = 2 ** Math.ceil(Math.log2(Math.max(2, count)));
  const prefixes = 2 ** 53 / places;
  const view = new DataView(bytes.buffer);
  const keys = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const high = view.getUint32(i * SIZE) * 2 ** 21 + (view.getUint32(i * SIZE + 4) >>> 11);
    keys[i] = Math.floor((high / 2 ** 53) * prefixes) * places + i;
  }
  keys.sort();
  const order: number[] = [];
  for (let start = 0, end = 0; start < count; start = end) {
    const prefix = Math.floor(keys[start]! / places);
    while (end < count && Math.floor(keys[end]! / places) === prefix) end++;
    const run = Array.from(keys.subarray(start, end), (key) => key % places);
    if (run.length > 1) run.sort((a, b) => compare(bytes, a, b));
    for (const position of run) order.push(position);
  }
  return order;
}

function compare(bytes: Uint8Array, a: number, b: number): number {
  for (let i = 0; i < SIZE; i++) {
    const difference = bytes[a * SIZE + i]! - bytes[b * SIZE + i]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The hexadecimal digits after `sha256:`, as a verifier accepted them. */
function decode(id: Digest, into: Uint8Array, at: number): void {
  for (let i = 0; i < SIZE; i++) into[at + i] = (digit(id, 7 + 2 * i) << 4) | digit(id, 8 + 2 * i);
}

function digit(id: string, at: number): number {
  const code = id.charCodeAt(at);
  return code <= 57 ? code - 48 : code - 87;
}
