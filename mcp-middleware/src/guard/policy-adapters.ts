import { type AdapterAnswer, askAdapters, PeerageError, type Policy, type PolicyAdapters } from "@peerage/core";
import type { Trace } from "./trace.ts";

/** What asking adapters needs of the guard. */
export interface AdapterParts {
  readonly adapters: PolicyAdapters | (() => PolicyAdapters) | undefined;
  /** The policy in force. */
  readonly policy: () => Policy;
  /** Judges the message anew under the policy in force. @throws {PeerageError} why it is refused */
  readonly judgeAgain: () => void;
}

/** So often is a call judged anew because the policy changed while adapters were asked; then it is refused. */
const MAX_ROUNDS = 3;

/** True if the rules have allowed, and others must as well. */
export function asksAdapters({ ask, obligations }: Trace): boolean {
  return ask === undefined && obligations !== undefined && obligations.adapters.length > 0;
}

/**
 * Asks the adapters of a policy that has allowed a message. What comes into force while they answer decides too, so that
 * after `deny-all` nothing is admitted that was waiting here.
 * @throws {PeerageError} ERR_POLICY_DENIED if one of them does not allow, or what the policy says now
 */
export async function checkAdapters(trace: Trace, { adapters, policy, judgeAgain }: AdapterParts): Promise<void> {
  if (!asksAdapters(trace)) return;
  for (let round = 0; asksAdapters(trace); round++) {
    const { obligations, input } = trace;
    trace.step = "policy";
    if (round === MAX_ROUNDS || !input) throw denied("the policy keeps changing");
    const known = typeof adapters === "function" ? adapters() : (adapters ?? {});
    trace.answers = await askAdapters(obligations?.adapters ?? [], known, input);
    const refusing = trace.answers.find(({ allow }) => !allow);
    if (refusing) throw denied(reasonOf(refusing));
    if (policy().digest === trace.policy?.digest) return;
    judgeAgain();
  }
  // Judged anew it wants a person, whom this message does not wait for.
  if (trace.ask) throw denied("the policy changed");
}

function reasonOf({ adapter, reasons }: AdapterAnswer): string {
  return [`also ${adapter}`, ...reasons].join(": ");
}

function denied(detail: string): PeerageError {
  return new PeerageError("ERR_POLICY_DENIED", "the policy does not allow this", { detail });
}
