import { PeerageError } from "@peerage/core";
import { drawFrom, type Limit, RateLimited } from "../guard/rates.ts";
import type { GuardDatabase } from "./database.ts";

/** More counters than this are not kept: a call that would need one more is refused. */
const MAX_COUNTERS = 1_000_000;

/** An amount that a call reserves in the current window. */
export interface Reservation {
  readonly key: string;
  /** The length of the windows, which are aligned to the epoch. */
  readonly perSeconds: number;
  readonly max: number;
  /** A whole number, not negative. */
  readonly amount: number;
}

/** What was reserved, to give it back if nothing was sent. */
export interface Reserved {
  readonly key: string;
  readonly window: number;
  readonly amount: number;
}

/**
 * Rate limits and budgets in the guard's file: they survive a restart, and every process on the file draws from the same.
 * All methods run within the caller's transaction, so a call that is refused uses up nothing.
 */
export class SqliteCounters {
  readonly #bucket;
  readonly #setBucket;
  readonly #budget;
  readonly #setBudget;
  readonly #giveBack;
  readonly #dropFull;
  readonly #dropOld;
  readonly #count;
  /** An upper bound, exact after each clean-up. */
  #held: number;

  constructor(database: GuardDatabase) {
    this.#bucket = database.prepare<[string], BucketRow>(
      "SELECT units, at, calls, per_ms AS perMs FROM bucket WHERE key = ?",
    );
    this.#setBucket = database.prepare<[string, number, number, number, number]>(
      "INSERT OR REPLACE INTO bucket VALUES (?, ?, ?, ?, ?)",
    );
    this.#budget = database.prepare<[string], BudgetRow>(
      "SELECT per_seconds AS perSeconds, window, sum FROM budget WHERE key = ?",
    );
    this.#setBudget = database.prepare<[string, number, number, number]>(
      "INSERT OR REPLACE INTO budget VALUES (?, ?, ?, ?)",
    );
    this.#giveBack = database.prepare<[number, string, number]>(
      "UPDATE budget SET sum = max(0, sum - ?) WHERE key = ? AND window = ?",
    );
    this.#dropFull = database.prepare<[number]>("DELETE FROM bucket WHERE units + (? - at) * calls >= calls * per_ms");
    this.#dropOld = database.prepare<[number]>("DELETE FROM budget WHERE (window + 1) * per_seconds <= ?");
    this.#count = database.prepare<[], { n: number }>(
      "SELECT (SELECT count(*) FROM bucket) + (SELECT count(*) FROM budget) AS n",
    );
    this.#held = this.#count.get()?.n ?? 0;
  }

  /**
   * Takes one call from each limit and reserves each amount.
   * @throws {RateLimited} ERR_RATE_LIMITED if one of them is exhausted, with the time when it is not
   * @throws {PeerageError} ERR_POLICY_DENIED for an amount that is negative or no whole number
   */
  take(limits: readonly Limit[], reservations: readonly Reservation[], now: Date): readonly Reserved[] {
    const at = now.getTime();
    let waitMs = 0;
    for (const limit of limits) {
      const known = this.#bucket.get(limit.key);
      if (!known) this.#makeRoom(limit.perSeconds);
      const drawn = drawFrom(known, limit, at);
      waitMs = Math.max(waitMs, drawn.waitMs);
      const { units, at: since, calls, perMs } = drawn.bucket;
      this.#setBucket.run(limit.key, units, since, calls, perMs);
    }
    if (waitMs > 0) throw new RateLimited(Math.ceil(waitMs / 1000));
    return reservations.map((reservation) => this.#reserve(reservation, at));
  }

  /** Gives back what was reserved, if its window still runs. */
  giveBack(reserved: readonly Reserved[]): void {
    for (const { key, window, amount } of reserved) this.#giveBack.run(amount, key, window);
  }

  /** Drops full buckets and windows that have passed: neither says more than a missing one. */
  cleanUp(now: Date): void {
    this.#dropFull.run(now.getTime());
    this.#dropOld.run(Math.floor(now.getTime() / 1000));
    this.#held = this.#count.get()?.n ?? 0;
  }

  #reserve({ key, perSeconds, max, amount }: Reservation, at: number): Reserved {
    if (!Number.isSafeInteger(amount) || amount < 0) {
      throw new PeerageError("ERR_POLICY_DENIED", "a budget counts whole amounts that are not negative", {
        detail: "budget",
      });
    }
    const seconds = at / 1000;
    const known = this.#budget.get(key);
    if (!known) this.#makeRoom(perSeconds);
    const window = Math.floor(seconds / perSeconds);
    // Of a longer or shorter window after an edit, and of one that lies ahead of a clock that was set back, the sum stays:
    // an edit and a clock reset nothing.
    const isPast = known !== undefined && (known.window + 1) * known.perSeconds <= seconds;
    const sum = (known === undefined || isPast ? 0 : known.sum) + amount;
    if (!(sum <= max)) throw new RateLimited(Math.max(1, Math.ceil((window + 1) * perSeconds - seconds)));
    const kept =
      known === undefined || isPast || known.perSeconds !== perSeconds ? window : Math.max(known.window, window);
    this.#setBudget.run(key, perSeconds, kept, sum);
    return { key, window: kept, amount };
  }

  #makeRoom(retryAfterSeconds: number): void {
    if (this.#held >= MAX_COUNTERS) throw new RateLimited(retryAfterSeconds);
    this.#held++;
  }
}

interface BucketRow {
  readonly units: number;
  readonly at: number;
  readonly calls: number;
  readonly perMs: number;
}

interface BudgetRow {
  readonly perSeconds: number;
  readonly window: number;
  readonly sum: number;
}
