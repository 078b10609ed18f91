import type { Entry, Policy, SpiffeId, Verified } from "@peerage/core";
import type { AuditLog } from "../audit/audit-log.ts";
import type { HeldFor } from "../approval/evidence-store.ts";

/** What makes entries of one step speak against a call, under one of a policy's requirements. */
interface Adverse {
  readonly results: ReadonlySet<string>;
  readonly by: ((agent: string, spiffe: string | undefined) => boolean) | undefined;
}

/** By step; empty if no rule asks for anything that a history or a person could prove. */
const byPolicy = new WeakMap<Policy, ReadonlyMap<string, readonly Adverse[]>>();

function requirementsOf(policy: Policy): ReadonlyMap<string, readonly Adverse[]> {
  const known = byPolicy.get(policy);
  if (known) return known;
  const found = new Map<string, Adverse[]>();
  for (const rules of Object.values(policy.compiled.allow)) {
    for (const { needs, approval, standIn } of rules.all) {
      for (const need of [...needs, approval, standIn]) {
        if (!need) continue;
        const { step, results, by } = need.requirement;
        found.set(step, [...(found.get(step) ?? []), { results, by }]);
      }
    }
  }
  byPolicy.set(policy, found);
  return found;
}

/**
 * Keeps what speaks against a call, so that leaving it out next time does not help. Only what some rule would listen to:
 * what strangers sign must not crowd out what counts.
 */
export function rememberAdverse(
  audit: AuditLog,
  policy: Policy,
  entries: readonly Verified<Entry>[],
  now: Date,
  spiffeOf?: (entry: Entry) => SpiffeId | undefined,
): void {
  const requirements = requirementsOf(policy);
  const adverse = entries.filter((entry) =>
    requirements
      .get(entry.step)
      ?.some(
        ({ results, by }) => !results.has(entry.result) && (by === undefined || by(entry.issuer, spiffeOf?.(entry))),
      ),
  );
  if (adverse.length === 0) return;
  const unknown = audit.evidence.unknown(adverse, "adverse");
  if (unknown.length === 0) return;
  audit.transact(() => {
    audit.evidence.keep(unknown, "adverse", now);
    // Who signed it is kept with it: leaving out the binding next time does not help either.
    for (const entry of unknown) audit.evidence.keepSigner(entry.digest, spiffeOf?.(entry));
  });
  audit.evidence.remember(unknown, "adverse");
}

/** What the guard holds for and against a call, each after those it refers to; nothing if no rule of the policy asks. */
export function gatherHeld(audit: AuditLog, policy: Policy, about: HeldFor): readonly Verified<Entry>[] {
  return requirementsOf(policy).size === 0 ? [] : audit.evidence.held(about);
}
