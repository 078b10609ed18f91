import type { ErrorCode, JsonObject, JsonValue } from "@peerage/core";
import { inputRequired, type Question, questionText } from "../approval/form.ts";
import { type Inbound, targetOf } from "./message.ts";
import type { Context, JsonRpcMessage } from "./types.ts";

/** Member of a refused tool call's `result._meta` with what `error.data` says for other requests. */
export const REFUSAL_META = "dev.peerage/refusal";

/** What a refusal tells the caller: the kind and the way out, never a score, threshold, rule or root. */
export interface Refusal {
  readonly reason: ErrorCode;
  readonly now: Date;
  /** The message, where it could be read. */
  readonly inbound?: Inbound | undefined;
  /** The id to answer where the message could not be read. */
  readonly salvagedId?: string | number | null | undefined;
  /** A synthetic GET or DELETE: answered by a problem document, not by JSON-RPC. */
  readonly httpMethod?: "http/get" | "http/delete" | undefined;
  readonly retryAfterSeconds?: number | undefined;
  /** What a person must be asked, and how. */
  readonly question?: Question | undefined;
}

/** A refusal as it is sent; `reply` is absent where nothing is to be sent. */
export interface RefusalReply {
  readonly reply?: JsonRpcMessage;
  readonly status: number;
}

/** Which of the forms of mcp.md section 4 a code takes. */
export function errorNumber(reason: ErrorCode): number {
  if (reason === "ERR_JSON_SYNTAX") return -32700;
  if (reason === "ERR_HEADER_MISMATCH") return -32020;
  if (reason.startsWith("ERR_JSON_") || reason.startsWith("ERR_MESSAGE_")) return -32600;
  if (policyCodes.has(reason)) return -31403;
  if (approvalCodes.has(reason)) return -31428;
  if (reason === "ERR_UPSTREAM_UNAVAILABLE") return -31502;
  if (faultCodes.has(reason)) return -31500;
  return -31401;
}

const policyCodes: ReadonlySet<ErrorCode> = new Set([
  "ERR_POLICY_DENIED",
  "ERR_TRUST_INSUFFICIENT",
  "ERR_SPIFFE_REQUIRED",
  "ERR_RATE_LIMITED",
  "ERR_REGISTRY_STALE",
] as const);
const approvalCodes: ReadonlySet<ErrorCode> = new Set([
  "ERR_APPROVAL_REQUIRED",
  "ERR_APPROVAL_DENIED",
  "ERR_APPROVAL_EXPIRED",
  "ERR_APPROVAL_INVALID",
] as const);
const faultCodes: ReadonlySet<ErrorCode> = new Set([
  "ERR_GUARD_FAULT",
  "ERR_AUDIT_UNAVAILABLE",
  "ERR_STORE_CORRUPT",
  "ERR_INTERNAL",
] as const);
/** Repeating the call, signed anew, may succeed without anyone changing anything. */
const retryableCodes: ReadonlySet<ErrorCode> = new Set([
  "ERR_APPROVAL_REQUIRED",
  "ERR_APPROVAL_EXPIRED",
  "ERR_PROOF_EXPIRED",
  "ERR_PROOF_NOT_YET_VALID",
  "ERR_PROOF_REPLAYED",
  "ERR_REPLAY_STORE_FULL",
  "ERR_RATE_LIMITED",
  "ERR_REGISTRY_STALE",
  "ERR_GUARD_FAULT",
  "ERR_AUDIT_UNAVAILABLE",
  "ERR_UPSTREAM_UNAVAILABLE",
] as const);

const hints: Readonly<Partial<Record<ErrorCode, string>>> = {
  ERR_PROOF_MISSING: 'calls must be signed. Start this server through "peerage proxy -- …".',
  ERR_PROOF_MALFORMED: "the call proof is malformed.",
  ERR_PROOF_INVALID: "the signature of the call does not hold.",
  ERR_DID_INVALID: "the caller's DID is not acceptable.",
  ERR_DID_UNRESOLVED: "this server does not know the key of that thumbprint.",
  ERR_PROOF_AUDIENCE: "the call was signed for another server.",
  ERR_PROOF_EXPIRED: "the call proof has expired: sign the call anew, and check the clock.",
  ERR_PROOF_NOT_YET_VALID: "the call proof is from the future: check the clock.",
  ERR_PROOF_MISMATCH: "the message is not the one that was signed.",
  ERR_PROOF_REPLAYED: "this proof was used before: sign the call anew.",
  ERR_REPLAY_STORE_FULL: "too many calls in a short time: retry later.",
  ERR_SESSION_BOUND: "this session belongs to another identity.",
  ERR_KEY_REVOKED: "the caller's key was revoked.",
  ERR_KEY_SUPERSEDED: "the caller's key was replaced by a newer one.",
  ERR_KEY_DISPUTED: "the caller's key is disputed.",
  ERR_STATEMENT_INVALID: "a vouch that the caller presents does not verify, or there are too many.",
  ERR_REGISTRY_STALE: "this server's view of the registry is too old to decide: retry later.",
  ERR_HISTORY_INVALID: "the presented history does not verify.",
  ERR_HISTORY_TOO_LONG: "the presented history is too long.",
  ERR_POLICY_DENIED: "not allowed here.",
  ERR_TRUST_INSUFFICIENT:
    "the caller is not trusted enough for this here: it needs vouches from agents that this server trusts.",
  ERR_SPIFFE_REQUIRED: "a SPIFFE identity that is bound to the caller's DID is required.",
  ERR_SVID_INVALID: "the presented SPIFFE identity does not verify here.",
  ERR_SPIFFE_BINDING: "the presented SPIFFE identity is not bound to the caller's DID, or not for this server.",
  ERR_RATE_LIMITED: "too many calls: retry later.",
  ERR_APPROVAL_REQUIRED: "a person must approve this call first.",
  ERR_APPROVAL_DENIED: "a person has denied this call.",
  ERR_APPROVAL_EXPIRED: "the approval of this call has expired: it must be approved anew.",
  ERR_APPROVAL_INVALID: "the approval does not fit this call.",
  ERR_UPSTREAM_UNAVAILABLE: "the server behind the guard did not answer.",
  ERR_AUDIT_UNAVAILABLE: "the guard cannot record its decision.",
  ERR_MESSAGE_TOO_LARGE: "the message is too large.",
  ERR_MESSAGE_BATCH: "batches are not accepted.",
  ERR_HEADER_MISMATCH: "a header is not what the body says.",
};

