import type { JsonObject } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { replyOf, scene, signed, signedEcho, stdio, unsigned, verdict } from "../../../test/_guard.ts";
import type { GuardHooks, HookCall } from "./hooks.ts";

const never = new Promise<undefined>(() => undefined);

function hooked(hooks: GuardHooks) {
  const { guard, caller } = scene({ hooks });
  const connection = stdio();
  return {
    guard,
    caller,
    admit: async (args: JsonObject = {}) => guard.admit(await signedEcho(caller, guard.did, args), connection),
    answer: async (result: JsonObject) => {
      const call = await signedEcho(caller, guard.did);
      const admission = await guard.admit(call, connection);
      if (!admission.admitted) throw new Error(admission.reason);
      return guard.settle(admission.decision, { jsonrpc: "2.0", id: call["id"] as number, result });
    },
  };
}

describe("hooks", () => {
  it("see who was verified before a call and a list, and nothing that was refused", async () => {
    const seen: HookCall[] = [];
    const at = hooked({ before: (call) => void seen.push(call) });
    await at.admit({ a: 1 });
    await at.guard.admit(await signed(at.caller, at.guard.did, "tools/list"), stdio());
    await at.guard.admit(await signed(at.caller, at.guard.did, "prompts/get", { name: "x" }), stdio());
    await at.guard.admit(unsigned(1), stdio());
    expect(seen.map(({ method, tool, params }) => [method, tool, params])).toEqual([
      ["tools/call", "echo", { name: "echo", arguments: { a: 1 } }],
      ["tools/list", undefined, {}],
    ]);
    expect(seen[0]?.caller).toMatchObject({ did: at.caller.did, binding: "message", score: "unknown", history: [] });
    expect(() => ((seen[0]?.params as { name: string }).name = "other")).toThrow(TypeError);
  });

  it("refuse a call, and change its arguments but not its tool", async () => {
    const no = hooked({ before: () => ({ refuse: "not on Sundays" }) });
    expect(await verdict(no.admit())).toBe("ERR_POLICY_DENIED");
    expect(JSON.stringify(await replyOf(no.admit()))).not.toContain("Sundays");
    const other = hooked({ before: async () => Promise.resolve({ arguments: { tenant: "a" } }) });
    const admission = await other.admit({ tenant: "b" });
    expect(admission.admitted && admission.message["params"]).toEqual({ name: "echo", arguments: { tenant: "a" } });
  });

  it("refuse by failing, by taking too long and by answering with what is none", async () => {
    const failing: GuardHooks[] = [
      { before: () => Promise.reject(new Error("down")) },
      {
        before: () => {
          throw new Error("bug");
        },
      },
      { before: () => never, timeoutMs: 20 },
      { before: () => ({ arguments: [] }) as never },
      { before: () => ({ arguments: { n: NaN } }) },
    ];
    for (const hooks of failing) {
      const at = hooked(hooks);
      expect(await verdict(at.admit())).toBe("ERR_GUARD_FAULT");
    }
    expect(await verdict(hooked({ before: () => undefined }).admit())).toBe("admitted");
  });

  it("look at the answer, change it under its receipt, or withhold it", async () => {
    const result = { content: [{ type: "text", text: "secret" }] };
    const changed = await hooked({ after: () => ({ result: { content: [] } }) }).answer(result);
    expect(changed["result"]).toMatchObject({ content: [] });
    expect(JSON.stringify(changed)).toContain("dev.peerage/receipt");
    const failing: GuardHooks[] = [
      { after: () => ({ withhold: "private" }) },
      { after: () => Promise.reject(new Error("down")) },
      { after: () => never, timeoutMs: 20 },
    ];
    for (const hooks of failing) {
      const withheld = await hooked(hooks).answer(result);
      expect(withheld).toMatchObject({ error: { code: -31500, data: { reason: "ERR_GUARD_FAULT" } } });
      expect(JSON.stringify(withheld)).not.toMatch(/secret|private/);
    }
    const plain = await hooked({ after: () => undefined }).answer(result);
    expect(plain["result"]).toMatchObject(result);
  });

  it("keep the id of a call taken while they are asked", async () => {
    let go = (): void => undefined;
    const asked = new Promise<undefined>((resolve) => (go = () => resolve(undefined)));
    const at = hooked({ before: () => asked });
    const context = stdio();
    const first = at.guard.admit(
      await signed(at.caller, at.guard.did, "tools/call", { name: "echo" }, { id: 5 }),
      context,
    );
    const second = at.guard.admit(
      await signed(at.caller, at.guard.did, "tools/call", { name: "echo" }, { id: 5 }),
      context,
    );
    expect(await verdict(second)).toBe("ERR_MESSAGE_INVALID");
    go();
    expect(await verdict(first)).toBe("admitted");
  });
});
