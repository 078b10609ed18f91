import type { Socket } from "node:net";

const WINDOW_MS = 60_000;

/**
 * Counts refused proofs of one connection, so that forging is slow and costs its author, not others: on loopback all
 * clients share one address, and one of them must not be able to lock the others out.
 */
export class FailedProofs {
  readonly #limit: number;
  readonly #now: () => number;
  readonly #counts = new WeakMap<Socket, { since: number; failed: number }>();

  /** @param limit failed proofs per minute and connection */
  constructor(limit: number, now: () => number = Date.now) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Seconds to wait, or undefined while there is room. */
  retryAfterSeconds(socket: Socket): number | undefined {
    const count = this.#counts.get(socket);
    const elapsed = count ? this.#now() - count.since : WINDOW_MS;
    if (!count || elapsed >= WINDOW_MS || count.failed < this.#limit) return undefined;
    return Math.ceil((WINDOW_MS - elapsed) / 1_000);
  }

  add(socket: Socket): void {
    const count = this.#counts.get(socket);
    const now = this.#now();
    if (count && now - count.since < WINDOW_MS) count.failed++;
    else this.#counts.set(socket, { since: now, failed: 1 });
  }
}
