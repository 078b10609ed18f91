import { copyFileSync, cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import {
  type ForkEvidence,
  generateIdentity,
  HttpRegistryReader,
  issueVouch,
  Network,
  verifyCheckpoint,
  verifyForkEvidence,
} from "@peerage/core";
import { openMirror, openRegistry, type Registry, serveApp } from "../registry/src/index.ts";
import { startRegistry, temporaryFolder } from "./_registry.ts";

const vouch = async (): Promise<Uint8Array> =>
  (await issueVouch(generateIdentity(), { subject: generateIdentity().did, scope: ["tools"], confidence: 50 })).bytes;

/** Publishes that many vouches, a few under one checkpoint. */
async function grow(registry: Registry, count: number): Promise<void> {
  const leaves = await Promise.all(Array.from({ length: count }, vouch));
  const logged = await Promise.all(leaves.map((leaf) => registry.submit(leaf)));
  expect(await registry.published(Math.max(...logged.map(({ index }) => index)))).toBe(true);
}

/** An address behind which registries can be exchanged. */
function exchange(first: Registry): { url: string; fetch: typeof fetch; now: Registry } {
  const behind = {
    url: "https://log.test",
    now: first,
    fetch: (async (input) => {
      const { pathname, search } = new URL(input instanceof Request ? input.url : input);
      return behind.now.app.request(pathname + search);
    }) as typeof fetch,
  };
  return behind;
}

describe("a mirror", () => {
  it("copies and re-verifies a log, serves what it has, and cosigns how far", async () => {
    using folder = temporaryFolder();
    await using source = await startRegistry();
    await grow(source.registry, 300);
    await grow(source.registry, 7);
    const options = { url: source.url, dataDir: folder.path, followMs: 0 };
    await using mirror = await openMirror(options);
    expect(mirror).toMatchObject({ origin: source.registry.origin, rejected: 0, checkpoint: { size: 307 } });
    await using served = await serveApp(mirror.app);
    const base = served.url + mirror.path;
    const note = await (await fetch(`${base}/checkpoint`)).text();
    const { origin, logKey, witnessKey } = source.registry;
    const policy = { origin, logKey, operatorWitness: witnessKey, quorum: { witnesses: [mirror.key], threshold: 1 } };
    expect(await verifyCheckpoint(note, policy, { now: new Date() })).toMatchObject({ size: 307, witnessed: true });

    await grow(source.registry, 3);
    await mirror.refresh();
    const network = await Network.open({ reader: await HttpRegistryReader.connect({ url: base }) });
    expect(network.view.size).toBe(310);
    const times = (view: typeof network.view) => [...view.agents()].map((did) => view.agent(did)!.first);
    expect(times(network.view)).toEqual(times(source.registry.view));
    for (const path of ["/tile/0/000", "/tile/entries/000", "/tile/0/001.p/54", "/v1/consistency?from=7&to=310"]) {
      const [copy, original] = await Promise.all(
        [base, source.url].map(async (url) => Buffer.from(await (await fetch(url + path)).arrayBuffer())),
      );
      expect(copy!.equals(original!), path).toBe(true);
    }
    for (const path of ["/v1/statements", "/v1/notes/x"]) {
      expect((await fetch(base + path, { method: "POST", body: "{}" })).status).toBe(404);
    }
  });

  it("goes on serving when the registry is gone, also after a restart of its own", async () => {
    using folder = temporaryFolder();
    const source = await startRegistry();
    await grow(source.registry, 5);
    const options = { url: source.url, dataDir: folder.path, followMs: 0 };
    await (await openMirror(options))[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
    await using mirror = await openMirror(options);
    await expect(mirror.refresh()).rejects.toMatchObject({ code: "ERR_REGISTRY_UNREACHABLE" });
    const response = await mirror.app.request(`${mirror.path}/tile/entries/000.p/5`);
    expect(response.status).toBe(200);
    expect(mirror.checkpoint.size).toBe(5);
  });

  it("A-LOG-02 stops on the last good copy when the log is rewritten, and holds the evidence", async () => {
    using folder = temporaryFolder();
    using one = temporaryFolder();
    using two = temporaryFolder();
    const base = await openRegistry({ dataDir: one.path, cadenceMs: 20 });
    await grow(base, 5);
    await base[Symbol.asyncDispose]();
    cpSync(one.path, two.path, { recursive: true });
    await using honest = await openRegistry({ dataDir: one.path, cadenceMs: 20 });
    await using liar = await openRegistry({ dataDir: two.path, cadenceMs: 20 });
    await grow(honest, 3);
    await grow(liar, 4);
    const behind = exchange(honest);
    const alarms: (ForkEvidence | undefined)[] = [];
    await using mirror = await openMirror({
      ...behind,
      now: () => new Date(),
      dataDir: folder.path,
      followMs: 20,
      onAlarm: (_error, evidence) => alarms.push(evidence),
    });
    expect(mirror.checkpoint.size).toBe(8);
    behind.now = liar;
    await expect.poll(() => alarms.length, { timeout: 30_000 }).toBeGreaterThan(0);
    const { origin, logKey } = honest;
    await verifyForkEvidence(alarms[0], { origin, logKey });
    expect(mirror.checkpoint.size).toBe(8);
    const answer = (await (await mirror.app.request("/v1/forks")).json()) as { forks: unknown[] };
    await verifyForkEvidence(answer.forks[0], { origin, logKey });
    behind.now = honest;
    await grow(honest, 1);
    // A look that was under way already may have seen the liar, or the log before it grew.
    await vi.waitFor(async () => expect((await mirror.refresh()).size).toBe(9), { timeout: 30_000 });
  });
});

describe("a registry that was restored from an older backup", () => {
  it.each([
    ["an older database", (database: string, backup: string) => copyFileSync(backup, database)],
    ["no database at all", (database: string) => rmSync(database)],
  ])("A-LOG-06 with %s takes what is missing from a mirror, and goes on", async (_name, damage) => {
    using folder = temporaryFolder();
    using copy = temporaryFolder();
    const database = join(folder.path, "registry.db");
    const backup = join(folder.path, "backup.db");
    const source = await startRegistry({ dataDir: folder.path });
    await grow(source.registry, 4);
    await using mirror = await openMirror({ url: source.url, dataDir: copy.path, followMs: 0 });
    await source[Symbol.asyncDispose]();
    copyFileSync(database, backup);
    {
      await using again = await openRegistry({ dataDir: folder.path, cadenceMs: 20 });
      await grow(again, 300);
      // The mirror follows whichever address the registry has.
      await using served = await serveApp(again.app);
      await using follower = await openMirror({ url: served.url, dataDir: copy.path, followMs: 0 });
      await follower.refresh();
    }
    damage(database, backup);
    {
      // Without a mirror that answers, it is as careful as ever.
      const alone = openRegistry({ dataDir: folder.path, mirrors: ["http://127.0.0.1:9"] });
      if (damage.length === 1) await expect(alone).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
      else {
        await using registry = await alone;
        expect(registry.readOnly).toMatch(/older backup/);
      }
    }
    await mirror[Symbol.asyncDispose]();
    await using newer = await openMirror({ url: "http://127.0.0.1:9", dataDir: copy.path, followMs: 0 });
    await using served = await serveApp(newer.app);
    await using healed = await openRegistry({ dataDir: folder.path, cadenceMs: 20, mirrors: [served.url] });
    expect(healed.readOnly).toBeUndefined();
    expect(healed.view.size).toBe(304);
    await grow(healed, 1);
    expect(healed.view.size).toBe(305);
  });
});
