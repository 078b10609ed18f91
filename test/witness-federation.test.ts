import { cpSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  auditLog,
  generateIdentity,
  HttpRegistryReader,
  httpObserver,
  issueRevocation,
  issueVouch,
  LogWatcher,
  MergedNetwork,
  Network,
  type RegistryReader,
  StatementSet,
  trustScore,
  verifyForkEvidence,
  View,
} from "@peerage/core";
import { openMirror, openRegistry, type Registry, serveApp } from "../registry/src/index.ts";
import { startRegistry, temporaryFolder } from "./_registry.ts";
import { startWitnesses, vkeyOf } from "./_witnesses.ts";

const [root, friend, agent] = [generateIdentity(), generateIdentity(), generateIdentity()];
const vouch = (from = generateIdentity(), to = generateIdentity(), confidence = 80) =>
  issueVouch(from, { subject: to.did, scope: ["tools"], confidence });

async function publish(registry: Registry, ...leaves: readonly { bytes: Uint8Array }[]): Promise<void> {
  const logged = await Promise.all(leaves.map(({ bytes }) => registry.submit(bytes)));
  expect(await registry.published(Math.max(...logged.map(({ index }) => index)))).toBe(true);
}

/** One log that is two: the same keys, the same beginning, grown apart. */
async function twins() {
  const folders = [temporaryFolder(), temporaryFolder()] as const;
  const base = await openRegistry({ dataDir: folders[0].path, cadenceMs: 20 });
  await publish(base, await vouch(root, friend), await vouch());
  await base[Symbol.asyncDispose]();
  cpSync(folders[0].path, folders[1].path, { recursive: true });
  const [a, b] = await Promise.all(folders.map(({ path }) => openRegistry({ dataDir: path, cadenceMs: 20 })));
  return {
    a: a!,
    b: b!,
    async [Symbol.asyncDispose]() {
      await a![Symbol.asyncDispose]();
      await b![Symbol.asyncDispose]();
      for (const folder of folders) folder[Symbol.dispose]();
    },
  };
}

/** A registry that answers as another from some time on. */
function turncoat(first: Registry): RegistryReader & { now: Registry } {
  const behind = { now: first };
  return Object.assign(behind, {
    origin: first.origin,
    logKey: first.logKey,
    checkpoint: () => behind.now.reader.checkpoint(),
    checkpoints: (...range: [number, number]) => behind.now.reader.checkpoints(...range),
    leaves: (...range: [number, number]) => behind.now.reader.leaves(...range),
    consistencyProof: (...range: [number, number]) => behind.now.reader.consistencyProof(...range),
    tile: (...where: [number, number, number]) => behind.now.reader.tile(...where),
  });
}

const scoreOf = (view: View) => trustScore(view.graph("tools"), { roots: [root.did], target: agent.did }).score;

