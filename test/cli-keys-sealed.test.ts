import { readdir, readFile, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openKeyFile } from "../cli/src/files/key-file.ts";
import { answerEnvelope, dataSchemas } from "../cli/src/schemas.ts";
import { Home, openTestRegistry, type Ran } from "./_cli.ts";
import { joinedHome, keyFile } from "./_key-crash.ts";

const RECORDER = fileURLToPath(new URL("./fixtures/cli-record-open.ts", import.meta.url));
const PHRASE = "correct horse battery";
const FILES = ["bot.key", "bot.next", "bot.recovery"] as const;

let registry: Awaited<ReturnType<typeof openTestRegistry>>;
beforeAll(async () => {
  registry = await openTestRegistry();
});
afterAll(() => registry[Symbol.asyncDispose]());

/** The data of an answer that must end with 0, its schema checked; no secret may stand in it. */
async function data(of: Home, argv: string[], secrets: readonly string[] = []) {
  const ran = await of.call([...argv, "--json"]);
  expect(ran.code, ran.stdout + ran.stderr).toBe(0);
  holdsNone(ran, secrets);
  const said = JSON.parse(ran.stdout);
  expect(answerEnvelope.safeParse(said).error).toBeUndefined();
  expect(dataSchemas[said.command]!.safeParse(said.data).error).toBeUndefined();
  return said.data;
}

function holdsNone({ stdout, stderr }: Ran, secrets: readonly string[]): void {
  for (const secret of [PHRASE, ...secrets]) expect(stdout + stderr).not.toContain(secret);
}

async function phraseIn(of: Home, text = PHRASE): Promise<string> {
  const path = join(of.path, `phrase-${text.length}`);
  await writeFile(path, `${text}\n`);
  return path;
}

async function seedsOf(of: Home, files: readonly string[] = FILES): Promise<string[]> {
  return Promise.all(
    files.map(async (file) => {
      const { seed } = await openKeyFile(of.at("keys", file), () => Promise.resolve(PHRASE));
      return Buffer.from(seed).toString("base64url");
    }),
  );
}

