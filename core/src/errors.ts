/**
 * Every code with which untrusted input, a refused call or a failed check is reported. One vocabulary for the wire, the
 * audit, the command line and the tests; a code never changes its meaning.
 */
export const errorCodes = [
  // JSON text and JSON-RPC messages
  "ERR_JSON_SYNTAX",
  "ERR_JSON_DUPLICATE_KEY",
  "ERR_JSON_NUMBER",
  "ERR_JSON_STRING",
  "ERR_JSON_DEPTH",
  "ERR_MESSAGE_TOO_LARGE",
  "ERR_MESSAGE_BATCH",
  "ERR_MESSAGE_INVALID",
  "ERR_HEADER_MISMATCH",
  // identities and call proofs
  "ERR_DID_INVALID",
  "ERR_DID_UNRESOLVED",
  "ERR_PROOF_MISSING",
  "ERR_PROOF_MALFORMED",
  "ERR_PROOF_INVALID",
  "ERR_PROOF_AUDIENCE",
  "ERR_PROOF_EXPIRED",
  "ERR_PROOF_NOT_YET_VALID",
  "ERR_PROOF_MISMATCH",
  "ERR_PROOF_REPLAYED",
  "ERR_REPLAY_STORE_FULL",
  "ERR_SESSION_BOUND",
  "ERR_AUDIENCE_CHANGED",
  // SPIFFE
  "ERR_SPIFFE_ID_INVALID",
  "ERR_SVID_INVALID",
  "ERR_SPIFFE_BINDING",
  "ERR_SPIFFE_REQUIRED",
  // keys
  "ERR_KEY_EVENT_INVALID",
  "ERR_KEY_REVOKED",
  "ERR_KEY_SUPERSEDED",
  "ERR_KEY_DISPUTED",
  // history, receipts, approvals
  "ERR_HISTORY_INVALID",
  "ERR_HISTORY_TOO_LONG",
  "ERR_RECEIPT_INVALID",
  "ERR_APPROVAL_REQUIRED",
  "ERR_APPROVAL_DENIED",
  "ERR_APPROVAL_EXPIRED",
  "ERR_APPROVAL_INVALID",
  // policy and trust
  "ERR_POLICY_INVALID",
  "ERR_POLICY_DENIED",
  "ERR_TRUST_INSUFFICIENT",
  "ERR_RATE_LIMITED",
  // statements
  "ERR_STATEMENT_INVALID",
  "ERR_STATEMENT_NOT_YET_VALID",
  "ERR_VOUCH_EXPIRED",
  "ERR_VOUCH_NOT_YET_VALID",
  "ERR_VOUCH_REVOKED",
  "ERR_NOTE_INVALID",
  // sealed messages
  "ERR_SEALED_INVALID",
  // log and registry
  "ERR_CHECKPOINT_INVALID",
  "ERR_INCLUSION_INVALID",
  "ERR_CONSISTENCY_INVALID",
  "ERR_LOG_FORKED",
  "ERR_REGISTRY_BUSY",
  "ERR_REGISTRY_RESPONSE",
  "ERR_REGISTRY_STALE",
  "ERR_REGISTRY_UNREACHABLE",
  "ERR_NOT_FOUND",
  "ERR_REQUEST_INVALID",
  "ERR_STORE_CORRUPT",
  "ERR_STORE_FENCED",
  // guard
  "ERR_AUDIT_UNAVAILABLE",
  "ERR_UPSTREAM_UNAVAILABLE",
  "ERR_GUARD_FAULT",
  "ERR_SELF_TEST_FAILED",
  // command line and key files
  "ERR_CONFIG_INVALID",
  "ERR_IDENTITY_MISSING",
  "ERR_KEY_FILE_UNSAFE",
  "ERR_KEY_FILE_INVALID",
  "ERR_KEY_LOCKED",
  "ERR_USAGE",
  "ERR_NODE_UNSUPPORTED",
  "ERR_INTERNAL",
] as const;

/** A stable machine-readable reason. */
export type ErrorCode = (typeof errorCodes)[number];

/**
 * Untrusted data failed a check, or an operation cannot be carried out. Programmer mistakes throw `TypeError` or
 * `RangeError` instead; ordinary refusals are values (`Admission`, `Decision`), not exceptions.
 */
export class PeerageError extends Error {
  override readonly name = "PeerageError";
  /** Stable code, see {@link errorCodes}. */
  readonly code: ErrorCode;
  /** A finer, stable word for audit and logs, such as `key-small-order`; never shown to an untrusted peer. */
  readonly detail: string | undefined;

  constructor(code: ErrorCode, message: string, options: { detail?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
  }
}

/** True for a {@link PeerageError}, with that code if one is given. */
export function isPeerageError(value: unknown, code?: ErrorCode): value is PeerageError {
  return value instanceof PeerageError && (code === undefined || value.code === code);
}
