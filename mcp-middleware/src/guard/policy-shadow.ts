import { decide, type Decision, type Digest, type GuardMemory, type Policy } from "@peerage/core";
import { type PolicyFacts, policyInput } from "./policy.ts";

/** What a policy that is not in force would have said. */
export interface ShadowAnswer {
  readonly policy: Digest;
  readonly effect: Decision["effect"];
  readonly rule?: string;
  readonly reason?: string;
}

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
