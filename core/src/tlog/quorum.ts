import type { VerifierKey } from "./verifier-key.ts";

/** So many of these members: witnesses, or groups of their own. */
export interface QuorumGroup {
  /** How many of `members` it takes, 1 to their number. */
  readonly threshold: number;
  readonly members: readonly QuorumMember[];
}

/** A witness's key, or a group that counts as one member once it is satisfied. */
export type QuorumMember = VerifierKey | QuorumGroup;

/**
 * The smallest time by which a group was satisfied, from the times of the cosignatures that verified.
 * @param timeOf the time of a witness's cosignature, or undefined if there is none that counts
 */
export function quorumTime(
  member: QuorumMember,
  timeOf: (witness: VerifierKey) => number | undefined,
): number | undefined {
  if (!isGroup(member)) return timeOf(member);
  const times = member.members.flatMap((one) => quorumTime(one, timeOf) ?? []);
  return times.sort((a, b) => a - b)[member.threshold - 1];
}

/** All witnesses of a group and of the groups in it, in order. */
export function witnessesOfQuorum(member: QuorumMember): readonly VerifierKey[] {
  return isGroup(member) ? member.members.flatMap(witnessesOfQuorum) : [member];
}

/**
 * How many witnesses any two satisfying sets have in common at least. With f bad witnesses, a log cannot be shown in two
 * versions if this is greater than f; for k of n it is 2k − n.
 */
export function quorumOverlap(member: QuorumMember): number {
  if (!isGroup(member)) return 1;
  const shared = Math.max(0, 2 * member.threshold - member.members.length);
  return member.members
    .map(quorumOverlap)
    .sort((a, b) => a - b)
    .slice(0, shared)
    .reduce((sum, overlap) => sum + overlap, 0);
}

/** The fewest witnesses that satisfy a group. */
export function smallestQuorum(member: QuorumMember): number {
  if (!isGroup(member)) return 1;
  return member.members
    .map(smallestQuorum)
    .sort((a, b) => a - b)
    .slice(0, member.threshold)
    .reduce((sum, size) => sum + size, 0);
}

function isGroup(member: QuorumMember): member is QuorumGroup {
  return "members" in member;
}
