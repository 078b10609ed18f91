import type { Agent } from "node:https";
import { type JsonObject, parseWorkloadId, type Signer } from "@peerage/core";
import type { Endpoint } from "@peerage/mcp-middleware";
import type { Context, Options } from "../context.ts";
import { usage } from "../errors.ts";
import { needIdentity, openSpiffe } from "./open.ts";
import { Owned } from "../owned.ts";

/** The own workload identity, as a caller shows it. */
export interface SpiffeCalling extends AsyncDisposable {
  /** What goes beside every proof. */
  readonly binding?: () => Promise<JsonObject | undefined>;
  /** For connections by mutual TLS. */
  readonly agent?: Agent;
}

/**
 * A binding of the signer to the own SPIFFE ID, and connections by mutual TLS, as the flags say.
 * @throws {CliError} ERR_USAGE, ERR_CONFIG_INVALID if there is no identity to show
 */
export async function spiffeCalling(
  context: Context,
  options: Options,
  {
    signer,
    endpoint,
    log,
  }: { readonly signer: Signer; readonly endpoint: Endpoint; readonly log: (line: string) => void },
): Promise<SpiffeCalling> {
  const { now } = context.io;
  await using stack = new Owned();
  const opened = stack.use(await openSpiffe(context, options, { log }));
  const { library, spiffe } = opened;
  const { x509, wit, jwt } = spiffe;
  const isBound = options["spiffe"] === true;
  if (isBound && !x509 && !jwt)
    throw usage("there is no SPIFFE ID to show", "--spiffe-socket <address>, or --spiffe-svid <file>");
  const binder = isBound ? stack.use(new library.Binder({ signer, x509, wit, jwt, log, now })) : undefined;
  const expected = options["spiffeServer"];
  let agent: Agent | undefined;
  if (typeof expected === "string") {
    if (!("url" in endpoint) || new URL(endpoint.url).protocol !== "https:")
      throw usage("--spiffe-server needs the https URL of a server");
    const source = needIdentity(opened, now());
    agent = new library.SpiffeAgent({ source, bundles: spiffe.bundles, expected: parseWorkloadId(expected).id, now });
  }
  const owned = stack.move();
  return {
    ...(binder ? { binding: () => binder.current() } : {}),
    ...(agent ? { agent } : {}),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
