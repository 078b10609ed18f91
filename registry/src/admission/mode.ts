import { type Did, trustScore, unixSeconds, type View } from "@peerage/core";
import type { RegistryOptions } from "../options.ts";
import type { LogReads } from "../store/log-store.ts";
import { IssuerBudgets } from "./budgets.ts";

/** True if others than this machine are meant to use the address. */
export function isPublic(publicUrl: string | undefined): boolean {
  return publicUrl !== undefined && !["127.0.0.1", "[::1]", "localhost"].includes(new URL(publicUrl).hostname);
}

/** Members are known to the operator; budgets are for strangers. */
export function hasBudgets({ budgets, members, publicUrl }: RegistryOptions): boolean {
  return budgets ?? (members === undefined && isPublic(publicUrl));
}

/** The budgets of issuers at a registry, if it has any. */
export function budgetsOf(options: RegistryOptions, reads: LogReads, view: () => View): IssuerBudgets | undefined {
  if (!hasBudgets(options)) return undefined;
  const now = options.now ?? (() => new Date());
  const roots = options.roots ?? [];
  const isScored = (issuer: Did, scopes: readonly string[]): boolean =>
    roots.includes(issuer) ||
    scopes.some((scope) => trustScore(view().graph(scope), { roots, target: issuer }).score !== "unknown");
  return new IssuerBudgets({ reads, now: () => unixSeconds(now()), isScored });
}
