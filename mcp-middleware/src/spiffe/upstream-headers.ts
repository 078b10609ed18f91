import type { OutgoingHttpHeaders } from "node:http";
import { canonicalAudience } from "@peerage/core";
import type { HeldJwt } from "./held-jwt.ts";
import { svidInvalid } from "./refuse.ts";
import type { WitSource } from "./sources.ts";
import { signWpt, WIT_HEADER, WPT_HEADER } from "./wpt.ts";

export interface UpstreamHeadersOptions {
  /** Goes into `Authorization`, in the place of whatever the client sent there. */
  readonly jwt?: HeldJwt | undefined;
  /** Goes along as WIT and, for each request, a WPT. */
  readonly wit?: WitSource | undefined;
  /** The endpoint that is dialled: the audience of the WPT. */
  readonly upstream: string | URL;
  readonly now?: (() => Date) | undefined;
}

/**
 * Makes the headers by which a guard shows its own workload identity to the server behind it, for `upstreamHeaders` of
 * the HTTP guard. What it makes throws ERR_SVID_INVALID while there is no identity that holds.
 */
export function upstreamHeaders(
  options: UpstreamHeadersOptions,
): (headers: Readonly<OutgoingHttpHeaders>) => Record<string, string> {
  const { jwt, wit, now = (): Date => new Date() } = options;
  const audience = canonicalAudience(options.upstream);
  return (headers) => {
    const own: Record<string, string> = jwt ? { authorization: `Bearer ${jwt.current()}` } : {};
    if (!wit) return own;
    const identity = wit.currentWit(now());
    if (!identity) throw svidInvalid("no-identity");
    const authorization = tokenOf(own["authorization"] ?? headers["authorization"]);
    const transaction = tokenOf(headers["txn-token"]);
    own[WIT_HEADER] = identity.wit;
    own[WPT_HEADER] = signWpt({
      wit: identity.wit,
      key: identity.key,
      algorithm: identity.algorithm,
      audience,
      now: now(),
      ...(authorization === undefined ? {} : { authorization: authorization.replace(/^\S+ +/, "") }),
      ...(transaction === undefined ? {} : { transaction }),
    });
    return own;
  };
}

function tokenOf(value: OutgoingHttpHeaders[string]): string | undefined {
  return typeof value === "string" ? value : undefined;
}
