import { GuardCore, type GuardOptions } from "./guard.ts";
import { selfTest } from "./self-test.ts";
import type { Guard } from "./types.ts";

/**
 * Makes the guard of a process: one, whatever the number of connections and server instances, because the memory of used
 * proofs and of sessions is in it. Proves that it refuses before it is handed out.
 * @throws {PeerageError} ERR_SELF_TEST_FAILED; ERR_POLICY_INVALID from a policy function
 */
export async function createGuard(options: GuardOptions): Promise<Guard> {
  const policy = typeof options.policy === "function" ? options.policy() : options.policy;
  const passed = await selfTest(policy);
  const guard = new GuardCore(options);
  options.audit?.setStart({ selfTest: { passed }, policy: policy.digest });
  return guard;
}
