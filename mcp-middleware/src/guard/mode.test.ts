import { generateIdentity, isPeerageError, type JsonObject } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { http, policyOf, scene, signed, signedEcho, stdio, tokenOf, unsigned, verdict } from "../../../test/_guard.ts";
import { denyEverything } from "./deny-all.ts";
import { GuardCore } from "./guard.ts";
import type { Admission, DecisionRecord, Verdict } from "./types.ts";

const nobody = policyOf([{ tools: "never", agents: "*" }]);

function watching(options: { start?: number; days?: number } = {}) {
  let now = new Date(options.start ?? Date.now());
  const seen: { record: DecisionRecord; verdict: Verdict }[] = [];
  const until = new Date(now.getTime() + (options.days ?? 7) * 86_400_000);
  const made = scene({
    policy: nobody,
    mode: { name: "shadow", until },
    now: () => now,
    onDecision: (record, verdict) => seen.push({ record, verdict }),
  });
  return { ...made, seen, pass: (days: number): void => void (now = new Date(now.getTime() + days * 86_400_000)) };
}

const admitted = async (admission: Admission | Promise<Admission>): Promise<Admission & { admitted: true }> => {
  const known = await admission;
  if (!known.admitted) throw new Error(known.reason);
  return known;
};

describe("a guard in shadow", () => {
  it("lets pass what it would refuse, without an identity, a proof or a receipt, and says so to the operator", async () => {
    const { guard, caller, seen } = watching();
    const connection = stdio();
    const call = await signedEcho(caller, guard.did);
    const passed = await admitted(guard.admit(call, connection));
    expect(passed.caller).toBeUndefined();
    expect(JSON.stringify(passed.message)).not.toContain("dev.peerage");
    expect(passed.message["params"]).toEqual({ name: "echo", arguments: {} });
    const answer = { jsonrpc: "2.0", id: call["id"] as number, result: { content: [] } };
    expect(await guard.settle(passed.decision, answer)).toEqual(answer);
    await admitted(guard.admit(unsigned(7), connection));
    expect(seen.map(({ verdict: of }) => of)).toMatchObject([
      { admitted: false, isShadow: true, reason: "ERR_POLICY_DENIED" },
      { admitted: false, isShadow: true, reason: "ERR_PROOF_MISSING" },
    ]);
    expect(seen[0]?.record.caller?.did).toBe(caller.did);
  });

  it("serves what the rules admit as ever, filters no list, and advertises that it watches", async () => {
    const { guard, caller } = scene({ mode: { name: "shadow", until: new Date(Date.now() + 60_000) } });
    const passed = await admitted(guard.admit(await signedEcho(caller, guard.did), stdio()));
    expect(passed.caller?.did).toBe(caller.did);
    const watcher = watching();
    const list = await admitted(watcher.guard.admit(await signed(caller, watcher.guard.did, "tools/list"), stdio()));
    const tools = { jsonrpc: "2.0", id: 1, result: { tools: [{ name: "echo" }] } };
    expect((await watcher.guard.settle(list.decision, tools))["result"]).toMatchObject(tools.result);
    const hello = await admitted(guard.admit({ jsonrpc: "2.0", id: 1, method: "initialize", params: {} }, stdio()));
    const shaped = await guard.settle(hello.decision, { jsonrpc: "2.0", id: 1, result: { capabilities: {} } });
    expect(JSON.stringify(shaped)).toContain('"mode":"shadow"');
    expect(JSON.stringify(shaped)).toContain('"required":false');
  });

  it("A-POL-10 enforces from its end on, and none is longer than 30 days", async () => {
    const { guard, pass } = watching({ days: 7 });
    expect(await verdict(guard.admit(unsigned(1), stdio()))).toBe("admitted");
    pass(7);
    expect(await verdict(guard.admit(unsigned(2), stdio()))).toBe("ERR_PROOF_MISSING");
    for (const days of [-1, 0, 31, NaN]) {
      expect(() => watching({ days })).toThrow(
        expect.toSatisfy((error: unknown) => isPeerageError(error, "ERR_CONFIG_INVALID")),
      );
    }
    expect(() => watching({ days: 30 })).not.toThrow();
  });

  it("passes nothing that is not one message, and nothing while everything is denied", async () => {
    const { guard } = watching();
    const broken = [
      '[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
      '{"a":1,"a":2}',
      "{}",
      '{"jsonrpc":"2.0","id":1e400}',
    ];
    for (const text of broken) expect((await guard.admitText(text, stdio())).admitted).toBe(false);
    const until = new Date(Date.now() + 60_000);
    const braked = new GuardCore({
      identity: generateIdentity(),
      policy: denyEverything("stop"),
      mode: { name: "shadow", until },
    });
    expect(await verdict(braked.admit(unsigned(1), stdio()))).toBe("ERR_PROOF_MISSING");
  });

  it("lets replays and another's session pass as well, and binds no session to whom it did not verify", async () => {
    const { guard, caller } = watching();
    const call = await signedEcho(caller, guard.did);
    const again: JsonObject = { ...call, id: 99 };
    const context = http({ "mcp-session-id": "s" });
    expect(await verdict(guard.admit(call, context))).toBe("admitted");
    expect(await verdict(guard.admit(again, context))).toBe("admitted");
    expect(tokenOf(again)).toBe(tokenOf(call));
    expect(await verdict(guard.admit(await signedEcho(generateIdentity(), guard.did), context))).toBe("admitted");
  });
});
