import type { ErrorCode, PeerageError } from "@peerage/core";

/** Exit codes of the command line, see docs and `peerage help exit-codes`. */
export type Exit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 130;

/** A command cannot do what was asked: what went wrong, why, and the command that mends it. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: ErrorCode;
  readonly exit: Exit;
  /** What to do about it: a command, or a short sentence. */
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { exit?: Exit; hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.exit = options.exit ?? exitOf(code);
    this.hint = options.hint;
  }
}

/** The command line itself is wrong: exit 2, nothing done. */
export function usage(message: string, hint?: string): CliError {
  return new CliError("ERR_USAGE", message, hint === undefined ? {} : { hint });
}

/** The person at the keyboard stopped it: exit 130. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

const exits: Partial<Record<ErrorCode, Exit>> = {
  ERR_USAGE: 2,
  ERR_CONFIG_INVALID: 2,
  ERR_POLICY_INVALID: 2,
  ERR_REQUEST_INVALID: 2,
  ERR_IDENTITY_MISSING: 4,
  ERR_KEY_FILE_UNSAFE: 4,
  ERR_KEY_FILE_INVALID: 4,
  ERR_KEY_LOCKED: 4,
  ERR_NOT_FOUND: 5,
  ERR_REGISTRY_UNREACHABLE: 7,
  ERR_REGISTRY_BUSY: 7,
  ERR_UPSTREAM_UNAVAILABLE: 7,
  ERR_REGISTRY_STALE: 3,
  ERR_POLICY_DENIED: 3,
  ERR_TRUST_INSUFFICIENT: 3,
  ERR_RATE_LIMITED: 3,
  ERR_SPIFFE_REQUIRED: 3,
  ERR_PROOF_MISSING: 3,
  ERR_PROOF_REPLAYED: 3,
  ERR_SESSION_BOUND: 3,
  ERR_KEY_REVOKED: 3,
  ERR_KEY_SUPERSEDED: 3,
  ERR_KEY_DISPUTED: 3,
  ERR_APPROVAL_DENIED: 3,
  ERR_APPROVAL_EXPIRED: 3,
  ERR_APPROVAL_REQUIRED: 8,
  ERR_INTERNAL: 1,
  ERR_NODE_UNSUPPORTED: 1,
  ERR_GUARD_FAULT: 1,
  ERR_SELF_TEST_FAILED: 1,
  ERR_AUDIT_UNAVAILABLE: 1,
  ERR_REPLAY_STORE_FULL: 1,
  ERR_STORE_CORRUPT: 1,
  ERR_STORE_FENCED: 1,
};

/** The exit code for an error code. What is not listed is foreign data that failed a check: 6. */
export function exitOf(code: ErrorCode): Exit {
  return exits[code] ?? 6;
}

const hints: Partial<Record<ErrorCode, string>> = {
  ERR_REGISTRY_UNREACHABLE: "peerage doctor",
  ERR_REGISTRY_BUSY: "try again in a moment",
  ERR_UPSTREAM_UNAVAILABLE: "start the server, or check its command or address: most end in /mcp",
  ERR_REGISTRY_STALE: "peerage doctor",
  ERR_REGISTRY_RESPONSE: "peerage doctor",
  ERR_IDENTITY_MISSING: "peerage init",
  ERR_LOG_FORKED: "keep the evidence; use another registry: peerage config set registry <url>",
};

// By name, so that help and usage errors need not load core.
function isPeerageError(error: unknown): error is PeerageError {
  return error instanceof Error && error.name === "PeerageError" && "code" in error;
}

/** Any thrown value as what is told to the user. A stack is for `--verbose` only. */
export function describeError(error: unknown): { code: ErrorCode; exit: Exit; message: string; hint?: string } {
  if (error instanceof CliError) {
    const hint = error.hint ?? hints[error.code];
    return { code: error.code, exit: error.exit, message: error.message, ...(hint === undefined ? {} : { hint }) };
  }
  if (isPeerageError(error)) {
    const hint = hints[error.code];
    return {
      code: error.code,
      exit: exitOf(error.code),
      message: error.message,
      ...(hint === undefined ? {} : { hint }),
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: "ERR_INTERNAL", exit: 1, message };
}
