import type { Did } from "@peerage/core";
import { loadSpiffe, type ReplayStore } from "@peerage/mcp-middleware";
import type { Context, Options } from "../context.ts";
import { CliError } from "../errors.ts";
import { spiffeConfig } from "./config.ts";

/** The middleware's SPIFFE part: loaded when a command line asks for it. */
export type SpiffeLibrary = Awaited<ReturnType<typeof loadSpiffe>>;
/** What it opened. */
export type Spiffe = Awaited<ReturnType<SpiffeLibrary["openSpiffe"]>>;

/** The library and what it opened; disposing of it ends both. */
export interface OpenedSpiffe extends AsyncDisposable {
  readonly library: SpiffeLibrary;
  readonly spiffe: Spiffe;
}

export interface OpenOptions {
  readonly log: (line: string) => void;
  /** Where sequences of bundles are remembered. */
  readonly stateFolder?: string;
  /** Remembers nonces of WPTs. */
  readonly replay?: ReplayStore;
  /** How often files are looked at; 5 s. */
  readonly fileIntervalMs?: number;
  readonly startTimeoutMs?: number;
  /** The own identity is wanted, whatever the flags say. */
  readonly own?: boolean;
}

/** Flags for which this process needs an identity of its own. */
const showing = ["spiffe", "spiffeServer", "spiffeMtls", "upstreamSpiffe", "upstreamJwtSvid", "upstreamWpt"];

/**
 * Opens what the flags name.
 * @throws {CliError} ERR_USAGE, ERR_CONFIG_INVALID
 */
export async function openSpiffe(context: Context, options: Options, open: OpenOptions): Promise<OpenedSpiffe> {
  const config = await spiffeConfig(context, options);
  const library = await loadSpiffe();
  const { replay, own: _, ...rest } = open;
  const { now } = context.io;
  const wantsApi = Object.values(config.trustDomains ?? {}).some(({ workloadApi }) => workloadApi === true);
  const wantsIdentity = !config.svid && showing.some((name) => options[name] !== undefined);
  const spiffe = await library.openSpiffe(config, {
    ...rest,
    now,
    // A socket that the environment happens to name is neither waited for nor connected to without need.
    endpointSocket:
      wantsApi || wantsIdentity || open.own === true ? context.io.env[library.ENDPOINT_VARIABLE] : undefined,
    // A WPT does not say when it was made; the longest life that it may have tells the earliest time.
    spend:
      replay &&
      (({ issuer, jti, expiresAt }) => {
        const issuedAt = expiresAt - library.MAX_WPT_SECONDS;
        replay.insert({ issuer: issuer as Did, audience: "wpt", jti, issuedAt, expiresAt }, now());
      }),
  });
  return { library, spiffe, [Symbol.asyncDispose]: () => spiffe[Symbol.asyncDispose]() };
}

/** The own X.509-SVID. @throws {CliError} ERR_CONFIG_INVALID if none came */
export function needIdentity({ spiffe }: OpenedSpiffe, now: Date): NonNullable<Spiffe["x509"]> {
  const { x509 } = spiffe;
  if (x509?.current(now)) return x509;
  throw new CliError("ERR_CONFIG_INVALID", "there is no X.509-SVID to show", {
    hint: x509 ? "peerage spiffe show" : "--spiffe-socket unix:///run/spire/agent.sock, or --spiffe-svid <file>",
  });
}