describe("several registries as one", () => {
  it("count what stands in any of them, each statement once, and a revocation wherever it stands", async () => {
    await using one = await startRegistry();
    await using two = await startRegistry();
    const [far, near] = await Promise.all([vouch(root, friend), vouch(friend, agent)]);
    await publish(one.registry, far);
    await publish(two.registry, near, far);
    const readers = await Promise.all([one, two].map(({ url }) => HttpRegistryReader.connect({ url })));
    const alone = await Network.open({ reader: readers[0]! });
    expect(scoreOf(alone.view)).toBe("unknown");
    const merged = await MergedNetwork.open({ readers });
    expect(scoreOf(merged.view)).toBeGreaterThan(0.4);
    expect(merged.view.vouchesInForce()).toHaveLength(2);
    expect(merged.view.witnessed).toBe(false);
    await publish(one.registry, await issueRevocation(friend, { revokes: "subject", target: agent.did }));
    expect(scoreOf(await merged.refresh())).toBe("unknown");
  });

  it("A-TRUST-06 give the same view in whatever order and grouping their statements are united", async () => {
    const logs = await Promise.all(
      [0, 1, 2].map(async (n) => {
        const set = new StatementSet();
        const statements = [
          await vouch(root, friend, 60),
          await vouch(friend, agent, 70),
          await vouch(root, agent, 40),
        ];
        statements.forEach((statement, index) => set.add({ statement, index, time: statement.issuedAt + n }));
        return set;
      }),
    );
    const unite = (...sets: readonly StatementSet[]): StatementSet => {
      const union = new StatementSet();
      for (const set of sets) union.union(set);
      return union;
    };
    const [a, b, c] = logs as [StatementSet, StatementSet, StatementSet];
    const time = Math.floor(Date.now() / 1000) + 5;
    const shown = (set: StatementSet): unknown => {
      const view = new View(set, { origin: "", size: 0, root: new Uint8Array(32), time, witnessed: false, note: "" });
      const vouches = view.vouchesInForce().map(({ statement, time: at }) => [statement.id, at]);
      return { vouches, agents: [...view.agents()], score: scoreOf(view) };
    };
    const expected = shown(unite(a, b, c));
    for (const other of [unite(c, b, a), unite(unite(a, b), c), unite(a, unite(b, c)), unite(a, a, b, c, c, b)]) {
      expect(shown(other)).toEqual(expected);
    }
  });

  it("A-LOG-02 one liar among five is caught within two refreshes, with evidence; the others go on", async () => {
    await using pair = await twins();
    const honest = await Promise.all(Array.from({ length: 4 }, () => startRegistry()));
    try {
      await publish(honest[0]!.registry, await vouch(friend, agent));
      await publish(pair.a, await vouch());
      const liar = turncoat(pair.a);
      const readers = [liar, ...honest.map(({ registry }) => registry.reader)];
      const merged = await MergedNetwork.open({ readers });
      const before = scoreOf(merged.view);
      expect(before).toBeGreaterThan(0.4);
      await publish(pair.b, await vouch(), await vouch(root, agent, 99));
      liar.now = pair.b;
      let rounds = 0;
      while (!merged.sources.some(({ evidence }) => evidence) && rounds < 2) {
        rounds++;
        await merged.refresh();
      }
      const caught = merged.sources.filter(({ evidence }) => evidence);
      expect(caught.map(({ origin }) => origin)).toEqual([liar.origin]);
      await verifyForkEvidence(caught[0]!.evidence, { origin: liar.origin, logKey: liar.logKey });
      expect(scoreOf(merged.view)).toBe(before);
      await publish(honest[1]!.registry, await vouch(root, agent, 90));
      expect(scoreOf(await merged.refresh())).toBeGreaterThan(before as number);
      expect(merged.sources.filter(({ error }) => error)).toHaveLength(1);
    } finally {
      for (const registry of honest) await registry[Symbol.asyncDispose]();
    }
  });

  it("A-LOG-02 two views of one log that were grown apart contradict each other at once", async () => {
    await using pair = await twins();
    await publish(pair.a, await vouch());
    await publish(pair.b, await vouch(), await vouch());
    const merged = await MergedNetwork.open({ readers: [pair.a.reader, pair.b.reader] });
    expect(merged.sources.filter(({ evidence }) => evidence)).toHaveLength(2);
    await using fine = await startRegistry();
    await publish(fine.registry, await vouch());
    const twice = await MergedNetwork.open({ readers: [fine.registry.reader, fine.registry.reader] });
    expect(twice.sources.filter(({ error }) => error)).toHaveLength(0);
  });

  it("A-LOG-03 are as old as the oldest, and work without the one that is down", async () => {
    const gone = await startRegistry();
    await using up = await startRegistry();
    await publish(up.registry, await vouch(root, agent));
    const readers = await Promise.all([gone, up].map(({ url }) => HttpRegistryReader.connect({ url })));
    await gone[Symbol.asyncDispose]();
    const merged = await MergedNetwork.open({ readers });
    expect(scoreOf(merged.view)).toBeCloseTo(0.8);
    expect(merged.ageSeconds()).toBe(Infinity);
    expect(merged.sources[0]).toMatchObject({ error: { code: "ERR_REGISTRY_UNREACHABLE" } });
  });
});

