import { describe, expect, it } from "vitest";
import {
  decodeEntryBundle,
  formatTilePath,
  generateIdentity,
  HttpRegistryReader,
  type Identity,
  issueVouch,
  leafHash,
  Network,
  parseVerifierKey,
  verifyConsistency,
  verifyLogProof,
} from "@peerage/core";
import { openRegistry } from "../registry/src/index.ts";
import { startRegistry, temporaryFolder, type TestRegistry } from "./_registry.ts";

const voucher = generateIdentity();

async function vouches(count: number, issuer: Identity = voucher): Promise<Uint8Array[]> {
  const subjects = Array.from({ length: count }, () => generateIdentity());
  const issued = subjects.map(({ did }) => issueVouch(issuer, { subject: did, scope: ["tools"], confidence: 50 }));
  return (await Promise.all(issued)).map(({ bytes }) => bytes);
}

async function follow(registry: TestRegistry): Promise<Network> {
  return Network.open({ reader: await HttpRegistryReader.connect({ url: registry.url }) });
}

describe("the log of a registry", () => {
  it("A-LOG-08 makes one leaf of 100 concurrent posts of one statement, over HTTP and in process", async () => {
    await using registry = await startRegistry();
    const [same, other] = await vouches(2);
    const http = Array.from({ length: 50 }, async () => {
      const response = await registry.post(same!);
      return { status: response.status, ...((await response.json()) as { id: string; index: number }) };
    });
    const direct = Array.from({ length: 50 }, async () => {
      const { known, ...answer } = await registry.registry.submit(same!);
      return { status: known ? 200 : 201, ...answer };
    });
    const answers = await Promise.all([...http, ...direct]);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(99);
    expect(new Set(answers.map(({ id, index }) => `${id} ${index}`)).size).toBe(1);
    expect(await registry.publish(other!)).toMatchObject({ index: 1, status: 201 });
    expect((await follow(registry)).view.size).toBe(2);
  });

  it("A-LOG-08 validates what is submitted in process by the same rules", async () => {
    await using registry = await startRegistry();
    const [leaf] = await vouches(1);
    const altered = Buffer.from(leaf!).toString().replace('"confidence":50', '"confidence":99');
    await expect(registry.registry.submit(Buffer.from(altered))).rejects.toMatchObject({
      code: "ERR_STATEMENT_INVALID",
    });
    expect(await registry.registry.submit(leaf!)).toMatchObject({ index: 0, known: false });
  });

  it("is followed over HTTP across tiles: every leaf, every checkpoint, no leaf refused", async () => {
    await using registry = await startRegistry();
    const leaves = await vouches(600);
    for (let at = 0; at < leaves.length; at += 150) {
      await Promise.all(leaves.slice(at, at + 150).map((leaf) => registry.registry.submit(leaf)));
      await registry.registry.published(at + 149);
    }
    const network = await follow(registry);
    expect(network.view.size).toBe(600);
    expect(network.view.agentCount).toBe(601);
    expect(network.rejected).toEqual([]);
    expect([...network.view.agents()]).toEqual([...registry.registry.view.agents()]);

    const bundle = await registry.get(`/${formatTilePath({ level: "entries", n: 1, width: 256 })}`);
    const hashes = new Uint8Array(await (await registry.get("/tile/0/001")).arrayBuffer());
    const entries = decodeEntryBundle(new Uint8Array(await bundle.arrayBuffer()), 256);
    expect(entries.map((entry) => Buffer.from(leafHash(entry)).toString("hex"))).toEqual(
      Array.from({ length: 256 }, (_, i) => Buffer.from(hashes.subarray(32 * i, 32 * i + 32)).toString("hex")),
    );
    expect((await registry.get("/tile/1/000.p/2")).status).toBe(200);
    for (const beyond of ["/tile/0/002", "/tile/0/002.p/89", "/tile/1/000.p/3", "/tile/1/000", "/tile/entries/002"]) {
      expect((await registry.get(beyond)).status, beyond).toBe(404);
    }
  });

  it("hands out log proofs that verify offline and stay the same while the log grows", async () => {
    await using registry = await startRegistry();
    const leaves = await vouches(20);
    const submitted = [];
    for (const leaf of leaves) submitted.push(await registry.publish(leaf));
    const said = await registry.json("/.well-known/peerage-registry.json");
    const policy = {
      origin: said.origin,
      logKey: parseVerifierKey(said.logKey),
      operatorWitness: parseVerifierKey(said.witnessKey),
    };
    const proofs = await Promise.all(
      submitted.map(async ({ id }) => (await registry.get(`/v1/statements/${id}/proof`)).text()),
    );
    for (const [i, proof] of proofs.entries()) {
      expect(await verifyLogProof(proof, leaves[i]!, policy)).toMatchObject({
        index: submitted[i]!.index,
        witnessed: false,
      });
    }
    await expect(verifyLogProof(proofs[3]!, leaves[4]!, policy)).rejects.toMatchObject({
      code: "ERR_INCLUSION_INVALID",
    });
    await registry.publish((await vouches(1))[0]!);
    expect(await (await registry.get(`/v1/statements/${submitted[3]!.id}/proof`)).text()).toBe(proofs[3]);
    const statement = await registry.json(`/v1/statements/${submitted[3]!.id}`);
    expect(statement.time).toBe((await verifyLogProof(proofs[3]!, leaves[3]!, policy)).time);
  });

  it("proves that each checkpoint extends the one before", async () => {
    await using registry = await startRegistry();
    for (const leaf of await vouches(12)) await registry.publish(leaf);
    const { checkpoints } = (await registry.json("/v1/checkpoints?after=-1&limit=200")) as { checkpoints: string[] };
    const heads = checkpoints.map((note) => {
      const [, size, root] = note.split("\n");
      return { size: Number(size), root: Buffer.from(root!, "base64") };
    });
    expect(heads.at(-1)!.size).toBe(12);
    for (const [i, older] of heads.entries()) {
      for (const newer of heads.slice(i)) {
        const { proof } = (await registry.json(`/v1/consistency?from=${older.size}&to=${newer.size}`)) as {
          proof: string[];
        };
        verifyConsistency({
          size1: older.size,
          root1: older.root,
          size2: newer.size,
          root2: newer.root,
          proof: proof.map((hash) => Buffer.from(hash, "base64")),
        });
      }
    }
    const covering = (await registry.json("/v1/checkpoints?index=3")) as { checkpoints: string[] };
    expect(Number(covering.checkpoints[0]!.split("\n")[1])).toBe(heads.find(({ size }) => size > 3)!.size);
  });

  it("keeps keys, name and every entry over a restart, and no others may read the keys", async () => {
    using folder = temporaryFolder();
    const leaves = await vouches(300);
    let before;
    {
      await using registry = await openRegistry({ dataDir: folder.path, cadenceMs: 20 });
      await Promise.all(leaves.slice(0, 290).map((leaf) => registry.submit(leaf)));
      before = { origin: registry.origin };
    }
    await using registry = await startRegistry({ dataDir: folder.path });
    expect(registry.registry.origin).toBe(before.origin);
    expect(registry.registry.view.size).toBe(290);
    for (const leaf of leaves) await registry.registry.submit(leaf);
    await registry.registry.published(299);
    const network = await follow(registry);
    expect(network.view.size).toBe(300);
    expect(network.rejected).toEqual([]);
  });
});
