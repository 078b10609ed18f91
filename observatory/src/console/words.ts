import type { Policy } from "@peerage/core";
import { scoreText } from "../ui/format.ts";
import type { Row } from "./row.ts";

/** Codes as an operator reads them in a list; the page of the call says more. */
const reasons: Readonly<Record<string, string>> = {
  ERR_JSON_SYNTAX: "not JSON",
  ERR_JSON_DUPLICATE_KEY: "JSON with a name twice",
  ERR_JSON_NUMBER: "a number that changes when read",
  ERR_MESSAGE_TOO_LARGE: "message too large",
  ERR_MESSAGE_BATCH: "a batch of messages",
  ERR_MESSAGE_INVALID: "not a JSON-RPC message",
  ERR_HEADER_MISMATCH: "headers and body disagree",
  ERR_PROOF_MISSING: "unsigned",
  ERR_PROOF_MALFORMED: "malformed proof",
  ERR_PROOF_INVALID: "signature does not hold",
  ERR_PROOF_AUDIENCE: "signed for another server",
  ERR_PROOF_EXPIRED: "proof has expired",
  ERR_PROOF_NOT_YET_VALID: "proof from the future",
  ERR_PROOF_MISMATCH: "signed for another call",
  ERR_PROOF_REPLAYED: "proof already used",
  ERR_REPLAY_STORE_FULL: "memory of used proofs is full",
  ERR_SESSION_BOUND: "another agent’s session",
  ERR_SVID_INVALID: "SVID does not hold",
  ERR_SPIFFE_BINDING: "SPIFFE ID not bound to this key",
  ERR_SPIFFE_REQUIRED: "a bound SPIFFE ID is required",
  ERR_KEY_REVOKED: "key revoked",
  ERR_KEY_SUPERSEDED: "key was replaced",
  ERR_KEY_DISPUTED: "key disputed",
  ERR_REGISTRY_STALE: "view of the registry too old",
  ERR_HISTORY_INVALID: "history does not hold",
  ERR_HISTORY_TOO_LONG: "history too long",
  ERR_APPROVAL_REQUIRED: "needs a person’s approval",
  ERR_APPROVAL_DENIED: "a person said no",
  ERR_APPROVAL_EXPIRED: "approval has expired",
  ERR_APPROVAL_INVALID: "approval does not hold",
  ERR_TRUST_INSUFFICIENT: "not trusted enough",
  ERR_POLICY_DENIED: "no rule allows it",
  ERR_RATE_LIMITED: "over its limit",
  ERR_AUDIT_UNAVAILABLE: "audit log cannot be written",
  ERR_UPSTREAM_UNAVAILABLE: "server behind the guard is down",
  ERR_GUARD_FAULT: "fault in the guard",
};

/** A code in words; one that is not known stays as it is. */
export function reasonText(code: string): string {
  return reasons[code] ?? code;
}

type Kind = keyof Policy["compiled"]["allow"];
const kinds: Readonly<Record<string, Kind>> = {
  "tools/call": "tools",
  "prompts/get": "prompts",
  "resources/read": "resources",
  "resources/subscribe": "resources",
};

type AllowRule = ReturnType<Policy["compiled"]["allow"][Kind]["about"]>[number];

/** The allow rules about a target. */
function rulesAbout(policy: Policy, method: string, target: string): readonly AllowRule[] {
  return policy.compiled.allow[kinds[method] ?? "methods"].about(target, false);
}

/** What a policy asks of callers of a target, in few words: `score ≥ 0.30`, `1 human approval`. */
export function gateText(policy: Policy | undefined, method: string, target: string): string {
  const rules = policy ? rulesAbout(policy, method, target) : [];
  const [first] = rules;
  if (!first) return policy ? "no rule: refused" : "";
  const more = rules.length > 1 ? ` (+${rules.length - 1} more)` : "";
  const wants = [
    first.trust && `score ≥ ${first.trust.min.toFixed(2)}`,
    first.needs.length > 0 && `${first.needs.length} signed ${first.needs.length === 1 ? "step" : "steps"}`,
    first.approval && approvalText(first.approval.requirement.count),
  ].filter(Boolean);
  return (wants.length > 0 ? wants.join(" · ") : `rule ${first.name}`) + more;
}

function approvalText(count: number | undefined): string {
  const n = count ?? 1;
  return `${n} human ${n === 1 ? "approval" : "approvals"}`;
}

/** Why a call was decided as it was: with the number and the threshold, which its caller was not told. */
export function whyText(row: Row, policy: Policy | undefined): string {
  const { verdict, reason, detail, score, rule, method, target } = row;
  if (verdict === "asked") return "needs a person’s approval";
  const mins = policy ? rulesAbout(policy, method, target) : [];
  if (verdict === "admitted") {
    if (row.item !== undefined) return "approved by a person";
    const min = mins.find(({ name }) => name === rule)?.trust?.min;
    if (min !== undefined && score === "unknown") return "unknown, admitted for reading";
    if (min !== undefined && score !== undefined) return `score ${scoreText(score)} ≥ ${min.toFixed(2)}`;
    return rule === undefined ? "open to all" : `rule ${rule}`;
  }
  if (reason === "ERR_TRUST_INSUFFICIENT") {
    if (score === "unknown" || score === undefined) return "no chain from your roots";
    const least = Math.min(...mins.flatMap(({ trust }) => trust?.min ?? []));
    return Number.isFinite(least)
      ? `score ${scoreText(score)} < ${least.toFixed(2)}`
      : `score ${scoreText(score)} too low`;
  }
  if (reason === "ERR_POLICY_DENIED") {
    if (detail === undefined || detail === "") return "no rule allows it";
    const [first = ""] = detail.split(", ");
    const [name, condition] = first.split(" ");
    return condition === "deny" ? `denied by rule ${name ?? ""}` : `fails ${first}`;
  }
  return reasonText(reason ?? "");
}

/** What stands for a verdict: never colour alone. */
export const verdictMarks: Readonly<Record<Row["verdict"], readonly [sign: string, word: string, tone: string]>> = {
  admitted: ["✓", "admitted", "ok"],
  refused: ["✕", "refused", "bad"],
  asked: ["◔", "waiting", "warn"],
};
