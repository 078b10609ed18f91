import {
  addProof,
  canonicalize,
  digest,
  formatTime,
  generateIdentity,
  HttpRegistryReader,
  type Identity,
  issueKeyInit,
  issueProfile,
  issueVouch,
  type JsonObject,
  keyDigest,
  leafHash,
  LOG_TYPE,
  multibaseOf,
  Network,
  noteSignerFromSeed,
  ProofBuilder,
  type RegistryPin,
  type RegistryReader,
  signCheckpoint,
  STATEMENT_CONTEXT,
  unixSeconds,
  utf8,
  verifyCheckpoint,
  verifyStatement,
  WITNESS_TYPE,
} from "@peerage/core";
import { describe, expect, it } from "vitest";
import { startRegistry } from "./_registry.ts";

// Rules of docs/protocol.md that no test of a single file shows.

const start = Date.parse("2026-11-20T12:00:00Z") / 1000;
const at = (seconds: number): Date => new Date((start + seconds) * 1000);

/** A log with real keys over these leaves, published once; it logs what a registry of ours would refuse. */
async function logOf(leaves: readonly Uint8Array[]): Promise<RegistryReader> {
  const origin = "log.test/rules";
  const log = noteSignerFromSeed(origin, LOG_TYPE, new Uint8Array(32).fill(31));
  const witness = noteSignerFromSeed(`${origin}/witness`, WITNESS_TYPE, new Uint8Array(32).fill(32));
  const tile = (_level: number, _n: number, width: number): Uint8Array =>
    Uint8Array.from(leaves.slice(0, width).flatMap((leaf) => [...leafHash(leaf)]));
  const proofs = new ProofBuilder(tile);
  const head = { origin, size: leaves.length, root: await proofs.root(leaves.length) };
  const note = await signCheckpoint(head, { log, witness, now: at(60) });
  const checkpoint = await verifyCheckpoint(note, { origin, logKey: log.key, operatorWitness: witness.key });
  return {
    origin,
    logKey: log.key,
    checkpoint: () => Promise.resolve(checkpoint),
    async *checkpoints(after) {
      if (after < checkpoint.size) yield checkpoint;
    },
    async *leaves(from, to) {
      for (let index = from; index < to; index++) yield { index, leaf: leaves[index]! };
    },
    consistencyProof: (from, to) => proofs.consistency(from, to),
    tile: (...where) => Promise.resolve(tile(...where)),
  };
}

/** A document secured by whichever key, whatever a verifier will say to it. */
async function secured(
  issuer: Identity,
  members: JsonObject,
  by: Identity = issuer,
  verificationMethod: string = `${issuer.did}#${multibaseOf(by.did)}`,
): Promise<Uint8Array> {
  const issued = formatTime(unixSeconds(at(0)));
  const document: JsonObject = { "@context": STATEMENT_CONTEXT, issuer: issuer.did, issued, ...members };
  const proof = await addProof(by, document, { verificationMethod, created: issued });
  return utf8(canonicalize({ ...document, proof }));
}

describe("key events", () => {
  const [agent, next] = [generateIdentity(), generateIdentity()];
  const commitment = keyDigest(multibaseOf(next.did));
  const rotation = (prev: string): Promise<Uint8Array> => {
    const members = { event: "rotate", seq: 1, reason: "routine", prev, key: multibaseOf(next.did), next: commitment };
    return secured(agent, { type: "KeyEvent", ...members }, next);
  };

  it("P-KEY-3 rotates an agent's key by a rotation that fits its chain, and by no other", async () => {
    const init = await issueKeyInit(agent, { next: commitment, now: at(0) });
    const fits = await Network.open({ reader: await logOf([init.bytes, await rotation(init.id)]) });
    expect(fits.rejected).toEqual([]);
    expect(fits.view.keyState(agent.did)).toMatchObject({
      status: "active",
      current: multibaseOf(next.did),
      events: 2,
    });

    const foreign = await Network.open({ reader: await logOf([init.bytes, await rotation(digest("another"))]) });
    expect(foreign.rejected).toEqual([{ index: 1, code: "ERR_KEY_EVENT_INVALID" }]);
    expect(foreign.view.keyState(agent.did)).toMatchObject({ status: "active", current: multibaseOf(agent.did) });
  });

  it("P-KEY-3 logs an event that fits its chain, and no other", async () => {
    await using registry = await startRegistry();
    const init = await issueKeyInit(agent, { next: commitment });
    const { status } = await registry.publish(init.bytes);
    expect(status).toBe(201);
    const refused = await registry.post(await rotation(digest("another")));
    expect(await refused.json()).toMatchObject({ code: "ERR_KEY_EVENT_INVALID" });
    expect(await registry.publish(await rotation(init.id))).toMatchObject({ status: 201, index: 1 });
  });
});

