import {
  CALL_META,
  generateIdentity,
  type JsonObject,
  parsePolicy,
  PeerageError,
  type Policy,
  signCall,
  type Signer,
} from "@peerage/core";
import { GuardCore } from "./guard.ts";
import type { Admission, Context } from "./types.ts";

/** Sends one message the way the guard's messages come; replaced by tests with ways that do not work. */
export type Admit = (
  guard: GuardCore,
  message: JsonObject | readonly JsonObject[],
  context: Context,
) => Admission | Promise<Admission>;

const everything = JSON.stringify({
  apiVersion: "peerage.dev/v1",
  kind: "Policy",
  open: true,
  allow: [{ tools: "*", agents: "*" }],
});

/**
 * Proves, before the first message, that this pipeline refuses what it must: an unsigned call, a tampered one, a replayed
 * one, one for another audience, a batch, and under the real policy a well-signed stranger (unless the policy is `open`).
 * Keys and stores are thrown away. A right call must be admitted, so that a guard which refuses everything also fails.
 * @returns the cases that passed
 * @throws {PeerageError} ERR_SELF_TEST_FAILED; `detail` names the case
 */
export async function selfTest(
  policy: Policy,
  admit: Admit = (guard, message, context) => guard.admit(message, context),
): Promise<readonly string[]> {
  const [identity, stranger, other] = [generateIdentity(), generateIdentity(), generateIdentity()];
  const context: Context = { transport: "stdio", connection: {} };
  await using lenient = new GuardCore({ identity, policy: parsePolicy(everything), receipts: false });
  await using strict = new GuardCore({ identity, policy, receipts: false });
  const call = (audience: string): Promise<JsonObject> => signedCall(stranger, audience);

  const right = await call(identity.did);
  const tampered = withArguments(await call(identity.did), { path: "/etc/passwd" });
  const unsigned = { jsonrpc: "2.0", id: nextId(), method: "tools/call", params: { name: "peerage-self-test" } };
  const cases: readonly (readonly [string, GuardCore, JsonObject | readonly JsonObject[], boolean])[] = [
    ["right", lenient, right, true],
    ["replayed", lenient, { ...right, id: nextId() }, false],
    ["unsigned", lenient, unsigned, false],
    ["tampered", lenient, tampered, false],
    ["other audience", lenient, await call(other.did), false],
    ["batch", lenient, [await call(identity.did)], false],
    ["stranger", strict, await call(identity.did), policy.document.open === true],
  ];
  for (const [name, guard, message, mayPass] of cases) {
    const { admitted } = await admit(guard, message, context);
    const isExpected = name === "stranger" ? mayPass || !admitted : admitted === mayPass;
    if (isExpected) continue;
    const what = admitted ? "admitted what it must refuse" : "refused what it must admit";
    throw new PeerageError("ERR_SELF_TEST_FAILED", `the guard ${what}: ${name}`, { detail: name });
  }
  return cases.map(([name]) => name);
}

let lastId = 0;
function nextId(): string {
  return `self-test-${++lastId}`;
}

async function signedCall(signer: Signer, audience: string): Promise<JsonObject> {
  const message = { method: "tools/call", params: { name: `peerage-self-test-${crypto.randomUUID()}`, arguments: {} } };
  const token = await signCall(signer, { audience, message });
  return { jsonrpc: "2.0", id: nextId(), ...message, params: { ...message.params, _meta: { [CALL_META]: token } } };
}

function withArguments(call: JsonObject, args: JsonObject): JsonObject {
  return { ...call, params: { ...(call["params"] as JsonObject), arguments: args } };
}
