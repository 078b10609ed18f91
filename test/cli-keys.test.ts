import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { multibaseOf } from "@peerage/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerEnvelope, dataSchemas } from "../cli/src/schemas.ts";
import { Home, masked, openTestRegistry } from "./_cli.ts";
import { crashKeyChange, joinedHome, keyFile, operationsOf } from "./_key-crash.ts";

let registry: Awaited<ReturnType<typeof openTestRegistry>>;
beforeAll(async () => {
  registry = await openTestRegistry();
});
afterAll(() => registry[Symbol.asyncDispose]());

/** A home with an identity `bot` in the registry. */
const home = (): Promise<Home> => joinedHome(registry.url);

async function data(of: Home, exit: number, ...argv: string[]) {
  const { code, stdout, stderr } = await of.call([...argv, "--json"]);
  expect(code, stdout + stderr).toBe(exit);
  const said = JSON.parse(stdout);
  expect(answerEnvelope.safeParse(said).error).toBeUndefined();
  expect(dataSchemas[said.command]!.safeParse(said.data).error).toBeUndefined();
  return said.data;
}

describe("peerage key", () => {
  it("rotates to the committed key: the DID and its vouches stay, and only the new key signs for it", async () => {
    await using of = await home();
    await data(of, 0, "init", "friend");
    await data(of, 0, "roots", "add", "friend");
    await data(of, 0, "vouch", "bot", "--identity", "friend");
    const before = await data(of, 0, "key", "status");
    expect(before).toMatchObject({ status: "active", seq: 0, held: { current: true, next: true, recovery: true } });
    const [old, next] = [await keyFile(of, "bot.key"), await keyFile(of, "bot.next")];

    expect(await data(of, 0, "key", "rotate", "--dry-run")).toMatchObject({ seq: 1, dryRun: true });
    expect(await readdir(of.at("keys"))).not.toContain("bot.after");
    const rotated = await data(of, 0, "key", "rotate");
    expect(rotated).toMatchObject({ did: before.did, seq: 1, key: multibaseOf(next.did), resumed: false });
    expect(await keyFile(of, "bot.key")).toMatchObject({
      did: before.did,
      key: multibaseOf(next.did),
      seed: next.seed,
    });
    expect((await keyFile(of, `bot.key.retired-${rotated.id.slice(7, 15)}`)).seed).toBe(old.seed);
    for (const file of await readdir(of.at("keys")))
      expect((await stat(of.at("keys", file))).mode & 0o777, file).toBe(0o600);

    expect(await data(of, 0, "key", "status")).toMatchObject({
      status: "active",
      seq: 1,
      events: 2,
      held: { current: true, next: true },
    });
    expect((await data(of, 0, "trust", "bot")).score).toBeCloseTo(0.8);
    expect((await data(of, 0, "key", "list")).keys).toContainEqual(
      expect.objectContaining({ name: "bot", rotated: true, next: true }),
    );
    const vouched = await data(of, 0, "vouch", "friend", "--identity", "bot");
    expect(vouched.issuer).toBe(before.did);
    // The key that was retired signs nothing any more.
    const current = await readFile(of.at("keys", "bot.key"), "utf8");
    await writeFile(of.at("keys", "bot.key"), JSON.stringify(old));
    const { code, stderr } = await of.call(["unvouch", "friend", "--identity", "bot"]);
    expect(code).toBe(3);
    expect(stderr).toContain("does not stand behind");
    expect(await data(of, 3, "key", "status")).toMatchObject({ held: { current: false } });
    await writeFile(of.at("keys", "bot.key"), current);
    await data(of, 0, "key", "status");
    expect(await data(of, 0, "key", "rotate")).toMatchObject({ seq: 2 });
  });

  it("A-STMT-12 joins another registry with the same DID after a rotation", async () => {
    await using other = await openTestRegistry();
    await using of = await home();
    await data(of, 0, "key", "rotate");
    const { did } = await data(of, 0, "init", "bot", "--registry", other.url);
    expect(await data(of, 0, "key", "status", "--registry", other.url)).toMatchObject({
      did,
      seq: 1,
      status: "active",
    });
    // Joining once more changes nothing.
    await data(of, 0, "init", "bot", "--registry", other.url);
    expect(await data(of, 0, "log", "head", "--registry", other.url)).toMatchObject({ size: 3, rejected: [] });
  });

  it("A-STMT-10 suspends by any of its keys, and comes back by a rotate; recovers with a key kept elsewhere", async () => {
    await using of = await home();
    await data(of, 0, "key", "revoke", "--with", "recovery", "--compromised-since", "1h");
    expect(await data(of, 3, "key", "status")).toMatchObject({ status: "suspended", compromises: 1 });
    expect((await of.call(["vouch", "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME"])).code).toBe(3);
    await data(of, 0, "key", "rotate");
    await data(of, 0, "key", "status");

    // The machine is lost; what is left is the recovery key on a stick, and the DID.
    const stick = join(of.path, "stick.key");
    await rename(of.at("keys", "bot.recovery"), stick);
    const { did } = await data(of, 0, "key", "status");
    await rm(of.at("keys"), { recursive: true });
    expect((await of.call(["key", "recover", "--did", did, "--identity", "bot"])).code).toBe(4);
    await using thief = await Home.make();
    await data(thief, 0, "init", "bot");
    const foreign = thief.at("keys", "bot.recovery");
    const refused = await of.call(["key", "recover", "--did", did, "--identity", "bot", "--recovery-key", foreign]);
    expect(refused.code).toBe(4);
    expect(refused.stderr).toContain("none of the recovery");
    await data(of, 0, "key", "recover", "--did", did, "--identity", "bot", "--recovery-key", stick);
    expect(await data(of, 0, "key", "status")).toMatchObject({
      did,
      status: "active",
      held: { current: true, next: true },
    });
    await data(of, 0, "vouch", "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME");
  });

  it("keeps the seal of a sealed key, and asks for its passphrase once", async () => {
    await using of = await Home.make();
    const phrase = join(of.path, "phrase");
    await writeFile(phrase, "correct horse battery\n");
    await data(of, 0, "init", "bot", "--registry", registry.url, "--passphrase-file", phrase);
    expect((await of.call(["key", "rotate"])).code).toBe(4);
    expect(await data(of, 0, "key", "list")).toMatchObject({ keys: [{ rotated: false }] });
    await data(of, 0, "key", "rotate", "--passphrase-file", phrase);
    for (const file of ["bot.key", "bot.next"]) expect(await keyFile(of, file)).not.toHaveProperty("seed");
    expect((await of.call(["key", "revoke", "--passphrase-file", phrase])).code).toBe(0);
    // The DID that a sealed file names is bound to its key.
    const good = await keyFile(of, "bot.key");
    await writeFile(
      of.at("keys", "bot.key"),
      JSON.stringify({ ...good, did: "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME" }),
    );
    expect((await of.call(["vouch", good.did, "--dry-run", "--passphrase-file", phrase])).code).toBe(4);
  });

  it("A-CLI-04 refuses a key file that names another key than the one in it", async () => {
    await using of = await home();
    await data(of, 0, "key", "rotate");
    const good = await keyFile(of, "bot.key");
    const next = await keyFile(of, "bot.next");
    for (const bad of [
      { ...good, key: multibaseOf(next.did) },
      { ...good, key: "z6Mkbroken" },
      { ...good, key: undefined },
      { ...good, key: good.did.slice(8) },
      { ...good, seed: next.seed },
      { ...good, did: "did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj" },
    ]) {
      await writeFile(of.at("keys", "bot.key"), JSON.stringify(bad));
      const { code, stdout, stderr } = await of.call(["proxy", "--", "true"]);
      expect(code, JSON.stringify(Object.keys(bad))).toBe(4);
      expect(stdout + stderr).not.toContain(good.seed);
    }
    await writeFile(of.at("keys", "bot.key"), JSON.stringify(good));
    await data(of, 0, "key", "status");
  });

  it.each(["rotate", "recover"] as const)(
    "A-CLI-02 a %s that crashes before a file gets or loses a name loses no key and makes one event only",
    async (kind) => {
      const names = new Set(["link", "rename", "unlink", "rm"]);
      const points = (await operationsOf(registry.url, kind)).flatMap((name, i) => (names.has(name) ? [i + 1] : []));
      expect(points.length).toBeGreaterThan(8);
      for (let i = 0; i < points.length; i += 3)
        await Promise.all(points.slice(i, i + 3).map((at) => crashKeyChange(registry.url, kind, at)));
    },
  );

  it("does not let one change begin while another is not finished", async () => {
    await using of = await home();
    await data(of, 0, "key", "rotate");
    await writeFile(
      of.at("identities", "bot.pending.json"),
      JSON.stringify({ v: 1, event: (await membership(of)).events[0] }),
    );
    const { code, stderr } = await of.call(["key", "revoke"]);
    expect(code).toBe(2);
    expect(stderr).toContain("peerage key rotate --identity bot");
    expect(await data(of, 3, "key", "status")).toMatchObject({ pending: "rotate" });
    expect(await data(of, 0, "key", "rotate")).toMatchObject({ resumed: true, seq: 1 });
    await data(of, 0, "key", "status");
  });

  it("shows the state of keys at 80 columns", async () => {
    await using of = await home();
    const { stdout } = await of.call(["key", "status"]);
    expect(masked(stdout, of)).toBe(`     bot       did:key:z6Mk<44 characters of a key, in base58btc........>
  ✓  active    1 key event in the log
  ✓  key       the one in the file stands behind the DID
  ✓  next key  here, as committed
  ✓  recovery  here: move it away
`);
    const listed = await of.call(["key"]);
    expect(masked(listed.stdout, of)).toBe(`  ●  bot  did:key:z6Mk<44 characters of a key, in base58btc........>
          no passphrase, first key, next key here, recovery key here
`);
  });
});

async function membership(of: Home) {
  return JSON.parse(await readFile(of.at("identities", "bot.json"), "utf8")) as { events: string[] };
}
