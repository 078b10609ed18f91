import { once } from "node:events";
import { cp, readFile, writeFile } from "node:fs/promises";
import type { IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import {
  generateIdentity,
  generateSeed,
  type Identity,
  identityFromSeed,
  issueKeyInit,
  issueKeyRotate,
  issueReport,
  issueRevocation,
  issueVouch,
  keyDigest,
  multibaseOf,
} from "@peerage/core";
import { parseWebhookSecret, verifyWebhook } from "@peerage/mcp-middleware";
import { openRegistry, type Registry, serveApp } from "@peerage/registry";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { dataSchemas } from "../cli/src/schemas.ts";
import { BIN, Home } from "./_cli.ts";
import { serve } from "./_https.ts";
import { startRegistry, temporaryFolder, type TestRegistry } from "./_registry.ts";
import { startProcess } from "./_running.ts";

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const secret = parseWebhookSecret(SECRET);
const WAIT = { timeout: 60_000, interval: 20 };

interface Delivery {
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what a receiver reads
  readonly event: any;
}

/** A receiver of deliveries, whose answer a test can change. */
async function receiver() {
  const state = { status: 200, deliveries: [] as Delivery[] };
  const server = await serve((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const { headers } = request;
      if (state.status < 300) {
        const event = JSON.parse(body).metadata.event_payload;
        state.deliveries.push({ id: String(headers["webhook-id"]), headers, body, event });
      }
      response.writeHead(state.status).end();
    });
  });
  return Object.assign(state, {
    url: `http://127.0.0.1:${server.port}/hook`,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  });
}

