import {
  type Did,
  isPeerageError,
  type KeyStatus,
  type MultibaseKey,
  multibaseOf,
  Network,
  PeerageError,
  type RegistryReader,
  type Score,
  type Standing,
  verifyExtension,
} from "@peerage/core";
import { trustFromNetwork, type TrustSource, type VouchedTrust } from "@peerage/mcp-middleware";
import type { Context } from "./context.ts";
import { describeError } from "./errors.ts";
import { connect } from "./network.ts";
import { count, rfc3339 } from "./ui/time.ts";

/**
 * What a guard knows of others: a log that is copied once and then followed. Until the first copy is whole everything is
 * as old as can be, so nothing that needs it is decided; an error leaves the last good view, whose age will tell. Where the
 * registry cannot be reached at the start, the trust pack kept for it is that view.
 */
export class FollowedTrust implements TrustSource, Disposable {
  readonly maxAgeSeconds: number;
  readonly #context: Context;
  readonly #url: string;
  readonly #roots: readonly Did[];
  readonly #alarm: (text: string) => void;
  #source: TrustSource | undefined;
  #network: Network | undefined;
  /** What the guard knows while the registry has never been reached. */
  #packed: Network | undefined;
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
    return (this.#network ?? this.#packed)?.view.size;
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

  withVouches(vouches: Parameters<NonNullable<TrustSource["withVouches"]>>[0]): VouchedTrust | undefined {
    return this.#source?.withVouches?.(vouches);
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

  /** From the registry; where there is no way to it, from the pack that is kept, until there is one. */
  async #open(): Promise<void> {
    const { now } = this.#context.io;
    let network: Network;
    try {
      const reader = await connect(this.#context, this.#url);
      network = await Network.open({ reader, now });
      if (this.#packed) await extendsPack(this.#packed, network, reader);
    } catch (error) {
      if (!this.#packed && isPeerageError(error, "ERR_REGISTRY_UNREACHABLE")) await this.#openKept();
      throw error;
    }
    this.#network = network;
    this.#packed = undefined;
    this.#source = this.#trustFrom(network);
  }

  async #openKept(): Promise<void> {
    const { openKept } = await import("./pack/known.ts");
    const kept = await openKept(this.#context, this.#url);
    if (!kept) return;
    this.#packed = kept.network;
    this.#source = this.#trustFrom(kept.network);
    const { size, time } = kept.network.view;
    this.#alarm(`started from the trust pack of ${rfc3339(time)}, ${count(size, "entry")}`);
  }

  #trustFrom(network: Network): TrustSource {
    const { now } = this.#context.io;
    return trustFromNetwork(network, { roots: this.#roots, maxAgeSeconds: this.maxAgeSeconds, now });
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }
}

/** What the registry shows must hold what the pack held: a guard never goes back to before a revocation. */
async function extendsPack(pack: Network, registry: Network, reader: RegistryReader): Promise<void> {
  const [older, newer] = [pack.head, registry.head];
  if (newer.size < older.size)
    throw new PeerageError("ERR_REGISTRY_STALE", `it shows ${newer.size} entries, and the pack has ${older.size}`);
  const proof =
    older.size === 0 || older.size === newer.size ? [] : await reader.consistencyProof(older.size, newer.size);
  const readTile = (level: number, n: number, width: number): Promise<Uint8Array> => reader.tile(level, n, width);
  if (older.size > 0) await verifyExtension(older, newer, { logKey: reader.logKey, proof, readTile });
}
