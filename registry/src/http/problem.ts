import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { type ErrorCode, isPeerageError, PeerageError } from "@peerage/core";
import { z } from "zod";
import type { Logger } from "../operations/logger.ts";
import { RateLimitedError } from "../admission/rate-limited.ts";

/** An error answer (RFC 9457). `code` is the stable word of the same error everywhere in Peerage. */
export const problemSchema: z.ZodType = z
  .object({
    type: z.string().describe("about:blank: the code says it"),
    title: z.string(),
    status: z.int(),
    code: z.string().describe("stable, such as ERR_STATEMENT_INVALID"),
    detail: z.string().optional(),
  })
  .describe("Problem details");

const statuses: Partial<Record<ErrorCode, ContentfulStatusCode>> = {
  ERR_STATEMENT_INVALID: 422,
  ERR_DID_INVALID: 400,
  ERR_STATEMENT_NOT_YET_VALID: 422,
  ERR_VOUCH_NOT_YET_VALID: 422,
  ERR_VOUCH_EXPIRED: 422,
  ERR_NOTE_INVALID: 422,
  ERR_PROOF_MISSING: 403,
  ERR_PROOF_MALFORMED: 403,
  ERR_PROOF_INVALID: 403,
  ERR_PROOF_AUDIENCE: 403,
  ERR_PROOF_EXPIRED: 403,
  ERR_PROOF_NOT_YET_VALID: 403,
  ERR_PROOF_MISMATCH: 422,
  ERR_SEALED_INVALID: 422,
  ERR_KEY_EVENT_INVALID: 422,
  ERR_KEY_SUPERSEDED: 409,
  ERR_KEY_REVOKED: 409,
  ERR_KEY_DISPUTED: 409,
  ERR_MESSAGE_TOO_LARGE: 413,
  ERR_RATE_LIMITED: 429,
  ERR_REQUEST_INVALID: 400,
  ERR_NOT_FOUND: 404,
  ERR_REGISTRY_BUSY: 503,
  ERR_STORE_FENCED: 503,
  ERR_STORE_CORRUPT: 503,
};

const titles: Partial<Record<ContentfulStatusCode, string>> = {
  400: "Bad request",
  403: "Forbidden",
  404: "Not found",
  405: "Method not allowed",
  409: "Conflict",
  410: "Gone",
  413: "Content too large",
  415: "Unsupported media type",
  422: "Unprocessable content",
  429: "Too many requests",
  500: "Internal error",
  503: "Service unavailable",
};

/** Answers with a problem document; a status is derived from the code unless one is given. */
export function problem(c: Context, error: PeerageError, status?: ContentfulStatusCode): Response {
  const code = status ?? statuses[error.code] ?? 500;
  if (code === 503) c.header("Retry-After", "2");
  if (error instanceof RateLimitedError) {
    c.header("Retry-After", String(error.retryAfterSeconds));
    if (error.policy !== undefined) {
      c.header("RateLimit-Policy", error.policy);
      c.header("RateLimit", `"issuer";r=0;t=${error.retryAfterSeconds}`);
    }
  }
  c.header("Content-Type", "application/problem+json");
  c.header("Cache-Control", "no-store");
  const body = {
    type: "about:blank",
    title: titles[code] ?? "Error",
    status: code,
    code: error.code,
    detail: error.message,
  };
  return c.body(JSON.stringify(body), code);
}

/** The status that a thrown error becomes. */
export function statusOf(error: unknown): number {
  return (isPeerageError(error) ? statuses[error.code] : undefined) ?? 500;
}

/**
 * What a thrown error is to the outside. Anything unforeseen is named as such and says nothing else; the operator, who
 * needs the cause, gets it from `logger`.
 */
export function onErrorWith(logger: Logger): (error: Error, c: Context) => Response {
  return (error, c) => {
    if (isPeerageError(error) && statuses[error.code] !== undefined) return problem(c, error);
    logger.error({ error }, "a request failed");
    return problem(c, new PeerageError("ERR_INTERNAL", "the registry failed to answer"), 500);
  };
}

/** A bad parameter. */
export function badRequest(message: string): PeerageError {
  return new PeerageError("ERR_REQUEST_INVALID", message);
}

/** Nothing stands at this address. */
export function notFound(message: string): PeerageError {
  return new PeerageError("ERR_NOT_FOUND", message);
}
