import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  addSignature,
  CompactRange,
  emptyRoot,
  formatAddCheckpoint,
  formatCheckpoint,
  generateIdentity,
  HttpRegistryReader,
  issueReport,
  issueVouch,
  leafHash,
  mlDsaCosignatures,
  noteSignerFromSeed,
  originHash,
  ProofBuilder,
  signCheckpoint,
  tileRoot,
  verifyCheckpoint,
  verifyForkEvidence,
} from "@peerage/core";
import { forkDigest, openRegistry, openWitness } from "../registry/src/index.ts";
import { startRegistry, temporaryFolder } from "./_registry.ts";
import { startWitnesses, vkeyOf } from "./_witnesses.ts";

const origin = "log.test/one";
const log = noteSignerFromSeed(origin, 1, new Uint8Array(32).fill(31));
const own = noteSignerFromSeed(`${origin}/witness`, 4, new Uint8Array(32).fill(32));
const leaves = (n: number, salt = "") =>
  Array.from({ length: n }, (_, i) => leafHash(new TextEncoder().encode(`${salt}${i}`)));

/** A head of a tree of that many leaves, signed by the log. */
async function headOf(hashes: readonly Uint8Array[], by = log): Promise<string> {
  const range = CompactRange.empty();
  for (const hash of hashes) range.append(hash);
  return signCheckpoint({ origin, size: range.size, root: range.root() }, { log: by, witness: own, now: new Date() });
}

const proofOf = (hashes: readonly Uint8Array[], from: number) =>
  new ProofBuilder((level, n, width) => {
    const tile = (l: number, m: number, w: number): Uint8Array =>
      Buffer.concat(
        Array.from({ length: w }, (_, i) => (l === 0 ? hashes[m * 256 + i]! : tileRoot(tile(l - 1, m * 256 + i, 256)))),
      );
    return tile(level, n, width);
  }).consistency(from, hashes.length);

const vouch = () =>
  issueVouch(generateIdentity(), { subject: generateIdentity().did, scope: ["tools"], confidence: 50 });

describe("a registry as a witness of another log", () => {
  it("A-LOG-06 cosigns what extends the head it saw, and answers 404, 403, 400, 409, 422 otherwise", async () => {
    await using registry = await startRegistry({ witnessFor: [vkeyOf(log.key)] });
    const ask = async (oldSize: number, checkpoint: string, proof: readonly Uint8Array[] = []) => {
      const body = formatAddCheckpoint({ oldSize, proof, checkpoint });
      const response = await fetch(`${registry.url}/witness/add-checkpoint`, { method: "POST", body });
      return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
    };
    const five = leaves(5);
    const nine = leaves(9);
    const shown = `/witness/${originHash(origin)}/checkpoint`;
    expect((await registry.get(shown)).status).toBe(404);

    const foreign = noteSignerFromSeed("log.test/two", 1, new Uint8Array(32).fill(33));
    const unknown = await addSignature(
      await signCheckpoint(
        { origin: "log.test/two", size: 0, root: emptyRoot },
        { log: foreign, witness: own, now: new Date() },
      ),
      own,
      new Date(),
    );
    expect((await ask(0, unknown)).status).toBe(404);
    const forged = noteSignerFromSeed(origin, 1, new Uint8Array(32).fill(34));
    expect((await ask(0, await headOf(five, forged))).status).toBe(403);
    expect((await ask(6, await headOf(five))).status).toBe(400);
    const garbage = await fetch(`${registry.url}/witness/add-checkpoint`, { method: "POST", body: "old 1" });
    expect(garbage.status).toBe(400);
    expect(await ask(3, await headOf(five))).toMatchObject({ status: 409, type: "text/x.tlog.size", text: "0\n" });

    const first = await ask(0, await headOf(five));
    expect(first.status).toBe(200);
    const head = await headOf(nine);
    expect((await ask(5, head, await proofOf(leaves(9, "x"), 5))).status).toBe(422);
    expect((await ask(5, head)).status).toBe(422);
    const second = await ask(5, head, await proofOf(nine, 5));
    expect(second.status).toBe(200);
    const policy = { origin, logKey: log.key, quorum: { witnesses: [registry.registry.witnessKey], threshold: 1 } };
    const cosigned = await verifyCheckpoint(head + second.text, policy, { now: new Date() });
    expect(cosigned).toMatchObject({ size: 9, witnessed: true });

    expect(await ask(5, await headOf(five))).toMatchObject({ status: 409, text: "9\n" });
    expect((await ask(9, head)).status).toBe(200);
    const { size } = await verifyCheckpoint(await (await registry.get(shown)).text(), policy);
    expect(size).toBe(9);

    // Another tree of the same size, signed by the same log: that proves a fork, and whoever wants can report it.
    const other = await headOf(leaves(9, "y"));
    expect(await ask(9, other)).toMatchObject({ status: 409, text: "9\n" });
    const { forks } = (await registry.json("/v1/forks")) as { forks: unknown[] };
    expect(forks).toHaveLength(1);
    const evidence = await verifyForkEvidence(forks[0], { origin, logKey: log.key });
    const reporter = generateIdentity();
    const about = { subject: generateIdentity().did, category: "log-fork", evidence: [forkDigest(evidence)] } as const;
    expect(await registry.publish((await issueReport(reporter, about)).bytes)).toMatchObject({ status: 201 });

    await using elsewhere = await startRegistry();
    const post = (body: unknown) => fetch(`${elsewhere.url}/v1/forks`, { method: "POST", body: JSON.stringify(body) });
    expect((await post({ ...evidence, b: evidence.a })).status).toBe(400);
    expect(await (await post(evidence)).json()).toEqual({ digest: forkDigest(evidence) });
  });

  it("A-LOG-06 does not start without its memory once it has cosigned anything", async () => {
    using folder = temporaryFolder();
    const options = { dataDir: folder.path, name: "witness.test/one", logs: [vkeyOf(log.key)] };
    const first = await openWitness(options);
    first[Symbol.dispose]();
    (await openWitness(options))[Symbol.dispose]();
    rmSync(join(folder.path, "witness.db"));
    await expect(openWitness(options)).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
  });

  it("gives one answer to 40 requests at once that build on one head", async () => {
    using witnesses = await startWitnesses(1, [vkeyOf(log.key)]);
    const [{ open }] = witnesses.all as [(typeof witnesses.all)[number]];
    const requests = await Promise.all(
      Array.from({ length: 40 }, async (_, i) =>
        formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: await headOf(leaves(3 + i)) }),
      ),
    );
    const answers = await Promise.all(
      requests.map((body) => open.witness.addCheckpoint(new TextEncoder().encode(body))),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(39);
  });
});

