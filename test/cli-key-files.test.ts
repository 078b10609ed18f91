import { constants, mkdirSync, symlinkSync } from "node:fs";
import { chmod, copyFile, mkdir, readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fileURLToPath } from "node:url";
import { Home, runProcess, BIN } from "./_cli.ts";

const RECORDER = fileURLToPath(new URL("./fixtures/cli-record-open.ts", import.meta.url));

async function operations(path: string): Promise<unknown[][]> {
  return (await readFile(path, "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

describe("key files", () => {
  it("A-CLI-01 are 0600 from the open call on, under umask 0, and never changed afterwards", async () => {
    await using home = await Home.make();
    const record = join(home.path, "record");
    const script = `umask 0; exec "$0" --import "$1" "$2" init bot`;
    const ran = await runProcess("/bin/sh", ["-c", script, process.execPath, RECORDER, BIN], {
      cwd: home.path,
      env: { PEERAGE_HOME: home.at(), RECORD: record },
    });
    expect(ran.code, ran.stderr).toBe(0);
    for (const file of ["bot.key", "bot.next", "bot.recovery"]) {
      expect((await stat(home.at("keys", file))).mode & 0o777, file).toBe(0o600);
    }
    expect((await stat(home.at("keys"))).mode & 0o777).toBe(0o700);
    const all = await operations(record);
    const made = all.filter(([name, , flags]) => name === "open" && (Number(flags) & constants.O_CREAT) !== 0);
    expect(made.length).toBeGreaterThanOrEqual(4);
    for (const [, , flags, mode] of made) {
      expect(Number(flags) & constants.O_EXCL).toBe(constants.O_EXCL);
      expect(Number(flags) & constants.O_NOFOLLOW).toBe(constants.O_NOFOLLOW);
      expect(mode).toBe(0o600);
    }
    expect(all.filter(([name]) => String(name).endsWith("chmod"))).toEqual([]);
  });

  it("A-CLI-01 are refused with exit 4 and the fix when others can read them, and open again once mended", async () => {
    await using home = await Home.make();
    await home.ok(["init", "bot"]);
    const key = home.at("keys", "bot.key");
    for (const mode of [0o640, 0o604, 0o666, 0o620]) {
      await chmod(key, mode);
      const { code, stderr } = await home.call(["whoami"]);
      expect(code).toBe(4);
      expect(stderr).toContain(`fix  chmod 600 ${key}`);
    }
    await chmod(key, 0o600);
    expect((await home.run(["whoami"])).code).toBe(0);
  });

  it("A-CLI-01 are refused as a link, a FIFO, a folder, or in a folder that others can write to", async () => {
    await using home = await Home.make();
    await home.ok(["init", "bot"]);
    const key = home.at("keys", "bot.key");
    const away = home.at("elsewhere.key");
    await rename(key, away);
    symlinkSync(away, key);
    expect(await home.run(["whoami"])).toMatchObject({ code: 4, stderr: expect.stringContaining("is a link") });
    await rename(key, home.at("link"));
    await runProcess("mkfifo", ["-m", "600", key], {});
    expect(await home.run(["whoami"])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("not a regular file"),
    });
    await rename(key, home.at("fifo"));
    mkdirSync(key);
    expect((await home.run(["whoami"])).code).toBe(4);
    await rename(key, home.at("folder"));
    await rename(away, key);
    expect((await home.run(["whoami"])).code).toBe(0);

    await chmod(home.at("keys"), 0o777);
    const { code, stderr } = await home.run(["init", "second"]);
    expect(code).toBe(4);
    expect(stderr).toContain(`fix  chmod 700 ${home.at("keys")}`);
    expect(await readdir(home.at("keys"))).not.toContain("second.key");
  });

  it.skipIf(process.getuid?.() !== 0)("A-CLI-01 are refused when they belong to another user", async () => {
    await using home = await Home.make();
    await home.ok(["init", "bot"]);
    const { chown } = await import("node:fs/promises");
    await chown(home.at("keys", "bot.key"), 65_534, 65_534);
    expect(await home.run(["whoami"])).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("belongs to another user"),
    });
  });

  it("A-CLI-02 are never overwritten: init over an existing one keeps it, whatever is asked", async () => {
    await using home = await Home.make();
    await home.ok(["init", "bot"]);
    const before = await readFile(home.at("keys", "bot.key"), "utf8");
    expect(await home.ok(["init", "bot", "--yes"])).toContain("have a key");
    expect(await readFile(home.at("keys", "bot.key"), "utf8")).toBe(before);
    await writeFile(home.at("keys", "other.key"), "something of mine", { mode: 0o600 });
    expect((await home.run(["init", "other"])).code).toBe(4);
    expect(await readFile(home.at("keys", "other.key"), "utf8")).toBe("something of mine");
  });

  it("A-CLI-02 survive a crash before any file operation: the old key is whole, the new one is whole or absent", async () => {
    await using counter = await Home.make();
    const record = join(counter.path, "record");
    await counter.ok(["init", "old"]);
    await counter.ok(["init", "bot"], { node: ["--import", RECORDER], env: { RECORD: record } });
    const total = (await operations(record)).length;
    expect(total).toBeGreaterThan(20);
    const old = await readFile(counter.at("keys", "old.key"), "utf8");
    const crash = async (at: number): Promise<void> => {
      await using home = await Home.make();
      await mkdir(home.at("keys"), { recursive: true, mode: 0o700 });
      await copyFile(counter.at("keys", "old.key"), home.at("keys", "old.key"));
      await home.run(["init", "bot"], { node: ["--import", RECORDER], env: { CRASH_AT: String(at) } });
      expect(await readFile(home.at("keys", "old.key"), "utf8")).toBe(old);
      for (const file of (await readdir(home.at("keys"))).filter((name) => !name.startsWith("."))) {
        expect(JSON.parse(await readFile(home.at("keys", file), "utf8")), `${file} after ${at}`).toMatchObject({
          v: 1,
        });
      }
      // Run again, it comes out right.
      const again = await home.call(["init", "bot"]);
      expect(again.code, `after ${at}: ${again.stderr}`).toBe(0);
    };
    // Two at a time: each is a process of its own.
    for (let at = 1; at <= total; at += 2) await Promise.all([crash(at), ...(at < total ? [crash(at + 1)] : [])]);
  });

  it("A-CLI-02 on a full disk leave the old key intact, and no half of a new one", async () => {
    await using home = await Home.make();
    await home.ok(["init", "old"]);
    const before = await readFile(home.at("keys", "old.key"), "utf8");
    // The file size limit plays the full disk: a write beyond 0 blocks fails.
    const ran = await runProcess(
      "/bin/sh",
      ["-c", `trap '' XFSZ; ulimit -f 0; exec "$0" "$1" init bot`, process.execPath, BIN],
      {
        cwd: home.path,
        env: { PEERAGE_HOME: home.at() },
      },
    );
    expect(ran.code).toBe(1);
    expect(await readFile(home.at("keys", "old.key"), "utf8")).toBe(before);
    expect(await readdir(home.at("keys"))).toEqual(["old.key", "old.next", "old.recovery"]);
    expect((await home.run(["init", "bot"])).code).toBe(0);
  });

  it("A-CLI-04 with a DID that is not the key's, or a damaged one, is refused with exit 4", async () => {
    await using home = await Home.make();
    await home.ok(["init", "bot"]);
    const path = home.at("keys", "bot.key");
    const good = JSON.parse(await readFile(path, "utf8"));
    const other = "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME";
    for (const bad of [
      { ...good, did: other },
      { ...good, extra: 1 },
      { ...good, v: 2 },
      { ...good, seed: `${good.seed}A` },
      {},
      [],
    ]) {
      await writeFile(path, JSON.stringify(bad));
      const { code, stdout, stderr } = await home.call(["proxy", "--", "true"]);
      expect(code, JSON.stringify(bad)).toBe(4);
      expect(stdout + stderr).not.toContain(good.seed);
    }
    await writeFile(path, JSON.stringify(good));
    expect((await home.run(["whoami"])).code).toBe(0);
  });

  it("A-CLI-04 with KDF parameters lowered or enormous is refused before any work is done", async () => {
    await using home = await Home.make();
    const phrase = join(home.path, "phrase");
    await writeFile(phrase, "correct horse battery\n");
    await home.ok(["init", "sealed", "--passphrase-file", phrase]);
    const path = home.at("keys", "sealed.key");
    const good = JSON.parse(await readFile(path, "utf8"));
    expect(good.kdf).toMatchObject({ name: "scrypt", n: 2 ** 17, r: 8, p: 1 });
    const sign = (): ReturnType<Home["run"]> =>
      home.call([
        "vouch",
        "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME",
        "--dry-run",
        "--passphrase-file",
        phrase,
      ]);
    expect((await sign()).code).toBe(0);
    for (const kdf of [
      { n: 2 ** 10 },
      { n: 2 ** 14 },
      { n: 2 ** 21 },
      { n: 2 ** 30 },
      { n: 131_073 },
      { r: 1 },
      { p: 1_000 },
      { salt: "" },
      { name: "none" },
    ]) {
      await writeFile(path, JSON.stringify({ ...good, kdf: { ...good.kdf, ...kdf } }));
      const { code, stderr } = await sign();
      expect(code, JSON.stringify(kdf)).toBe(4);
      expect(stderr).toContain("is no usable key");
    }
    // A weaker but allowed parameter is associated data: the file no longer opens.
    await writeFile(path, JSON.stringify({ ...good, kdf: { ...good.kdf, n: 2 ** 15 } }));
    expect((await sign()).code).toBe(4);
    await writeFile(path, JSON.stringify(good));
    expect((await sign()).code).toBe(0);
  });

  it("A-CLI-04 a damaged replay database stops the guard, and is not recreated", async () => {
    await using home = await Home.make();
    await home.ok(["init", "gate"]);
    const policy = join(home.path, "policy.yaml");
    await writeFile(policy, "apiVersion: peerage.dev/v1\nkind: Policy\nallow: []\n");
    await mkdir(home.at("state"), { recursive: true });
    await writeFile(home.at("state", "replay.db"), "not a database, but something that was one");
    const ran = await home.run(["guard", "--policy", policy, "--", "true"]);
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain("replay.db");
    expect(await readFile(home.at("state", "replay.db"), "utf8")).toBe("not a database, but something that was one");
  });

  it("a sealed key asks for its passphrase, never at the wrong place, and opens with the right one only", async () => {
    await using home = await Home.make();
    const [right, wrong] = [join(home.path, "right"), join(home.path, "wrong")];
    await writeFile(right, "correct horse battery\n");
    await writeFile(wrong, "incorrect horse battery\n");
    await home.ok(["init", "sealed", "--passphrase-file", right]);
    const vouch = ["vouch", "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME", "--dry-run"];
    expect(await home.run(vouch)).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("PEERAGE_PASSPHRASE_FILE=<file>"),
    });
    expect((await home.run(["proxy", "--", "true"])).code).toBe(4);
    expect((await home.run([...vouch, "--passphrase-file", wrong])).code).toBe(4);
    expect((await home.run(vouch, { env: { PEERAGE_PASSPHRASE_FILE: right } })).code).toBe(0);
    const warned = await home.run(vouch, { env: { PEERAGE_PASSPHRASE: "correct horse battery" } });
    expect(warned.code).toBe(0);
    expect(warned.stderr).toContain("PEERAGE_PASSPHRASE is seen by other programs");
    expect((await home.run(["whoami"])).stdout).toContain("(sealed)");
  });
});
