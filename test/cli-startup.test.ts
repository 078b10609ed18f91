import { readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { Home } from "./_cli.ts";

const LOADED = fileURLToPath(new URL("./fixtures/cli-loaded.ts", import.meta.url));

it.each([["--version"], ["version"], ["help"], ["help", "trust"], ["trust", "--help"], []])(
  "`peerage %s` loads the command tree and nothing of the other packages",
  async (...argv) => {
    await using home = await Home.make();
    const { code, stderr } = await home.run(argv, { node: ["--import", LOADED] });
    expect(code).toBe(0);
    const packages = stderr.split("\n").filter((url) => url.startsWith("file:"));
    expect(packages.length).toBeGreaterThan(10);
    const heavy = /\/(core|registry|mcp-middleware|observatory)\/src\/|node_modules\/(zod|yaml|hono|better-sqlite3)\//;
    expect(packages.filter((url) => heavy.test(url))).toEqual([]);
  },
);

it("keeps compiled code in the user's own cache folder, closed to others, and works without one", async () => {
  await using home = await Home.make();
  const env = { NODE_COMPILE_CACHE: undefined };
  const { cache } = JSON.parse(await home.ok(["config", "path", "--json"], { env })).data as { cache: string };
  expect((await stat(cache)).mode & 0o777).toBe(0o700);
  expect((await readdir(join(cache, "code"))).length).toBe(1);
  const xdg = { ...env, PEERAGE_HOME: undefined, HOME: home.path, XDG_CACHE_HOME: undefined };
  const own = JSON.parse(await home.ok(["config", "path", "--json"], { env: xdg })).data as { cache: string };
  expect(own.cache).toBe(join(home.path, ".cache", "peerage"));
  expect((await stat(join(own.cache, "code"))).isDirectory()).toBe(true);
  const nowhere = { ...env, PEERAGE_HOME: join(home.path, "a-file", "folder") };
  await writeFile(join(home.path, "a-file"), "");
  expect(await home.run(["version"], { env: nowhere })).toMatchObject({ code: 0, stderr: "" });
});
