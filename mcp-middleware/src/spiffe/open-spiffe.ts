import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseTrustDomain, PeerageError, type SpiffeProof } from "@peerage/core";
import { BundleStore, type TrustDomainState } from "./bundle-store.ts";
import { watchFederation } from "./federation.ts";
import { FileX509Source, readBundleText, watchBundleFile } from "./file-sources.ts";
import { GuardSpiffe, type GuardSpiffeOptions } from "./guard-spiffe.ts";
import { FileSequences } from "./sequence-file.ts";
import type { BundleSource, JwtSource, Log, WitSource, X509Source } from "./sources.ts";
import type { WorkloadApi } from "./workload-api.ts";
import { ENDPOINT_VARIABLE } from "./workload-api-address.ts";

/** Where the bundle of one trust domain comes from: one of the four. */
export interface TrustDomainConfig {
  /** A SPIFFE bundle document, a map of them, or PEM certificates. */
  readonly file?: string | undefined;
  readonly workloadApi?: boolean | undefined;
  readonly profile?: "https_web" | "https_spiffe" | undefined;
  readonly url?: string | undefined;
  /** For `https_spiffe`. */
  readonly endpointId?: string | undefined;
  /** For `https_spiffe`: the file with the first bundle of the endpoint's own domain. */
  readonly bootstrap?: string | undefined;
}

/** The `spiffe` section of a configuration. */
export interface SpiffeConfig {
  /** No trust domain is trusted until it stands here, by name. */
  readonly trustDomains?: Readonly<Record<string, TrustDomainConfig>> | undefined;
  /** `unix:///absolute/path` or `tcp://<IP>:<port>`; else the environment's. */
  readonly workloadApi?: string | undefined;
  readonly accept?: readonly SpiffeProof[] | undefined;
  readonly required?: boolean | undefined;
  readonly matchConnection?: boolean | undefined;
  readonly wimseEdDsa?: boolean | undefined;
  readonly maxBundleAgeSeconds?: number | undefined;
  /** The own X.509-SVID in PEM files, where no Workload API delivers it. */
  readonly svid?: { readonly certificates: string; readonly key: string } | undefined;
}

export interface OpenSpiffeOptions extends Pick<GuardSpiffeOptions, "spend"> {
  /** Folder in which the sequences of bundles are kept; in memory without one. */
  readonly stateFolder?: string | undefined;
  /** Value of `SPIFFE_ENDPOINT_SOCKET`; the caller reads the environment. */
  readonly endpointSocket?: string | undefined;
  readonly log?: Log | undefined;
  readonly now?: (() => Date) | undefined;
  /** How often files are looked at. */
  readonly fileIntervalMs?: number | undefined;
  /** How long a first state is waited for; 10 s. What has not come by then is missing, and verifies nothing. */
  readonly startTimeoutMs?: number | undefined;
}

/** SPIFFE as one process has it: bundles, own identity, and the guard's step. */
export interface Spiffe extends AsyncDisposable {
  readonly bundles: BundleStore;
  /** The guard's step 5. */
  readonly verifier: GuardSpiffe;
  /** Absent if neither Workload API nor files are configured. */
  readonly x509?: X509Source;
  readonly jwt?: JwtSource;
  readonly wit?: WitSource;
  /** Every trust domain with the age of its bundle, for `show` and `doctor`. */
  states(): readonly TrustDomainState[];
  /** Reads files and endpoints now. */
  refresh(): Promise<void>;
}

/**
 * Opens everything that the configuration names, and waits a little for first states.
 * @throws {PeerageError} ERR_CONFIG_INVALID, ERR_SPIFFE_ID_INVALID, ERR_STORE_CORRUPT
 */
