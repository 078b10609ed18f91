import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  generateIdentity,
  HttpRegistryReader,
  issueKeyInit,
  issueProfile,
  issueRevocation,
  issueVouch,
  keyDigest,
  multibaseOf,
  Network,
  type RegistryReader,
  trustScore,
} from "@peerage/core";
import { Home } from "./_cli.ts";
import { startRegistry } from "./_registry.ts";

const root = generateIdentity();
const agent = generateIdentity();
const scoreOf = ({ view }: Network) => trustScore(view.graph("tools"), { roots: [root.did], target: agent.did }).score;

describe("a revocation that is left out of an answer", () => {
  it("A-LOG-05 is noticed by whoever follows the log, and cannot be left out of the log itself", async () => {
    await using test = await startRegistry();
    const vouch = await issueVouch(root, { subject: agent.did, scope: ["tools"], confidence: 80 });
    await test.publish(vouch.bytes);
    const before = await Network.open({ reader: await HttpRegistryReader.connect({ url: test.url }) });
    expect(scoreOf(before)).toBeCloseTo(0.8);
    const revocation = await issueRevocation(root, { revokes: "statement", target: vouch.id });
    await test.publish(revocation.bytes);

    // An operator's answer about one statement may say anything: here it keeps quiet. A follower asks for none.
    const answer = (await test.json(`/v1/statements/${vouch.id}`)) as { revokedBy: string[] };
    expect(answer.revokedBy).toEqual([revocation.id]);
    const quiet: typeof fetch = async (input, init) => {
      const response = await fetch(input, init);
      if (!new Request(input).url.includes("/v1/statements/")) return response;
      return Response.json({ ...((await response.json()) as object), revokedBy: [] });
    };
    const reader = await HttpRegistryReader.connect({ url: test.url, fetch: quiet });
    expect(scoreOf(await Network.open({ reader }))).toBe("unknown");

    // Left out of the leaves, they no longer lead to the signed root.
    const own = test.registry.reader;
    const omitting: RegistryReader = {
      origin: own.origin,
      logKey: own.logKey,
      checkpoint: () => own.checkpoint(),
      checkpoints: (...range) => own.checkpoints(...range),
      consistencyProof: (...range) => own.consistencyProof(...range),
      tile: (...at) => own.tile(...at),
      async *leaves(from, to) {
        for await (const one of own.leaves(from, to)) if (one.index !== 1) yield one;
      },
    };
    await expect(Network.open({ reader: omitting })).rejects.toMatchObject({ code: "ERR_REGISTRY_RESPONSE" });
  });

  it("A-STMT-03 a revoked vouch handed over as a file is not taken for one in force", async () => {
    await using home = await Home.make();
    await using test = await startRegistry();
    const vouch = await issueVouch(root, { subject: agent.did, scope: ["tools"], confidence: 80 });
    const file = join(home.path, "vouch.json");
    writeFileSync(file, vouch.bytes);
    await test.publish(vouch.bytes);
    expect((await home.call(["verify", file, "--registry", test.url])).code).toBe(0);
    await test.publish((await issueRevocation(root, { revokes: "subject", target: agent.did })).bytes);
    const revoked = await home.call(["verify", file, "--registry", test.url, "--json"]);
    expect(revoked.code).not.toBe(0);
    expect(revoked.stdout + revoked.stderr).toContain("ERR_VOUCH_REVOKED");
  });
});

describe("a registry's answers", () => {
  it("A-LOG-10 are cut off when they unpack to more than any answer has", async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    await using test = await startRegistry();
    await test.publish((await issueProfile(agent, { role: "agent" })).bytes);
    let sent = 0;
    const server = createServer((request, response) => {
      void fetch(test.url + request.url!).then(async (real) => {
        if (request.url!.startsWith("/tile/entries/")) {
          sent++;
          response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
        } else
          response.writeHead(real.status, { "content-type": "text/plain" }).end(Buffer.from(await real.arrayBuffer()));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const { logKey, witnessKey, origin } = test.registry;
      const reader = await HttpRegistryReader.connect({ url, policy: { origin, logKey, operatorWitness: witnessKey } });
      await expect(Network.open({ reader })).rejects.toMatchObject({ code: "ERR_REGISTRY_RESPONSE" });
      expect(sent).toBeGreaterThan(0);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe("newcomers", () => {
  it("A-STMT-14 are vouched for by nobody but by agents who do: 100 registrations, 0 vouches", async () => {
    await using test = await startRegistry({ roots: [root.did] });
    const dids = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const newcomer = generateIdentity();
        const next = keyDigest(multibaseOf(generateIdentity().did));
        await test.registry.submit((await issueKeyInit(newcomer, { next })).bytes);
        const { index } = await test.registry.submit((await issueProfile(newcomer, { role: "agent" })).bytes);
        await test.registry.published(index);
        return newcomer.did;
      }),
    );
    expect(test.registry.view.size).toBe(200);
    expect(await test.json("/v1/statements?kind=Vouch")).toMatchObject({ statements: [] });
    const score = (await test.json(`/v1/score?to=${dids[0]!}`)) as object;
    expect(score).toMatchObject({ status: "unknown", score: null });
  });
});

it("an answer of 500 and above is an outage, one of 400 a false answer, and the log is read once they are over", async () => {
  await using test = await startRegistry();
  await test.publish((await issueProfile(agent, { role: "agent" })).bytes);
  let status = 200;
  const through: typeof fetch = async (input, init) =>
    status === 200 ? await fetch(input, init) : new Response("away", { status });
  const read = async (): Promise<unknown> => {
    const reader = await HttpRegistryReader.connect({ url: test.url, fetch: through });
    return (await Network.open({ reader })).view.size;
  };
  for (const [answer, code] of [
    [500, "ERR_REGISTRY_UNREACHABLE"],
    [502, "ERR_REGISTRY_UNREACHABLE"],
    [400, "ERR_REGISTRY_RESPONSE"],
    [404, "ERR_NOT_FOUND"],
  ] as const) {
    status = answer;
    await expect(read(), String(answer)).rejects.toMatchObject({ code });
  }
  status = 200;
  expect(await read()).toBe(1);
});
