import {
  type Did,
  type KeyStatus,
  type MultibaseKey,
  multibaseOf,
  Network,
  type Score,
  type Standing,
} from "@peerage/core";
import { trustFromNetwork, type TrustSource } from "@peerage/mcp-middleware";
import type { Context } from "./context.ts";
import { describeError } from "./errors.ts";
import { connect } from "./network.ts";

/**
 * What a guard knows of others: a log that is copied once and then followed. Until the first copy is whole everything is
 * as old as can be, so nothing that needs it is decided; an error leaves the last good view, whose age will tell.
 */
export class FollowedTrust implements TrustSource, Disposable {
  readonly maxAgeSeconds: number;
  readonly #context: Context;
  readonly #url: string;
  readonly #roots: readonly Did[];
  readonly #alarm: (text: string) => void;
  #source: TrustSource | undefined;
  #network: Network | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failing = false;
  #ended = false;

  constructor(
    context: Context,
    options: {
      readonly url: string;
      readonly roots: readonly Did[];
      readonly maxAgeSeconds: number;
      readonly alarm: (text: string) => void;
    },
  ) {
    this.#context = context;
    this.#url = options.url;
    this.#roots = options.roots;
    this.maxAgeSeconds = options.maxAgeSeconds;
    this.#alarm = options.alarm;
  }

  /** Begins to follow. Settles with the first copy, or after `patienceMs` without it; following goes on either way. */
  async start(refreshSeconds: number, patienceMs: number): Promise<void> {
    const first = this.#look(refreshSeconds * 1_000);
    const patience = new Promise<void>((resolve) => setTimeout(resolve, patienceMs).unref());
    await Promise.race([first, patience]);
  }

  /** Entries of the log under the current view; undefined before the first copy. */
  get size(): number | undefined {
    return this.#network?.view.size;
  }

  score(did: Did, scope: string): Score {
    return this.#source?.score(did, scope) ?? "unknown";
  }

  keyState(did: Did): KeyStatus {
    return this.#source?.keyState(did) ?? "active";
  }

  currentKey(did: Did): MultibaseKey {
    return this.#source?.currentKey?.(did) ?? multibaseOf(did);
  }

  keysOf(did: Did): readonly MultibaseKey[] {
    return this.#source?.keysOf?.(did) ?? [];
  }

  keyStoodAt(did: Did, key: MultibaseKey, time: number): boolean {
    return this.#source?.keyStoodAt?.(did, key, time) ?? key === multibaseOf(did);
  }

  keyLostSince(did: Did, key: MultibaseKey): number | undefined {
    return this.#source?.keyLostSince?.(did, key);
  }

  standing(did: Did, scope: string): Standing {
    return this.#source?.standing?.(did, scope) ?? { independent_vouchers: 0, reports_from_trusted: 0 };
  }

  snapshot(): string {
    return this.#source?.snapshot?.() ?? "none";
  }

  ageSeconds(): number {
    return this.#source?.ageSeconds() ?? Infinity;
  }

  async #look(everyMs: number): Promise<void> {
    try {
      if (this.#network) await this.#network.refresh();
      else await this.#open();
      if (this.#failing) this.#alarm("the registry is followed again");
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#alarm(`the registry cannot be followed: ${describeError(error).message}`);
      this.#failing = true;
    }
    if (this.#ended) return;
    this.#timer = setTimeout(() => void this.#look(everyMs), everyMs);
    this.#timer.unref();
  }

  async #open(): Promise<void> {
    const { now } = this.#context.io;
    const reader = await connect(this.#context, this.#url);
    const network = await Network.open({ reader, now });
    this.#network = network;
    this.#source = trustFromNetwork(network, { roots: this.#roots, maxAgeSeconds: this.maxAgeSeconds, now });
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }
}
