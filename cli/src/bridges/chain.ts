import { type Did, explainTrust, FLOW, type View, type VouchRecord } from "@peerage/core";
import { MAX_PRESENTED_BYTES, MAX_PRESENTED_VOUCHES } from "@peerage/mcp-middleware";

/**
 * The vouches to show for an agent, nearest first: those of the chains from the given roots, or, where nobody knows from
 * whom a reader starts, those for the agent, then those for who gave them, the most confident first. No more than a
 * guard takes when they are presented with a call.
 */
export function chainTo(
  view: View,
  { subject, scope, roots }: { readonly subject: Did; readonly scope: string; readonly roots: readonly Did[] },
): readonly VouchRecord[] {
  const found = roots.length > 0 ? fromRoots(view, subject, scope, roots) : outward(view, subject, scope);
  const chosen: VouchRecord[] = [];
  let bytes = 0;
  for (const record of found) {
    bytes += record.statement.bytes.length;
    if (chosen.length === MAX_PRESENTED_VOUCHES || bytes > MAX_PRESENTED_BYTES) break;
    chosen.push(record);
  }
  return chosen;
}

function fromRoots(view: View, subject: Did, scope: string, roots: readonly Did[]): VouchRecord[] {
  const { contributions } = explainTrust(view.graph(scope), { roots, target: subject, logSize: view.size });
  const found = new Map<string, VouchRecord>();
  for (const { chain } of contributions.toSorted((a, b) => b.value - a.value)) {
    for (const { vouch } of chain.toReversed()) {
      const record = view.vouch(vouch);
      if (record) found.set(vouch, record);
    }
  }
  return [...found.values()];
}

function outward(view: View, subject: Did, scope: string): VouchRecord[] {
  const seen = new Set<Did>([subject]);
  const found: VouchRecord[] = [];
  let ring: Did[] = [subject];
  // What stands further away gives it nothing in anybody's score.
  for (let hop = 0; hop < FLOW.L && found.length < MAX_PRESENTED_VOUCHES; hop++) {
    const next: Did[] = [];
    for (const did of ring) {
      const received = (view.agent(did)?.received ?? [])
        .filter(
          ({ status, scopes, statement }) =>
            status === "in-force" && scopes.includes(scope) && !seen.has(statement.issuer),
        )
        .toSorted((a, b) => b.statement.confidence - a.statement.confidence || a.index - b.index);
      for (const record of received.slice(0, MAX_PRESENTED_VOUCHES)) {
        found.push(record);
        next.push(record.statement.issuer);
      }
    }
    for (const did of next) seen.add(did);
    ring = [...new Set(next)];
  }
  return found;
}
