import type { Did } from "../did/did-key.ts";
import { LruMap } from "../encoding/lru.ts";
import { PeerageError } from "../errors.ts";

/** A caller makes a guard check at most so many new signatures of entries a minute. */
export const MAX_ENTRY_CHECKS_PER_MINUTE = 1_000;

interface Spent {
  /** The minute, since the epoch. */
  readonly minute: number;
  checks: number;
}

/** Counts the signatures that each caller's histories cost, so that no authenticated caller keeps a guard busy with them. */
export class CheckBudget {
  readonly #spent = new LruMap<Did, Spent>(16_384);

  /**
   * Takes `checks` signature checks from what the caller has left in this minute.
   * @throws {PeerageError} ERR_RATE_LIMITED, and then nothing is taken
   */
  take(caller: Did, checks: number, now: Date): void {
    const minute = Math.floor(now.getTime() / 60_000);
    const known = this.#spent.get(caller);
    // A clock that was set back gives nothing.
    const spent = known && known.minute >= minute ? known : { minute, checks: 0 };
    if (spent.checks + checks > MAX_ENTRY_CHECKS_PER_MINUTE) {
      throw new PeerageError("ERR_RATE_LIMITED", "too many new history entries in one minute", { detail: "entries" });
    }
    spent.checks += checks;
    if (spent !== known) this.#spent.set(caller, spent);
  }
}
