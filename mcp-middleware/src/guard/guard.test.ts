import { generateIdentity, signCall } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { CALL_META, replyOf, scene, signed, signedEcho, stdio, verdict } from "../../../test/_guard.ts";
import { createGuard } from "./create-guard.ts";

describe("a failing part", () => {
  it("refuses with ERR_GUARD_FAULT whatever throws inside, and tells the operator only", async () => {
    const alarms: unknown[] = [];
    const broken = (): never => {
      throw new Error("secret path");
    };
    const { caller } = scene();
    for (const options of [
      { policy: broken },
      { onDecision: broken },
      { replay: { insert: broken, size: 0, [Symbol.dispose]: () => undefined } },
      { trust: { score: broken, keyState: () => "active" as const, ageSeconds: () => 0, maxAgeSeconds: 1 } },
    ]) {
      const { guard } = scene({ ...options, onAlarm: (problem) => alarms.push(problem) });
      const reply = await replyOf(guard.admit(await signedEcho(caller, guard.did), stdio()));
      expect(reply).toMatchObject({ error: { code: -31500, data: { reason: "ERR_GUARD_FAULT", retryable: true } } });
      expect(JSON.stringify(reply)).not.toContain("secret");
    }
    expect(alarms.length).toBeGreaterThanOrEqual(4);
  });

  it("does not start on a policy that cannot be read", async () => {
    const policy = (): never => {
      throw new Error("unreadable");
    };
    await expect(createGuard({ identity: generateIdentity(), policy })).rejects.toThrow("unreadable");
  });
});

describe("the lifecycle set", () => {
  it("comes unsigned or signed, and open: [] wants it signed", async () => {
    const initialize = { jsonrpc: "2.0", id: 1, method: "initialize", params: { protocolVersion: "2025-11-25" } };
    const { guard, caller } = scene();
    const open = await guard.admit(initialize, stdio());
    expect(open.admitted && open.caller).toBe(undefined);
    const closed = scene({ open: [] });
    expect(await verdict(closed.guard.admit(initialize, stdio()))).toBe("ERR_PROOF_MISSING");
    const own = await closed.guard.admit(
      await signed(caller, closed.guard.did, "initialize", initialize.params),
      stdio(),
    );
    expect(own).toMatchObject({ admitted: true, caller: { did: caller.did } });
    const token = await signCall(caller, { audience: guard.did, message: initialize });
    const late = {
      ...initialize,
      params: { ...initialize.params, protocolVersion: "x", _meta: { [CALL_META]: token } },
    };
    expect(await verdict(guard.admit(late, stdio()))).toBe("ERR_PROOF_MISMATCH");
  });
});
