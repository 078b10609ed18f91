import { GuardCore, type GuardOptions } from "./guard.ts";
import { processStart } from "./process-start.ts";
import { MemoryReplayStore } from "./replay.ts";
import { selfTest } from "./self-test.ts";
import type { Guard } from "./types.ts";

/**
 * Makes the guard of a process: one, whatever the number of connections and server instances, because the memory of used
 * proofs and of sessions is in it. Proves that it refuses before it is handed out.
 * @throws {PeerageError} ERR_SELF_TEST_FAILED; ERR_POLICY_INVALID from a policy function
 */
export async function createGuard(options: GuardOptions): Promise<Guard> {
  const policy = typeof options.policy === "function" ? options.policy() : options.policy;
  const { adapters = {} } = options;
  const known = typeof adapters === "function" ? adapters() : adapters;
  const missing = policy.document.also?.find((name) => !Object.hasOwn(known, name));
  // Each call would be refused all the same; a guard that can admit nothing is better not started.
  if (missing !== undefined) throw new TypeError(`the policy asks the adapter ${missing}, which this guard has not`);
  const passed = await selfTest(policy);
  const guard = new GuardCore({ ...options, replay: options.replay ?? memoryStore(options) });
  options.audit?.setStart({ selfTest: { passed }, policy: policy.digest });
  return guard;
}

let isFirst = true;

/**
 * The first store of a process need not refuse what was signed since the process began: who starts a server over a pipe
 * writes the first call at once, long before the guard in it is made. Every later store could have had one before it.
 */
function memoryStore({ now }: GuardOptions): MemoryReplayStore {
  const startedAt = isFirst && !now ? processStart() : (now?.() ?? new Date());
  isFirst = false;
  return new MemoryReplayStore({ startedAt });
}
