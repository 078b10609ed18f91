import { CheckBudget } from "@peerage/core";
import type { GuardOptions } from "./options.ts";
import type { PipelineParts } from "./pipeline.ts";
import { PresentedReader } from "./presented.ts";
import { RateLimiter } from "./rates.ts";
import { MemoryReplayStore } from "./replay.ts";
import { lifecycleMethods } from "./subject.ts";

/** What the steps need, from what the guard was given; limits and budgets begin empty. */
export function partsOf(
  options: GuardOptions,
  own: Pick<PipelineParts, "did" | "audiences" | "sessions" | "states"> & { readonly startedAt: Date },
): PipelineParts {
  const { startedAt, ...known } = own;
  return {
    ...known,
    open: new Set(options.open ?? lifecycleMethods),
    trust: options.trust,
    presented: options.presentedVouches === true ? new PresentedReader() : undefined,
    spiffe: options.spiffe,
    replay: options.replay ?? new MemoryReplayStore({ startedAt }),
    rates: new RateLimiter(),
    checks: new CheckBudget(),
    audit: options.audit,
    shadow: options.shadow,
  };
}
