import { asciiOf, children, type Der, sequence, tags, wrappedIn } from "./der.ts";
import { svidInvalid } from "./refuse.ts";

/** `nameConstraints` of a CA (RFC 5280 section 4.2.1.10) as far as URIs go. */
export interface NameConstraints {
  /** Hosts, or `.domain` for all below it; undefined if URIs are not limited. */
  readonly permitted?: readonly string[];
  readonly excluded: readonly string[];
  /** Critical, and about names of other types than URI: not judged here, so nothing passes. */
  readonly isOpaque: boolean;
}

const URI = 0x86;

/** @throws {PeerageError} ERR_SVID_INVALID, detail `malformed` */
export function readNameConstraints(value: Der, critical: boolean): NameConstraints {
  const parts = sequence(wrappedIn(value, tags.sequence));
  const subtrees = (tag: number): { uris: string[]; others: boolean } => {
    const part = parts.find((der) => der.tag === tag);
    const bases = part ? children(part).map(readBase) : [];
    if (part && bases.length === 0) throw svidInvalid("malformed");
    const uris = bases.filter((base) => base.tag === URI).map((base) => asciiOf(base).toLowerCase());
    return { uris, others: uris.length < bases.length };
  };
  const order = parts.map(({ tag }) => tag).join();
  if (!["160", "161", "160,161"].includes(order)) throw svidInvalid("malformed");
  const permitted = subtrees(0xa0);
  const excluded = subtrees(0xa1);
  return {
    ...(permitted.uris.length > 0 ? { permitted: permitted.uris } : {}),
    excluded: excluded.uris,
    isOpaque: critical && (permitted.others || excluded.others),
  };
}

/** A subtree without `minimum` and `maximum`, which RFC 5280 wants absent. */
function readBase(subtree: Der): Der {
  const [base, ...limits] = sequence(subtree);
  if (!base || limits.length > 0) throw svidInvalid("malformed");
  return base;
}

/** True if a CA with these constraints may stand above a certificate with this URI. */
export function permitsUri(constraints: NameConstraints, uri: string): boolean {
  if (constraints.isOpaque) return false;
  const host = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#:@]+)/i.exec(uri)?.[1]?.toLowerCase();
  // RFC 5280: a URI whose host is absent or an address fails wherever URIs are constrained.
  const isName = host !== undefined && !/^\d+\.\d+\.\d+\.\d+$/.test(host);
  if (!isName) return constraints.permitted === undefined && constraints.excluded.length === 0;
  if (constraints.excluded.some((base) => base === "" || isWithin(host, base))) return false;
  return constraints.permitted === undefined || constraints.permitted.some((base) => isWithin(host, base));
}

function isWithin(host: string, base: string): boolean {
  return base.startsWith(".") ? host.length > base.length && host.endsWith(base) : host === base;
}
