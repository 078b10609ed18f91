import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  formatAddCheckpoint,
  generateIdentity,
  HttpRegistryReader,
  issueVouch,
  Network,
  originHash,
  parseVerifierKey,
  verifyCheckpoint,
} from "@peerage/core";
import { createLogger, openMirror, openWitness, serveApp } from "../registry/src/index.ts";
import { startRegistry, temporaryFolder, type TestRegistry } from "./_registry.ts";
import { vkeyOf } from "./_witnesses.ts";

const vouch = () =>
  issueVouch(generateIdentity(), { subject: generateIdentity().did, scope: ["tools"], confidence: 50 });

describe("a registry that mirrors another", () => {
  it("serves the verified copy under the hash of its origin, names it, and has it when the other is gone", async () => {
    using folder = temporaryFolder();
    const other = await startRegistry();
    for (let i = 0; i < 3; i++) await other.publish((await vouch()).bytes);
    const { origin, logKey, witnessKey } = other.registry;
    const options = { dataDir: folder.path, mirrorOf: [other.url] };
    {
      await using test = await startRegistry(options);
      await test.publish((await vouch()).bytes);
    }
    await other[Symbol.asyncDispose]();
    await using test = await startRegistry(options);
    const about = (await test.json("/.well-known/peerage-registry.json")) as {
      origin: string;
      mirrors: { origin: string; path: string; key: string }[];
    };
    expect(about.mirrors).toEqual([
      { origin, path: `/mirror/${originHash(origin)}`, key: expect.stringContaining("mirror/") as string },
    ]);
    const { path, key } = about.mirrors[0]!;
    const reader = await HttpRegistryReader.connect({
      url: test.url + path,
      policy: { origin, logKey, operatorWitness: witnessKey },
    });
    expect((await Network.open({ reader })).view.size).toBe(3);
    const note = await (await test.get(`${path}/checkpoint`)).text();
    const mirrored = await verifyCheckpoint(note, {
      origin,
      logKey,
      quorum: { witnesses: [parseVerifierKey(key)], threshold: 1 },
    });
    expect(mirrored).toMatchObject({ size: 3, witnessed: true });
    expect((await test.get(`${path}/nothing`)).status).toBe(404);
    expect((await fetch(`${test.url}${path}/checkpoint`, { method: "POST" })).status).toBe(404);
    expect(await test.json("/v1/statements")).toMatchObject({ statements: { length: 1 } });
  });
});

describe("a mirror and a witness on their own", () => {
  it("say that they answer, and log who asked for what but not from where", async () => {
    using folder = temporaryFolder();
    using memory = temporaryFolder();
    await using log = await startRegistry();
    const lines: string[] = [];
    const logger = createLogger({ format: "json", write: (line) => lines.push(line) });
    await using mirror = await openMirror({ url: log.url, dataDir: folder.path, followMs: 0 });
    using witness = await openWitness({ dataDir: memory.path, name: "w.test", logs: [], logger });
    for (const { app } of [mirror, witness]) {
      await using served = await serveApp(app);
      expect(await (await fetch(`${served.url}/healthz`)).text()).toBe("ok\n");
    }
    expect((await witness.app.request("/witness/add-checkpoint", { method: "POST", body: "x" })).status).toBe(400);
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([{ method: "POST", status: 400 }]);
    expect(lines.join("")).not.toContain("127.0.0.1");
  });
});

describe("a registry that witnesses others", () => {
  async function head(log: TestRegistry): Promise<{ body: string; size: number }> {
    const { note, size } = await log.registry.reader.checkpoint();
    return { body: formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: note }), size };
  }
  const ask = (test: TestRegistry, body: string): Promise<Response> =>
    fetch(`${test.url}/witness/add-checkpoint`, { method: "POST", body });

  it("A-LOG-06 goes on without its memory, and cosigns no other log with that key any more", async () => {
    using folder = temporaryFolder();
    await using log = await startRegistry();
    await log.publish((await vouch()).bytes);
    const options = { dataDir: folder.path, witnessFor: [vkeyOf(log.registry.logKey)] };
    {
      await using test = await startRegistry(options);
      expect((await ask(test, (await head(log)).body)).status).toBe(200);
    }
    {
      await using test = await startRegistry(options); // a restart forgets nothing
      expect((await ask(test, (await head(log)).body)).status).toBe(409);
    }
    for (const file of ["witness.db", "witness.db-wal", "witness.db-shm"]) {
      rmSync(join(folder.path, file), { force: true });
    }
    await expect(startRegistry(options)).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
    {
      await using test = await startRegistry({ dataDir: folder.path });
      expect(await test.publish((await vouch()).bytes)).toMatchObject({ status: 201 });
      expect((await ask(test, (await head(log)).body)).status).toBe(404);
    }
    await expect(startRegistry(options)).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
  });
});
