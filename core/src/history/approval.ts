import type { Did } from "../did/did-key.ts";
import { PeerageError } from "../errors.ts";
import type { Digest } from "../json/digest.ts";
import { member } from "../json/types.ts";
import { SKEW_SECONDS } from "../time.ts";
import type { Verified } from "../verified.ts";
import type { Entry } from "./entry.ts";

/** An approval may be relied on for at most this long. */
export const MAX_APPROVAL_SECONDS = 86_400;

export interface ApprovalContext {
  /** This guard. */
  readonly guard: Did;
  readonly caller: Did;
  /** Digest of the exact request. */
  readonly req: Digest;
  /** Digest of the policy that asks. */
  readonly policy: Digest;
  /** Whose approvals count; the caller never approves itself. */
  readonly approvers: readonly Did[];
  /** How old an approval may be. */
  readonly withinSeconds: number;
  readonly now: Date;
}

/**
 * The approvals of exactly this request among verified entries. An approval counts only if every denial by an approver
 * is among its ancestors: a later or parallel denial wins.
 * @param entries - entries of verified histories, each after those it refers to
 * @returns the entries that count, at least one
 * @throws {PeerageError} ERR_APPROVAL_DENIED, ERR_APPROVAL_EXPIRED, ERR_APPROVAL_INVALID, ERR_APPROVAL_REQUIRED
 */
export function findApprovals(
  entries: readonly Verified<Entry>[],
  context: ApprovalContext,
): readonly Verified<Entry>[] {
  const byDigest = new Map(entries.map((entry) => [entry.digest, entry]));
  const decisions = entries.filter((entry) => entry.step === "human_approval");
  const candidates = decisions.filter((entry) => isApprover(entry, context));
  const denials = candidates.filter((entry) => entry.result !== "approved" && speaksOf(entry, context, "denial"));
  const approvals = candidates.filter((entry) => entry.result === "approved" && speaksOf(entry, context, "approval"));
  const standing = approvals.filter((entry) => {
    const before = ancestors(entry, byDigest);
    return denials.every((denial) => before.has(denial.digest));
  });
  if (denials.length > 0 && standing.length === 0) {
    throw new PeerageError("ERR_APPROVAL_DENIED", "this request was denied", { detail: "denied" });
  }
  const verdicts = standing.map((entry) => ({ entry, defect: lifetimeDefect(entry, context) }));
  const counting = verdicts.filter((verdict) => verdict.defect === undefined).map((verdict) => verdict.entry);
  if (counting.length > 0) return counting;
  const defect = verdicts[0]?.defect;
  if (defect === "lifetime") {
    throw new PeerageError("ERR_APPROVAL_INVALID", "an approval is valid for at most 24 hours", { detail: defect });
  }
  if (defect) throw new PeerageError("ERR_APPROVAL_EXPIRED", "the approval has expired", { detail: defect });
  if (decisions.length > 0) {
    throw new PeerageError("ERR_APPROVAL_INVALID", "no approval here is for this request, caller and server");
  }
  throw new PeerageError("ERR_APPROVAL_REQUIRED", "a person must approve this request");
}

function isApprover(entry: Entry, context: ApprovalContext): boolean {
  return context.approvers.includes(entry.issuer) && entry.issuer !== context.caller;
}

/** A denial without `req` covers every request; an approval without one covers none. */
function speaksOf(entry: Entry, context: ApprovalContext, what: "approval" | "denial"): boolean {
  if (what === "denial" && entry.req === undefined) return true;
  const policy = member(entry.sub, "policy");
  return (
    entry.req === context.req &&
    entry.audience === context.guard &&
    member(entry.sub, "caller") === context.caller &&
    (policy === undefined || policy === context.policy || what === "denial")
  );
}

function lifetimeDefect(entry: Entry, context: ApprovalContext): "lifetime" | "expired" | "age" | undefined {
  const now = context.now.getTime() / 1000;
  if (entry.expiresAt === undefined || entry.expiresAt - entry.issuedAt > MAX_APPROVAL_SECONDS) return "lifetime";
  if (now >= entry.expiresAt) return "expired";
  // Skew lets an approver's clock run ahead; it never lengthens the window.
  if (entry.issuedAt > now + SKEW_SECONDS) return "age";
  return Math.max(0, now - entry.issuedAt) > context.withinSeconds ? "age" : undefined;
}

function ancestors(entry: Entry, byDigest: ReadonlyMap<Digest, Entry>): ReadonlySet<Digest> {
  const found = new Set<Digest>();
  const open = [...entry.prev];
  for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
    if (found.has(digest)) continue;
    found.add(digest);
    open.push(...(byDigest.get(digest)?.prev ?? []));
  }
  return found;
}
