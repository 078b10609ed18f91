import { createPrivateKey, type JsonWebKey } from "node:crypto";
import { isJsonObject, type JsonObject, parseJson, parseSpiffeId, parseWorkloadId } from "@peerage/core";
import { createBundle, parseJwks } from "./bundle.ts";
import type { BundleStore } from "./bundle-store.ts";
import { type Certificate, parseCertificate } from "./certificate.ts";
import { readDer } from "./der.ts";
import { whyOf } from "./file-sources.ts";
import type { WitIdentity } from "./issue-binding.ts";
import { algorithmOf, readJws } from "./jws.ts";
import { svidInvalid } from "./refuse.ts";
import type { JwtSource, WitSource, X509Source } from "./sources.ts";
import { readTime } from "./token-time.ts";
import { wimseAlgorithms } from "./wit-svid.ts";
import {
  type StreamMethod,
  type Watcher,
  WorkloadApiClient,
  type WorkloadApiClientOptions,
} from "./workload-api-client.ts";
import type { BundlesResponse, WitSvidMessage, WitSvidResponse, X509SvidMessage, X509SvidResponse } from "./workload-api-schema.ts"; // prettier-ignore
import { createX509Identity, type X509Identity } from "./x509-svid.ts";

export interface WorkloadApiOptions extends WorkloadApiClientOptions {
  readonly store?: BundleStore | undefined;
  /** The domains whose bundles this API keeps; what it delivers for others is not looked at. */
  readonly trustDomains?: Iterable<string> | undefined;
  readonly now?: (() => Date) | undefined;
  /** How often an open stream confirms the bundles it gave; 60 s. */
  readonly confirmMs?: number | undefined;
}

/** A stream that is up says by that that nothing has changed; bundles are confirmed this often. */
const CONFIRM_MS = 60_000;

/**
 * The Workload API as a source of SVIDs and bundles. Each message of a stream is the whole state: what is absent is
 * withdrawn. With the agent gone, what is held serves until it expires. Keys stay in memory and are dropped on rotation.
 */
export class WorkloadApi implements X509Source, JwtSource, WitSource, Disposable {
  readonly #client: WorkloadApiClient;
  readonly #options: WorkloadApiOptions;
  readonly #domains: ReadonlySet<string>;
  readonly #now: () => Date;
  readonly #listeners = new Set<() => void>();
  /** Settles when every stream that is needed has given its first state, or said that it has none to give. */
  readonly ready: Promise<void>;
  readonly #awaited: Set<StreamMethod>;
  readonly #allCame: () => void;
  readonly #up = new Set<"x509" | "jwt">();
  readonly #timer: NodeJS.Timeout;
  #identities: readonly X509Identity[] = [];
  #wits: readonly WitIdentity[] = [];
  #x509: ReadonlyMap<string, readonly Certificate[]> = new Map();
  #jwt: ReadonlyMap<string, ReadonlyMap<string, JsonObject>> = new Map();
  #wit: ReadonlyMap<string, ReadonlyMap<string, JsonObject>> = new Map();