describe("an auditor", () => {
  it("verifies a whole log with its tiles, and finds witnesses and mirrors in agreement", async () => {
    using folder = temporaryFolder();
    using copy = temporaryFolder();
    const first = await openRegistry({ dataDir: folder.path });
    const vkey = vkeyOf(first.logKey);
    await first[Symbol.asyncDispose]();
    using witnesses = await startWitnesses(3, [vkey]);
    const quorum = { witnesses: witnesses.parties, threshold: 2, fetch: witnesses.fetch };
    await using server = await startRegistry({ dataDir: folder.path, witnesses: quorum });
    await publish(server.registry, ...(await Promise.all(Array.from({ length: 300 }, () => vouch()))));
    await using mirror = await openMirror({ url: server.url, dataDir: copy.path, followMs: 0 });
    await using mirrored = await serveApp(mirror.app);
    const { origin } = server.registry;
    const observers = [
      ...witnesses.parties.map(({ url, key }) => httpObserver(url, origin, { name: key.name, fetch: witnesses.fetch })),
      httpObserver(`${mirrored.url}/mirror`, origin),
      httpObserver("http://127.0.0.1:9/witness", origin, { name: "gone" }),
    ];
    const policy = { witnesses: witnesses.parties.map(({ key }) => key), threshold: 2 };
    const reader = await HttpRegistryReader.connect({ url: server.url, quorum: policy });
    const steps: number[] = [];
    const report = await auditLog({ reader, observers, onProgress: (done) => steps.push(done) });
    expect(report).toMatchObject({ size: 300, witnessed: true, rejected: [], evidence: [] });
    expect(report.observations.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 4 }, () => "consistent"),
      "unreachable",
    ]);
    expect(steps.at(-1)).toBe(300);
  });

  it("A-LOG-02 proves a fork by what a witness saw, and that a log shows less than it signed", async () => {
    await using pair = await twins();
    await publish(pair.a, await vouch());
    await publish(pair.b, await vouch(), await vouch());
    const saw = (registry: Registry) => ({
      name: "a witness",
      newest: async () => (await registry.reader.checkpoint()).note,
    });
    const watcher = new LogWatcher({ reader: pair.a.reader, observers: [saw(pair.b)] });
    const ahead = await watcher.check();
    expect(ahead.observations).toMatchObject([{ status: "ahead", size: 4 }]);
    await publish(pair.a, await vouch(), await vouch());
    const forked = await watcher.check();
    expect(forked.observations).toMatchObject([{ status: "forked", size: 4 }]);
    await verifyForkEvidence(forked.evidence[0], { origin: pair.a.origin, logKey: pair.a.logKey });
    const honest = await auditLog({ reader: pair.a.reader, observers: [saw(pair.a)] });
    expect(honest).toMatchObject({ evidence: [], observations: [{ status: "consistent" }] });
  });

  it("A-LOG-01 refuses a tile that is not that of the leaves, and takes the right one again", async () => {
    await using server = await startRegistry();
    await publish(server.registry, ...(await Promise.all(Array.from({ length: 260 }, () => vouch()))));
    const reader = turncoat(server.registry);
    let lies = true;
    const honest = reader.tile.bind(reader);
    reader.tile = async (level, n, width) => {
      const tile = Uint8Array.from(await honest(level, n, width));
      if (lies && level === 0 && n === 0) tile[40]! ^= 1;
      return tile;
    };
    const watcher = new LogWatcher({ reader });
    await expect(watcher.check()).rejects.toMatchObject({ code: "ERR_REGISTRY_RESPONSE" });
    lies = false;
    expect((await watcher.check()).size).toBe(260);
  });
});
