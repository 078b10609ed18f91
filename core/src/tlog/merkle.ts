import { equalBytes } from "../encoding/bytes.ts";
import { sha256 } from "../encoding/sha256.ts";
import { type ErrorCode, PeerageError } from "../errors.ts";

/** Length of every hash, in bytes. */
export const HASH_BYTES = 32;

/** SHA-256 of nothing: the root of a tree without leaves. */
export const emptyRoot: Uint8Array = sha256("");

/** Hashing is synchronous, so one buffer for the prefixed input saves an allocation a hash. */
let leafInput = new Uint8Array(4097);
const nodeInput = new Uint8Array(1 + 2 * HASH_BYTES);
nodeInput[0] = 1;

/** Hash of a leaf: SHA-256(0x00 ‖ leaf), 32 bytes. @see RFC 6962 section 2.1 */
export function leafHash(leaf: Uint8Array): Uint8Array {
  if (leafInput.length <= leaf.length) leafInput = new Uint8Array(leaf.length + 1);
  leafInput.set(leaf, 1);
  return sha256(leafInput.subarray(0, leaf.length + 1));
}

/**
 * Hash of an inner node: SHA-256(0x01 ‖ left ‖ right), 32 bytes. @see RFC 6962 section 2.1
 * @throws {RangeError} if a child is not 32 bytes
 */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  if (left.length !== HASH_BYTES || right.length !== HASH_BYTES) throw new RangeError("a child hash has 32 bytes");
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH_BYTES);
  return sha256(nodeInput);
}

/** That a leaf stands at `index` in the tree of `size` leaves with that `root`. */
export interface InclusionProof {
  /** Zero-based, below `size`. */
  readonly index: number;
  /** Number of leaves, at most 2^53 − 1. */
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
  /** 32 bytes, from {@link leafHash}: compute it from the leaf yourself, never take it from the prover. */
  readonly leafHash: Uint8Array;
  /** 32 bytes each, from the leaf's sibling up. */
  readonly proof: readonly Uint8Array[];
}

/** That the tree of `size2` leaves begins with the tree of `size1` leaves. */
export interface ConsistencyProof {
  /** Number of leaves of the older tree, at most `size2`. */
  readonly size1: number;
  /** Number of leaves of the newer tree. */
  readonly size2: number;
  /** 32 bytes. */
  readonly root1: Uint8Array;
  /** 32 bytes. */
  readonly root2: Uint8Array;
  /** 32 bytes each; empty between equal sizes and from the empty tree. */
  readonly proof: readonly Uint8Array[];
}

/**
 * Checks an inclusion proof.
 * @throws {PeerageError} ERR_INCLUSION_INVALID
 * @see RFC 9162 section 2.1.3.2
 */
export function verifyInclusion({ index, size, root, leafHash, proof }: InclusionProof): void {
  const refuse = refusal("ERR_INCLUSION_INVALID", "the inclusion proof does not hold");
  if (!isSize(index) || !isSize(size)) refuse("size");
  if (index >= size) refuse("index");
  if (!areHashes([root, leafHash]) || !areHashes(proof)) refuse("hash-length");

  let fn = index;
  let sn = size - 1;
  let hash = leafHash;
  for (const sibling of proof) {
    if (sn === 0) refuse("too-long");
    if (fn % 2 === 1 || fn === sn) {
      hash = nodeHash(sibling, hash);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  if (sn !== 0) refuse("too-short");
  if (!equalBytes(hash, root)) refuse("root");
}

/**
 * Checks a consistency proof. Two roots at one size are a fork, and are refused here like any other contradiction.
 * @throws {PeerageError} ERR_CONSISTENCY_INVALID
 * @see RFC 9162 section 2.1.4.2
 */
export function verifyConsistency({ size1, size2, root1, root2, proof }: ConsistencyProof): void {
  const refuse = refusal("ERR_CONSISTENCY_INVALID", "the consistency proof does not hold");
  if (!isSize(size1) || !isSize(size2)) refuse("size");
  if (size1 > size2) refuse("shrunk");
  if (!areHashes([root1, root2]) || !areHashes(proof)) refuse("hash-length");
  if (size1 === 0 && !equalBytes(root1, emptyRoot)) refuse("root1");
  if (size1 === 0 || size1 === size2) {
    if (proof.length !== 0) refuse("too-long");
    if (size1 === size2 && !equalBytes(root1, root2)) refuse("root2");
    return;
  }
  // The standard leaves out the first hash where it is the older root itself.
  const roots = rootsOfPath(size1, size2, isPowerOfTwo(size1) ? [root1, ...proof] : proof);
  if (!roots) return refuse("length");
  if (!equalBytes(roots.root1, root1)) refuse("root1");
  if (!equalBytes(roots.root2, root2)) refuse("root2");
}

/**
 * Both roots that a path between 0 < `size1` < `size2` reproduces, or undefined if it has the wrong length. The path is
 * a consistency proof that always begins with the hash of the last full subtree of the older tree.
 */
export function rootsOfPath(
  size1: number,
  size2: number,
  path: readonly Uint8Array[],
): { root1: Uint8Array; root2: Uint8Array } | undefined {
  const [first, ...rest] = path;
  if (!first) return undefined;
  let fn = size1 - 1;
  let sn = size2 - 1;
  while (fn % 2 === 1) [fn, sn] = [half(fn), half(sn)];
  let root1 = first;
  let root2 = first;
  for (const hash of rest) {
    if (sn === 0) return undefined;
    if (fn % 2 === 1 || fn === sn) {
      root1 = nodeHash(hash, root1);
      root2 = nodeHash(hash, root2);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      root2 = nodeHash(root2, hash);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 ? { root1, root2 } : undefined;
}

/** True for 1, 2, 4, … */
export function isPowerOfTwo(size: number): boolean {
  while (size > 1 && size % 2 === 0) size /= 2;
  return size === 1;
}

/** True for a tree size or leaf index that a number holds exactly. */
export function isSize(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function areHashes(hashes: readonly Uint8Array[]): boolean {
  return hashes.every((hash) => hash.length === HASH_BYTES);
}

/** Sizes go beyond 32 bits, where shift operators do not. */
function half(value: number): number {
  return Math.floor(value / 2);
}

function refusal(code: ErrorCode, message: string): (detail: string) => never {
  return (detail) => {
    throw new PeerageError(code, `${message}: ${detail}`, { detail });
  };
}