  /** @throws {PeerageError} ERR_CONFIG_INVALID for an address of another form */
  constructor(options: WorkloadApiOptions) {
    this.#options = options;
    this.#domains = new Set(options.trustDomains ?? []);
    this.#now = options.now ?? ((): Date => new Date());
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.ready = promise;
    this.#allCame = () => resolve(undefined);
    this.#client = new WorkloadApiClient(options);
    this.#awaited = new Set(["FetchX509SVID"]);
    if (this.#domains.size > 0) this.#awaited.add("FetchX509Bundles").add("FetchJWTBundles");
    this.#watchSvids();
    if (this.#domains.size > 0) this.#watchBundles();
    this.#timer = setInterval(() => this.#confirm(), options.confirmMs ?? CONFIRM_MS);
    this.#timer.unref();
  }

  current(now: Date = this.#now()): X509Identity | undefined {
    return this.#identities.find(({ expiresAt }) => now.getTime() / 1000 <= expiresAt);
  }

  currentWit(now: Date = this.#now()): WitIdentity | undefined {
    return this.#wits.find(({ expiresAt }) => now.getTime() / 1000 <= expiresAt);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async fetchJwtSvid(audience: string): Promise<string> {
    let response;
    try {
      response = await this.#client.fetchJwtSvid(audience);
    } catch (cause) {
      throw svidInvalid("workload-api", cause);
    }
    const [svid] = response.svids;
    if (!svid) throw svidInvalid("no-identity");
    return svid.svid;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#client[Symbol.dispose]();
    this.#identities = [];
    this.#wits = [];
  }

  #watchSvids(): void {
    this.#watch<X509SvidResponse>("FetchX509SVID", {
      onState: (state) => this.#take("X.509-SVIDs", () => this.#setIdentities(state.svids)),
      onDenied: () => this.#setIdentities([]),
    });
    this.#watch<WitSvidResponse>("FetchWITSVID", {
      onState: (state) => this.#take("WIT-SVIDs", () => this.#setWits(state.svids)),
      onDenied: () => this.#setWits([]),
    });
  }

  #watchBundles(): void {
    this.#watch<BundlesResponse>("FetchX509Bundles", {
      onState: ({ bundles }) =>
        this.#take("X.509 bundles", () => {
          this.#x509 = this.#read(bundles, (value) => splitCertificates(Buffer.from(value)));
          this.#up.add("x509");
          this.#publish();
        }),
      onBroken: () => this.#up.delete("x509"),
    });
    this.#watch<BundlesResponse>("FetchJWTBundles", {
      onState: ({ bundles }) =>
        this.#take("JWT bundles", () => {
          this.#jwt = this.#read(bundles, parseJwks);
          this.#up.add("jwt");
          this.#publish();
        }),
      onBroken: () => this.#up.delete("jwt"),
    });
    this.#watch<BundlesResponse>("FetchWITBundles", {
      onState: ({ bundles }) =>
        this.#take("WIT bundles", () => {
          this.#wit = this.#read(bundles, parseJwks);
          this.#publish();
        }),
    });
  }

  #watch<T>(method: StreamMethod, watcher: Watcher<T>): void {
    const came = (): void => {
      if (this.#awaited.delete(method) && this.#awaited.size === 0) this.#allCame();
    };
    this.#client.watch<T>(method, {
      ...watcher,
      onState: (state) => {
        watcher.onState(state);
        came();
      },
      onDenied: () => {
        watcher.onDenied?.();
        came();
      },
      onUnserved: came,
    });
  }

  /** A state that cannot be read is not taken in part: the last one stays. */
  #take(what: string, set: () => void): void {
    try {
      set();
    } catch (error) {
      this.#options.log(`Workload API: ${what} not read (${whyOf(error)})`);
    }
  }

  #setIdentities(svids: readonly X509SvidMessage[]): void {
    this.#identities = byHint(svids).map(readIdentity);
    for (const listener of this.#listeners) listener();
  }

  #setWits(svids: readonly WitSvidMessage[]): void {
    this.#wits = byHint(svids).map(readWitIdentity);
    for (const listener of this.#listeners) listener();
  }

  #read<T>(bundles: BundlesResponse["bundles"], parse: (value: Uint8Array | string) => T): ReadonlyMap<string, T> {
    const named = Object.entries(bundles).map(([id, value]) => [parseSpiffeId(id).trustDomain, value] as const);
    return new Map(named.filter(([name]) => this.#domains.has(name)).map(([name, value]) => [name, parse(value)]));
  }

  #publish(): void {
    for (const name of this.#domains) {
      const [x509, jwt, wit] = [this.#x509.get(name), this.#jwt.get(name), this.#wit.get(name)];
      if (!x509 && !jwt && !wit) {
        this.#options.store?.withdraw(name);
        continue;
      }
      const parts = { ...(x509 ? { x509 } : {}), ...(jwt ? { jwt } : {}), ...(wit ? { wit } : {}) };
      this.#options.store?.set(name, createBundle(parts), this.#now());
    }
  }

  #confirm(): void {
    if (this.#up.size === 0) return;
    for (const name of this.#domains) this.#options.store?.confirm(name, this.#now());
  }
}

/** Of several SVIDs with one hint the first counts (Workload API specification section 5.2.1). */
function byHint<T extends { readonly hint: string }>(svids: readonly T[]): T[] {
  return svids.filter(({ hint }, i) => hint === "" || svids.findIndex((other) => other.hint === hint) === i);
}

/** Certificates in DER, one behind the other. @throws {PeerageError} ERR_SVID_INVALID, detail `malformed` */
export function splitCertificates(bytes: Uint8Array): Certificate[] {
  const certificates: Certificate[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const { end } = readDer(bytes, offset);
    certificates.push(parseCertificate(bytes.subarray(offset, end)));
    offset = end;
  }
  return certificates;
}

function readIdentity({ spiffe_id: id, x509_svid, x509_svid_key, hint }: X509SvidMessage): X509Identity {
  let key;
  try {
    key = createPrivateKey({ key: Buffer.from(x509_svid_key), format: "der", type: "pkcs8" });
  } catch {
    // The cause is left out: it might quote the key.
    throw svidInvalid("private-key");
  }
  const identity = createX509Identity(splitCertificates(x509_svid), key, hint);
  if (identity.spiffeId !== id) throw svidInvalid("spiffe-id");
  return identity;
}

function readWitIdentity({ spiffe_id: id, wit_svid: wit, wit_svid_key }: WitSvidMessage): WitIdentity {
  const { sub, exp, cnf } = readJws(wit).claims;
  const jwk = isJsonObject(cnf) ? cnf["jwk"] : undefined;
  const expiresAt = readTime(exp);
  if (sub !== id || !isJsonObject(jwk) || expiresAt === undefined) throw svidInvalid("wit");
  const algorithm = algorithmOf(jwk["alg"], wimseAlgorithms);
  try {
    const key = createPrivateKey({ key: parseJson(wit_svid_key) as JsonWebKey, format: "jwk" });
    return { wit, spiffeId: parseWorkloadId(id).id, key, algorithm, expiresAt };
  } catch {
    throw svidInvalid("private-key");
  }
}
