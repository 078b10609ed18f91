import { PeerageError } from "@peerage/core";

/** Too much of somebody's: code ERR_RATE_LIMITED, with the seconds after which it is worth another try. */
export class RateLimitedError extends PeerageError {
  readonly retryAfterSeconds: number;
  /** For the `RateLimit-Policy` header, if it is not of an address: what may be done in which window. */
  readonly policy: string | undefined;

  constructor(message: string, retryAfterSeconds: number, policy?: string) {
    super("ERR_RATE_LIMITED", message, { detail: "rate" });
    this.retryAfterSeconds = Math.max(1, Math.ceil(retryAfterSeconds));
    this.policy = policy;
  }
}