describe("statements", () => {
  it("P-KEY-4 P-STMT-12 A-TRUST-05 shows a report, which changes nothing, and not a leaf of another kind", async () => {
    const [root, agent, stranger] = [generateIdentity(), generateIdentity(), generateIdentity()];
    const vouch = await issueVouch(root, { subject: agent.did, scope: ["tools"], confidence: 80, validFrom: at(0) });
    const evidence = [digest("a receipt")];
    const report = await secured(stranger, { type: "Report", subject: agent.did, category: "spam", evidence });
    const unknown = await secured(stranger, { type: "Praise", subject: agent.did });
    const network = await Network.open({ reader: await logOf([vouch.bytes, report, unknown]) });
    expect(network.rejected).toEqual([{ index: 2, code: "ERR_STATEMENT_INVALID" }]);
    expect(network.view.agent(agent.did)).toMatchObject({
      key: { status: "active" },
      received: [{ status: "in-force" }],
      reports: [{ statement: { issuer: stranger.did, category: "spam" } }],
    });

    await using registry = await startRegistry();
    const refused = await registry.post(unknown);
    expect(await refused.json()).toMatchObject({ code: "ERR_STATEMENT_INVALID" });
    expect(await registry.publish(report)).toMatchObject({ status: 201, index: 0 });
    expect(await verifyStatement(report)).toMatchObject({ kind: "Report" });
  });

  it("A-DID-05 takes a profile of nobody but the agent itself", async () => {
    const [agent, other] = [generateIdentity(), generateIdentity()];
    await using registry = await startRegistry();
    const profile = { type: "AgentProfile", role: "agent" };
    const attempts = [
      [other.kid, "ERR_STATEMENT_INVALID"],
      [agent.kid, "ERR_STATEMENT_INVALID"],
      [`${agent.did}#${multibaseOf(other.did)}`, "ERR_KEY_SUPERSEDED"],
    ] as const;
    for (const [method, code] of attempts) {
      const refused = await registry.post(await secured(agent, profile, other, method));
      expect(await refused.json()).toMatchObject({ code });
    }
    const own = await issueProfile(agent, { role: "agent" });
    expect(await registry.publish(own.bytes)).toMatchObject({ status: 201, index: 0 });
  });

  it("P-STATE-8 shows the profile with the latest date, and of two of one date the smaller id", async () => {
    const agent = generateIdentity();
    const [old, ...twins] = await Promise.all([
      issueProfile(agent, { role: "person", now: at(-1) }),
      issueProfile(agent, { role: "agent", now: at(0) }),
      issueProfile(agent, { role: "server", now: at(0) }),
    ]);
    const [expected] = twins.map(({ id }) => id).sort();
    for (const leaves of [
      [old, ...twins],
      [...twins.toReversed(), old],
    ]) {
      const { view } = await Network.open({ reader: await logOf(leaves.map(({ bytes }) => bytes)) });
      expect(view.agent(agent.did)?.profile?.statement.id).toBe(expected);
    }
  });
});

it("P-LOG-10 refuses a registry that shows another log key than the one pinned, and keeps the pin", async () => {
  await using first = await startRegistry();
  await using second = await startRegistry();
  const pins = new Map<string, RegistryPin>();
  await HttpRegistryReader.connect({ url: first.url, pins });
  const pinned = pins.get(first.url)!;
  expect(pinned.origin).toMatch(/^local\/z6Mk/);
  pins.set(second.url, pinned);
  await expect(HttpRegistryReader.connect({ url: second.url, pins })).rejects.toMatchObject({
    code: "ERR_CHECKPOINT_INVALID",
  });
  expect(pins.get(second.url)).toEqual(pinned);
  await HttpRegistryReader.connect({ url: first.url, pins });
});