describe("peerage watch", () => {
  let registry: TestRegistry;
  let home: Home;
  let root: Identity;
  beforeAll(async () => {
    [registry, home] = await Promise.all([startRegistry(), Home.make()]);
    root = generateIdentity();
    await home.call(["config", "set", "registry", registry.url]);
    await home.call(["roots", "add", root.did]);
    await writeFile(join(home.path, "key"), `${SECRET}\n`, { mode: 0o600 });
  });
  afterAll(async () => {
    await home[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
  });

  const vouch = async (issuer: Identity, subject: Identity, confidence = 90): Promise<string> => {
    const { bytes, id } = await issueVouch(issuer, { subject: subject.did, scope: ["tools"], confidence });
    await registry.publish(bytes);
    return id;
  };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each test knows the shape it asserts
  const look = async (...argv: string[]): Promise<any[]> => {
    const { code, stdout, stderr } = await home.call(["watch", ...argv, "--once", "--json"]);
    expect(code, stderr).toBe(0);
    const { data } = JSON.parse(stdout);
    expect(dataSchemas["watch"]!.safeParse(data).error).toBeUndefined();
    return data.events;
  };
  const kinds = (events: readonly { type: string; event?: string; crossed?: string }[]): string[] =>
    events.map(({ type, event, crossed }) => [type, event, crossed].filter(Boolean).join(" "));

  it("tells of each kind of event about the agents that are watched, each once, and of nobody else", async () => {
    const cursor = ["--cursor", join(home.path, "kinds.json"), "--min", "0.5"];
    const [bob, next, carol] = [generateIdentity(), generateIdentity(), generateIdentity()];
    expect(await look(bob.did, ...cursor)).toEqual([]);

    const given = await vouch(root, bob);
    await vouch(root, carol);
    await vouch(bob, carol, 60);
    await registry.publish((await issueKeyInit(bob, { next: keyDigest(multibaseOf(next.did)) })).bytes);
    const evidence = [`sha256:${"1".repeat(64)}` as const];
    await registry.publish((await issueReport(carol, { subject: bob.did, category: "spam", evidence })).bytes);
    const first = await look(bob.did, ...cursor);
    expect(kinds(first)).toEqual(["vouch", "vouch", "key init", "report", "score above"]);
    expect(first[0]).toMatchObject({ subject: bob.did, issuer: root.did, statement: given, agents: [bob.did], seq: 0 });
    expect(first[4]).toMatchObject({ score: 0.9, min: 0.5, scope: "tools", seq: 4 });
    expect(await look(bob.did, ...cursor)).toEqual([]);

    await registry.publish((await issueRevocation(root, { revokes: "statement", target: given as never })).bytes);
    await registry.publish((await issueRevocation(carol, { revokes: "self" })).bytes);
    const second = await look(bob.did, ...cursor);
    expect(kinds(second)).toEqual(["revocation", "score below"]);
    expect(second[0]).toMatchObject({ subject: bob.did, target: given, seq: 5 });
    expect(kinds(await look(carol.did, "--from", "0"))).toEqual(["vouch", "vouch", "key burn"]);
    // The same events under the same ids, whoever asks and whenever.
    const again = await look(bob.did, "--from", "0");
    expect(again.map(({ id }) => id)).toEqual([...first.slice(0, 4), second[0]].map(({ id }) => id));
    const text = await home.call(["watch", bob.did, "--once", "--from", "0"]);
    expect(text.stdout).toMatch(/vouch .*\n.*vouch .*\n.*key .*init.*\n.*report .*spam.*\n.*withdrawn/);
  });

  it("tells of a rotation by the key that it brings", async () => {
    const agent = generateIdentity();
    const seed = generateSeed();
    const next = identityFromSeed(seed, { did: agent.did });
    const digestOf = (did: Identity["did"]): ReturnType<typeof keyDigest> => keyDigest(multibaseOf(did));
    const prev = await issueKeyInit(agent, { next: digestOf(identityFromSeed(seed).did) });
    await registry.publish(prev.bytes);
    const rotation = await issueKeyRotate(next, { prev, next: digestOf(generateIdentity().did) });
    await registry.publish(rotation.bytes);
    expect(kinds(await look(agent.did, "--from", "0"))).toEqual(["key init", "key rotate"]);
  });

  it("posts each event signed with a time, goes on where it was, and loses and doubles nothing while nobody takes it", async () => {
    await using to = await receiver();
    const bob = generateIdentity();
    const argv = [
      "watch",
      bob.did,
      "--once",
      "--json",
      "--webhook",
      to.url,
      "--webhook-secret",
      join(home.path, "key"),
    ];
    expect((await home.call([...argv, "--every", "0.1"])).code).toBe(0);
    await vouch(root, bob);
    to.status = 503;
    const refused = await home.call([...argv, "--every", "0.1"]);
    expect([refused.code, refused.stderr]).toEqual([
      7,
      expect.stringContaining("1 event not delivered: it answers 503"),
    ]);
    await vouch(generateIdentity(), bob);
    to.status = 400;
    expect((await home.call(argv)).code).toBe(7);
    expect(to.deliveries).toEqual([]);
    to.status = 200;
    expect((await home.call(argv)).code).toBe(0);
    expect((await home.call(argv)).code).toBe(0);
    expect(to.deliveries.map(({ event }) => event.type)).toEqual(["vouch", "vouch"]);
    expect(new Set(to.deliveries.map(({ id }) => id)).size).toBe(2);
    const [{ headers, body, id, event }] = to.deliveries as [Delivery];
    expect(id).toBe(event.id);
    expect(JSON.parse(body).text).toBe(`${root.did} vouches for ${bob.did} in tools with confidence 90.`);
    const given = headers as Record<string, string>;
    expect(verifyWebhook(secret, given, body)).toBe(true);
    expect(verifyWebhook(secret, given, body.replace("90", "91"))).toBe(false);
    expect(verifyWebhook(secret, given, body, new Date(Date.now() + 301_000))).toBe(false);
    expect(verifyWebhook(parseWebhookSecret("another key, long enough"), given, body)).toBe(false);
  });

  it("holds some of a long log at a time, however long nobody takes any, and tells of all of it in order", async () => {
    await using to = await receiver();
    const bob = generateIdentity();
    const cursor = join(home.path, "long.json");
    const issued = await Promise.all(
      Array.from({ length: 120 }, () =>
        issueVouch(generateIdentity(), { subject: bob.did, scope: ["tools"], confidence: 1 }),
      ),
    );
    const places = await Promise.all(issued.map(({ bytes }) => registry.registry.submit(bytes)));
    await registry.registry.published(Math.max(...places.map(({ index }) => index)));
    const ordered = issued.map(({ id }, i) => [places[i]!.index, id] as const).sort(([one], [other]) => one - other);
    const argv = ["watch", bob.did, "--once", "--json", "--cursor", cursor, "--webhook", to.url];
    const watch = (...more: string[]): ReturnType<Home["call"]> =>
      home.call([...argv, "--webhook-secret", join(home.path, "key"), ...more]);
    to.status = 400;
    for (const more of [["--from", "0"], []]) {
      const { code, stderr } = await watch(...more);
      expect([code, stderr]).toEqual([7, expect.stringContaining("100 events not delivered")]);
      expect(JSON.parse(await readFile(cursor, "utf8"))).toMatchObject({ seq: 0, size: ordered[100]![0] });
    }
    to.status = 200;
    const { code, stdout, stderr } = await watch();
    expect(code, stderr).toBe(0);
    const { events } = JSON.parse(stdout).data as { events: { seq: number; statement: string }[] };
    expect(events.map(({ seq, statement }) => [seq, statement])).toEqual(ordered.map(([, id], i) => [i, id]));
    expect(to.deliveries.map(({ event }) => event.statement)).toEqual(ordered.map(([, id]) => id));
  });

  it("follows as a process, NDJSON a line, through kills in between, without a gap and without a doubled id", async () => {
    await using to = await receiver();
    const bob = generateIdentity();
    const cursor = join(home.path, "followed.json");
    const argv = ["watch", bob.did, "--json", "--every", "0.1", "--cursor", cursor, "--webhook", to.url];
    const all = [...argv, "--webhook-secret", join(home.path, "key")];
    const vouchers: string[] = [];
    const more = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        const voucher = generateIdentity();
        vouchers.push(voucher.did);
        await vouch(voucher, bob);
      }
    };
    const heard = (): string[] => [...new Map(to.deliveries.map(({ id, event }) => [id, event.issuer])).values()];
    const start = (): ReturnType<typeof startProcess> => startProcess(home, process.execPath, [BIN, ...all]);
    {
      await using running = start();
      await running.match(/watching 1 agent from entry/);
      await more(3);
      await vi.waitUntil(() => to.deliveries.length === 3, WAIT);
      await running.match(/"seq":2/);
      for (const line of running
        .written()
        .split("\n")
        .filter((one) => one.startsWith("{"))) {
        const { command, data } = JSON.parse(line);
        expect([command, dataSchemas["watch"]!.safeParse(data).error]).toEqual(["watch", undefined]);
      }
      running.child.kill("SIGKILL");
    }
    await more(2);
    await using running = start();
    await vi.waitUntil(() => heard().length === 5, WAIT);
    expect(heard()).toEqual(vouchers);
    await running.match(/"seq":4/);
    const ended = once(running.child, "close");
    running.child.kill("SIGINT");
    expect((await ended)[0]).toBe(130);
    expect(JSON.parse(await readFile(cursor, "utf8"))).toMatchObject({ pending: [], seq: 5 });
  });

  it("ends with 6 once the log contradicts itself, keeps the proof, and tells of nothing in it", async () => {
    using one = temporaryFolder();
    using two = temporaryFolder();
    const bob = generateIdentity();
    const grow = async (log: Registry): Promise<void> => {
      const { index } = await log.submit(
        (await issueVouch(generateIdentity(), { subject: bob.did, scope: ["tools"], confidence: 9 })).bytes,
      );
      await log.published(index);
    };
    await openRegistry({ dataDir: one.path, cadenceMs: 20 }).then(async (log) => {
      await grow(log);
      await log[Symbol.asyncDispose]();
    });
    await cp(one.path, two.path, { recursive: true });
    await using honest = await openRegistry({ dataDir: one.path, cadenceMs: 20 });
    await using other = await openRegistry({ dataDir: two.path, cadenceMs: 20 });
    for (const log of [honest, other, other]) await grow(log);
    let behind = honest;
    await using served = await serveApp({ fetch: (...args) => behind.app.fetch(...args) });
    const cursor = join(home.path, "forked.json");
    const argv = ["watch", bob.did, "--from", "0", "--every", "0.1", "--cursor", cursor, "--json"];
    const ran = home.call([...argv, "--registry", served.url]);
    await vi.waitUntil(async () => (await readFile(cursor, "utf8").catch(() => "")).includes('"seq": 2'), WAIT);
    behind = other;
    const { code, stdout, stderr } = await ran;
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect([code, lines.map(({ answer }) => answer)], stderr).toEqual([6, ["yes", "yes", "invalid"]]);
    expect(lines[2].data.error).toMatchObject({ code: "ERR_LOG_FORKED", hint: expect.stringContaining("fork-") });
    // Nor does another start on the log that was shown last.
    expect((await home.call([...argv.filter((_, i) => i < 2 || i > 3), "--once", "--registry", served.url])).code).toBe(
      6,
    );
  });

  it("goes on from no other log's cursor, and from none that was tampered with", async () => {
    await using other = await startRegistry();
    const bob = generateIdentity();
    const cursor = join(home.path, "other.json");
    await look(bob.did, "--cursor", cursor);
    const elsewhere = await home.call(["watch", bob.did, "--once", "--cursor", cursor, "--registry", other.url]);
    expect([elsewhere.code, elsewhere.stderr]).toEqual([2, expect.stringContaining("another log")]);
    const kept = JSON.parse(await readFile(cursor, "utf8"));
    for (const wrong of [
      { ...kept, note: kept.note.replace(/\n\d+\n/, "\n999999\n") },
      { ...kept, pending: [{ id: "x", type: "vouch" }] },
    ]) {
      await writeFile(cursor, JSON.stringify(wrong));
      expect((await home.call(["watch", bob.did, "--once", "--cursor", cursor])).code).toBeOneOf([2, 6]);
    }
  });
});