/** The answer in place of one that a hook keeps back. The call was made; what came of it is not told. */
export function withheld(id: string | number | null, now: Date): JsonRpcMessage {
  const reason = "ERR_GUARD_FAULT";
  const message = `Refused (${reason}): the answer is withheld.`;
  return {
    jsonrpc: "2.0",
    id,
    error: { code: -31500, message, data: { reason, retryable: false, now: now.toISOString() } },
  };
}

/** `Refused (ERR_…): what to do.`, naming the tool but no other text of the caller. */
function refusalText(refusal: Refusal): string {
  const { reason, inbound, question } = refusal;
  const hint = question
    ? questionText(question)
    : (hints[reason] ?? (errorNumber(reason) <= -32000 ? "the message is malformed." : "the guard failed."));
  const tool =
    inbound && inbound.kind !== "response" && inbound.method === "tools/call"
      ? targetOf("tools/call", inbound.params)
      : undefined;
  return `Refused (${reason}): ${tool === undefined ? "" : `tool ${printable(tool)}: `}${hint}`;
}

/** Builds the answer to a refused message in the form that its era, method and transport ask for. */
export function refusalReply(refusal: Refusal, context: Context): RefusalReply {
  const { reason, inbound, httpMethod } = refusal;
  const code = errorNumber(reason);
  const message = refusalText(refusal);
  if (httpMethod) return problem(refusal, httpMethod, message);
  const data = refusalData(refusal);
  const malformed = code <= -32000;
  const isHttp = context.transport === "http";
  if (inbound && inbound.kind !== "request") {
    // Nobody waits for an answer to a notification or a response: over HTTP the body says why, without an id.
    return isHttp ? { reply: { jsonrpc: "2.0", error: { code, message, data } }, status: 400 } : { status: 400 };
  }
  if (malformed) {
    const id = inbound?.id ?? refusal.salvagedId ?? null;
    const status = reason === "ERR_MESSAGE_TOO_LARGE" ? 413 : 400;
    return { reply: { jsonrpc: "2.0", id, error: { code, message, data } }, status };
  }
  const id = inbound?.id ?? null;
  if (refusal.question?.form === "input_required") {
    const result = { ...inputRequired(refusal.question), _meta: { [REFUSAL_META]: data } };
    return { reply: { jsonrpc: "2.0", id, result }, status: 200 };
  }
  if ((code === -31403 || code === -31428) && inbound?.method === "tools/call") {
    const result = {
      content: [{ type: "text", text: message }],
      isError: true,
      ...(inbound.modern === undefined ? {} : { resultType: "complete" }),
      _meta: { [REFUSAL_META]: data },
    };
    return { reply: { jsonrpc: "2.0", id, result }, status: 200 };
  }
  return { reply: { jsonrpc: "2.0", id, error: { code, message, data } }, status: 200 };
}

function refusalData(refusal: Refusal): JsonObject {
  const { reason, now, inbound, retryAfterSeconds, question } = refusal;
  const data: Record<string, JsonValue> = { reason, retryable: retryableCodes.has(reason), now: now.toISOString() };
  if (retryAfterSeconds !== undefined) data["retryAfterSeconds"] = retryAfterSeconds;
  if (question) {
    data["approval"] = question.item.id;
    data["expiresAt"] = question.item.expiresAt.toISOString();
    if (question.url !== undefined) data["url"] = question.url;
  }
  // The names that arrived, so that `peerage doctor` finds the hop that strips ours.
  if (reason === "ERR_PROOF_MISSING" && inbound && inbound.kind !== "response") {
    const names = Object.keys(inbound.meta ?? {}).filter((name) => /^[\x21-\x7e]{1,128}$/.test(name));
    data["metaKeys"] = names.slice(0, 32);
  }
  return data;
}

/** RFC 9457, for GET and DELETE: 400 without a proof, and 404 for another's session, as if there were none. */
function problem(refusal: Refusal, method: "http/get" | "http/delete", message: string): RefusalReply {
  const isForeign = refusal.reason === "ERR_SESSION_BOUND";
  const status = isForeign ? 404 : policyCodes.has(refusal.reason) ? 403 : faultCodes.has(refusal.reason) ? 500 : 400;
  const title = isForeign ? "Session not found" : `${method === "http/get" ? "GET" : "DELETE"} refused`;
  const code = isForeign ? "ERR_NOT_FOUND" : refusal.reason;
  const detail = isForeign ? "no such session" : message;
  return { reply: { type: "about:blank", title, status, detail, code, now: refusal.now.toISOString() }, status };
}

/** A name of the caller's choosing, safe to show in a terminal: ASCII, quoted, at most 64 characters. */
function printable(name: string): string {
  const short = name.length > 64 ? `${name.slice(0, 63)}…` : name;
  return JSON.stringify(short.replace(/[^\x20-\x7e…]/g, "?"));
}
