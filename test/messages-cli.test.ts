import { spawn } from "node:child_process";
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type Did,
  generateSeed,
  type Identity,
  identityFromSeed,
  issueKeyInit,
  issueKeyRotate,
  issueProfile,
  keyDigest,
  multibaseOf,
  signDelivery,
  signMessage,
  utf8,
} from "@peerage/core";
import { SigningAgent } from "../cli/src/agent/agent.ts";
import { loadKeyFile } from "../cli/src/files/key-file.ts";
import { seal } from "../cli/src/messages/age.ts";
import { messageId } from "../cli/src/messages/post.ts";
import { dataSchemas } from "../cli/src/schemas.ts";
import { BIN, Home, openTestRegistry, type Ran } from "./_cli.ts";

const DEAD = "http://127.0.0.1:9";

interface Message {
  readonly id: string;
  readonly status: "authentic" | "refused";
  readonly from: Did;
  readonly score: number | "unknown";
  readonly read: boolean;
  readonly error?: { readonly code: string };
}

let [alice, bob]: Home[] = [];
let registry: Awaited<ReturnType<typeof openTestRegistry>>;
const dids: Record<string, Did> = {};
beforeAll(async () => {
  [alice, bob, registry] = await Promise.all([Home.make(), Home.make(), openTestRegistry()]);
  for (const [home, name] of people()) {
    const { stdout } = await home.call(["init", name, "--registry", registry.url, "--json"]);
    dids[name] = (JSON.parse(stdout) as { data: { did: Did } }).data.did;
  }
  await ok(bob, "roots", "add", dids["alice"]!);
  await registry.registry.published(2 * people().length - 1);
});
// Whatever became of another test, each begins with an empty inbox.
beforeEach(async () => {
  await inbox();
  rmSync(bob!.at("inbox"), { recursive: true, force: true });
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  await Promise.all([alice![Symbol.asyncDispose](), bob![Symbol.asyncDispose]()]);
});

/** Bob is on a machine of his own; the others are strangers to him but for Alice. */
function people(): (readonly [Home, string])[] {
  return [
    [bob!, "bob"],
    [alice!, "alice"],
    [alice!, "mallory"],
    [alice!, "carol"],
  ];
}

async function ok(home: Home, ...argv: string[]): Promise<Ran> {
  const ran = await home.call(argv);
  expect(ran.code, ran.stdout + ran.stderr).toBe(0);
  return ran;
}

/** The data of `--json`, which fits its schema. */
async function data<T>(home: Home, ...argv: string[]): Promise<T> {
  const said = JSON.parse((await ok(home, ...argv, "--json")).stdout) as { command: string; data: T };
  expect(dataSchemas[said.command]!.safeParse(said.data).error).toBeUndefined();
  return said.data;
}

const inbox = async (...more: string[]): Promise<Message[]> =>
  (await data<{ messages: Message[] }>(bob!, "inbox", ...more)).messages;
const send = (text: string, ...more: string[]): Promise<{ id: string }> =>
  data(alice!, "send", dids["bob"]!, text, "--identity", "alice", ...more);
const short = ({ id }: { id: string }): string => id.slice(7, 15);
const identity = (home: Home, name: string): Promise<Identity> =>
  loadKeyFile(home.at("keys", `${name}.key`), () => Promise.reject(new Error("sealed")));
const kept = (): string => bob!.at("inbox", multibaseOf(dids["bob"]!));

/** Hands in any sealed bytes for Bob, as Mallory. */
async function handIn(sealed: Uint8Array): Promise<string> {
  const mallory = await identity(alice!, "mallory");
  const message = messageId(sealed);
  const request = { audience: registry.registry.origin, recipient: dids["bob"]!, message };
  const answer = await fetch(`${registry.url}/v1/messages/${message}`, {
    method: "PUT",
    body: sealed as BodyInit,
    headers: { authorization: `Peerage ${await signDelivery(mallory, request)}` },
  });
  expect(answer.status).toBe(201);
  return message;
}

