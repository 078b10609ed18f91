import type { ErrorCode } from "../errors.ts";
import type { Evidence } from "./evidence.ts";
import { judgeRequirement, type Counted, type JudgedCall, type Requirement } from "./requirement.ts";

/** The step of an approval and of a denial. */
export const APPROVAL_STEP = "human_approval";
/** An approval may be relied on for at most this long. */
export const MAX_APPROVAL_SECONDS = 86_400;

/** What may differ between one approval that is asked for and another. */
export interface ApprovalOptions {
  readonly by: (agent: string, spiffe: string | undefined) => boolean;
  /** How old an approval may be. */
  readonly withinSeconds: number;
  /** How long a denial stands before the request may be asked about again. */
  readonly timeoutSeconds: number;
  /** How many different people have to approve, 1 to 16; 1 by default. */
  readonly count?: number;
  readonly after?: readonly string[];
  readonly self?: boolean;
}

/** The requirement that an approval is: a person's entry for this very request, unexpired, counted once. */
export function approvalRequirement(options: ApprovalOptions): Requirement {
  return {
    step: APPROVAL_STEP,
    by: options.by,
    results: new Set(["approved"]),
    withinSeconds: options.withinSeconds,
    binds: "request",
    count: options.count ?? 1,
    after: options.after ?? [],
    once: true,
    self: options.self ?? false,
    atStart: false,
    tool: undefined,
    sub: undefined,
    maxLifetimeSeconds: MAX_APPROVAL_SECONDS,
    adverseSeconds: options.timeoutSeconds,
  };
}

/** Why a request is not approved. */
export type ApprovalReason = Extract<ErrorCode, `ERR_APPROVAL_${string}`>;

/** The answer to an approval; places refer to `Evidence.entries`. */
export type ApprovalVerdict =
  | { readonly met: true; readonly counting: readonly number[] }
  | {
      readonly met: false;
      readonly reason: ApprovalReason;
      /** The approvals that count already, fewer than are asked for. */
      readonly counting: readonly number[];
      /** Denials that a new approval must be given in knowledge of. */
      readonly adverse: readonly number[];
    };

/**
 * Judges whether a request is approved. `ERR_APPROVAL_DENIED` while a denial stands that is younger than the timeout;
 * else `_EXPIRED` or `_INVALID` if an approval of this request is there that does not count, else `_REQUIRED`.
 */
export function judgeApproval(
  requirement: Requirement,
  evidence: Evidence,
  call: JudgedCall,
  counted: Counted,
): ApprovalVerdict {
  const verdict = judgeRequirement(requirement, evidence, call, counted);
  const { counting, adverse } = verdict;
  if (verdict.met) return { met: true, counting };
  const isFresh = (place: number): boolean =>
    Math.max(0, call.now - (evidence.entries[place]?.issuedAt ?? Infinity)) < requirement.adverseSeconds;
  if (verdict.standing.some(isFresh)) return { met: false, reason: "ERR_APPROVAL_DENIED", counting, adverse };
  const defects = new Set(verdict.defects.map(({ defect }) => defect));
  const reason = ((): ApprovalReason => {
    if (defects.has("expired") || defects.has("age")) return "ERR_APPROVAL_EXPIRED";
    if (defects.has("lifetime") || defects.has("policy") || defects.has("order")) return "ERR_APPROVAL_INVALID";
    const candidates = new Set([...counting, ...verdict.defects.map(({ place }) => place)]);
    return isMisdirected(evidence, call, candidates) ? "ERR_APPROVAL_INVALID" : "ERR_APPROVAL_REQUIRED";
  })();
  return { met: false, reason, counting, adverse };
}

/** True if this request was approved in a way that speaks for nobody here: by another, or for another caller or guard. */
function isMisdirected(evidence: Evidence, call: JudgedCall, candidates: ReadonlySet<number>): boolean {
  return evidence.withStep(APPROVAL_STEP).some((place) => {
    const entry = evidence.entries[place];
    return entry?.result === "approved" && entry.req === call.req && !candidates.has(place);
  });
}
