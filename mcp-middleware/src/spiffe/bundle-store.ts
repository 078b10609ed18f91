import { parseTrustDomain } from "@peerage/core";
import type { TrustBundle } from "./bundle.ts";
import { svidInvalid } from "./refuse.ts";
import type { BundleLookup } from "./x509-svid.ts";

/** A bundle that no source has confirmed for this long verifies nothing. */
export const MAX_BUNDLE_AGE_SECONDS = 86_400;

/** Remembers the highest `spiffe_sequence` of each trust domain, across restarts. */
export interface SequenceStore {
  read(trustDomain: string): bigint | undefined;
  write(trustDomain: string, sequence: bigint): void;
}

export interface BundleStoreOptions {
  /** The trust domains that are trusted, by name. Bundles of any other are refused. */
  readonly trustDomains: Iterable<string>;
  /** 24 h by default. */
  readonly maxAgeSeconds?: number | undefined;
  /** In memory by default. */
  readonly sequences?: SequenceStore | undefined;
}

/** One trust domain as an operator sees it. */
export interface TrustDomainState {
  readonly trustDomain: string;
  readonly bundle: TrustBundle | undefined;
  /** Seconds since a source confirmed the bundle; undefined without one. */
  readonly ageSeconds: number | undefined;
}

interface Held {
  readonly bundle: TrustBundle;
  readonly confirmedAt: number;
}

/**
 * The bundles of the configured trust domains, each under its own name: they are never pooled. Sources write, verifiers
 * read a snapshot and wait for nobody.
 */
export class BundleStore implements BundleLookup {
  readonly #domains: ReadonlySet<string>;
  readonly #maxAgeMs: number;
  readonly #sequences: SequenceStore;
  readonly #held = new Map<string, Held>();
  readonly #listeners = new Set<(trustDomain: string) => void>();

  /** @throws {PeerageError} ERR_SPIFFE_ID_INVALID if a name is no trust domain */
  constructor(options: BundleStoreOptions) {
    this.#domains = new Set([...options.trustDomains].map(parseTrustDomain));
    this.#maxAgeMs = (options.maxAgeSeconds ?? MAX_BUNDLE_AGE_SECONDS) * 1000;
    this.#sequences = options.sequences ?? new MemorySequences();
  }

  /** The bundle that verifies now; undefined for an unknown domain, and for a bundle that has gone stale. */
  get(trustDomain: string, now: Date): TrustBundle | undefined {
    const held = this.#held.get(trustDomain);
    // Written so that a clock that is not a number counts as too late.
    return held && now.getTime() - held.confirmedAt <= this.#maxAgeMs ? held.bundle : undefined;
  }

  /**
   * Replaces the bundle of a domain. An empty one is kept: it revokes everything.
   * @throws {PeerageError} ERR_SVID_INVALID, detail `td-unknown`, or `rollback` if its sequence is lower than one seen
   */
  set(trustDomain: string, bundle: TrustBundle, now: Date): void {
    if (!this.#domains.has(trustDomain)) throw svidInvalid("td-unknown");
    const { sequence } = bundle;
    const seen = this.#sequences.read(trustDomain);
    if (sequence !== undefined && seen !== undefined && sequence < seen) throw svidInvalid("rollback");
    if (sequence !== undefined && sequence !== seen) this.#sequences.write(trustDomain, sequence);
    const before = this.#held.get(trustDomain)?.bundle.digest;
    this.#held.set(trustDomain, { bundle, confirmedAt: now.getTime() });
    if (before !== bundle.digest) this.#tell(trustDomain);
  }

  /** The source says that the bundle it gave is still the current one. */
  confirm(trustDomain: string, now: Date): void {
    const held = this.#held.get(trustDomain);
    if (held) this.#held.set(trustDomain, { ...held, confirmedAt: now.getTime() });
  }

  /** Forgets the bundle of a domain: its source no longer delivers one. */
  withdraw(trustDomain: string): void {
    if (this.#held.delete(trustDomain)) this.#tell(trustDomain);
  }

  /** Calls back after the bundle of a domain has changed. @returns a function that ends this */
  onChange(listener: (trustDomain: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Every configured domain, in order of configuration. */
  states(now: Date): TrustDomainState[] {
    return [...this.#domains].map((trustDomain) => {
      const held = this.#held.get(trustDomain);
      const ageSeconds = held && Math.max(0, (now.getTime() - held.confirmedAt) / 1000);
      return { trustDomain, bundle: held?.bundle, ageSeconds };
    });
  }

  #tell(trustDomain: string): void {
    for (const listener of this.#listeners) listener(trustDomain);
  }
}

class MemorySequences implements SequenceStore {
  readonly #seen = new Map<string, bigint>();

  read(trustDomain: string): bigint | undefined {
    return this.#seen.get(trustDomain);
  }

  write(trustDomain: string, sequence: bigint): void {
    this.#seen.set(trustDomain, sequence);
  }
}