export async function openSpiffe(config: SpiffeConfig, options: OpenSpiffeOptions = {}): Promise<Spiffe> {
  const { log = (): void => undefined, now = (): Date => new Date(), stateFolder } = options;
  const domains = Object.entries(config.trustDomains ?? {});
  for (const [name, domain] of domains) checkDomain(parseTrustDomain(name), domain);
  const store = new BundleStore({
    trustDomains: domains.map(([name]) => name),
    maxAgeSeconds: config.maxBundleAgeSeconds,
    sequences: stateFolder === undefined ? undefined : new FileSequences(join(stateFolder, "spiffe-sequences.json")),
  });
  const address = config.workloadApi ?? options.endpointSocket;
  const fromApi = domains.filter(([, { workloadApi }]) => workloadApi).map(([name]) => name);
  if (fromApi.length > 0 && address === undefined) {
    throw new PeerageError("ERR_CONFIG_INVALID", `no Workload API: set spiffe.workloadApi or ${ENDPOINT_VARIABLE}`);
  }
  const api = address === undefined ? undefined : await openApi(address, { store, trustDomains: fromApi, log, now });
  const sources = domains.flatMap(([trustDomain, domain]) => {
    const source = openSource(trustDomain, domain, { store, log, now, fileIntervalMs: options.fileIntervalMs });
    return source ? [source] : [];
  });
  const files = config.svid && new FileX509Source({ ...config.svid, log, intervalMs: options.fileIntervalMs });
  const polled: readonly Polled[] = files ? [...sources, files] : sources;
  await settled([...polled.map(({ ready }) => ready), ...(api ? [api.ready] : [])], options.startTimeoutMs ?? 10_000);
  const x509 = files ?? api;
  return {
    bundles: store,
    verifier: new GuardSpiffe({ ...config, bundles: store, spend: options.spend }),
    ...(x509 ? { x509 } : {}),
    ...(api ? { jwt: api, wit: api } : {}),
    states: () => store.states(now()),
    refresh: async () => {
      await Promise.all(polled.map((source) => source.refresh()));
    },
    [Symbol.asyncDispose]: async () => {
      api?.[Symbol.dispose]();
      await Promise.all(polled.map((source) => source[Symbol.asyncDispose]()));
    },
  };
}

/** What reads at intervals. */
interface Polled {
  readonly ready: Promise<void>;
  refresh(): Promise<void>;
  [Symbol.asyncDispose](): PromiseLike<void>;
}

function checkDomain(
  name: string,
  { file, workloadApi, profile, url, bootstrap, endpointId }: TrustDomainConfig,
): void {
  const wrong = (why: string): PeerageError =>
    new PeerageError("ERR_CONFIG_INVALID", `spiffe.trustDomains.${name}: ${why}`);
  const ways = [file !== undefined, workloadApi === true, profile !== undefined || url !== undefined];
  if (ways.filter(Boolean).length !== 1) throw wrong("give one of file, workloadApi, and profile with url");
  if ((profile === undefined) !== (url === undefined)) throw wrong("profile and url belong together");
  if (profile === "https_spiffe" && endpointId === undefined) throw wrong("https_spiffe needs endpointId");
  if (profile !== "https_spiffe" && bootstrap !== undefined) throw wrong("bootstrap is for https_spiffe");
}

type ApiOptions = {
  readonly store: BundleStore;
  readonly trustDomains: readonly string[];
  readonly log: Log;
  readonly now: () => Date;
};

/** gRPC is loaded only here: without a Workload API it costs nothing. */
async function openApi(address: string, options: ApiOptions): Promise<WorkloadApi> {
  const { WorkloadApi } = await import("./workload-api.ts");
  return new WorkloadApi({ address, ...options });
}

function openSource(
  trustDomain: string,
  domain: TrustDomainConfig,
  context: {
    readonly store: BundleStore;
    readonly log: Log;
    readonly now: () => Date;
    readonly fileIntervalMs: number | undefined;
  },
): BundleSource | undefined {
  const { store, log, now } = context;
  const { file, profile, url, endpointId, bootstrap } = domain;
  if (file !== undefined) {
    return watchBundleFile({ path: file, trustDomain, store, log, now, intervalMs: context.fileIntervalMs });
  }
  if (profile === undefined || url === undefined) return undefined;
  if (bootstrap !== undefined)
    store.set(trustDomain, readBundleText(readFileSync(bootstrap, "utf8"), trustDomain), now());
  return watchFederation({ trustDomain, url, profile, endpointId, store, log, now });
}

/** Waits for all of them, or not longer. */
async function settled(promises: readonly Promise<void>[], timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
  await Promise.race([Promise.allSettled(promises), late]);
  clearTimeout(timer);
}