describe("peerage key lock and unlock", () => {
  it("A-CLI-03 seals every key of the identity, signs with the passphrase only, and opens the same keys again", async () => {
    await using of = await joinedHome(registry.url);
    const phrase = await phraseIn(of);
    const seeds = await seedsOf(of);
    // What a crash left half-written holds a key as well.
    const left = of.at("keys", ".bot.key.0123456789ab.tmp");
    await writeFile(left, "half a key", { mode: 0o600 });
    await utimes(left, new Date(0), new Date(0));

    expect(await data(of, ["key", "lock", "--dry-run"])).toMatchObject({ total: 3, dryRun: true });
    expect(await seedsOf(of)).toEqual(seeds);
    expect((await of.call(["key", "lock"])).stderr).toContain("--passphrase-file");
    const short = await of.call(["key", "lock", "--passphrase-file", await phraseIn(of, "short")]);
    expect(short).toMatchObject({ code: 2, stderr: expect.stringContaining("at least 8") });

    const locked = await data(of, ["key", "lock", "--passphrase-file", phrase], seeds);
    expect(locked.files).toHaveLength(3);
    expect(await readdir(of.at("keys"))).toEqual([...FILES]);
    for (const file of FILES) {
      expect(await keyFile(of, file)).not.toHaveProperty("seed");
      expect((await stat(of.at("keys", file))).mode & 0o777).toBe(0o600);
    }
    expect(await seedsOf(of)).toEqual(seeds);
    expect((await of.call(["init", "friend"])).code).toBe(0);
    const vouch = ["vouch", "friend", "--identity", "bot"];
    expect((await of.call(vouch)).code).toBe(4);
    expect((await of.call([...vouch, "--passphrase-file", phrase])).code).toBe(0);
    // Sealed already: nothing to do, and nothing is asked.
    expect(await data(of, ["key", "lock"])).toMatchObject({ files: [], locked: true });

    const unlock = ["key", "unlock", "--passphrase-file", phrase];
    expect(await of.call(unlock)).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
    const wrong = ["key", "unlock", "--yes", "--passphrase-file", await phraseIn(of, "incorrect horse battery")];
    expect((await of.call(wrong)).code).toBe(4);
    expect(await keyFile(of, "bot.key")).not.toHaveProperty("seed");
    expect((await data(of, [...unlock, "--yes"], seeds)).files).toHaveLength(3);
    for (const [i, file] of FILES.entries()) expect((await keyFile(of, file)).seed).toBe(seeds[i]);
    expect((await of.call(vouch)).code).toBe(0);
  });

  it("A-CLI-02 survives a crash of a lock: no key is lost, and the same passphrase finishes it", async () => {
    await using of = await Home.make();
    const phrase = await phraseIn(of);
    expect((await of.call(["init", "bot"])).code).toBe(0);
    // Each seal takes half a second: two files show what three do.
    const files = ["bot.key", "bot.next"];
    await rm(of.at("keys", "bot.recovery"));
    const seeds = await seedsOf(of, files);
    const lock = ["key", "lock", "--passphrase-file", phrase];
    // Which operation is which: a whole run says.
    await using whole = await Home.make();
    expect((await whole.call(["init", "bot"])).code).toBe(0);
    await rm(whole.at("keys", "bot.recovery"));
    const record = join(whole.path, "record");
    await whole.ok(lock, { node: ["--import", RECORDER], env: { RECORD: record } });
    const names = (await readFile(record, "utf8")).split("\n").map((line) => line.startsWith('["rename"'));
    const [first = 0, second = 0] = names.flatMap((isRename, i) => (isRename ? [i + 1] : []));
    // Before the first file takes its place, and, when run again, once one of them has.
    for (const at of [first, second]) {
      const dead = await of.run(lock, { node: ["--import", RECORDER], env: { CRASH_AT: String(at) } });
      expect(dead.code, String(at)).toBeNull();
      expect(await seedsOf(of, files)).toEqual(seeds);
    }
    const states = await Promise.all(files.map(async (file) => "seed" in (await keyFile(of, file))));
    expect(new Set(states).size).toBe(2);
    const other = await of.call(["key", "lock", "--passphrase-file", await phraseIn(of, "incorrect horse battery")]);
    expect(other.code).toBe(4);
    expect((await of.call(lock)).code).toBe(0);
    for (const file of files) expect(await keyFile(of, file)).not.toHaveProperty("seed");
    expect(await seedsOf(of, files)).toEqual(seeds);
  });
});

