import { expect, it } from "vitest";
import { Owned } from "./owned.ts";

it("closes what it owns, the newest first, all of it even if one fails, and nothing that was handed on", async () => {
  const closed: string[] = [];
  const owned = new Owned();
  owned.use({ [Symbol.dispose]: () => void closed.push("sync") });
  owned.use({ [Symbol.asyncDispose]: () => Promise.reject(new Error("one failed")) });
  owned.use(undefined);
  owned.defer(() => closed.push("deferred"));
  const heir = owned.move();
  await owned.disposeAsync();
  expect(closed).toEqual([]);
  await expect(heir.disposeAsync()).rejects.toThrow("one failed");
  expect(closed).toEqual(["deferred", "sync"]);
  await heir[Symbol.asyncDispose]();
  expect(closed).toHaveLength(2);
});