/** As if a message had come to Bob, or to the registry, so many seconds later, or earlier if below zero. */
function cameLater(id: string, when: "fetched" | "received", seconds: number): void {
  const path = join(kept(), `${id.slice(7)}.json`);
  const about = JSON.parse(readFileSync(path, "utf8")) as Record<typeof when, number>;
  writeFileSync(path, JSON.stringify({ ...about, [when]: about[when] + seconds }));
}

/** Signed by one, sealed to Bob's key. */
async function sealed(from: string, text: string, recipient = dids["bob"]!): Promise<Uint8Array> {
  const content = await signMessage(await identity(alice!, from), { recipient, body: utf8(text) });
  return seal(multibaseOf(dids["bob"]!), content);
}

describe("a message", () => {
  it("is sent to a key, opened by it alone, kept sealed on disk, read, and taken away", async () => {
    const sent = await send("the build is green");
    const { fetched } = await data<{ fetched: number }>(bob!, "inbox");
    expect(fetched).toBe(1);
    const [message] = await inbox();
    expect(message).toMatchObject({ id: sent.id, status: "authentic", from: dids["alice"], score: 1, read: false });
    const file = join(kept(), `${sent.id.slice(7)}.age`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    for (const name of readdirSync(kept(), { recursive: true, withFileTypes: true }).filter((one) => one.isFile()))
      expect(readFileSync(join(name.parentPath, name.name)).includes("green")).toBe(false);
    const text = (await ok(bob!, "inbox", "read", short(sent))).stdout;
    expect(text).toContain("the build is green");
    expect(text).toContain(dids["alice"]!);
    expect(await data(bob!, "inbox", "read", sent.id)).toMatchObject({ text: "the build is green", to: dids["bob"] });
    expect((await inbox())[0]).toMatchObject({ read: true });
    // Nobody else's inbox has it, nor its sender's.
    expect(await data(alice!, "inbox", "--identity", "carol")).toMatchObject({ messages: [], fetched: 0 });
    await ok(bob!, "inbox", "remove", short(sent), "--dry-run");
    await ok(bob!, "inbox", "remove", short(sent));
    expect(await inbox()).toEqual([]);
    expect((await bob!.call(["inbox", "read", short(sent)])).code).toBe(5);
  });

  it("is any bytes of a file or of stdin, given back exactly, and never over another file", async () => {
    const bytes = Buffer.from([0, 1, 2, 255, 254, 10, 13, 27]);
    writeFileSync(join(alice!.path, "data.bin"), bytes);
    const sent = await data<{ id: string }>(alice!, "send", dids["bob"]!, "--file", "data.bin", "--identity", "alice");
    await inbox();
    const shown = (await ok(bob!, "inbox", "read", short(sent))).stdout;
    expect(shown).toContain("8 bytes that are no text");
    expect(shown).not.toContain("\u001b");
    const out = join(bob!.path, "got.bin");
    await ok(bob!, "inbox", "read", short(sent), "--out", out);
    expect(readFileSync(out)).toEqual(bytes);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    expect((await bob!.call(["inbox", "read", short(sent), "--out", out])).code).toBe(2);
    const argv = ["send", dids["bob"]!, "-", "--identity", "alice", "--json"];
    const piped = await alice!.run(argv, { input: "from a pipe\n" });
    await inbox();
    const { id } = (JSON.parse(piped.stdout) as { data: { id: string } }).data;
    expect(await data(bob!, "inbox", "read", id)).toMatchObject({ text: "from a pipe\n" });
  });

  it("A-CLI-07 of a stranger is last, marked unknown, and harmless in every form", async () => {
    const hostile = "\u001b[2J\u001b]0;title\u0007 pay\u202egnp.exe\nsecond \u009b31m line\u200b";
    await data(alice!, "send", dids["bob"]!, hostile, "--identity", "mallory");
    await send("trusted and earlier");
    const messages = await inbox();
    expect(messages.map(({ from, score }) => [from, score])).toEqual([
      [dids["alice"], 1],
      [dids["mallory"], "unknown"],
    ]);
    const [, stranger] = messages as [Message, Message];
    const list = (await ok(bob!, "inbox")).stdout;
    expect(list).toMatch(/1\.00[\s\S]*unknown/);
    const shown = (await ok(bob!, "inbox", "read", short(stranger))).stdout;
    expect(shown).toContain("\\u{1b}[2J");
    expect(shown).toContain("unknown in tools");
    const plain = (await ok(bob!, "inbox", "--plain")).stdout;
    const json = (await ok(bob!, "inbox", "read", short(stranger), "--json")).stdout;
    for (const text of [list, shown, plain, json])
      expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/);
    expect((JSON.parse(json) as { data: { text: string } }).data.text).toBe(hostile);
  });

  it("of a stranger waits with two others at most: one more ends with 3, and is not kept", async () => {
    const more = (): Promise<Ran> => alice!.call(["send", dids["bob"]!, "again", "--identity", "mallory", "--json"]);
    for (let i = 0; i < 3; i++) expect((await more()).code).toBe(0);
    const refused = await more();
    expect([refused.code, JSON.parse(refused.stdout)]).toMatchObject([
      3,
      { data: { error: { code: "ERR_RATE_LIMITED" } } },
    ]);
    expect(await inbox()).toHaveLength(3);
    expect((await more()).code).toBe(0);
  });

  it("P-MSG-3 P-MSG-4 that were altered, written to another, or came before are refused with their own codes", async () => {
    const good = await sealed("alice", "pay 10");
    const first = await handIn(good);
    expect((await inbox()).map(({ status }) => status)).toEqual(["authentic"]);
    const content = await signMessage(await identity(alice!, "alice"), { recipient: dids["bob"]!, body: utf8("once") });
    const again = await Promise.all([1, 2].map(() => seal(multibaseOf(dids["bob"]!), content)));
    const once = await handIn(again[0]!);
    await inbox();
    const toCarol = await handIn(await sealed("alice", "for Carol", dids["carol"]));
    const altered = await handIn(good.with(good.length - 20, good.at(-20)! ^ 1));
    const cases = Object.fromEntries((await inbox()).map(({ id, status, error }) => [id, error?.code ?? status]));
    expect(cases).toEqual({
      [first]: "authentic",
      [once]: "authentic",
      [toCarol]: "ERR_PROOF_AUDIENCE",
      [altered]: "ERR_SEALED_INVALID",
    });
    // The same signed content in fresh sealed bytes: not taken in, also after the first was taken away.
    for (const id of [toCarol, altered, once]) {
      if (id !== once) expect((await bob!.call(["inbox", "read", id])).code).toBe(6);
      await ok(bob!, "inbox", "remove", id);
    }
    await handIn(again[1]!);
    const { messages, replayed } = await data<{ messages: Message[]; replayed: number }>(bob!, "inbox");
    expect([messages.map(({ id }) => id), replayed]).toEqual([[first], 1]);
  });

  it("P-MSG-6 is lost at no moment: it leaves the registry when it is on the disk, and --keep leaves it there", async () => {
    const sent = await send("do not lose me");
    const waiting = async (): Promise<number> =>
      (await data<{ messages: Message[] }>(bob!, "inbox", "--keep")).messages.length;
    // A disk that takes nothing: the folder of messages is a file.
    const broken = join(bob!.path, "broken");
    cpSync(bob!.at(), broken, { recursive: true });
    rmSync(join(broken, "inbox"), { recursive: true, force: true });
    writeFileSync(join(broken, "inbox"), "");
    const failed = await bob!.call(["inbox"], { env: { PEERAGE_HOME: broken } });
    expect(failed.code).not.toBe(0);
    expect(await waiting()).toBe(1);
    // Left at the registry, it is there for another machine of the same identity.
    rmSync(join(broken, "inbox"));
    const second = await bob!.call(["inbox", "--json"], { env: { PEERAGE_HOME: broken } });
    expect(JSON.parse(second.stdout)).toMatchObject({ data: { fetched: 1, messages: [{ id: sent.id }] } });
    // It is erased there now, and both have it.
    expect(await data(bob!, "inbox")).toMatchObject({ fetched: 0, messages: [{ id: sent.id }] });
    await ok(bob!, "inbox", "remove", sent.id);
    // One that was taken away does not come again from where it was left.
    const left = await send("left at the registry");
    expect(await waiting()).toBe(1);
    await ok(bob!, "inbox", "remove", left.id);
    expect(await waiting()).toBe(0);
    expect(await data(bob!, "inbox")).toMatchObject({ fetched: 0, messages: [] });
  });

  it("is signed through an agent that holds the key, and is opened only where the key's own file is", async () => {
    await using machine = await Home.make();
    const key = await identity(alice!, "carol");
    const path = alice!.at("keys", "carol.key");
    await using agent = await SigningAgent.start(
      {
        file: { name: "carol", path, did: key.did, key: multibaseOf(key.did), locked: false },
        socket: join(machine.path, "agent.sock"),
        rules: { kinds: new Set(["messages"]), audiences: new Set([dids["bob"]!]) },
        idleSeconds: undefined,
        confirm: undefined,
        onEvent: () => undefined,
      },
      key,
    );
    const through = (...argv: string[]): Promise<Ran> =>
      machine.call([...argv, "--registry", registry.url], {
        env: { PEERAGE_AGENT_SOCK: join(machine.path, "agent.sock") },
      });
    expect((await through("send", dids["bob"]!, "through the agent")).code).toBe(0);
    expect(await inbox()).toMatchObject([{ from: agent.did, status: "authentic" }]);
    expect((await through("send", dids["alice"]!, "not allowed")).code).toBe(3);
    const opened = await through("inbox");
    expect([opened.code, opened.stderr]).toEqual([4, expect.stringMatching(/opens\s+nothing/)]);
  });

  it("of a key that was retired, or is in dispute, is not believed, unless it was here before; and nothing is sent to it", async () => {
    const seeds = Array.from({ length: 4 }, generateSeed) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const dora = identityFromSeed(seeds[0]);
    const next = identityFromSeed(seeds[1], { did: dora.did });
    const commit = (seed: Uint8Array): ReturnType<typeof keyDigest> =>
      keyDigest(multibaseOf(identityFromSeed(seed).did));
    const publish = async ({ bytes }: { bytes: Uint8Array }): Promise<void> => {
      await registry.registry.published((await registry.registry.submit(bytes)).index);
    };
    const write = async (signer: Identity, text: string): Promise<string> => {
      const content = await signMessage(signer, { recipient: dids["bob"]!, body: utf8(text) });
      return handIn(await seal(multibaseOf(dids["bob"]!), content));
    };
    const init = await issueKeyInit(dora, { next: commit(seeds[1]) });
    await publish(init);
    await publish(await issueProfile(dora, { role: "agent" }));
    const early = await write(dora, "before");
    expect((await inbox()).map(({ id, status }) => [id, status])).toEqual([[early, "authentic"]]);
    const rotate = async (seed: Uint8Array): Promise<void> =>
      publish(await issueKeyRotate(next, { prev: init, next: commit(seed) }));
    await rotate(seeds[2]);
    // What a retired key signed, dated as one likes, counts only if the registry had it while the key was the sender's.
    expect(await inbox()).toMatchObject([{ id: early, status: "authentic" }]);
    cameLater(early, "received", 60);
    expect(await inbox()).toMatchObject([{ id: early, error: { code: "ERR_KEY_SUPERSEDED" } }]);
    cameLater(early, "received", -60);
    cameLater(early, "fetched", -60);
    await rotate(seeds[3]);
    const late = [await write(dora, "by the first key"), await write(next, "by the one that both rotations bring")];
    const cases = Object.fromEntries((await inbox()).map(({ id, status, error }) => [id, error?.code ?? status]));
    expect(cases).toEqual({
      [early]: "authentic",
      [late[0]!]: "ERR_KEY_DISPUTED",
      [late[1]!]: "ERR_PROOF_MALFORMED",
    });
    const refused = await alice!.call(["send", dora.did, "hello", "--identity", "alice", "--json"]);
    expect([refused.code, JSON.parse(refused.stdout)]).toMatchObject([
      3,
      { data: { error: { code: "ERR_KEY_DISPUTED" } } },
    ]);
  });

  it("without its registry, ends with 7: nothing is sent, fetched or judged", async () => {
    const sent = await send("kept here");
    await inbox();
    for (const [home, argv] of [
      [alice!, ["send", dids["bob"]!, "hello", "--identity", "alice"]],
      [bob!, ["inbox"]],
      [bob!, ["inbox", "read", sent.id]],
    ] as const) {
      const ran = await home.call([...argv, "--registry", DEAD, "--json"]);
      expect(ran.code).toBe(7);
      expect(JSON.parse(ran.stderr)).toMatchObject({ error: { code: "ERR_REGISTRY_UNREACHABLE" } });
    }
  });

  it("is shown as it comes with --follow, each once, until it is stopped", async () => {
    const child = spawn(process.execPath, [BIN, "inbox", "--follow", "--every", "1s", "--json"], {
      env: { PATH: process.env["PATH"], PEERAGE_HOME: bob!.at(), HOME: bob!.path },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines: { data: { seq: number; messages: Message[] } }[] = [];
    let text = "";
    const seen = (count: number): Promise<void> =>
      new Promise((resolve) => {
        const look = (): void => {
          if (lines.length >= count) resolve();
        };
        child.stdout.on("data", look);
        look();
      });
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      const parts = text.split("\n");
      text = parts.pop() ?? "";
      for (const part of parts) lines.push(JSON.parse(part) as (typeof lines)[number]);
    });
    await seen(1);
    const sent = await send("news");
    await seen(2);
    // Also one that another process brings.
    const other = await send("fetched elsewhere");
    await inbox();
    await seen(3);
    child.kill("SIGINT");
    expect(await new Promise((resolve) => child.once("close", resolve))).toBe(130);
    expect(lines.map(({ data: { seq, messages } }) => [seq, messages.map(({ id }) => id)])).toEqual([
      [0, []],
      [1, [sent.id]],
      [2, [other.id]],
    ]);
  });

  it("P-MSG-1 is sealed to the key of now, opened with the keys of before too, and is not sent to who lost its key", async () => {
    const before = await send("sealed to the first key");
    const rotated = JSON.parse((await ok(bob!, "key", "rotate", "--yes", "--json")).stdout) as { data: object };
    expect(rotated.data).toBeTypeOf("object");
    const after = await data<{ id: string; key: string }>(
      alice!,
      "send",
      dids["bob"]!,
      "sealed to the second",
      "--identity",
      "alice",
    );
    expect(after.key).not.toBe(multibaseOf(dids["bob"]!));
    const messages = await inbox();
    expect(messages.map(({ id, status }) => [id, status]).sort()).toEqual(
      [before.id, after.id].map((id) => [id, "authentic"]).sort(),
    );
    expect(await data(bob!, "inbox", "read", before.id)).toMatchObject({ text: "sealed to the first key" });
    // A sender who burns its key: what came from it before is still its word; what comes now is a thief's.
    const late = await sealed("mallory", "from Mallory, or not");
    const early = await data<{ id: string }>(alice!, "send", dids["bob"]!, "earlier", "--identity", "mallory");
    await inbox();
    cameLater(early.id, "fetched", -60);
    await ok(alice!, "key", "revoke", "--identity", "mallory", "--yes");
    const carol = await identity(alice!, "carol");
    const id = messageId(late);
    const token = await signDelivery(carol, {
      audience: registry.registry.origin,
      recipient: dids["bob"]!,
      message: id,
    });
    const answer = await fetch(`${registry.url}/v1/messages/${id}`, {
      method: "PUT",
      body: late as BodyInit,
      headers: { authorization: `Peerage ${token}` },
    });
    expect(answer.status).toBe(201);
    const all = await inbox();
    expect(all.find((one) => one.id === early.id)).toMatchObject({ status: "authentic" });
    expect(all.find((one) => one.id === id)).toMatchObject({ status: "refused", error: { code: "ERR_KEY_REVOKED" } });
    expect((await bob!.call(["inbox", "read", id])).code).toBe(3);
    const refused = await alice!.call(["send", dids["mallory"]!, "hello", "--identity", "alice", "--json"]);
    expect([refused.code, JSON.parse(refused.stdout)]).toMatchObject([
      3,
      { data: { error: { code: "ERR_KEY_REVOKED" } } },
    ]);
  });
});
