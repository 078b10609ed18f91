import { decide, type GuardMemory, type Policy, type ShadowAnswer } from "@peerage/core";
import { type PolicyFacts, policyInput } from "./policy.ts";

/** Asks a policy beside the one in force. Whatever goes wrong here has no effect on the call. */
export function askShadow(
  source: Policy | (() => Policy | undefined) | undefined,
  facts: PolicyFacts,
  memory: GuardMemory,
): ShadowAnswer | undefined {
  if (!source) return undefined;
  try {
    const shadow = typeof source === "function" ? source() : source;
    if (!shadow) return undefined;
    const decision = decide(shadow, policyInput(shadow, facts), memory);
    const { effect, rule } = decision;
    return {
      policy: shadow.digest,
      effect,
      ...(rule === undefined ? {} : { rule }),
      ...("reason" in decision ? { reason: decision.reason } : {}),
    };
  } catch {
    return undefined;
  }
}
