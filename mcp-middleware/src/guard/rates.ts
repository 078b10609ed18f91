import { PeerageError } from "@peerage/core";

const MAX_BUCKETS = 100_000;

/** One call costs `perMs` units and `calls` units come back each millisecond: whole numbers, so nothing is rounded. */
interface Bucket {
  units: number;
  /** Milliseconds. */
  at: number;
  readonly calls: number;
  readonly perMs: number;
}

/** Too many calls; says when to try again. */
export class RateLimited extends PeerageError {
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number) {
    super("ERR_RATE_LIMITED", "too many calls", { detail: "limit" });
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** One limit that a policy rule sets: `calls` per `perSeconds`, counted under `key`. */
export interface Limit {
  readonly key: string;
  readonly calls: number;
  readonly perSeconds: number;
}

/**
 * Token buckets for the limits of a policy. All limits of a call are taken or none, so a call that one of them refuses
 * uses up nothing of the others. Memory is bounded; a bucket that is not full is never dropped.
 */
export class RateLimiter {
  readonly #buckets = new Map<string, Bucket>();
  #sweptAt = -Infinity;

  /** @throws {RateLimited} ERR_RATE_LIMITED */
  take(limits: readonly Limit[], now: Date): void {
    const at = now.getTime();
    const buckets = limits.map((limit) => this.#refill(limit, at));
    const waitMs = Math.max(0, ...buckets.map((bucket) => (bucket.perMs - bucket.units) / bucket.calls));
    if (waitMs > 0) throw new RateLimited(Math.ceil(waitMs / 1000));
    for (const bucket of buckets) bucket.units -= bucket.perMs;
  }

  #refill(limit: Limit, at: number): Bucket {
    const perMs = limit.perSeconds * 1000;
    const capacity = limit.calls * perMs;
    const known = this.#buckets.get(limit.key);
    if (known?.calls === limit.calls && known.perMs === perMs) {
      // A clock that was set back gives nothing, and takes nothing away.
      known.units = Math.min(capacity, known.units + Math.max(0, at - known.at) * known.calls);
      known.at = Math.max(known.at, at);
      return known;
    }
    if (!known && this.#buckets.size >= MAX_BUCKETS) this.#dropFull(at);
    if (!known && this.#buckets.size >= MAX_BUCKETS) throw new RateLimited(limit.perSeconds);
    // An edited limit keeps what was used up: an edit is no reset.
    const used = known ? Math.min(limit.calls, (known.calls * known.perMs - known.units) / known.perMs) : 0;
    const bucket = { units: capacity - Math.ceil(used * perMs), at, calls: limit.calls, perMs };
    this.#buckets.set(limit.key, bucket);
    return bucket;
  }

  /** At most once a second: whoever fills the table must not make every call walk through it. */
  #dropFull(at: number): void {
    if (Math.abs(at - this.#sweptAt) < 1_000) return;
    this.#sweptAt = at;
    for (const [key, bucket] of this.#buckets) {
      if (bucket.units + (at - bucket.at) * bucket.calls >= bucket.calls * bucket.perMs) this.#buckets.delete(key);
    }
  }
}
