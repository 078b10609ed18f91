import type { Did, Statement } from "@peerage/core";
import { RateLimitedError } from "./rate-limited.ts";
import { kindCodes } from "../store/kinds.ts";
import type { LogReads } from "../store/log-store.ts";

/** So many in so many seconds. */
export interface Budget {
  readonly most: number;
  readonly seconds: number;
}

/** What the members of {@link issuerBudgets} mean. */
export interface IssuerBudgetRules {
  /** Profiles. */
  readonly identity: readonly Budget[];
  /** Vouches and reports. */
  readonly vouches: readonly Budget[];
  /** Vouches and reports of issuers without a score from the registry's roots. */
  readonly unscored: readonly Budget[];
  /** In the first day after an issuer's first statement, without a score: profiles, and no vouches or reports. */
  readonly firstDay: { readonly profiles: number; readonly seconds: number };
}

const [HOUR, DAY, WEEK] = [3_600, 86_400, 604_800] as const;

/** Policy of one registry, published, and never a rule of validity: registry.md section 10. */
export const issuerBudgets: IssuerBudgetRules = {
  identity: [
    { most: 10, seconds: HOUR },
    { most: 30, seconds: DAY },
    { most: 100, seconds: WEEK },
  ],
  vouches: [
    { most: 20, seconds: HOUR },
    { most: 100, seconds: DAY },
  ],
  unscored: [{ most: 5, seconds: DAY }],
  firstDay: { profiles: 1, seconds: DAY },
};

export interface IssuerBudgetOptions {
  readonly reads: LogReads;
  /** Unix seconds. */
  readonly now: () => number;
  /** True if an issuer has a score from the registry's roots in one of the scopes. Asked only where it decides. */
  readonly isScored: (issuer: Did, scopes: readonly string[]) => boolean;
}

/**
 * What one verified issuer may have logged in which time. What it had logged is counted in the log itself: nothing is
 * remembered, so nobody fills the memory, a restart forgives nothing, and what was refused is never charged.
 */
export class IssuerBudgets {
  readonly #options: IssuerBudgetOptions;
  readonly #starts = new Map<number, { at: number; index: number }>();

  constructor(options: IssuerBudgetOptions) {
    this.#options = options;
  }

  /**
   * Called with statements that verified, one of each issuer at a time. Revocations and key events pass: whoever spends
   * a victim's budget must not keep it from taking back what it gave, or from its keys.
   * @throws {RateLimitedError} ERR_RATE_LIMITED
   */
  async check(statement: Statement): Promise<void> {
    if (statement.kind === "Revocation" || statement.kind === "KeyEvent") return;
    const { issuer } = statement;
    if (statement.kind === "AgentProfile") {
      const left = await this.#firstDayLeft(issuer);
      const { profiles, seconds } = issuerBudgets.firstDay;
      if (left > 0 && !this.#isScored(statement)) {
        await this.#within(issuer, [kindCodes.AgentProfile], { most: profiles, seconds }, left);
      }
      for (const budget of issuerBudgets.identity) await this.#within(issuer, [kindCodes.AgentProfile], budget);
      return;
    }
    const kinds = [kindCodes.Vouch, kindCodes.Report];
    for (const budget of issuerBudgets.vouches) await this.#within(issuer, kinds, budget);
    const left = await this.#firstDayLeft(issuer);
    if (left > 0 && !this.#isScored(statement)) {
      throw new RateLimitedError(
        "who is new here and known to none of this registry's roots speaks of others after a day",
        left,
        policyOf({ most: 0, seconds: DAY }),
      );
    }
    for (const budget of issuerBudgets.unscored) {
      if ((await this.#spent(issuer, kinds, budget)) && !this.#isScored(statement)) {
        await this.#within(issuer, kinds, budget);
      }
    }
  }

  #isScored(statement: Statement): boolean {
    const scopes = statement.kind === "Vouch" ? statement.scope : [];
    return this.#options.isScored(statement.issuer, [...new Set([...scopes, "tools"])]);
  }

  /** @throws {RateLimitedError} */
  async #within(issuer: Did, kinds: readonly number[], budget: Budget, retryAfter?: number): Promise<void> {
    const oldest = await this.#spent(issuer, kinds, budget);
    if (oldest === undefined) return;
    throw new RateLimitedError(
      `this registry logs ${budget.most} such statements of one issuer in ${wordsOf(budget.seconds)}`,
      retryAfter ?? oldest + budget.seconds - this.#options.now(),
      policyOf(budget),
    );
  }

  /** The time of the oldest statement that counts, if the budget is spent. */
  async #spent(issuer: Did, kinds: readonly number[], { most, seconds }: Budget): Promise<number | undefined> {
    const { reads, now } = this.#options;
    const from = await this.#firstIndexOf(seconds);
    const entries = await reads.page({ issuer, kinds }, from - 1, Number.MAX_SAFE_INTEGER, most);
    const [oldest] = entries;
    if (entries.length < most || !oldest) return undefined;
    return (await reads.firstCheckpointCovering(oldest.index))?.time ?? now();
  }

  /** Seconds that are left of an issuer's first day here; 0 if it is over. */
  async #firstDayLeft(issuer: Did): Promise<number> {
    const { reads, now } = this.#options;
    const [first] = await reads.page({ issuer }, -1, Number.MAX_SAFE_INTEGER, 1);
    const since = first && (await reads.firstCheckpointCovering(first.index))?.time;
    return Math.max(0, (since ?? now()) + issuerBudgets.firstDay.seconds - now());
  }

  /**
   * The first index that was published within the last seconds. Checkpoints are in order of time as of size, so it is
   * found by halves, and once a minute only.
   */
  async #firstIndexOf(seconds: number): Promise<number> {
    const { reads, now } = this.#options;
    const at = now();
    const known = this.#starts.get(seconds);
    if (known && at >= known.at && at - known.at < 60) return known.index;
    let low = 0;
    let high = (await reads.newestCheckpoint())?.size ?? 0;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const [covering] = await reads.checkpoints(middle, 1);
      if (covering && covering.time <= at - seconds) low = covering.size;
      else high = middle;
    }
    this.#starts.set(seconds, { at, index: low });
    return low;
  }
}

function policyOf({ most, seconds }: Budget): string {
  return `"issuer";q=${most};w=${seconds}`;
}

function wordsOf(seconds: number): string {
  return seconds === HOUR ? "an hour" : seconds === DAY ? "a day" : "a week";
}
