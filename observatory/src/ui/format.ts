import { type Did, formatTime, type Score } from "@peerage/core";

/** Every Ed25519 did:key begins with this, so it tells nobody apart. */
export const COMMON_PREFIX = "did:key:z6Mk";

/** The parts of a DID that people can recognise: never enough to decide by. */
export interface Fingerprint {
  readonly head: string;
  readonly tail: string;
}

/** The five characters after the common prefix, and the last four. */
export function fingerprint(did: Did): Fingerprint {
  return { head: did.slice(COMMON_PREFIX.length, COMMON_PREFIX.length + 5), tail: did.slice(-4) };
}

/** `z6Mkn7BQR…xiW4`. */
export function fingerprintText(did: Did): string {
  const { head, tail } = fingerprint(did);
  return `z6Mk${head}…${tail}`;
}

/** A score for reading: two decimals, never a 0.00 that would look like no score, or the word `unknown`. */
export function scoreText(score: Score): string {
  if (score === "unknown") return "unknown";
  return score < 0.005 ? "< 0.01" : score.toFixed(2);
}

/** `2026-11-20`, UTC. */
export function dateText(seconds: number): string {
  return formatTime(seconds).slice(0, 10);
}

/** `2026-11-20 14:23:10 UTC`. */
export function timeText(seconds: number): string {
  return `${formatTime(seconds).slice(0, 19).replace("T", " ")} UTC`;
}

/** `1 vouch`, `2 vouches`. */
export function count(n: number, one: string, many: string = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** The first 12 digits of a digest, as `sha256:7f3a91c2…`. */
export function digestText(digest: string): string {
  return `${digest.slice(0, 15)}…`;
}

/**
 * Numbers with six decimals that add up, digit for digit, to the total with six decimals: what rounding loses goes to
 * those that it cost most.
 */
export function addingColumn(values: readonly number[], total: number): string[] {
  const micro = values.map((value) => Math.floor(value * 1e6));
  const lost = values.map((value, i) => value * 1e6 - (micro[i] ?? 0));
  const order = values.map((_, i) => i).sort((a, b) => (lost[b] ?? 0) - (lost[a] ?? 0) || a - b);
  let missing = Math.round(Number(total.toFixed(6)) * 1e6) - micro.reduce((sum, value) => sum + value, 0);
  for (const i of order) {
    if (missing-- <= 0) break;
    micro[i] = (micro[i] ?? 0) + 1;
  }
  return micro.map((value) => (value / 1e6).toFixed(6));
}
