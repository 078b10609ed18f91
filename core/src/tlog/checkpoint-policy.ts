import { equalBytes } from "../encoding/bytes.ts";
import type { VerifiedSignature } from "./note.ts";
import { type QuorumGroup, quorumTime } from "./quorum.ts";
import { checkpointError, LOG_TYPE, type VerifierKey, WITNESS_TYPE } from "./verifier-key.ts";

/** A cosignature may be stamped this far ahead of the verifier's clock. */
export const MAX_STAMP_AHEAD_SECONDS = 300;

/** What a verifier demands of the checkpoints of one log. It is the verifier's own: nothing in it comes from the log. */
export interface CheckpointPolicy {
  /** First line of every checkpoint, compared whole. */
  readonly origin: string;
  /** Type 0x01. */
  readonly logKey: VerifierKey;
  /** Type 0x04. If named, every checkpoint must carry its cosignature: it says when, and never counts in the quorum. */
  readonly operatorWitness?: VerifierKey;
  /** External witnesses, type 0x04, of which `threshold` must have cosigned. Absent: the log is unwitnessed. */
  readonly quorum?: CheckpointQuorum;
}

/** Whose cosignatures a verifier demands. */
export interface CheckpointQuorum {
  readonly witnesses: readonly VerifierKey[];
  /** How many of them. */
  readonly threshold: number;
  /** Groups of groups, if it is not simply so many of them: then this decides, and holds exactly these witnesses. */
  readonly group?: QuorumGroup;
}

/** Who cosigned, and when. */
export interface WitnessTime {
  readonly name: string;
  /** Seconds since 1970. */
  readonly time: number;
}

/** What the verified cosignatures of a checkpoint amount to. */
export interface Judgement {
  readonly time?: number;
  readonly cosignatures: readonly WitnessTime[];
  readonly witnessed: boolean;
}

/**
 * All keys of a policy, each once.
 * @throws {TypeError} if a key is of the wrong type
 * @throws {RangeError} if the threshold is not from 1 to the number of witnesses
 */
export function keysOfPolicy({ logKey, operatorWitness, quorum }: CheckpointPolicy): VerifierKey[] {
  const witnesses = [...(operatorWitness ? [operatorWitness] : []), ...(quorum?.witnesses ?? [])];
  if (logKey.type !== LOG_TYPE || witnesses.some((key) => key.type !== WITNESS_TYPE)) {
    throw new TypeError("a log key is of type 0x01, a witness key of type 0x04");
  }
  if (quorum && !(Number.isInteger(quorum.threshold) && quorum.threshold >= 1)) {
    throw new RangeError("the threshold of a quorum is at least 1");
  }
  if (quorum && quorum.threshold > quorum.witnesses.length) {
    throw new RangeError("the threshold of a quorum is at most the number of witnesses");
  }
  return [logKey, ...witnesses].filter((key, i, all) => all.findIndex((other) => isSameKey(key, other)) === i);
}

/**
 * Applies operator's witness, quorum and clock to cosignatures that verified. A quorum counts public keys, so neither two
 * names of one key nor the log's or the operator's key under another name help.
 * @throws {PeerageError} ERR_CHECKPOINT_INVALID
 */
export function judgeCosignatures(
  signed: readonly VerifiedSignature[],
  { logKey, operatorWitness, quorum }: CheckpointPolicy,
  now: Date | undefined,
): Judgement {
  const latest = now ? now.getTime() / 1000 + MAX_STAMP_AHEAD_SECONDS : Infinity;
  const counting = signed.flatMap(({ key, time }) => (time !== undefined && time <= latest ? [{ key, time }] : []));
  const own = operatorWitness && counting.find(({ key }) => isSameKey(key, operatorWitness));
  if (operatorWitness && !own) throw checkpointError("operator-witness");

  const external = counting.filter(
    ({ key }, i) =>
      !isSamePublicKey(key, logKey) &&
      !(operatorWitness && isSamePublicKey(key, operatorWitness)) &&
      counting.findIndex((other) => isSamePublicKey(other.key, key)) === i,
  );
  const reached = quorum && timeOfQuorum(quorum, external);
  if (quorum && reached === undefined) throw checkpointError("quorum");

  const time = reached ?? own?.time;
  return {
    ...(time === undefined ? {} : { time }),
    cosignatures: [...(own ? [own] : []), ...external].map(({ key, time }) => ({ name: key.name, time })),
    witnessed: quorum !== undefined,
  };
}

function timeOfQuorum(
  { group, threshold }: CheckpointQuorum,
  external: readonly { readonly key: VerifierKey; readonly time: number }[],
): number | undefined {
  if (group) return quorumTime(group, (witness) => external.find(({ key }) => isSamePublicKey(key, witness))?.time);
  return external.map(({ time }) => time).sort((a, b) => a - b)[threshold - 1];
}

/** True if both are the same named key of the same type. */
export function isSameKey(a: VerifierKey, b: VerifierKey): boolean {
  return a.name === b.name && a.type === b.type && isSamePublicKey(a, b);
}

function isSamePublicKey(a: VerifierKey, b: VerifierKey): boolean {
  return equalBytes(a.publicKey.bytes, b.publicKey.bytes);
}