describe("peerage key export and import", () => {
  it("A-CLI-02 takes an identity to another machine, sealed, with its place in the log, and never over another key", async () => {
    await using of = await joinedHome(registry.url);
    await using there = await Home.make();
    const phrase = await phraseIn(of);
    const seeds = await seedsOf(of);
    const did = await of.did("bot");
    const out = join(of.path, "out", "bot.keys");

    expect(await data(of, ["key", "export", "--out", out, "--dry-run"])).toMatchObject({ keys: ["next", "key"] });
    expect((await of.call(["key", "export", "--out", out])).code).toBe(2);
    const exported = await data(of, ["key", "export", "--out", out, "--passphrase-file", phrase], seeds);
    expect(exported).toMatchObject({ did, sealed: true, file: out });
    expect((await stat(out)).mode & 0o777).toBe(0o600);
    const text = await readFile(out, "utf8");
    for (const seed of seeds) expect(text).not.toContain(seed);
    const again = await of.call(["key", "export", "--out", out, "--passphrase-file", phrase]);
    expect(again).toMatchObject({ code: 4, stderr: expect.stringMatching(/never\s+overwritten/) });
    expect(await readFile(out, "utf8")).toBe(text);

    const into = ["key", "import", out, "--passphrase-file", phrase];
    expect((await there.call(["key", "import", out])).code).toBe(4);
    expect(await readdir(there.path)).toEqual([]);
    const imported = await data(there, into, seeds);
    expect(imported).toMatchObject({ name: "bot", did, sealed: true });
    expect(await keyFile(there, "bot.key")).toEqual(JSON.parse(text).keys.key);
    // It is the same identity in the log, joins with the same statements, and can rotate.
    expect(await data(there, ["key", "status", "--registry", registry.url])).toMatchObject({
      status: "active",
      held: { current: true, next: true, recovery: false },
    });
    const { size } = await data(there, ["log", "head", "--registry", registry.url]);
    await data(there, ["init", "bot", "--registry", registry.url]);
    expect((await data(there, ["log", "head", "--registry", registry.url])).size).toBe(size);
    // Once more is the same; over another identity it is refused, and nothing is written.
    expect((await data(there, into)).keys).toMatchObject([{ state: "already" }, { state: "already" }]);
    expect((await there.call(["init", "other"])).code).toBe(0);
    const before = await readFile(there.at("keys", "other.key"), "utf8");
    const over = await there.call(["key", "import", out, "other", "--passphrase-file", phrase]);
    expect(over).toMatchObject({ code: 4, stderr: expect.stringMatching(/never\s+overwritten/) });
    expect(await readFile(there.at("keys", "other.key"), "utf8")).toBe(before);
  });

  it("refuses an export that was altered, and takes the true one", async () => {
    await using of = await joinedHome(registry.url);
    await using there = await Home.make();
    const phrase = await phraseIn(of);
    const out = join(of.path, "out", "bot.keys");
    await data(of, ["key", "export", "--out", out, "--with-recovery", "--passphrase-file", phrase]);
    const good = JSON.parse(await readFile(out, "utf8"));
    const { key, next, recovery } = good.keys;
    for (const bad of [
      { ...good, extra: 1 },
      { ...good, name: "../bot" },
      { ...good, keys: { next } },
      { ...good, keys: { key: next, next } },
      { ...good, keys: { key, next: recovery } },
      { ...good, keys: { key: { ...key, nonce: next.nonce }, next } },
      { ...good, keys: { key: { ...key, kdf: { ...key.kdf, n: 2 ** 10 } }, next } },
      { ...good, membership: { ...good.membership, profile: good.membership.init } },
      { ...good, membership: { ...good.membership, init: good.membership.init.replace("KeyEvent", "KeyEvenT") } },
    ]) {
      await writeFile(out, JSON.stringify(bad));
      const ran = await there.call(["key", "import", out, "--passphrase-file", phrase]);
      expect([4, 6], JSON.stringify(bad).slice(0, 200) + ran.stderr).toContain(ran.code);
      expect(await readdir(there.path)).toEqual([]);
    }
    await writeFile(out, JSON.stringify(good));
    expect((await data(there, ["key", "import", out, "--passphrase-file", phrase])).keys).toHaveLength(3);
  });

  it("A-CLI-03 writes a key in clear only where --plaintext and a yes were given, on either side", async () => {
    await using of = await Home.make();
    await using there = await Home.make();
    const phrase = await phraseIn(of);
    expect((await of.call(["init", "bot"])).code).toBe(0);
    const seeds = await seedsOf(of);
    const out = join(of.path, "out", "bot.keys");
    const clear = ["key", "export", "--out", out, "--plaintext"];
    expect(await of.call(clear)).toMatchObject({ code: 2, stderr: expect.stringContaining("--yes") });
    expect(await readdir(of.path)).not.toContain("out");
    expect(await data(of, [...clear, "--yes"], seeds)).toMatchObject({ sealed: false });
    expect(await readFile(out, "utf8")).toContain(seeds[0]);
    expect((await stat(out)).mode & 0o777).toBe(0o600);

    const into = ["key", "import", out];
    expect(await there.call(into)).toMatchObject({ code: 2, stderr: expect.stringContaining("--plaintext") });
    expect(await there.call([...into, "--plaintext"])).toMatchObject({ code: 2 });
    expect(await readdir(there.path)).toEqual([]);
    // Sealed on the way in; in clear under another name, with a yes.
    expect(await data(there, [...into, "--passphrase-file", phrase], seeds)).toMatchObject({ sealed: true });
    expect(await keyFile(there, "bot.key")).not.toHaveProperty("seed");
    expect(await data(there, [...into, "bot-2", "--plaintext", "--yes"], seeds)).toMatchObject({ sealed: false });
    expect((await keyFile(there, "bot-2.key")).seed).toBe(seeds[0]);
  });
});
