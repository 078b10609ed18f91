import { generateIdentity } from "@peerage/core";
import { expect, it } from "vitest";
import { permissive, signed, stdio, verdict } from "../../../test/_guard.ts";
import { createGuard } from "./create-guard.ts";

it("A-CALL-09 the first guard of a process takes what was signed since the process began, every later one refuses it", async () => {
  const began = performance.timeOrigin;
  const caller = generateIdentity();
  const verdictOf = async (issuedAt?: number): Promise<string> => {
    const identity = generateIdentity();
    await using guard = await createGuard({ identity, policy: permissive() });
    const params = { name: "echo", arguments: {} };
    // Not before the guard is there: a second that ends between them would make the call one from before it.
    const call = await signed(caller, identity.did, "tools/call", params, { now: new Date(issuedAt ?? Date.now()) });
    return await verdict(guard.admit(call, stdio()));
  };
  while (Date.now() < began + 3_000) await new Promise((resolve) => setTimeout(resolve, 50));
  await using first = await createGuard({ identity: generateIdentity(), policy: permissive() });
  const call = (at: number): ReturnType<typeof signed> =>
    signed(caller, first.did, "tools/call", { name: "echo", arguments: {} }, { now: new Date(at) });
  expect(await verdict(first.admit(await call(began + 1_000), stdio()))).toBe("admitted");
  // Whoever started the process may have signed a moment before its own clock began.
  expect(await verdict(first.admit(await call(began - 100), stdio()))).toBe("admitted");
  expect(await verdict(first.admit(await call(began - 2_000), stdio()))).toBe("ERR_PROOF_REPLAYED");
  expect(await verdictOf(began + 1_000)).toBe("ERR_PROOF_REPLAYED");
  expect(await verdictOf()).toBe("admitted");
});
