import { markVerified, type Verified } from "../verified.ts";
import { verifyCheckpoint } from "./checkpoint.ts";
import { isSameKey } from "./checkpoint-policy.ts";
import { checkpointError, parseVerifierKey, type VerifierKey } from "./verifier-key.ts";

/**
 * The last head of a log that goes on under another origin, as its operator says in a report of category `log-ended`:
 * what stood in the log up to there stays proven, and a head of more entries than that is another's.
 */
export interface LogEnd {
  readonly type: "LogEnd";
  readonly origin: string;
  /** The log's verifier key. */
  readonly vkey: string;
  /** Signed note of the last head. */
  readonly checkpoint: string;
}

/**
 * Verifies the head, as parsed from JSON: the log signed it. That it was the last is the report's word, not a proof.
 * @param expected the log one believes in; without it this speaks for the key that it names, whoever holds it
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID
 */
export async function verifyLogEnd(
  value: unknown,
  expected?: { readonly origin: string; readonly logKey: VerifierKey },
): Promise<Verified<LogEnd>> {
  if (typeof value !== "object" || value === null) throw checkpointError("evidence-form");
  const members = value as Record<string, unknown>;
  const { type, origin, vkey, checkpoint } = members;
  if (Object.keys(members).sort().join() !== "checkpoint,origin,type,vkey" || type !== "LogEnd") {
    throw checkpointError("evidence-form");
  }
  if (typeof origin !== "string" || typeof vkey !== "string" || typeof checkpoint !== "string") {
    throw checkpointError("evidence-form");
  }
  const logKey = parseVerifierKey(vkey);
  if (expected && (expected.origin !== origin || !isSameKey(expected.logKey, logKey))) throw checkpointError("origin");
  await verifyCheckpoint(checkpoint, { origin, logKey });
  return markVerified({ type, origin, vkey, checkpoint });
}
