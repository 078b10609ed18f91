import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Digest,
  generateIdentity,
  generateSeed,
  type Identity,
  identityFromSeed,
  issueKeyInit,
  issueKeyRevoke,
  issueKeyRotate,
  issueProfile,
  issueRevocation,
  issueVouch,
  keyDigest,
  MAX_SEALED_BYTES,
  multibaseOf,
  signCompactJws,
  signDelivery,
  signInboxRequest,
  signMessage,
  signNoteErasure,
  utf8,
} from "@peerage/core";
import { seal } from "../cli/src/messages/age.ts";
import { messageId } from "../cli/src/messages/post.ts";
import { messageLimits } from "../registry/src/messages/limits.ts";
import { startRegistry, temporaryFolder, type TestRegistry } from "./_registry.ts";

let now = new Date();
const logged: string[] = [];
const line = (...said: unknown[]): void => void logged.push(JSON.stringify(said));
const folder = temporaryFolder();
let registry: TestRegistry;
beforeAll(async () => {
  const logger = { debug: line, info: line, warn: line, error: line } as never;
  registry = await startRegistry({ dataDir: folder.path, now: () => now, logger });
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

const url = (id?: Digest): string => `${registry.url}/v1/messages${id === undefined ? "" : `/${id}`}`;
const headers = (token: string): Record<string, string> => ({ authorization: `Peerage ${token}` });
const audience = (): string => registry.registry.origin;

/** Agents that have joined. */
async function joined(count: number): Promise<Identity[]> {
  const identities = Array.from({ length: count }, generateIdentity);
  const posted = identities.map(async (one) =>
    registry.publish((await issueProfile(one, { role: "agent", now })).bytes),
  );
  await Promise.all(posted);
  return identities;
}

async function sealedFor(sender: Identity, recipient: Identity, text = "hello"): Promise<Uint8Array> {
  const content = await signMessage(sender, { recipient: recipient.did, body: utf8(text), now });
  return seal(multibaseOf(recipient.did), content);
}

/** Hands a message in, everything right unless said otherwise. */
async function put(
  sender: Identity,
  recipient: Identity,
  sealed: Uint8Array,
  options: { token?: string; id?: Digest } = {},
): Promise<Response> {
  const id = options.id ?? messageId(sealed);
  const token =
    options.token ?? (await signDelivery(sender, { audience: audience(), recipient: recipient.did, message: id, now }));
  return fetch(url(id), { method: "PUT", body: sealed as BodyInit, headers: headers(token) });
}

async function ask(who: Identity, action: "list" | "fetch" | "erase", id?: Digest): Promise<Response> {
  const token = await signInboxRequest(who, { audience: audience(), action, now, ...(id ? { message: id } : {}) });
  return fetch(url(id), { method: action === "erase" ? "DELETE" : "GET", headers: headers(token) });
}

async function waiting(who: Identity): Promise<string[]> {
  const { messages } = (await (await ask(who, "list")).json()) as { messages: { id: string }[] };
  return messages.map(({ id }) => id);
}

describe("messages at a registry", () => {
  it("P-MSG-5 are kept for their recipient, listed, fetched as often as it takes, and gone once it says so", async () => {
    const [alice, bob] = (await joined(2)) as [Identity, Identity];
    const sealed = await sealedFor(alice, bob);
    const id = messageId(sealed);
    expect((await put(alice, bob, sealed)).status).toBe(201);
    expect((await put(alice, bob, sealed)).status).toBe(200);
    const list = await ask(bob, "list");
    expect(list.headers.get("cache-control")).toBe("no-store");
    const { messages } = (await list.json()) as { messages: object[] };
    const received = Math.floor(now.getTime() / 1_000);
    expect(messages).toEqual([{ id, size: sealed.length, received, expires: received + messageLimits.keptSeconds }]);
    for (let i = 0; i < 2; i++) {
      const answer = await ask(bob, "fetch", id);
      expect(answer.status).toBe(200);
      expect(answer.headers.get("cache-control")).toBe("no-store");
      expect(await answer.json()).toMatchObject({ id, sealed: Buffer.from(sealed).toString("base64") });
    }
    for (let i = 0; i < 2; i++) expect((await ask(bob, "erase", id)).status).toBe(204);
    expect((await ask(bob, "fetch", id)).status).toBe(410);
    expect(await waiting(bob)).toEqual([]);
    // A replay by whoever kept the bytes does not bring it back.
    expect((await put(alice, bob, sealed)).status).toBe(410);
    expect(await waiting(bob)).toEqual([]);
  });

  it("P-MSG-5 A-CALL-05 are nobody else's to list, fetch or erase, and are not even seen to be there", async () => {
    const [alice, bob, mallory] = (await joined(3)) as [Identity, Identity, Identity];
    const sealed = await sealedFor(alice, bob);
    const id = messageId(sealed);
    await put(alice, bob, sealed);
    const absent: Digest = `sha256:${"0".repeat(64)}`;
    for (const who of [mallory, alice]) {
      expect(await waiting(who)).toEqual([]);
      for (const action of ["fetch", "erase"] as const) {
        const [theirs, none] = [await ask(who, action, id), await ask(who, action, absent)];
        expect([theirs.status, await theirs.text()]).toEqual([none.status, await none.text()]);
        expect(theirs.status).toBe(404);
      }
    }
    const iat = Math.floor(now.getTime() / 1_000);
    const erase = { aud: audience(), do: "erase", iat, iss: bob.did, message: id };
    const good = await signInboxRequest(bob, { audience: audience(), action: "erase", message: id, now });
    const wrong: [string | undefined, string][] = [
      [undefined, "ERR_PROOF_MISSING"],
      ["x", "ERR_PROOF_MALFORMED"],
      [good.replace(/(.)(.{40})$/, (_, found, end) => `${found === "A" ? "B" : "A"}${end}`), "ERR_PROOF_INVALID"],
      [await signCompactJws(mallory, "peerage-inbox+jwt", erase), "ERR_PROOF_MALFORMED"],
      [await signCompactJws(bob, "peerage-entry+jwt", erase), "ERR_PROOF_MALFORMED"],
      [await signCompactJws(bob, "peerage-inbox+jwt", { ...erase, aud: "elsewhere.example" }), "ERR_PROOF_AUDIENCE"],
      [await signCompactJws(bob, "peerage-inbox+jwt", { ...erase, iat: iat - 91 }), "ERR_PROOF_EXPIRED"],
      [await signCompactJws(bob, "peerage-inbox+jwt", { ...erase, iat: iat + 31 }), "ERR_PROOF_NOT_YET_VALID"],
      [await signCompactJws(bob, "peerage-inbox+jwt", { ...erase, do: "fetch" }), "ERR_PROOF_MISMATCH"],
      [await signCompactJws(bob, "peerage-inbox+jwt", { ...erase, message: absent }), "ERR_PROOF_MISMATCH"],
      [await signNoteErasure(bob, { audience: audience(), note: id }), "ERR_PROOF_MALFORMED"],
    ];
    for (const [token, code] of wrong) {
      const answer = await fetch(url(id), {
        method: "DELETE",
        ...(token === undefined ? {} : { headers: headers(token) }),
      });
      expect(await answer.json(), code).toMatchObject({ code });
      expect([403, 422], code).toContain(answer.status);
    }
    expect(await waiting(bob)).toEqual([id]);
    expect((await fetch(url(id), { method: "DELETE", headers: headers(good) })).status).toBe(204);
  });

  it("P-MSG-5 are refused unsealed, too large, under another name, or from and to who has not joined", async () => {
    const [alice, bob, carol] = (await joined(3)) as [Identity, Identity, Identity];
    const stranger = generateIdentity();
    const sealed = await sealedFor(alice, bob);
    const plain = utf8("a plain text that somebody hands in by mistake".repeat(10));
    const large = new Uint8Array(MAX_SEALED_BYTES + 1).fill(1);
    const other = messageId(plain);
    const forOther = await signDelivery(alice, { audience: audience(), recipient: bob.did, message: other, now });
    const refused: [Promise<Response>, number, string][] = [
      [put(alice, bob, plain), 422, "ERR_SEALED_INVALID"],
      [
        put(alice, bob, large).catch(() => Response.json({ code: "ERR_MESSAGE_TOO_LARGE" }, { status: 413 })),
        413,
        "ERR_MESSAGE_TOO_LARGE",
      ],
      [put(alice, bob, sealed, { id: other }), 422, "ERR_SEALED_INVALID"],
      [put(alice, bob, sealed, { token: forOther }), 422, "ERR_PROOF_MISMATCH"],
      [put(stranger, bob, sealed), 403, "ERR_PROOF_INVALID"],
      [put(alice, stranger, sealed), 404, "ERR_NOT_FOUND"],
    ];
    for (const [answer, status, code] of refused) {
      expect(await (await answer).json()).toMatchObject({ code });
      expect((await answer).status, code).toBe(status);
    }
    expect(await waiting(bob)).toEqual([]);
    expect((await put(alice, bob, sealed)).status).toBe(201);
    // What was sent to one can be kept for another beside it: neither keeps the other's from coming.
    expect((await put(alice, carol, sealed)).status).toBe(201);
    expect(await waiting(bob)).toEqual(await waiting(carol));
  });

  it("come and go by the key that stands behind an agent now, and not for one that burnt itself", async () => {
    const [alice] = (await joined(1)) as [Identity];
    const [first, second] = [generateSeed(), generateSeed()];
    const bob = identityFromSeed(first);
    const next = identityFromSeed(second, { did: bob.did });
    const nextKey = multibaseOf(identityFromSeed(second).did);
    const init = await issueKeyInit(bob, { next: keyDigest(nextKey), now });
    for (const statement of [init, await issueProfile(bob, { role: "agent", now })])
      await registry.publish(statement.bytes);
    const sealed = await sealedFor(alice, bob);
    await put(alice, bob, sealed);
    expect(await waiting(bob)).toHaveLength(1);
    now = new Date(now.getTime() + 2_000);
    const options = { key: nextKey, prev: { id: init.id, seq: 0 }, next: keyDigest(multibaseOf(alice.did)), now };
    await registry.publish((await issueKeyRotate(next, options)).bytes);
    const old = await ask(bob, "list");
    expect([old.status, ((await old.json()) as { code: string }).code]).toEqual([409, "ERR_KEY_SUPERSEDED"]);
    expect(await waiting(next)).toHaveLength(1);
    expect((await put(bob, alice, await sealedFor(bob, alice))).status).toBe(409);
    expect((await put(next, alice, await sealedFor(next, alice))).status).toBe(201);
    now = new Date(now.getTime() + 2_000);
    await registry.publish((await issueRevocation(next, { revokes: "self", target: bob.did, now })).bytes);
    const burnt = await put(alice, bob, await sealedFor(alice, bob, "again"));
    expect([burnt.status, ((await burnt.json()) as { code: string }).code]).toEqual([409, "ERR_KEY_REVOKED"]);
  });

  it("P-MSG-5 neither come from nor go to nor are shown to an agent whose key is suspended or in dispute", async () => {
    const [alice] = (await joined(1)) as [Identity];
    const seeds = Array.from({ length: 4 }, generateSeed) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    const first = identityFromSeed(seeds[0]);
    const second = identityFromSeed(seeds[1], { did: first.did });
    const commit = (seed: Uint8Array): ReturnType<typeof keyDigest> =>
      keyDigest(multibaseOf(identityFromSeed(seed).did));
    const tick = (): Date => (now = new Date(now.getTime() + 2_000));
    const init = await issueKeyInit(first, { next: commit(seeds[1]), now });
    for (const { bytes } of [init, await issueProfile(first, { role: "agent", now })]) await registry.publish(bytes);
    const sealed = await sealedFor(alice, first);
    const id = messageId(sealed);
    expect((await put(alice, first, sealed)).status).toBe(201);
    expect((await put(first, alice, await sealedFor(first, alice))).status).toBe(201);
    /** What each of the five ways to its mail, and from it, is answered by. */
    const codes = async (bob: Identity): Promise<string[]> => {
      const answers = [
        await put(alice, bob, await sealedFor(alice, bob)),
        await put(bob, alice, await sealedFor(bob, alice)),
        await ask(bob, "list"),
        await ask(bob, "fetch", id),
        await ask(bob, "erase", id),
      ];
      const said = (await Promise.all(answers.map((one) => one.json()))) as { code?: string }[];
      return [...new Set(answers.map(({ status }, i) => `${status} ${said[i]?.code}`))];
    };
    const revoked = await issueKeyRevoke(first, { prev: init, now: tick() });
    await registry.publish(revoked.bytes);
    expect(await codes(first)).toEqual(["409 ERR_KEY_REVOKED"]);
    const rotate = async (next: Uint8Array): Promise<void> => {
      const rotation = await issueKeyRotate(second, { prev: revoked, next: commit(next), now: tick() });
      await registry.publish(rotation.bytes);
    };
    await rotate(seeds[2]);
    // With the one rotation its mail is its own again.
    expect(await waiting(second)).toEqual([id]);
    await rotate(seeds[3]);
    expect(await codes(first)).toEqual(["409 ERR_KEY_DISPUTED"]);
    // Which of the two rotations counts nobody can say, so what they brought is no key of its.
    expect((await codes(second)).sort()).toEqual(["403 ERR_PROOF_MALFORMED", "409 ERR_KEY_DISPUTED"]);
  });

  it("A-LOG-06 are not touched by a registry whose log was restored from before a key was changed", async () => {
    using other = temporaryFolder();
    const start = (): Promise<TestRegistry> => startRegistry({ dataDir: other.path, now: () => now });
    const seeds = [generateSeed(), generateSeed()] as const;
    const thief = identityFromSeed(seeds[0]);
    const owner = identityFromSeed(seeds[1], { did: thief.did });
    const commit = keyDigest(multibaseOf(identityFromSeed(seeds[1]).did));
    const listed = async ({ url, registry: { origin } }: TestRegistry, who: Identity): Promise<unknown> => {
      const token = await signInboxRequest(who, { audience: origin, action: "list", now });
      const answer = await fetch(`${url}/v1/messages`, { headers: headers(token) });
      return [answer.status, ((await answer.json()) as { code?: string }).code];
    };
    const init = await issueKeyInit(thief, { next: commit, now });
    {
      await using running = await start();
      for (const { bytes } of [init, await issueProfile(thief, { role: "agent", now })]) await running.publish(bytes);
      expect(await listed(running, thief)).toEqual([200, undefined]);
    }
    const backup = join(other.path, "backup.db");
    copyFileSync(join(other.path, "registry.db"), backup);
    now = new Date(now.getTime() + 2_000);
    {
      await using running = await start();
      await running.publish((await issueKeyRotate(owner, { prev: init, next: commit, now })).bytes);
      expect(await listed(running, thief)).toEqual([409, "ERR_KEY_SUPERSEDED"]);
      expect(await listed(running, owner)).toEqual([200, undefined]);
    }
    copyFileSync(backup, join(other.path, "registry.db"));
    await using restored = await start();
    for (const who of [thief, owner]) expect(await listed(restored, who)).toEqual([503, "ERR_REGISTRY_BUSY"]);
  });

  it("A-RATE-01 of strangers are few; who has a vouch from the owner, or was written to, is known to it", async () => {
    const [bob, friend, mallory] = (await joined(3)) as [Identity, Identity, Identity];
    const vouch = await issueVouch(bob, { subject: friend.did, scope: ["code"], confidence: 80, validFrom: now });
    await registry.publish(vouch.bytes);
    const send = async (from: Identity): Promise<number> => (await put(from, bob, await sealedFor(from, bob))).status;
    const most = messageLimits.stranger.messages;
    for (let i = 0; i < most; i++) expect(await send(mallory)).toBe(201);
    const refused = await put(mallory, bob, await sealedFor(mallory, bob));
    expect(refused.status).toBe(429);
    expect(refused.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(await refused.json()).toMatchObject({ code: "ERR_RATE_LIMITED" });
    for (let i = 0; i <= most; i++) expect(await send(friend)).toBe(201);
    expect((await put(bob, mallory, await sealedFor(bob, mallory))).status).toBe(201);
    expect(await send(mallory)).toBe(201);
  });

  it("A-RATE-05 of one sender are so many an hour, and the one too many says how many, and when there are more", async () => {
    const [alice, ...others] = (await joined(3)) as [Identity, Identity, Identity];
    for (const one of others) expect((await put(one, alice, await sealedFor(one, alice))).status).toBe(201);
    const [hour] = messageLimits.sender;
    const send = async (i: number): Promise<Response> => {
      const to = others[i % 2]!;
      return put(alice, to, await sealedFor(alice, to));
    };
    for (let i = 0; i < hour!.most; i++) expect((await send(i)).status).toBe(201);
    const refused = await send(0);
    expect(refused.status).toBe(429);
    expect(refused.headers.get("ratelimit-policy")).toBe(`"issuer";q=${hour!.most};w=${hour!.seconds}`);
    const wait = Number(refused.headers.get("retry-after"));
    expect(refused.headers.get("ratelimit")).toBe(`"issuer";r=0;t=${wait}`);
    // Not a second before, and then.
    now = new Date(now.getTime() + (wait - 1) * 1_000);
    expect((await send(0)).status).toBe(429);
    now = new Date(now.getTime() + 1_000);
    expect((await send(0)).status).toBe(201);
  });

  it("leave no word, sender or recipient in the files of the registry, nor in its log", async () => {
    const [alice, bob] = (await joined(2)) as [Identity, Identity];
    const secret = "the-vault-opens-at-midnight";
    const sealed = await sealedFor(alice, bob, secret);
    const id = messageId(sealed);
    const body = Buffer.from(sealed).toString("base64").slice(0, 400);
    await put(alice, bob, sealed);
    const files = (): Buffer[] =>
      readdirSync(folder.path)
        .filter((file) => file.startsWith("messages.db"))
        .map((file) => readFileSync(join(folder.path, file)));
    const holds = (text: string): boolean => files().some((bytes) => bytes.includes(text));
    expect(holds(body)).toBe(true);
    for (const text of [secret, alice.did.slice(8), bob.did.slice(8)]) expect(holds(text)).toBe(false);
    expect(logged.length).toBeGreaterThan(0);
    for (const text of [secret, body, id, id.slice(7), alice.did.slice(8), bob.did.slice(8)])
      expect(logged.join("\n")).not.toContain(text);
    await ask(bob, "fetch", id);
    await ask(bob, "erase", id);
    expect(holds(body)).toBe(false);
  });

  it("says in its own description what it keeps", async () => {
    const { limits } = await registry.json("/.well-known/peerage-registry.json");
    expect(limits.messages).toEqual(JSON.parse(JSON.stringify(messageLimits)));
  });
});
