import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Home, openTestRegistry, type Ran } from "./_cli.ts";
import { keyFile } from "./_key-crash.ts";

const FIXTURE = fileURLToPath(new URL("./fixtures/cli-keychain.ts", import.meta.url));
const FILES = ["bot.key", "bot.next", "bot.recovery"];
const STRANGER = "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME";

/** A command with a keychain, or, without its path, with none installed. */
function run(home: Home, argv: readonly string[], keychain?: string): Promise<Ran> {
  return home.run(argv, { node: ["--import", FIXTURE], env: { KEYCHAIN: keychain } });
}

describe("peerage key store", () => {
  it("A-CLI-03 seals by the system's keychain, signs unattended with it alone, rotates, and comes back", async () => {
    await using registry = await openTestRegistry();
    await using home = await Home.make();
    const keychain = join(home.path, "keychain.json");
    expect((await home.call(["init", "bot", "--registry", registry.url])).code).toBe(0);
    const seeds = await Promise.all(FILES.map(async (file) => (await keyFile(home, file)).seed as string));

    const stored = await run(home, ["key", "store", "keychain", "--json"], keychain);
    expect(stored.code, stored.stderr).toBe(0);
    expect(JSON.parse(stored.stdout).data).toMatchObject({ where: "keychain", locked: true, total: 3 });
    const [secret = ""] = Object.values(JSON.parse(await readFile(keychain, "utf8")) as Record<string, string>);
    for (const text of [secret, ...seeds]) expect(stored.stdout + stored.stderr).not.toContain(text);
    for (const file of FILES) {
      const text = await readFile(home.at("keys", file), "utf8");
      expect(text).not.toContain(secret);
      expect(JSON.parse(text)).not.toHaveProperty("seed");
    }
    const vouch = ["vouch", STRANGER, "--yes", "--dry-run"];
    expect((await run(home, vouch, keychain)).code).toBe(0);
    expect((await run(home, ["key", "list"], keychain)).stdout).toContain("in the keychain");
    // A key made by a rotation is sealed as the one before was.
    const rotated = await run(home, ["key", "rotate"], keychain);
    expect(rotated.code, rotated.stderr).toBe(0);
    for (const file of ["bot.key", "bot.next"]) expect(await keyFile(home, file)).toHaveProperty("keychain");
    expect((await run(home, vouch, keychain)).code).toBe(0);

    // Without the keychain, or with another name in the file, it stays closed.
    expect(await run(home, vouch)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("npm install @napi-rs/keyring"),
    });
    await rename(keychain, `${keychain}.away`);
    expect((await run(home, vouch, keychain)).code).toBe(4);
    await rename(`${keychain}.away`, keychain);
    const good = await readFile(home.at("keys", "bot.key"), "utf8");
    await writeFile(home.at("keys", "bot.key"), good.replace(/"keychain":"[0-9a-f]{32}"/, `"keychain":"../../x"`));
    expect((await run(home, vouch, keychain)).code).toBe(4);
    await writeFile(home.at("keys", "bot.key"), good);

    expect((await run(home, ["key", "store", "file"], keychain)).code).toBe(2);
    const back = await run(home, ["key", "store", "file", "--yes"], keychain);
    expect(back.code, back.stderr).toBe(0);
    expect(JSON.parse(await readFile(keychain, "utf8"))).toEqual({});
    expect((await keyFile(home, "bot.key")).seed).toBe(seeds[1]);
    expect((await run(home, vouch)).code).toBe(0);
  });

  it("changes nothing where the package is not installed, or no keychain answers", async () => {
    await using home = await Home.make();
    expect((await home.call(["init", "bot"])).code).toBe(0);
    const before = await readFile(home.at("keys", "bot.key"), "utf8");
    const store = ["key", "store", "keychain"];
    const absent = await run(home, store);
    expect(absent).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(/not\s+installed/) });
    expect(absent.stderr).toContain("npm install @napi-rs/keyring");
    // A keychain that cannot keep anything, as on a machine without a session.
    const deaf = await run(home, store, join(home.path, "no-folder", "keychain.json"));
    expect(deaf).toMatchObject({ code: 4, stderr: expect.stringMatching(/no\s+keychain\s+answers/) });
    expect(await readFile(home.at("keys", "bot.key"), "utf8")).toBe(before);
  });
});
