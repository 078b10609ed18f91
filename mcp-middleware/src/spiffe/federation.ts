import type { IncomingMessage } from "node:http";
import { type Agent, request, type RequestOptions } from "node:https";
import { parseWorkloadId, PeerageError, type SpiffeId } from "@peerage/core";
import { MAX_BUNDLE_BYTES, parseBundle, refreshSeconds } from "./bundle.ts";
import type { BundleStore } from "./bundle-store.ts";
import { poll } from "./file-sources.ts";
import { svidInvalid } from "./refuse.ts";
import type { BundleSource, Log } from "./sources.ts";
import { SpiffeAgent } from "./spiffe-agent.ts";

const TIMEOUT_MS = 10_000;
const MAX_REDIRECTS = 3;

/** A bundle endpoint of another organisation (SPIFFE Federation specification section 5). */
export interface FederationOptions {
  readonly trustDomain: string;
  readonly url: string;
  /** `https_web`: certificates of the web, host name. `https_spiffe`: an X.509-SVID that is exactly `endpointId`. */
  readonly profile: "https_web" | "https_spiffe";
  /** For `https_spiffe`: the endpoint's SPIFFE ID, whose domain has a bundle in the store already. */
  readonly endpointId?: string | undefined;
  readonly store: BundleStore;
  readonly log: Log;
  /** Authorities of the web in PEM, instead of Node's own. */
  readonly ca?: string | undefined;
  /** Instead of the bundle's refresh hint. */
  readonly intervalMs?: number | undefined;
  readonly now?: (() => Date) | undefined;
}

/**
 * Keeps the bundle of a trust domain as its endpoint has it: GET without credentials, at most 1 MiB in 10 s, at most 3
 * redirects that are never remembered. A failure is tried again at the next interval, and the last good bundle stays.
 * @throws {PeerageError} ERR_CONFIG_INVALID for a URL that is not https, or a profile that lacks its ID
 */
export function watchFederation(options: FederationOptions): BundleSource {
  const { trustDomain, store, log, now = (): Date => new Date() } = options;
  const url = checkUrl(options.url);
  const agent = createAgent(options);
  const read = async (): Promise<void> => {
    store.set(trustDomain, parseBundle(await get(url, { ...(agent ? { agent } : {}), ca: options.ca })), now());
  };
  const interval = (): number => options.intervalMs ?? refreshSeconds(store.get(trustDomain, now())) * 1000;
  const source = poll(read, interval, `bundle of ${trustDomain}`, log);
  const dispose = async (): Promise<void> => {
    await source[Symbol.asyncDispose]();
    agent?.destroy();
  };
  return { ready: source.ready, refresh: () => source.refresh(), [Symbol.asyncDispose]: dispose };
}

function createAgent({ profile, endpointId, store, now }: FederationOptions): Agent | undefined {
  if (profile === "https_web") return undefined;
  if (endpointId === undefined) throw new PeerageError("ERR_CONFIG_INVALID", "https_spiffe needs the endpoint's ID");
  const expected: SpiffeId = parseWorkloadId(endpointId).id;
  // No own certificate, and a new connection each time: bundles may have changed since the last one.
  return new SpiffeAgent({ bundles: store, expected, now, agent: { keepAlive: false } });
}

function checkUrl(text: string, base?: URL): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base?.href) : undefined;
  if (url?.protocol !== "https:" || url.username !== "" || url.password !== "") {
    throw new PeerageError("ERR_CONFIG_INVALID", "a bundle endpoint is an https URL without user information");
  }
  return url;
}

async function get(url: URL, options: { agent?: Agent; ca: string | undefined }, redirects = 0): Promise<Buffer> {
  const { agent, ca } = options;
  const response = await send(url, { ...(agent ? { agent } : { agent: false }), ...(ca === undefined ? {} : { ca }) });
  const { statusCode = 0, headers } = response;
  if (statusCode === 200) return readAll(response);
  response.destroy();
  if (![301, 302, 303, 307, 308].includes(statusCode)) throw svidInvalid(`http-${String(statusCode)}`);
  if (headers.location === undefined || redirects === MAX_REDIRECTS) throw svidInvalid("redirect");
  return get(checkUrl(headers.location, url), options, redirects + 1);
}

function send(url: URL, options: RequestOptions): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  request(url, { ...options, signal, headers: { accept: "application/json" } }, resolve)
    .on("error", reject)
    .end();
  return promise;
}

async function readAll(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BUNDLE_BYTES) throw svidInvalid("size");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
