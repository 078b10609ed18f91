import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import {
  decodePack,
  type Did,
  encodePack,
  formatVerifierKey,
  generateIdentity,
  type Identity,
  isPeerageError,
  issueRevocation,
  issueVouch,
  Network,
  PackReader,
  PeerageError,
  type TrustPack,
} from "@peerage/core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Context } from "../cli/src/context.ts";
import { FollowedTrust } from "../cli/src/follow.ts";
import { unzipPack, zipPack } from "../cli/src/pack/file.ts";
import { dataSchemas } from "../cli/src/schemas.ts";
import { Home } from "./_cli.ts";
import { startRegistry, type TestRegistry } from "./_registry.ts";

/** A registry behind a line that can be cut. */
interface Line extends AsyncDisposable {
  readonly registry: TestRegistry;
  readonly url: string;
  up: boolean;
  /** What stands before the registry says while it is away; nothing stands there without. */
  away?: number;
}

async function openLine(): Promise<Line> {
  const registry = await startRegistry();
  const line: Pick<Line, "registry" | "up" | "away"> & { url: string } = { registry, url: "", up: true };
  const server = createServer((request, response) => {
    if (!line.up) {
      if (line.away) response.writeHead(line.away).end("away");
      else request.socket.destroy();
      return;
    }
    void fetch(`${registry.url}${request.url ?? ""}`).then(async (answer) => {
      response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "text/plain" });
      response.end(Buffer.from(await answer.arrayBuffer()));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  line.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(line, {
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await registry[Symbol.asyncDispose]();
    },
  });
}

const vouch = async (line: Line, issuer: Identity, subject: Did, confidence = 90): ReturnType<typeof issueVouch> => {
  const signed = await issueVouch(issuer, { subject, scope: ["tools"], confidence });
  await line.registry.publish(signed.bytes);
  return signed;
};

/** A home whose registry is at the end of the line, with a root and somebody whom it vouched for. */
async function user(line: Line): Promise<{ home: Home; root: Identity; bob: Did } & AsyncDisposable> {
  const home = await Home.make();
  const [root, bob] = [generateIdentity(), generateIdentity()];
  await vouch(line, root, bob.did);
  await home.call(["init", "me"]);
  await home.call(["config", "set", "registry", line.url]);
  await home.call(["roots", "add", root.did]);
  return { home, root, bob: bob.did, [Symbol.asyncDispose]: () => home[Symbol.asyncDispose]() };
}

describe("a trust pack", () => {
  it("answers for a registry that cannot be reached, says so, and ages as any log does", async () => {
    await using line = await openLine();
    await using someone = await user(line);
    const { home, bob } = someone;
    const file = join(home.path, "trust.pack");
    const asked = await home.call(["trust", bob, "--json"]);
    expect((await home.call(["pack", "export", "--out", file])).code).toBe(0);
    expect((await home.call(["pack", "export", "--out", file])).code).toBe(2);
    const verified = JSON.parse((await home.call(["pack", "verify", file, "--json"])).stdout).data;
    expect(dataSchemas["pack import"]!.safeParse(verified).error).toBeUndefined();
    expect(verified).toMatchObject({ size: 1, keys: "pinned", registry: line.url, rejected: [] });
    line.up = false;
    expect((await home.call(["trust", bob])).code).toBe(7);
    const kept = await home.call(["pack", "import", file]);
    expect([kept.code, kept.stdout]).toEqual([0, expect.stringMatching(/age +checkpoint .* old/)]);
    const offline = await home.call(["trust", bob, "--json"]);
    expect([offline.code, offline.stderr]).toEqual([0, expect.stringContaining("from the trust pack of")]);
    expect(JSON.parse(offline.stdout).data.score).toBe(JSON.parse(asked.stdout).data.score);
    expect((await home.call(["doctor"])).stdout).toContain("cannot be reached; a trust pack is used");
    line.away = 502;
    const said = await home.call(["trust", bob]);
    expect([said.code, said.stderr]).toEqual([0, expect.stringContaining("from the trust pack of")]);
    await vi.waitUntil(() => Date.now() - Date.parse(verified.time) > 1_100, { timeout: 30_000 });
    for (const old of [
      ["trust", bob],
      ["pack", "verify", file],
      ["pack", "import", file],
    ])
      expect((await home.call([...old, "--max-age", "1"])).code, old.join(" ")).toBe(3);
  });

  it("is kept by keys that are pinned or named, and never for another log", async () => {
    await using line = await openLine();
    await using other = await openLine();
    await using someone = await user(line);
    await using stranger = await user(other);
    const { home } = someone;
    const file = join(home.path, "trust.pack");
    expect((await home.call(["pack", "export"])).code).toBe(0);
    const data = JSON.parse((await home.call(["pack", "verify", file, "--json"])).stdout).data;
    // Pinned: the other registry's keys.
    await stranger.home.call(["log", "head"]);
    for (const verb of ["verify", "import"]) {
      const foreign = await stranger.home.call(["pack", verb, file]);
      expect([foreign.code, foreign.stdout + foreign.stderr]).toEqual([6, expect.stringContaining("of another log")]);
    }
    // Nothing known: whoever made it could have made its keys.
    await using fresh = await Home.make();
    await fresh.call(["init", "me"]);
    const unknown = await fresh.call(["pack", "verify", file]);
    expect([unknown.code, unknown.stdout]).toEqual([0, expect.stringContaining("which you do not know")]);
    const registry = ["--registry", line.url];
    expect((await fresh.call(["pack", "import", file, ...registry])).code).toBe(2);
    // Both keys, since the second one says how old it is.
    const keys = [data.logKey, data.witnessKey].flatMap((key: string) => ["--log-key", key]);
    expect((await fresh.call(["pack", "import", file, ...registry, ...keys.slice(0, 2)])).code).toBe(2);
    line.up = false;
    expect((await fresh.call(["pack", "import", file, ...registry, ...keys])).code).toBe(0);
    expect((await fresh.call(["log", "head", ...registry])).code).toBe(0);
    line.up = true;
    expect((await fresh.call(["log", "head", ...registry])).stderr).toBe("");
    const theirs = JSON.parse(
      (await stranger.home.call(["pack", "export", "--out", join(home.path, "other.pack"), "--json"])).stdout,
    ).data;
    expect((await fresh.call(["pack", "import", theirs.file, ...registry])).code).toBe(6);
  });

  it("never stands for less than was seen before, and takes no newer one's place", async () => {
    await using line = await openLine();
    await using someone = await user(line);
    const { home, root, bob } = someone;
    await home.call(["pack", "export", "--out", join(home.path, "early.pack")]);
    await home.call(["pack", "import", join(home.path, "early.pack")]);
    const { id } = await vouch(line, root, generateIdentity().did);
    await line.registry.publish((await issueRevocation(root, { revokes: "statement", target: id })).bytes);
    expect((await home.call(["trust", bob])).code).toBe(0);
    line.up = false;
    const rolledBack = await home.call(["trust", bob]);
    expect([rolledBack.code, rolledBack.stderr]).toEqual([3, expect.stringMatching(/pack shows 1 entries.*shown 3/)]);
    expect((await home.call(["pack", "verify", join(home.path, "early.pack")])).code).toBe(3);
    line.up = true;
    await home.call(["pack", "export", "--out", join(home.path, "late.pack")]);
    line.up = false;
    expect((await home.call(["pack", "import", join(home.path, "late.pack")])).code).toBe(0);
    expect((await home.call(["trust", bob])).code).toBe(0);
    expect((await home.call(["pack", "import", join(home.path, "early.pack")])).code).toBe(3);
  });

  it("is where a guard starts, until the registry can be reached and shows no less", async () => {
    await using line = await openLine();
    await using someone = await user(line);
    const { home, root, bob } = someone;
    await home.call(["pack", "export"]);
    await home.call(["pack", "import", join(home.path, "trust.pack")]);
    line.up = false;
    const alarms: string[] = [];
    const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
    const env = { PEERAGE_HOME: home.at() };
    const io = { env, cwd: home.path, stdin: Readable.from([]), stdout: sink, stderr: sink, now: () => new Date() };
    using trust = new FollowedTrust(new Context(io, {}), {
      url: line.url,
      roots: [root.did],
      maxAgeSeconds: 3_600,
      alarm: (text) => alarms.push(text),
    });
    await trust.start(0.1, 30_000);
    expect([trust.score(bob, "tools"), trust.size]).toEqual([0.9, 1]);
    expect(trust.ageSeconds()).toBeLessThan(3_600);
    expect(alarms[0]).toContain("started from the trust pack of");
    const carol = generateIdentity().did;
    await vouch(line, root, carol);
    line.up = true;
    await vi.waitUntil(() => trust.score(carol, "tools") === 0.9, { timeout: 30_000 });
    expect(trust.size).toBe(2);
  });
});

describe("a trust pack that was altered", () => {
  let line: Line;
  let home: Home;
  let zipped: Buffer;
  let pack: TrustPack;
  let policy: { origin: string; logKey: TrustPack["logKey"]; operatorWitness: TrustPack["witnessKey"] };
  beforeAll(async () => {
    line = await openLine();
    const someone = await user(line);
    home = someone.home;
    for (let i = 0; i < 3; i++) await vouch(line, someone.root, generateIdentity().did);
    await home.call(["pack", "export"]);
    zipped = await readFile(join(home.path, "trust.pack"));
    pack = unzipPack(zipped);
    policy = { origin: pack.logKey.name, logKey: pack.logKey, operatorWitness: pack.witnessKey };
  });
  afterAll(async () => {
    await home[Symbol.asyncDispose]();
    await line[Symbol.asyncDispose]();
  });

  const follow = async (altered: TrustPack, now = (): Date => new Date()): Promise<Network> =>
    Network.open({ reader: await PackReader.open(altered, { policy, now }), now });
  const codeOf = async (attempt: () => Promise<unknown>): Promise<string> => {
    try {
      await attempt();
      return "fine";
    } catch (error) {
      if (isPeerageError(error)) return error.code;
      throw error;
    }
  };

  it("holds as it was written, in one form, with proofs made from its leaves", async () => {
    expect(zipPack(pack)).toEqual(zipped);
    const network = await follow(pack);
    expect([network.view.size, network.rejected]).toEqual([4, []]);
    expect(await (await PackReader.open(pack)).consistencyProof(2, 4)).toHaveLength(1);
    await expect((await PackReader.open(pack)).tile(0, 0, 5)).rejects.toThrow(PeerageError);
  });

  it("is refused wherever one byte of what is in it differs", async () => {
    const bytes = encodePack(pack);
    for (let at = 0; at < bytes.length; at += 11) {
      const altered = Uint8Array.from(bytes);
      altered[at]! ^= 1;
      expect(await codeOf(async () => follow(decodePack(altered))), `byte ${at}`).toMatch(
        /^ERR_(REGISTRY_RESPONSE|CHECKPOINT_INVALID)$/,
      );
    }
  });

  it("is refused wherever one byte of the file differs, or it is cut off or longer", async () => {
    const bytes = encodePack(pack);
    for (let at = 0; at < zipped.length; at += 13) {
      const altered = Buffer.from(zipped);
      altered[at]! ^= 0x10;
      // The last byte before the eight of the checksum has bits that say nothing: with them it is the same pack.
      const code = await codeOf(async () => follow(unzipPack(altered)));
      if (code === "fine" && at === zipped.length - 9) expect(encodePack(unzipPack(altered))).toEqual(bytes);
      else expect(code, `byte ${at}`).not.toBe("fine");
      expect(await codeOf(async () => follow(unzipPack(zipped.subarray(0, at)))), `cut at ${at}`).not.toBe("fine");
    }
    for (let at = 0; at < bytes.length; at += 17) expect(() => decodePack(bytes.subarray(0, at))).toThrow(PeerageError);
    expect(() => decodePack(Buffer.concat([bytes, Buffer.from([0])]))).toThrow(PeerageError);
    const path = join(home.path, "cut.pack");
    await writeFile(path, zipped.subarray(0, zipped.length >> 1));
    const { code, stdout } = await home.call(["pack", "verify", path]);
    expect([code, stdout]).toEqual([6, expect.stringContaining("no trust pack")]);
  });

  it("is refused with leaves or checkpoints that are missing, added, doubled or in another order", async () => {
    const [first, second, ...more] = pack.leaves as [Uint8Array, Uint8Array, ...Uint8Array[]];
    const ordered = pack.checkpoints;
    expect(ordered.length).toBeGreaterThan(1);
    const altered: TrustPack[] = [
      { ...pack, leaves: [first, second] },
      { ...pack, leaves: [...pack.leaves, first] },
      { ...pack, leaves: [second, first, ...more] },
      { ...pack, leaves: [first, first, ...more] },
      { ...pack, checkpoints: [...ordered].reverse() },
      { ...pack, checkpoints: [...ordered, ...ordered.slice(-1)] },
      { ...pack, head: ordered[0]! },
      { ...pack, logKey: pack.witnessKey },
    ];
    for (const [i, wrong] of altered.entries())
      expect(await codeOf(async () => follow(decodePack(encodePack(wrong)))), String(i)).not.toBe("fine");
  });

  it("is refused under another key, and from the future", async () => {
    await using other = await openLine();
    await using someone = await user(other);
    await someone.home.call(["pack", "export"]);
    const theirs = unzipPack(await readFile(join(someone.home.path, "trust.pack")));
    expect(await codeOf(() => follow(theirs))).toBe("ERR_CHECKPOINT_INVALID");
    // Another witness could stamp any age.
    const restamped = { ...pack, witnessKey: theirs.witnessKey };
    expect(await codeOf(() => follow(restamped))).toBe("ERR_CHECKPOINT_INVALID");
    expect(formatVerifierKey(restamped.logKey)).toBe(formatVerifierKey(policy.logKey));
    expect(await codeOf(() => follow(pack, () => new Date(Date.now() - 3_600_000)))).toBe("ERR_CHECKPOINT_INVALID");
    expect(await codeOf(() => follow(pack))).toBe("fine");
  });
});
