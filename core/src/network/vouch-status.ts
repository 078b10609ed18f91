import type { Did } from "../did/did-key.ts";
import type { Revocation, Vouch } from "../statement/types.ts";
import { keyStateAt, type Logged, type StatementSet } from "./statement-set.ts";

/** Why a vouch counts or does not, at a time. `superseded` and `conflicting` speak of at least one scope. */
export type VouchStatus =
  | "in-force"
  | "not-yet-valid"
  | "expired"
  | "revoked"
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
  const { statement } = vouch;
  const revokedBy = revocationOf(set, vouch, t);
  if (revokedBy) return { status: "revoked", revokedBy };
  if (t >= statement.validUntil) return { status: "expired" };
  if (t < statement.validFrom) return { status: "not-yet-valid" };
  if (!isActive(set, statement.issuer, t)) return { status: "issuer-inactive" };
  if (!isActive(set, statement.subject, t)) return { status: "subject-inactive" };
  return { status: "in-force" };
}

function isActive(set: StatementSet, did: Did, t: number): boolean {
  return keyStateAt(did, set.agent(did), t).status === "active";
}

/** A revocation by the issuer acts from its witnessed time; one of a subject voids what was valid from before it. */
function revocationOf(set: StatementSet, { statement }: Logged<Vouch>, t: number): Logged<Revocation> | undefined {
  const single = set.revocationsOf(statement.id).find((r) => r.statement.issuer === statement.issuer && r.time <= t);
  if (single) return single;
  const whole = set.agent(statement.issuer)?.subjectRevocations.get(statement.subject);
  return whole?.find((r) => r.time <= t && statement.validFrom <= r.statement.issuedAt);
}

/**
 * Judges all vouches of one issuer for one subject at time `t`. In each scope the latest `validFrom` of those in force
 * counts; two different ones with the same `validFrom` cancel each other.
 */
export function judgePair(set: StatementSet, vouches: readonly Logged<Vouch>[], t: number): VouchRecord[] {
  const own = vouches.map((vouch) => ({ vouch, ...ownStatus(set, vouch, t) }));
  const live = own.filter((judged) => judged.status === "in-force");
  return own.map(({ vouch, status, revokedBy }) => {
    if (status !== "in-force") return { ...vouch, status, scopes: [], ...(revokedBy ? { revokedBy } : {}) };
    if (live.length === 1) return { ...vouch, status, scopes: vouch.statement.scope };
    const scopes = vouch.statement.scope.filter((scope) => leads(vouch, live, scope) === "leads");
    if (scopes.length > 0) return { ...vouch, status, scopes };
    const conflicts = vouch.statement.scope.some((scope) => leads(vouch, live, scope) === "ties");
    return { ...vouch, status: conflicts ? "conflicting" : "superseded", scopes };
  });
}

function leads(
  vouch: Logged<Vouch>,
  live: readonly { vouch: Logged<Vouch> }[],
  scope: string,
): "leads" | "ties" | "trails" {
  let answer: "leads" | "ties" = "leads";
  for (const { vouch: other } of live) {
    if (other.statement.id === vouch.statement.id || !other.statement.scope.includes(scope)) continue;
    if (other.statement.validFrom > vouch.statement.validFrom) return "trails";
    if (other.statement.validFrom === vouch.statement.validFrom) answer = "ties";
  }
  return answer;
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
  return judged.sort((a, b) => a.index - b.index);
}
