import { generateIdentity } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { permissive, policyOf } from "../../../test/_guard.ts";
import { createGuard } from "./create-guard.ts";
import { type Admit, selfTest } from "./self-test.ts";

const closed = policyOf([{ tools: "read", agents: "*" }]);

describe("the self-test", () => {
  it("A-POL-10 fails a guard that is wired but lets a message through", async () => {
    const leaky: Admit = (guard, message, context) => {
      if (Array.isArray(message)) return guard.admit(message[0], context);
      return guard.admit(message, context);
    };
    await expect(selfTest(closed, leaky)).rejects.toMatchObject({ code: "ERR_SELF_TEST_FAILED", detail: "batch" });
    const forgetful: Admit = async (guard, message, context) => {
      const admission = await guard.admit(message, context);
      if (admission.admitted || admission.reason !== "ERR_PROOF_REPLAYED") return admission;
      return { ...admission, admitted: true } as never;
    };
    await expect(selfTest(closed, forgetful)).rejects.toMatchObject({ detail: "replayed" });
  });

  it("fails a guard that refuses everything", async () => {
    const deaf: Admit = () => ({ admitted: false, step: "parse", reason: "ERR_GUARD_FAULT", status: 200 });
    await expect(selfTest(closed, deaf)).rejects.toMatchObject({ code: "ERR_SELF_TEST_FAILED", detail: "right" });
  });

  it("lets strangers in under a policy that says open, and starts on both kinds", async () => {
    for (const policy of [closed, permissive(), policyOf([])]) {
      await using guard = await createGuard({ identity: generateIdentity(), policy });
      expect([...guard.audiences]).toEqual([guard.did]);
    }
  });
});
