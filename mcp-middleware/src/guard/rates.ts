import { PeerageError } from "@peerage/core";

const MAX_BUCKETS = 100_000;

/** One call costs `perMs` units and `calls` units come back each millisecond: whole numbers, so nothing is rounded. */
export interface Bucket {
  readonly units: number;
  /** Unix milliseconds. */
  readonly at: number;
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
 * Draws one call from a bucket.
 * @param known - the bucket as it was, if there was one
 * @param at - Unix milliseconds
 * @returns the bucket without the call's units and 0, or as it stands now and the time until there are enough
 */
export function drawFrom(known: Bucket | undefined, limit: Limit, at: number): { bucket: Bucket; waitMs: number } {
  const bucket = refill(known, limit, at);
  const { units, calls, perMs } = bucket;
  if (units < perMs) return { bucket, waitMs: (perMs - units) / calls };
  return { bucket: { ...bucket, units: units - perMs }, waitMs: 0 };
}

function refill(known: Bucket | undefined, { calls, perSeconds }: Limit, at: number): Bucket {
  const perMs = perSeconds * 1000;
  const capacity = calls * perMs;
  if (known?.calls === calls && known.perMs === perMs) {
    // A clock that was set back gives nothing, and takes nothing away.
    const units = Math.min(capacity, known.units + Math.max(0, at - known.at) * known.calls);
    return { ...known, units, at: Math.max(known.at, at) };
  }
  // An edited limit keeps what was used up: an edit is no reset.
  const used = known ? Math.min(calls, (known.calls * known.perMs - known.units) / known.perMs) : 0;
  return { units: capacity - Math.ceil(used * perMs), at, calls, perMs };
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
    const drawn = limits.map((limit) => {
      const known = this.#buckets.get(limit.key);
      if (!known) this.#makeRoom(limit, at);
      return drawFrom(known, limit, at);
    });
    const waitMs = Math.max(0, ...drawn.map((draw) => draw.waitMs));
    if (waitMs > 0) throw new RateLimited(Math.ceil(waitMs / 1000));
    for (const [i, { bucket }] of drawn.entries()) this.#buckets.set(limits[i]?.key ?? "", bucket);
  }

  #makeRoom({ perSeconds }: Limit, at: number): void {
    if (this.#buckets.size >= MAX_BUCKETS) this.#dropFull(at);
    if (this.#buckets.size >= MAX_BUCKETS) throw new RateLimited(perSeconds);
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
