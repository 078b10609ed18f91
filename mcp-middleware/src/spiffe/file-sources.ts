import { readFile, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { isPeerageError } from "@peerage/core";
import { createBundle, parseBundle, parseBundleMap, type TrustBundle } from "./bundle.ts";
import type { BundleStore } from "./bundle-store.ts";
import { parsePemCertificates } from "./pem.ts";
import { svidInvalid } from "./refuse.ts";
import type { BundleSource, Log, X509Source } from "./sources.ts";
import { parseX509Identity, type X509Identity } from "./x509-svid.ts";

/** How often files are looked at. */
const FILE_INTERVAL_MS = 5_000;

/**
 * The bundle of a trust domain in a file: a SPIFFE bundle document, a map of them, or PEM certificates.
 * @throws {PeerageError} ERR_SVID_INVALID, detail `td-unknown` if a map does not name the domain; as {@link parseBundle}
 */
export function readBundleText(text: string, trustDomain: string): TrustBundle {
  if (!text.trimStart().startsWith("{")) return createBundle({ x509: parsePemCertificates(text) });
  if (!/"trust_domains"\s*:/.test(text)) return parseBundle(text);
  const bundle = parseBundleMap(text).get(trustDomain);
  if (!bundle) throw svidInvalid("td-unknown");
  return bundle;
}

export interface FileBundleOptions {
  readonly path: string;
  readonly trustDomain: string;
  readonly store: BundleStore;
  readonly log: Log;
  readonly intervalMs?: number | undefined;
  readonly now?: (() => Date) | undefined;
}

/** Keeps the bundle of one trust domain as a file has it. A file that cannot be read keeps the last good bundle. */
export function watchBundleFile(options: FileBundleOptions): BundleSource {
  const { path, trustDomain, store, log, now = (): Date => new Date() } = options;
  const read = async (): Promise<void> => {
    store.set(trustDomain, readBundleText(await readFile(path, "utf8"), trustDomain), now());
  };
  return poll(read, () => options.intervalMs ?? FILE_INTERVAL_MS, `bundle of ${trustDomain}`, log);
}

/** Calls `read` at once and then after every interval; a failure is logged once until it is another one. */
export function poll(read: () => Promise<void>, intervalMs: () => number, what: string, log: Log): BundleSource {
  const stop = new AbortController();
  let lastFailure: string | undefined;
  const refresh = async (): Promise<void> => {
    try {
      await read();
      if (lastFailure !== undefined) log(`${what}: read again`);
      lastFailure = undefined;
    } catch (error) {
      const why = whyOf(error);
      if (why !== lastFailure && !stop.signal.aborted) log(`${what}: not read (${why}); the last good one stays`);
      lastFailure = why;
    }
  };
  const ready = refresh();
  const run = async (): Promise<void> => {
    await ready;
    for (;;) {
      await delay(intervalMs(), undefined, { signal: stop.signal, ref: false }).catch(() => undefined);
      if (stop.signal.aborted) return;
      await refresh();
    }
  };
  const running = run();
  const dispose = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  return { ready, refresh, [Symbol.asyncDispose]: dispose };
}

/** Why something failed, in a few words without any content. */
export function whyOf(error: unknown): string {
  if (isPeerageError(error)) return error.detail ?? error.code;
  const { code, message } = error as { code?: unknown; message?: unknown };
  return typeof code === "string" ? code : typeof message === "string" ? message : "failed";
}

export interface X509FileOptions {
  /** PEM: leaf first, then intermediates. */
  readonly certificates: string;
  /** PEM; may be the same file. */
  readonly key: string;
  readonly log: Log;
  readonly intervalMs?: number | undefined;
}

/** An X.509-SVID in files that something else renews, as spiffe-helper or cert-manager do. */
export class FileX509Source implements X509Source, AsyncDisposable {
  readonly #options: X509FileOptions;
  readonly #poll: BundleSource;
  readonly #listeners = new Set<() => void>();
  #identity: X509Identity | undefined;
  #stamp = "";

  constructor(options: X509FileOptions) {
    this.#options = options;
    this.#poll = poll(
      () => this.#read(),
      () => options.intervalMs ?? FILE_INTERVAL_MS,
      "own X.509-SVID",
      options.log,
    );
  }

  get ready(): Promise<void> {
    return this.#poll.ready;
  }

  refresh(): Promise<void> {
    return this.#poll.refresh();
  }

  current(now: Date = new Date()): X509Identity | undefined {
    const identity = this.#identity;
    return identity && now.getTime() / 1000 <= identity.expiresAt ? identity : undefined;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#poll[Symbol.asyncDispose]());
  }

  async #read(): Promise<void> {
    const { certificates, key } = this.#options;
    const stamps = await Promise.all([certificates, key].map((path) => stat(path)));
    const stamp = stamps.map(({ mtimeMs, size, ino }) => [mtimeMs, size, ino].join("/")).join();
    if (stamp === this.#stamp) return;
    const [chain, privateKey] = await Promise.all([readFile(certificates, "utf8"), readFile(key, "utf8")]);
    this.#identity = parseX509Identity(chain, privateKey);
    this.#stamp = stamp;
    for (const listener of this.#listeners) listener();
  }
}
