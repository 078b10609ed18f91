import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Home, openTestRegistry } from "./_cli.ts";

describe("peerage note", () => {
  let home: Home;
  let registry: Awaited<ReturnType<typeof openTestRegistry>>;
  beforeAll(async () => {
    [home, registry] = await Promise.all([Home.make(), openTestRegistry()]);
    await home.ok(["init", "bot", "--registry", registry.url]);
    await home.ok(["init", "friend", "--registry", registry.url]);
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  it("is handed in with a vouch, shown beside it, and erased by its author alone; names of init are notes too", async () => {
    const vouched = await home.data(["vouch", "bot", "--identity", "friend", "--note", "careful with money", "-y"]);
    const digest: string = vouched.noteDigest;
    expect(await home.data(["note", "show", digest])).toMatchObject({ note: { text: "careful with money" } });
    expect(await home.ok(["show", vouched.id])).toContain("careful with money");
    expect(await home.ok(["show", await home.did("bot")])).toMatch(/calls itself\s+bot/);
    // For ever: somebody must have said yes.
    const unasked = await home.call(["note", "erase", digest, "--identity", "friend"]);
    expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining("--yes")]);
    const other = await home.run(["note", "erase", digest, "--identity", "bot", "--json", "--yes"]);
    expect(other).toMatchObject({ code: 3 });
    expect(await home.data(["note", "erase", digest, "--identity", "friend", "--yes"])).toMatchObject({ erased: true });
    expect((await home.run(["note", "show", digest])).code).toBe(5);
    expect(await home.ok(["show", vouched.id])).toContain("erased");
    expect(await home.data(["show", vouched.id])).toMatchObject({ status: "in-force" });
    expect((await home.run(["note", "show", "sha256:abc"])).code).toBe(2);
  });
});
