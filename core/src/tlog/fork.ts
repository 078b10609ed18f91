import { equalBytes } from "../encoding/bytes.ts";
import { fromBase64, toBase64 } from "../encoding/base64.ts";
import { PeerageError } from "../errors.ts";
import { markVerified, type Verified } from "../verified.ts";
import { type Checkpoint, type SignedCheckpoint, verifyCheckpoint } from "./checkpoint.ts";
import { isSameKey } from "./checkpoint-policy.ts";
import { HASH_BYTES, isPowerOfTwo, rootsOfPath, verifyConsistency } from "./merkle.ts";
import { ProofBuilder } from "./proof-builder.ts";
import type { ReadTile } from "./tiles.ts";
import { checkpointError, formatVerifierKey, parseVerifierKey, type VerifierKey } from "./verifier-key.ts";

/**
 * Proof that a log signed two heads of which neither extends the other. Anyone who knows the log's key can check it: either
 * the sizes are equal and the roots differ, or `proof` leads from another root at the size of `a` to the root of `b`.
 */
export interface ForkEvidence {
  readonly type: "ForkEvidence";
  readonly origin: string;
  /** The log's verifier key. */
  readonly vkey: string;
  /** Signed note of the smaller head. */
  readonly a: string;
  /** Signed note of the larger head. */
  readonly b: string;
  /**
   * Base64 of 32-byte hashes: a consistency proof that always begins with the hash of the last full subtree of the smaller
   * tree, which the standard leaves out at powers of two. Empty at equal sizes.
   */
  readonly proof: readonly string[];
}

/** A log contradicted itself: code ERR_LOG_FORKED, with the evidence to show to others. */
export class LogForkedError extends PeerageError {
  readonly evidence: Verified<ForkEvidence>;

  constructor(evidence: Verified<ForkEvidence>) {
    super("ERR_LOG_FORKED", `the log ${evidence.origin} signed two heads that contradict each other`, {
      detail: "fork",
    });
    this.evidence = evidence;
  }
}

/**
 * Makes fork evidence of two signed heads, in any order.
 * @param path from `ProofBuilder.consistencyPath` over the tiles of the larger tree; not needed at equal sizes
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID; ERR_CONSISTENCY_INVALID if this does not prove a fork
 */
export async function forkEvidence(
  heads: readonly [SignedCheckpoint, SignedCheckpoint],
  logKey: VerifierKey,
  path: readonly Uint8Array[] = [],
): Promise<Verified<ForkEvidence>> {
  const [a, b] = heads[0].size <= heads[1].size ? heads : [heads[1], heads[0]];
  return verifyForkEvidence({
    type: "ForkEvidence",
    origin: a.origin,
    vkey: formatVerifierKey(logKey),
    a: a.note,
    b: b.note,
    proof: path.map(toBase64),
  });
}

/**
 * Verifies fork evidence, as parsed from JSON.
 * @param expected the log one believes in; without it the evidence speaks for the key that it names, whoever holds it
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID if it is not well formed, not signed by the key, or of another log;
 *   ERR_CONSISTENCY_INVALID if it does not prove a fork
 */
export async function verifyForkEvidence(
  value: unknown,
  expected?: { readonly origin: string; readonly logKey: VerifierKey },
): Promise<Verified<ForkEvidence>> {
  const evidence = parseForkEvidence(value);
  const { origin, vkey, a, b, proof } = evidence;
  const logKey = parseVerifierKey(vkey);
  if (expected && (expected.origin !== origin || !isSameKey(expected.logKey, logKey))) throw checkpointError("origin");
  const older = await verifyCheckpoint(a, { origin, logKey });
  const newer = await verifyCheckpoint(b, { origin, logKey });
  if (!provesFork(older, newer, proof.map(decodeHash))) {
    throw new PeerageError("ERR_CONSISTENCY_INVALID", "the evidence does not prove a fork", { detail: "no-fork" });
  }
  return markVerified(evidence);
}

/**
 * Checks that a head extends the one seen before; equal heads do.
 * @param options.proof consistency proof, as received
 * @param options.readTile tiles of the newer tree, asked only when the proof fails, to find evidence
 * @throws {LogForkedError} ERR_LOG_FORKED if the log provably signed both
 * @throws {PeerageError} ERR_CONSISTENCY_INVALID if it is only not shown to extend it
 */
export async function verifyExtension(
  older: SignedCheckpoint,
  newer: SignedCheckpoint,
  options: { logKey: VerifierKey; proof: readonly Uint8Array[]; readTile?: ReadTile },
): Promise<void> {
  if (older.origin !== newer.origin) throw checkpointError("origin");
  const { logKey, proof, readTile } = options;
  try {
    verifyConsistency({ size1: older.size, size2: newer.size, root1: older.root, root2: newer.root, proof });
  } catch (refusal) {
    const path = await findPath(older, newer, proof, readTile);
    if (path) throw new LogForkedError(await forkEvidence([older, newer], logKey, path));
    throw refusal;
  }
}

/** A path that proves the fork, if there is one at hand. */
async function findPath(
  older: Checkpoint,
  newer: Checkpoint,
  proof: readonly Uint8Array[],
  readTile: ReadTile | undefined,
): Promise<readonly Uint8Array[] | undefined> {
  if (provesFork(older, newer, [])) return [];
  if (older.size === 0 || older.size >= newer.size) return undefined;
  if (!isPowerOfTwo(older.size) && provesFork(older, newer, proof)) return proof;
  if (!readTile) return undefined;
  try {
    const path = await new ProofBuilder(readTile).consistencyPath(older.size, newer.size);
    return provesFork(older, newer, path) ? path : undefined;
  } catch {
    // Whoever forks a log may also withhold its tiles: then there is no evidence, and the refusal stands.
    return undefined;
  }
}

function provesFork(a: Checkpoint, b: Checkpoint, path: readonly Uint8Array[]): boolean {
  if (a.size === b.size) return path.length === 0 && !equalBytes(a.root, b.root);
  if (a.size === 0 || a.size > b.size || path.some((hash) => hash.length !== HASH_BYTES)) return false;
  const roots = rootsOfPath(a.size, b.size, path);
  return roots !== undefined && equalBytes(roots.root2, b.root) && !equalBytes(roots.root1, a.root);
}

function parseForkEvidence(value: unknown): ForkEvidence {
  if (typeof value !== "object" || value === null) throw checkpointError("evidence-form");
  const members = value as Record<string, unknown>;
  const { type, origin, vkey, a, b, proof } = members;
  if (Object.keys(members).sort().join() !== "a,b,origin,proof,type,vkey") throw checkpointError("evidence-form");
  if (type !== "ForkEvidence" || !Array.isArray(proof) || proof.length > 64) throw checkpointError("evidence-form");
  if (![origin, vkey, a, b, ...(proof as unknown[])].every((text) => typeof text === "string")) {
    throw checkpointError("evidence-form");
  }
  return { type, origin, vkey, a, b, proof } as ForkEvidence;
}

function decodeHash(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch {
    throw checkpointError("evidence-form");
  }
}
