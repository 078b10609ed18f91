import type { Did } from "@peerage/core";
import { checkedDid } from "./agents.ts";
import { usage } from "./errors.ts";
import { isRegistryUrl } from "./files/config.ts";
import { visible } from "./ui/visible.ts";

/** What a link says with which somebody asks for a vouch: a page of the agent at its registry. It signs nothing. */
export interface VouchLink {
  readonly did: Did;
  readonly registry: string;
  /** What the vouch is asked for. */
  readonly scope?: string | undefined;
}

/** The link to send: the agent's own page, which says more to whoever opens it. */
export function writeVouchLink({ did, registry, scope }: VouchLink): string {
  return `${registry}/a/${did}${scope === undefined ? "" : `?scope=${scope}`}`;
}

/** Reads a link, or is undefined for what is none (a DID, a name). @throws {CliError} ERR_USAGE, ERR_DID_INVALID */
export function readVouchLink(text: string): VouchLink | undefined {
  if (!/^https?:\/\//i.test(text)) return undefined;
  const wrong = (): never => {
    throw usage(`${visible(text, 200)} is no link to an agent`, "https://<registry>/a/did:key:…");
  };
  const url = URL.canParse(text) ? new URL(text) : wrong();
  const [, base = "", did = ""] = /^(.*)\/a\/([^/]+)\/?$/.exec(url.pathname) ?? wrong();
  const registry = `${url.origin}${base}`;
  if (!isRegistryUrl(registry) || url.username !== "" || url.password !== "") wrong();
  // A DID needs no escapes; what browsers and mail programs escape in it is the colons.
  const named = did.replaceAll(/%3a/gi, ":");
  return { did: checkedDid(named), registry, scope: url.searchParams.get("scope") ?? undefined };
}
