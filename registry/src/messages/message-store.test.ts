import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type Did, generateIdentity, noteSignerFromSeed, randomBytes, sha256Hex } from "@peerage/core";
import { messageLimits } from "./limits.ts";
import type { MessageStore } from "./message-store.ts";
import { openMessages } from "./open-messages.ts";

const folder = mkdtempSync(join(tmpdir(), "peerage-messages-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const dids = Array.from({ length: 8 }, () => generateIdentity().did);
const [alice, bob, carol, mallory] = dids as [Did, Did, Did, Did];
const log = noteSignerFromSeed("log.example", 1, new Uint8Array(32).fill(1));
const limits = {
  ...messageLimits,
  inbox: { messages: 6, bytes: 1_000 },
  strangers: { messages: 3, bytes: 400 },
  known: { messages: 4, bytes: 600 },
  stranger: { messages: 2, bytes: 250 },
  sender: [{ most: 5, seconds: 3_600 }],
  bytes: 1_200,
};
let now = new Date("2026-11-20T10:00:00Z");
const wait = (seconds: number): void => void (now = new Date(now.getTime() + seconds * 1_000));
let files = 0;
const open = (name = `${files++}`, log_ = log): Promise<MessageStore> => {
  const dataDir = mkdtempSync(join(folder, `${name}-`));
  return openMessages("", dataDir, { log: log_, now: () => now, limits });
};

type Sent = "kept" | "known" | "erased" | "ERR_RATE_LIMITED";
/** Hands in a message of so many bytes. */
async function send(store: MessageStore, sender: Did, recipient: Did, size = 100, isKnown = false): Promise<Sent> {
  const sealed = randomBytes(size);
  const message = { id: `sha256:${sha256Hex(sealed)}` as const, sender, recipient, sealed, isKnown: () => isKnown };
  return store.put(message).catch((error: unknown) => (error as { code: Sent }).code);
}

describe("the room for messages", () => {
  it("A-RATE-01 is small for each stranger, and for all of them together, in messages and in bytes", async () => {
    await using store = await open();
    expect(await send(store, mallory, bob, 200)).toBe("kept");
    expect(await send(store, mallory, bob, 51)).toBe("ERR_RATE_LIMITED");
    expect(await send(store, mallory, bob, 50)).toBe("kept");
    expect(await send(store, mallory, bob, 1)).toBe("ERR_RATE_LIMITED");
    expect(await send(store, carol, bob, 151)).toBe("ERR_RATE_LIMITED");
    expect(await send(store, carol, bob, 150)).toBe("kept");
    expect(await send(store, dids[4]!, bob, 1)).toBe("ERR_RATE_LIMITED");
    // Who is known has room beside them; other inboxes are empty.
    expect(await send(store, alice, bob, 100, true)).toBe("kept");
    expect(await send(store, mallory, carol, 100)).toBe("kept");
  });

  it("A-RATE-05 is bounded for who is known, for the inbox and for all of them, and is there again once one is read", async () => {
    await using store = await open();
    for (let i = 0; i < 4; i++) expect(await send(store, alice, bob, 100, true)).toBe("kept");
    expect(await send(store, alice, bob, 100, true)).toBe("ERR_RATE_LIMITED");
    for (let i = 0; i < 2; i++) expect(await send(store, carol, bob, 100, true)).toBe("kept");
    expect(await send(store, mallory, bob, 100, true)).toBe("ERR_RATE_LIMITED");
    const [oldest] = await store.list(bob);
    expect(await store.erase(bob, oldest!.id)).toBe(true);
    expect(await send(store, mallory, bob, 100, true)).toBe("kept");
    // 600 bytes wait for Bob: 1,200 is all that this registry keeps.
    for (const to of [alice, mallory]) expect(await send(store, dids[5]!, to, 250)).toBe("kept");
    expect(await send(store, dids[6]!, carol, 101)).toBe("ERR_RATE_LIMITED");
    expect(await send(store, dids[6]!, carol, 100)).toBe("kept");
  });

  it("A-RATE-05 is so many messages of one sender an hour, read or not, and no more however they come", async () => {
    await using store = await open();
    const sends = await Promise.all(
      Array.from({ length: 20 }, (_, i) => send(store, alice, dids[1 + (i % 5)]!, 10, true)),
    );
    expect(sends.filter((outcome) => outcome === "kept")).toHaveLength(5);
    for (const did of dids) for (const { id } of await store.list(did)) await store.erase(did, id);
    expect(await send(store, alice, bob, 10, true)).toBe("ERR_RATE_LIMITED");
    wait(3_600);
    expect(await send(store, alice, bob, 10, true)).toBe("kept");
  });

  it("lets who was written to answer", async () => {
    await using store = await open();
    await send(store, bob, mallory, 10, true);
    for (let i = 0; i < 4; i++) expect(await send(store, mallory, bob, 10)).toBe("kept");
  });
});

describe("kept messages", () => {
  it("end after 30 days, and are out of the database then", async () => {
    await using store = await open();
    await send(store, alice, bob);
    const [message] = await store.list(bob);
    wait(limits.keptSeconds - 1);
    expect(await store.list(bob)).toEqual([message]);
    wait(1);
    expect(await store.list(bob)).toEqual([]);
    expect(await store.get(bob, message!.id)).toBeUndefined();
    expect(await store.erase(bob, message!.id)).toBe(false);
    await store.sweep();
    wait(-limits.keptSeconds);
    expect(await store.list(bob)).toEqual([]);
  });

  it("that were erased are not taken again for a day, and leave nothing afterwards", async () => {
    await using store = await open();
    const sealed = randomBytes(10);
    const id = `sha256:${sha256Hex(sealed)}` as const;
    const put = (): Promise<string> => store.put({ id, sender: alice, recipient: bob, sealed, isKnown: () => true });
    expect([await put(), await put()]).toEqual(["kept", "known"]);
    await store.erase(bob, id);
    wait(86_399);
    await store.sweep();
    expect(await put()).toBe("erased");
    expect(await store.get(bob, id)).toHaveProperty("erased");
    wait(1);
    await store.sweep();
    expect(await store.get(bob, id)).toBeUndefined();
  });

  it("stay over a restart with their limits, and are nobody's under another log key", async () => {
    const dataDir = mkdtempSync(join(folder, "again-"));
    const options = { log, now: () => now, limits };
    const first = await openMessages("", dataDir, options);
    for (let i = 0; i < 2; i++) await send(first, mallory, bob);
    await first[Symbol.asyncDispose]();
    await using second = await openMessages("", dataDir, options);
    expect(await second.list(bob)).toHaveLength(2);
    expect(await send(second, mallory, bob)).toBe("ERR_RATE_LIMITED");
    const other = noteSignerFromSeed("log.example", 1, new Uint8Array(32).fill(2));
    await using foreign = await openMessages("", dataDir, { ...options, log: other });
    expect(await foreign.list(bob)).toEqual([]);
  });
});
