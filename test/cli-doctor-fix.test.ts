import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { answerEnvelope, dataSchemas } from "../cli/src/schemas.ts";
import { BIN, Home, type Ran, runProcess } from "./_cli.ts";
import { startProcess } from "./_running.ts";

const terminal = ["/usr/bin/script", "/bin/script"].find((path) => existsSync(path));
if (terminal === undefined) console.warn("SKIPPED: no `script` here, so doctor --fix is not tried on a terminal");

const settings = `{
  // kept by the editor
  "mcpServers": { "it's files": { "command": "npx", "args": ["-y", "some-mcp-server"] } }
}
`;

/** A home in which four things are wrong that have one right answer. */
async function brokenHome(): Promise<Home> {
  const home = await Home.make();
  expect((await home.call(["init", "bot"])).code).toBe(0);
  await chmod(home.at("keys", "bot.key"), 0o640);
  await chmod(home.at("keys", "bot.next"), 0o604);
  await chmod(home.at("keys"), 0o755);
  await writeFile(home.at("config.json"), `${JSON.stringify({ identity: "gone" }, null, 2)}\n`);
  await mkdir(join(home.path, ".cursor"));
  await writeFile(join(home.path, ".cursor", "mcp.json"), settings);
  return home;
}

/** All that could have been changed, byte for byte. */
async function stateOf(home: Home): Promise<unknown> {
  const modes = ["", "bot.key", "bot.next", "bot.recovery"].map(
    async (file) => (await stat(home.at("keys", file))).mode,
  );
  const files = [home.at("config.json"), join(home.path, ".cursor", "mcp.json")].map((path) => readFile(path, "utf8"));
  return Promise.all([...modes, ...files]);
}

const doctor = (home: Home, ...more: string[]): Promise<Ran> =>
  home.call(["doctor", ...more], { env: { HOME: home.path } });

async function data(ran: Ran, exit: number) {
  expect(ran.code, ran.stdout + ran.stderr).toBe(exit);
  const said = JSON.parse(ran.stdout);
  expect(answerEnvelope.safeParse(said).error).toBeUndefined();
  expect(dataSchemas["doctor"]!.safeParse(said.data).error).toBeUndefined();
  return said.data;
}

describe("peerage doctor --fix", () => {
  it("mends what has one right answer, and the printed commands take it back byte for byte", async () => {
    await using home = await brokenHome();
    const before = await stateOf(home);
    const planned = await data(await doctor(home, "--fix", "--dry-run", "--json"), 1);
    expect(planned.fixes.map(({ name, state }: Record<string, string>) => [name, state])).toEqual(
      ["folder", "key", "key", "config", "mcp"].map((name) => [name, "would"]),
    );
    expect(await stateOf(home)).toEqual(before);

    const { fixes, problems } = await data(await doctor(home, "--fix", "--yes", "--json"), 0);
    expect(problems).toBe(0);
    expect(fixes.map(({ state }: { state: string }) => state)).toEqual(Array.from({ length: 5 }, () => "done"));
    for (const [file, mode] of [
      ["", 0o700],
      ["bot.key", 0o600],
      ["bot.next", 0o600],
      ["bot.recovery", 0o600],
    ] as const)
      expect((await stat(home.at("keys", file))).mode & 0o777, file).toBe(mode);
    expect(await readFile(join(home.path, ".cursor", "mcp.json"), "utf8")).toContain('"proxy"');
    expect((await data(await doctor(home, "--fix", "--json"), 0)).fixes).toEqual([]);

    // As somebody would type them, the last first.
    const bin = join(home.path, "bin");
    await mkdir(bin);
    await writeFile(join(bin, "peerage"), `#!/bin/sh\nexec '${process.execPath}' '${BIN}' --yes "$@"\n`, {
      mode: 0o755,
    });
    const env = { PEERAGE_HOME: home.at(), HOME: home.path, PATH: `${bin}:${process.env["PATH"] ?? ""}` };
    for (const { undo } of fixes.toReversed()) {
      const ran = await runProcess("/bin/sh", ["-c", undo], { cwd: home.path, env });
      expect(ran.code, `${undo}\n${ran.stderr}`).toBe(0);
    }
    expect(await stateOf(home)).toEqual(before);
  });

  it("does nothing where nobody can be asked, and leaves links and trust to people", async () => {
    await using home = await brokenHome();
    const before = await stateOf(home);
    const asked = await doctor(home, "--fix");
    expect(asked).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("--yes") });
    expect(asked.stderr).toContain(`chmod 0755 ${home.at("keys")}`);
    expect(await stateOf(home)).toEqual(before);
    const shown = await doctor(home);
    expect(shown.code).toBe(1);
    expect(shown.stdout).toContain("cursor starts it's files without the proxy");

    // A key behind a link is refused by all commands, and no mode of what it points at is touched.
    const outside = join(home.path, "outside.key");
    await writeFile(outside, "not ours", { mode: 0o644 });
    await chmod(outside, 0o644);
    await symlink(outside, home.at("keys", "other.key"));
    // It might be another identity, so that which one is meant is a person's to say as well.
    const { fixes } = await data(await doctor(home, "--fix", "--yes", "--json"), 1);
    expect(fixes.map(({ name }: { name: string }) => name)).toEqual(["folder", "key", "key", "mcp"]);
    expect((await stat(outside)).mode & 0o777).toBe(0o644);
    expect((await home.call(["roots", "list", "--json"])).stdout).toContain('"roots":[]');
  });

  it.skipIf(terminal === undefined)("asks before each change, and leaves what was answered with no", async () => {
    await using home = await brokenHome();
    const line = `stty cols 100 rows 40; HOME='${home.path}' '${process.execPath}' '${BIN}' doctor --fix`;
    await using running = startProcess(home, terminal!, ["-qefc", line, "/dev/null"]);
    const plain = (): string => running.written().replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "");
    const before = await stateOf(home);
    for (const [shown, answer] of [
      [`chmod 0700 ${home.at("keys")}\r`, "y"],
      [`chmod 0600 ${home.at("keys", "bot.key")}\r`, "y"],
      [`chmod 0600 ${home.at("keys", "bot.next")}\r`, "n"],
      ["peerage config set identity bot", "n"],
      ["peerage proxy install cursor", "n"],
    ] as const) {
      await expect.poll(plain, { timeout: 60_000 }).toContain(shown);
      const seen = plain().indexOf(shown);
      await expect.poll(() => plain().slice(seen), { timeout: 60_000 }).toContain("Do this?");
      running.child.stdin!.write(answer);
    }
    await running.match(/exit\s+1/);
    const [folder, key, ...rest] = (await stateOf(home)) as [number, number, ...unknown[]];
    expect([folder & 0o777, key & 0o777]).toEqual([0o700, 0o600]);
    expect(rest).toEqual((before as unknown[]).slice(2));
  });
});
