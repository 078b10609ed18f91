import type { Digest } from "../json/digest.ts";
import type { Vouch } from "../statement/types.ts";
import type { Verified } from "../verified.ts";
import type { Logged, StatementSet } from "./statement-set.ts";
import type { View } from "./view.ts";
import type { PairChange } from "./vouch-ledger.ts";
import { judgePair } from "./vouch-status.ts";

/** What vouches would change that somebody presents beside a log. */
export interface PresentedVouches {
  readonly changes: readonly PairChange[];
  /** Those in force, by id, ascending; whether trust reaches their issuers is not asked. */
  readonly inForce: readonly Digest[];
}

/**
 * Judges vouches that were shown by somebody and stand in no log, as if they stood in this one: time, revocation, keys and
 * the newest of a pair. When they were witnessed is not known, so each must hold both as old as it says and as made just
 * now; of one that the log has, the log's word is the last.
 */
export function judgePresented(view: View, vouches: readonly Verified<Vouch>[]): PresentedVouches {
  const set = view.statements;
  const pairs = new Map<string, Verified<Vouch>[]>();
  for (const vouch of new Map(vouches.map((one) => [one.id, one])).values()) {
    if (vouch.issuer === vouch.subject || set.byId(vouch.id).length > 0 || !holds(view, vouch)) continue;
    const pair = `${vouch.issuer} ${vouch.subject}`;
    pairs.set(pair, [...(pairs.get(pair) ?? []), vouch]);
  }
  const changes: PairChange[] = [];
  const counting = new Set<Digest>();
  for (const presented of pairs.values()) {
    const known = knownOf(set, presented);
    const inForce = (pair: readonly Logged<Vouch>[]): PairChange["after"] =>
      judgePair(set, pair, view.time).filter(({ status }) => status === "in-force");
    const after = inForce([...known, ...presented.map((vouch) => loggedAt(vouch, view.time))]);
    changes.push({ before: inForce(known), after });
    for (const { statement } of after) if (presented.some(({ id }) => id === statement.id)) counting.add(statement.id);
  }
  return { changes, inForce: [...counting].sort() };
}

function holds({ statements: set, time }: View, vouch: Verified<Vouch>): boolean {
  return [vouch.validFrom, time].every(
    (witnessed) => judgePair(set, [loggedAt(vouch, witnessed)], time)[0]?.status === "in-force",
  );
}

/** What the log has of one agent's vouches for another, found by the shorter way. */
function knownOf(set: StatementSet, [vouch]: readonly Vouch[]): Logged<Vouch>[] {
  if (!vouch) return [];
  const given = set.agent(vouch.issuer)?.given ?? [];
  const received = set.agent(vouch.subject)?.received ?? [];
  return given.length < received.length
    ? given.filter(({ statement }) => statement.subject === vouch.subject)
    : received.filter(({ statement }) => statement.issuer === vouch.issuer);
}

function loggedAt(statement: Verified<Vouch>, time: number): Logged<Vouch> {
  return { statement, index: Number.MAX_SAFE_INTEGER, time };
}
