import { type Did, trustScore, type View } from "@peerage/core";

/**
 * True if a recipient has, as far as the log tells, a reason to expect a sender: chains of vouches lead from the recipient
 * or from the registry's roots to it, in a scope in which the recipient vouches for somebody, or in `tools`.
 */
export function isKnownTo(view: View, recipient: Did, sender: Did, registryRoots: readonly Did[]): boolean {
  const roots = [recipient, ...registryRoots];
  if (roots.includes(sender)) return true;
  const given = view.vouchesBy(recipient);
  const scopes = new Set(["tools", ...given.flatMap(({ status, scopes }) => (status === "in-force" ? scopes : []))]);
  return [...scopes]
    .slice(0, MOST_SCOPES)
    .some((scope) => trustScore(view.graph(scope), { roots, target: sender }).score !== "unknown");
}

/** Each costs a look through a graph, and a recipient may have vouched in any number. */
const MOST_SCOPES = 8;