describe("a registry with witnesses", () => {
  /** A registry whose log key the witnesses know: opened once without them to make its keys. */
  async function keyed() {
    const folder = temporaryFolder();
    const first = await openRegistry({ dataDir: folder.path, cadenceMs: 20 });
    const vkey = vkeyOf(first.logKey);
    await first[Symbol.asyncDispose]();
    return { folder, vkey };
  }

  it("A-LOG-06 shows nothing before a quorum has it on disk, and goes on when the quorum is back", async () => {
    const { folder, vkey } = await keyed();
    using _folder = folder;
    using witnesses = await startWitnesses(4, [vkey]);
    const quorum = { witnesses: witnesses.parties, threshold: 3, faulty: 1, fetch: witnesses.fetch };
    await using server = await startRegistry({ dataDir: folder.path, witnesses: quorum, quorumPatienceMs: 0 });
    const { registry } = server;
    await server.publish((await vouch()).bytes);
    const policy = { witnesses: witnesses.parties.map(({ key }) => key), threshold: 3 };
    const reader = await HttpRegistryReader.connect({ url: server.url, quorum: policy });
    const head = await reader.checkpoint();
    expect(head).toMatchObject({ size: 1, witnessed: true });
    expect(head.cosignatures.length).toBeGreaterThanOrEqual(4);
    expect(registry.view.witnessed).toBe(true);
    expect(await server.json("/.well-known/peerage-registry.json")).toMatchObject({
      witnessed: true,
      witnesses: { threshold: 3 },
    });

    for (const witness of witnesses.all.slice(0, 2)) witness.down = true;
    const answer = await server.post((await vouch()).bytes);
    expect(await answer.json()).toMatchObject({ state: "sequenced" });
    expect(await registry.published(1, 300)).toBe(false);
    expect((await reader.checkpoint()).size).toBe(1);
    await expect.poll(async () => (await server.get("/readyz")).status).toBe(503);
    expect((await server.post((await vouch()).bytes)).status).toBe(503);
    witnesses.all[0]!.down = false;
    expect(await registry.published(1, 15_000)).toBe(true);
    expect(await reader.checkpoint()).toMatchObject({ size: 2, witnessed: true });
    expect((await server.get("/readyz")).status).toBe(200);
  });

  it("A-LOG-06 is refused a quorum that could be had twice, counted twice, or with itself", async () => {
    const { folder, vkey } = await keyed();
    using _folder = folder;
    using witnesses = await startWitnesses(4, [vkey]);
    const [one] = witnesses.parties;
    const open = (parties: typeof witnesses.parties, threshold: number, faulty = 0) =>
      openRegistry({
        dataDir: folder.path,
        witnesses: { witnesses: parties, threshold, faulty, fetch: witnesses.fetch },
      });
    await expect(open(witnesses.parties, 2)).rejects.toBeInstanceOf(RangeError);
    await expect(open(witnesses.parties, 3, 2)).rejects.toBeInstanceOf(RangeError);
    await expect(open([one!, one!], 2)).rejects.toBeInstanceOf(RangeError);
    const registry = await open(witnesses.parties, 3, 1);
    const itself = { key: registry.witnessKey, url: "http://witness-0.test/witness" };
    expect(registry.view.witnessed).toBe(true);
    await registry[Symbol.asyncDispose]();
    await expect(open([...witnesses.parties.slice(1), itself], 3, 1)).rejects.toBeInstanceOf(RangeError);
  });

  it("A-LOG-06 that was restored from a backup without its head file learns it from its witnesses", async () => {
    const { folder, vkey } = await keyed();
    using _folder = folder;
    using witnesses = await startWitnesses(3, [vkey]);
    const options = {
      dataDir: folder.path,
      cadenceMs: 20,
      witnesses: { witnesses: witnesses.parties, threshold: 2, fetch: witnesses.fetch },
    };
    const database = join(folder.path, "registry.db");
    const backup = join(folder.path, "backup.db");
    for (const copy of [true, false]) {
      const registry = await openRegistry(options);
      const { index } = await registry.submit((await vouch()).bytes);
      expect(await registry.published(index)).toBe(true);
      await registry[Symbol.asyncDispose]();
      if (copy) copyFileSync(database, backup);
    }
    copyFileSync(backup, database);
    rmSync(join(folder.path, "keys", "head"));
    await using registry = await openRegistry(options);
    expect(registry.readOnly).toMatch(/older backup/);
    await expect(registry.submit((await vouch()).bytes)).rejects.toMatchObject({ code: "ERR_REGISTRY_BUSY" });
  });

  it("A-LOG-06 that is started twice from one backup is stopped by the witnesses before anyone sees a fork", async () => {
    const { folder, vkey } = await keyed();
    using _folder = folder;
    using copy = temporaryFolder();
    using witnesses = await startWitnesses(3, [vkey]);
    const quorum = { witnesses: witnesses.parties, threshold: 2, fetch: witnesses.fetch };
    const settings = { cadenceMs: 20, witnesses: quorum };
    const { cpSync } = await import("node:fs");
    cpSync(folder.path, copy.path, { recursive: true });
    await using first = await openRegistry({ ...settings, dataDir: folder.path });
    let failure: unknown;
    await using twin = await openRegistry({ ...settings, dataDir: copy.path, onFailure: (error) => (failure = error) });
    const { index } = await first.submit((await vouch()).bytes);
    expect(await first.published(index)).toBe(true);
    const { index: mine } = await twin.submit((await vouch()).bytes);
    expect(mine).toBe(index);
    expect(await twin.published(mine, 500)).toBe(false);
    expect(twin.view.size).toBe(0);
    expect(failure).toBeUndefined();
    // One more on the honest side, and the twin learns that it is the older one.
    expect(await first.published((await first.submit((await vouch()).bytes)).index)).toBe(true);
    await expect.poll(() => failure, { timeout: 20_000 }).toMatchObject({ code: "ERR_STORE_CORRUPT" });
  });
});

it("A-LOG-06 ignores cosignatures with ML-DSA-44, which it can only read, and reports them", async () => {
  const note = await headOf(leaves(2));
  const bytes = Buffer.alloc(4 + 8 + 2_420, 7);
  bytes.writeUInt32BE(0, 4);
  bytes.writeUInt32BE(1_790_000_000, 8);
  const with44 = `${note}— pq.test/w ${bytes.toString("base64")}\n`;
  expect(mlDsaCosignatures(note)).toEqual([]);
  expect(mlDsaCosignatures(with44)).toEqual([{ name: "pq.test/w", keyId: "07070707", time: 1_790_000_000 }]);
  const policy = { origin, logKey: log.key, operatorWitness: own.key };
  expect(await verifyCheckpoint(with44, policy)).toMatchObject({ size: 2, witnessed: false });
  expect(formatCheckpoint({ origin, size: 0, root: emptyRoot })).toContain(origin);
});
