import type { Did } from "../did/did-key.ts";
import type { Digest } from "../json/digest.ts";
import type { Revocation, Statement, Vouch } from "../statement/types.ts";
import { type KeyHistory, keyHistoryAt } from "./key-state.ts";
import { byTime, type Logged, type StatementSet } from "./statement-set.ts";

/**
 * Why a vouch counts or does not, at a time. `superseded` and `conflicting` speak of at least one scope. `wrong-key`: the
 * key that signed was not its issuer's when it was witnessed; `compromised`: its issuer declared the key stolen by then;
 * `quarantined`: its subject did, so it waits for a new one from the issuer.
 */
export type VouchStatus =
  | "in-force"
  | "not-yet-valid"
  | "expired"
  | "revoked"
  | "wrong-key"
  | "compromised"
  | "quarantined"
  | "issuer-inactive"
  | "subject-inactive"
  | "superseded"
  | "conflicting";

/** A vouch with what became of it. */
export interface VouchRecord extends Logged<Vouch> {
  readonly status: VouchStatus;
  /** The scopes in which it counts: all of its scopes, some, or none. */
  readonly scopes: readonly string[];
  /** Set if it was revoked. */
  readonly revokedBy?: Logged<Revocation>;
}

/** Judges one vouch at time `t`, by itself: without the newer vouches of the same issuer for the same subject. */
function ownStatus(set: StatementSet, vouch: Logged<Vouch>, t: number): Pick<VouchRecord, "status" | "revokedBy"> {
  const { statement, time } = vouch;
  const issuer = historyOf(set, statement.issuer, t);
  if (!issuer.signed(vouch)) return { status: "wrong-key" };
  const revokedBy = revocationOf(set, statement, t);
  if (revokedBy) return { status: "revoked", revokedBy };
  if (t >= statement.validUntil) return { status: "expired" };
  if (t < statement.validFrom) return { status: "not-yet-valid" };
  if (issuer.state.status !== "active") return { status: "issuer-inactive" };
  const subject = historyOf(set, statement.subject, t);
  if (subject.state.status !== "active") return { status: "subject-inactive" };
  if (issuer.voids(time)) return { status: "compromised" };
  if (subject.quarantines(time)) return { status: "quarantined" };
  return { status: "in-force" };
}

/** The key history of any DID, known to the set or not. */
export function historyOf(set: StatementSet, did: Did, t: number): KeyHistory {
  return keyHistoryAt(did, set.agent(did), t);
}

/**
 * The revocation that acts on a statement at time `t`, if one does: by its issuer, from its witnessed time on. One of a
 * subject voids what was valid from before it. What a compromised key revoked stays revoked: to trust less is safe.
 */
export function revocationOf(set: StatementSet, statement: Statement, t: number): Logged<Revocation> | undefined {
  const { issuer } = statement;
  const acts = (revocation: Logged<Revocation>): boolean =>
    revocation.time <= t && revocation.statement.issuer === issuer && historyOf(set, issuer, t).signed(revocation);
  const single = set.revocationsOf(statement.id).filter(acts).toSorted(byTime)[0];
  if (single || statement.kind !== "Vouch") return single;
  const whole = set.agent(issuer)?.subjectRevocations.get(statement.subject) ?? [];
  return whole.filter((r) => acts(r) && statement.validFrom <= r.statement.issuedAt).toSorted(byTime)[0];
}

/**
 * Judges all vouches of one issuer for one subject at time `t`. In each scope the latest `validFrom` of those in force
 * counts; two different ones with the same `validFrom` cancel each other.
 */
export function judgePair(set: StatementSet, vouches: readonly Logged<Vouch>[], t: number): VouchRecord[] {
  const own = onePerId(vouches.map((vouch) => ({ vouch, ...ownStatus(set, vouch, t) })));
  const live = own.filter((judged) => judged.status === "in-force");
  const leaders = live.length > 1 ? leadersOf(live) : undefined;
  return own.map(({ vouch, status, revokedBy }) => {
    if (status !== "in-force") return { ...vouch, status, scopes: [], ...(revokedBy ? { revokedBy } : {}) };
    if (!leaders) return { ...vouch, status, scopes: vouch.statement.scope };
    const leading = vouch.statement.scope.filter(
      (scope) => leaders.get(scope)?.validFrom === vouch.statement.validFrom,
    );
    const scopes = leading.filter((scope) => leaders.get(scope)?.alone);
    if (scopes.length > 0) return { ...vouch, status, scopes };
    return { ...vouch, status: leading.length > 0 ? "conflicting" : "superseded", scopes };
  });
}

/** For each scope, the latest `validFrom`, and whether one vouch alone has it. */
function leadersOf(live: readonly Judged[]): Map<string, { readonly validFrom: number; readonly alone: boolean }> {
  const leaders = new Map<string, { validFrom: number; alone: boolean }>();
  for (const { vouch } of live) {
    const { validFrom, scope: scopes } = vouch.statement;
    for (const scope of new Set(scopes)) {
      const leader = leaders.get(scope);
      if (!leader || validFrom > leader.validFrom) leaders.set(scope, { validFrom, alone: true });
      else if (validFrom === leader.validFrom) leader.alone = false;
    }
  }
  return leaders;
}

type Judged = { readonly vouch: Logged<Vouch> } & Pick<VouchRecord, "status" | "revokedBy">;

/** Of one document under several signatures, the one that counts stands; of two that do, the earlier. */
function onePerId(judged: readonly Judged[]): readonly Judged[] {
  if (judged.length === 1) return judged;
  const best = new Map<Digest, Judged>();
  const rank = ({ status }: Judged): number => (status === "in-force" ? 0 : status === "wrong-key" ? 2 : 1);
  for (const one of judged) {
    const other = best.get(one.vouch.statement.id);
    const order = other ? rank(one) - rank(other) || byTime(one.vouch, other.vouch) : -1;
    if (order < 0) best.set(one.vouch.statement.id, one);
  }
  return [...best.values()];
}

/** Groups vouches by the other party and judges each group. */
export function judgeVouches(
  set: StatementSet,
  vouches: readonly Logged<Vouch>[],
  by: "issuer" | "subject",
  t: number,
): VouchRecord[] {
  const groups = new Map<Did, Logged<Vouch>[]>();
  for (const vouch of vouches) {
    const group = groups.get(vouch.statement[by]);
    if (group) group.push(vouch);
    else groups.set(vouch.statement[by], [vouch]);
  }
  const judged = [...groups.values()].flatMap((group) => judgePair(set, group, t));
  return judged.sort(byTime);
}
