import { parseWorkloadId } from "@peerage/core";
import type { HttpGuardOptions } from "@peerage/mcp-middleware";
import type { Options } from "../context.ts";
import { usage } from "../errors.ts";
import { span } from "../ui/time.ts";
import { needIdentity, type OpenedSpiffe } from "./open.ts";
import { Owned } from "../owned.ts";

/** What an HTTP guard does with its own workload identity. */
export interface SpiffeServing extends AsyncDisposable {
  readonly options: Pick<HttpGuardOptions, "secure" | "upstreamAgent" | "upstreamHeaders">;
}

/**
 * Mutual TLS before and behind an HTTP guard, and tokens for the server behind it, as the flags say.
 * @throws {CliError} ERR_USAGE, ERR_CONFIG_INVALID if there is no identity to show
 */
export async function spiffeServing(
  opened: OpenedSpiffe,
  options: Options,
  { upstream, now, log }: { readonly upstream: URL; readonly now: () => Date; readonly log: (line: string) => void },
): Promise<SpiffeServing> {
  const { library, spiffe } = opened;
  const { bundles } = spiffe;
  const made: { -readonly [K in keyof SpiffeServing["options"]]: SpiffeServing["options"][K] } = {};
  await using stack = new Owned();
  if (options["spiffeMtls"] === true) {
    const source = needIdentity(opened, now());
    const onRefused = sparingly(log, now);
    made.secure = (http) => library.createMtlsServer(http, { source, bundles, onRefused, now });
  }
  const expected = options["upstreamSpiffe"];
  if (typeof expected === "string") {
    if (upstream.protocol !== "https:") throw usage("--upstream-spiffe needs an https --upstream");
    const source = needIdentity(opened, now());
    made.upstreamAgent = new library.SpiffeAgent({ source, bundles, expected: parseWorkloadId(expected).id, now });
  }
  const audience = options["upstreamJwtSvid"];
  const wantsWpt = options["upstreamWpt"] === true;
  if (typeof audience === "string" || wantsWpt) {
    const { jwt: source, wit } = spiffe;
    if (!source || !wit)
      throw usage("tokens for the server behind come from a Workload API", "--spiffe-socket <address>");
    const jwt =
      typeof audience === "string" ? stack.use(new library.HeldJwt({ source, audience, now, log })) : undefined;
    await jwt?.ready;
    made.upstreamHeaders = library.upstreamHeaders({ jwt, wit: wantsWpt ? wit : undefined, upstream, now });
  }
  const owned = stack.move();
  return { options: made, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** One line for the start: trust domains with the age of their bundles. */
export function describeDomains({ spiffe }: OpenedSpiffe): string {
  const domains = spiffe.states().map(({ trustDomain, bundle, ageSeconds }) => {
    return `${trustDomain} (${bundle ? `bundle ${span(ageSeconds ?? 0)} old` : "no bundle yet"})`;
  });
  return domains.length === 0 ? "no trust domain" : domains.join(", ");
}

const QUIET_MS = 10_000;

/** Tells of refused connections: anybody can make any number of them, so the first and then how many there were. */
function sparingly(log: (line: string) => void, now: () => Date): (error: unknown) => void {
  let toldAt = -Infinity;
  let untold = 0;
  return (error) => {
    const at = now().getTime();
    if (at - toldAt < QUIET_MS) {
      untold++;
      return;
    }
    const { detail } = error as { readonly detail?: unknown };
    const why = typeof detail === "string" ? detail : "unknown";
    log(`a connection was refused (${why})${untold > 0 ? `, and ${String(untold)} before it` : ""}`);
    toldAt = at;
    untold = 0;
  };
}
