import { describe, expect, it } from "vitest";
import {
  generateIdentity,
  type Identity,
  issueKeyInit,
  issueProfile,
  issueRevocation,
  issueVouch,
  keyDigest,
  multibaseOf,
} from "@peerage/core";
import { serveApp } from "../cli/src/serve.ts";
import { openRegistry } from "../registry/src/index.ts";
import { IssuerBudgets } from "../registry/src/admission/budgets.ts";
import type { LogReads } from "../registry/src/store/log-store.ts";
import { startRegistry, temporaryFolder, type TestRegistry } from "./_registry.ts";

const DAY = 86_400_000;
const START = Date.parse("2026-11-20T10:00:00Z");

/** A public registry with a clock of its own, by whose limits of issuers alone it is judged. */
async function publicRegistry(options: Parameters<typeof startRegistry>[0] = {}) {
  const clock = { ms: START };
  const now = (): Date => new Date(clock.ms);
  const registry = await startRegistry({ budgets: true, now, ...options });
  return {
    registry,
    clock,
    now,
    post: async (leaf: { bytes: Uint8Array }) => {
      const response = await registry.post(leaf.bytes, { prefer: "wait=15" });
      await response.text();
      return response;
    },
    vouch: (from: Identity, to: Identity = generateIdentity()) =>
      issueVouch(from, { subject: to.did, scope: ["tools"], confidence: 50, validFrom: now() }),
    profile: (of: Identity) => issueProfile(of, { role: "agent", now: now() }),
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

const statuses = (responses: readonly Response[]): number[] => responses.map(({ status }) => status);
async function inTurn<T>(count: number, one: (i: number) => Promise<T>): Promise<T[]> {
  const all: T[] = [];
  for (let i = 0; i < count; i++) all.push(await one(i));
  return all;
}

describe("budgets of issuers at a public registry", () => {
  it("A-RATE-05 admit an unknown newcomer with init and one profile; after a day five vouches a day", async () => {
    const [root, new1] = [generateIdentity(), generateIdentity()];
    await using test = await publicRegistry({ roots: [root.did] });
    const init = await issueKeyInit(new1, { next: keyDigest(multibaseOf(generateIdentity().did)), now: test.now() });
    expect((await test.post(init)).status).toBe(201);
    expect((await test.post(await test.profile(new1))).status).toBe(201);
    test.clock.ms += 1_000;
    const second = await test.post(await test.profile(new1));
    expect(second.status).toBe(429);
    const early = await test.registry.post((await test.vouch(new1)).bytes);
    expect(early.status).toBe(429);
    expect(await early.json()).toMatchObject({ code: "ERR_RATE_LIMITED" });
    expect(Number(early.headers.get("retry-after"))).toBeGreaterThan(86_000);
    expect(early.headers.get("ratelimit-policy")).toBe('"issuer";q=0;w=86400');
    test.clock.ms += DAY;
    const day = await inTurn(6, async () => test.post(await test.vouch(new1)));
    expect(statuses(day)).toEqual([201, 201, 201, 201, 201, 429]);
    expect(day[5]!.headers.get("ratelimit-policy")).toBe('"issuer";q=5;w=86400');
    test.clock.ms += DAY + 1_000;
    expect((await test.post(await test.vouch(new1))).status).toBe(201);
  });

  it("A-RATE-02 let those with a score speak at once, twenty times an hour, over restarts and in parallel", async () => {
    const [root, friend] = [generateIdentity(), generateIdentity()];
    await using test = await publicRegistry({ roots: [root.did] });
    expect((await test.post(await test.vouch(root, friend))).status).toBe(201);
    const vouches = await Promise.all(Array.from({ length: 40 }, () => test.vouch(friend)));
    const answers = statuses(await Promise.all(vouches.map((vouch) => test.post(vouch))));
    expect(answers.filter((status) => status === 201)).toHaveLength(20);
    expect(answers.filter((status) => status === 429)).toHaveLength(20);
    // Refused ones were not charged, reads reset nothing, and another's budget is another's.
    for (let i = 0; i < 5; i++) await (await test.registry.get("/v1/statements")).text();
    expect((await test.post(await test.vouch(friend))).status).toBe(429);
    expect((await test.post(await test.vouch(root))).status).toBe(201);
    test.clock.ms += 3_700_000;
    expect((await test.post(await test.vouch(friend))).status).toBe(201);
  });

  it("A-RATE-01 charge nobody for requests that it did not sign", async () => {
    const [root, victim] = [generateIdentity(), generateIdentity()];
    await using test = await publicRegistry({ roots: [root.did, victim.did] });
    const genuine = Buffer.from((await test.vouch(victim)).bytes).toString();
    for (let i = 0; i < 60; i++) {
      const forged = genuine.replace('"confidence":50', `"confidence":${i + 51 > 100 ? 1 : i + 51}`);
      const answer = await test.registry.post(forged);
      expect(answer.status).toBe(422);
      await answer.text();
    }
    expect(statuses(await inTurn(21, async () => test.post(await test.vouch(victim))))).toEqual([
      ...Array.from({ length: 20 }, () => 201),
      429,
    ]);
  });

  it("A-RATE-04 never hold up revocations and key events, however much of a budget is spent", async () => {
    const victim = generateIdentity();
    await using test = await publicRegistry({ roots: [victim.did] });
    const next = keyDigest(multibaseOf(generateIdentity().did));
    const vouches = await inTurn(20, () => test.vouch(victim));
    for (const vouch of vouches) expect((await test.post(vouch)).status).toBe(201);
    expect((await test.post(await test.vouch(victim))).status).toBe(429);
    const now = test.now();
    for (const { id } of vouches) {
      const revocation = await issueRevocation(victim, { revokes: "statement", target: id, now });
      expect((await test.post(revocation)).status).toBe(201);
    }
    expect((await test.post(await issueKeyInit(victim, { next, now }))).status).toBe(201);
    expect((await test.post(await issueRevocation(victim, { revokes: "self", target: victim.did, now }))).status).toBe(
      201,
    );
  });
});

describe("a registry of members", () => {
  it("A-RATE-05 logs what its members say, and of others only what takes back", async () => {
    const [member, stranger] = [generateIdentity(), generateIdentity()];
    using folder = temporaryFolder();
    const vouch = (from: Identity) =>
      issueVouch(from, { subject: generateIdentity().did, scope: ["tools"], confidence: 5 });
    const early = await vouch(stranger);
    {
      await using open = await startRegistry({ dataDir: folder.path });
      await open.publish(early.bytes);
    }
    await using closed = await startRegistry({ dataDir: folder.path, members: [member.did] });
    expect((await closed.post((await vouch(member)).bytes)).status).toBe(201);
    const refused = await closed.post((await vouch(stranger)).bytes);
    expect(refused.status).toBe(422);
    expect(await refused.json()).toMatchObject({ code: "ERR_STATEMENT_INVALID" });
    const back = await issueRevocation(stranger, { revokes: "statement", target: early.id });
    expect((await closed.post(back.bytes)).status).toBe(201);
    const nobody = generateIdentity();
    const burn = await issueRevocation(nobody, { revokes: "self", target: nobody.did });
    expect((await closed.post(burn.bytes)).status).toBe(422);
    expect(await closed.json("/.well-known/peerage-registry.json")).toMatchObject({ limits: { mode: "members" } });
  });
});

describe("limits of addresses", () => {
  const at = (test: TestRegistry, path: string, from: string, method = "GET"): Promise<Response> =>
    fetch(test.url + path, {
      method,
      headers: { "x-forwarded-for": from },
      ...(method === "POST" ? { body: "{}" } : {}),
    });
  const clock = (): Date => new Date(START);

  it("A-RATE-02 count reads, writes and streams apart, say what is left, and never count tiles", async () => {
    await using test = await startRegistry({ writesPerMinute: 2, readsPerMinute: 3, streamsEach: 2, now: clock });
    const reads = await inTurn(4, () => test.get("/v1/agents"));
    expect(statuses(reads)).toEqual([200, 200, 200, 429]);
    expect(reads[0]!.headers.get("ratelimit-policy")).toBe('"reads";q=3;w=60');
    expect(reads.map(({ headers }) => headers.get("ratelimit"))).toEqual([
      '"reads";r=2;t=60',
      '"reads";r=1;t=60',
      '"reads";r=0;t=60',
      '"reads";r=0;t=60',
    ]);
    expect(reads[3]!.headers.get("retry-after")).toBe("60");
    expect(reads[3]!.headers.get("content-type")).toBe("application/problem+json");
    expect(statuses(await inTurn(3, () => test.post("{}")))).toEqual([422, 422, 429]);
    expect((await test.get("/v1/agents")).status).toBe(429);
    for (const path of ["/checkpoint", "/healthz", "/readyz", "/.well-known/peerage-registry.json"]) {
      expect((await test.get(path)).status, path).toBe(200);
    }
    expect((await test.get("/tile/0/000.p/1")).status).toBe(404); // an empty log has none
  });

  it("A-RATE-05 count pages among the reads, of whatever form, and the files that they link not", async () => {
    using folder = temporaryFolder();
    await using registry = await openRegistry({ dataDir: folder.path, readsPerMinute: 4, now: clock });
    await using served = await serveApp(registry, { host: "127.0.0.1", port: 0 }, { roots: [] });
    const get = async (path: string): Promise<number> => {
      const answer = await fetch(served.url + path, { headers: { accept: "text/html" } });
      await answer.arrayBuffer();
      return answer.status;
    };
    const [style = ""] = /\/assets\/[^"]+\.css/.exec(await (await fetch(`${served.url}/`)).text()) ?? [];
    const stranger = generateIdentity().did;
    expect(await inTurn(3, (i) => get(["/clusters", "/map.json", `/a/${stranger}/orbit`][i]!))).toEqual([
      200, 200, 200,
    ]);
    for (const path of ["/agents", `/a/${stranger}/orbit/map.json`, "/v1/statements"])
      expect(await get(path)).toBe(429);
    for (const path of [style, "/checkpoint"]) expect(await get(path), path).not.toBe(429);
    expect((await fetch(`${served.url}/log`)).headers.get("retry-after")).toMatch(/^\d+$/);
  });

  it("A-RATE-05 bound the live feeds of a network, and give a place back when one ends", async () => {
    await using test = await startRegistry({ streamsEach: 2 });
    const open = async (): Promise<{ status: number; end: () => Promise<void> }> => {
      const response = await test.get("/v1/feed.sse");
      const reader = response.body!.getReader();
      await reader.read();
      return { status: response.status, end: () => reader.cancel() };
    };
    const first = await open();
    const second = await open();
    expect([first.status, second.status]).toEqual([200, 200]);
    expect((await open()).status).toBe(429);
    await first.end();
    await expect.poll(async () => (await open()).status).toBe(200);
  });

  it("A-RATE-03 believe forwarded addresses from trusted hops alone, the right-most that is none of them", async () => {
    await using direct = await startRegistry({ writesPerMinute: 2, now: clock });
    const spoofed = await inTurn(4, (i) => at(direct, "/v1/statements", `198.51.${i}.1`, "POST"));
    expect(statuses(spoofed)).toEqual([422, 422, 429, 429]);

    await using hop = await startRegistry({ writesPerMinute: 2, now: clock, clients: ["127.0.0.1", "10.0.0.0/8"] });
    const post = (from: string): Promise<Response> => at(hop, "/v1/statements", from, "POST");
    // What a client writes to the left of itself changes nothing.
    const chains = ["203.0.113.9", "1.2.3.4, 203.0.113.9", "9.9.9.9, 203.0.113.77, 10.1.2.3"];
    expect(statuses(await inTurn(3, (i) => post(chains[i]!)))).toEqual([422, 422, 429]);
    expect((await post("198.51.100.1")).status).toBe(422);
    expect((await post("[2001:db8:1:2::3]:4711")).status).toBe(422);
    expect((await post("2001:db8:1::9")).status).toBe(422);
    expect((await post("2001:db8:1:ffff::9")).status).toBe(429);
    // A hop that says nothing readable is counted itself.
    expect(statuses(await inTurn(3, () => post("unknown")))).toEqual([422, 422, 429]);
  });

  it("A-RATE-03 are off, and say so, where something unnamed stands in front", async () => {
    await using test = await startRegistry({ writesPerMinute: 1, readsPerMinute: 1, clients: "unknown" });
    expect(statuses(await inTurn(3, () => test.post("{}")))).toEqual([422, 422, 422]);
    const about = (await test.json("/.well-known/peerage-registry.json")) as { limits: object };
    expect(about.limits).toMatchObject({ byAddress: false, writesPerMinute: null, readsPerMinute: null });
    await expect(startRegistry({ clients: ["proxy.example"] })).rejects.toBeInstanceOf(RangeError);
    await expect(startRegistry({ clients: ["10.0.0.0/33"] })).rejects.toBeInstanceOf(RangeError);
  });

  it("A-RATE-05 deny what cannot be counted", async () => {
    const issuer = generateIdentity();
    const down = (): never => {
      throw new Error("the database is gone");
    };
    const reads = new Proxy({} as LogReads, { get: () => down });
    const budgets = new IssuerBudgets({ reads, now: () => START / 1_000, isScored: () => true });
    const vouch = await issueVouch(issuer, { subject: generateIdentity().did, scope: ["tools"], confidence: 5 });
    await expect(budgets.check(vouch)).rejects.toThrow("the database is gone");
    await expect(budgets.check(await issueProfile(issuer, { role: "agent" }))).rejects.toThrow("the database is gone");
  });
});
