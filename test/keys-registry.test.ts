import { describe, expect, it } from "vitest";
import {
  generateIdentity,
  generateSeed,
  HttpRegistryReader,
  identityFromSeed,
  type Identity,
  issueKeyInit,
  issueKeyRecover,
  issueKeyRevoke,
  issueKeyRotate,
  issueProfile,
  issueReport,
  issueRevocation,
  issueVouch,
  keyDigest,
  multibaseOf,
  Network,
  digest,
} from "@peerage/core";
import { startRegistry, type TestRegistry } from "./_registry.ts";

/** An owner with a current, a next and recovery keys, apart from each other, as a careful one keeps them. */
function owner() {
  const seeds = Array.from({ length: 6 }, generateSeed);
  const { did } = identityFromSeed(seeds[0]!);
  const key = (n: number): Identity => identityFromSeed(seeds[n]!, { did });
  const commit = (n: number) => keyDigest(multibaseOf(identityFromSeed(seeds[n]!).did));
  const recovery = { threshold: 2, keys: [commit(3), commit(4), commit(5)] };
  return { did, key, commit, init: () => issueKeyInit(key(0), { next: commit(1), recovery }) };
}

async function codeOf(registry: TestRegistry, { bytes }: { bytes: Uint8Array }): Promise<unknown> {
  const response = await registry.post(bytes);
  const answer = (await response.json()) as { code?: string };
  return response.ok ? response.status : answer.code;
}

describe("an agent that changes its key at a registry", () => {
  it("A-STMT-09 A-STMT-12 rotates, is followed, and is answered for by its new key only", async () => {
    await using registry = await startRegistry();
    const agent = owner();
    const friend = generateIdentity();
    const init = await agent.init();
    await registry.publish(init.bytes);
    await registry.publish((await issueVouch(friend, { subject: agent.did, scope: ["tools"], confidence: 70 })).bytes);
    const thief = generateIdentity();
    const theft = await issueKeyRotate(
      { ...thief, did: agent.did, kid: `${agent.did}#${multibaseOf(thief.did)}` },
      { prev: init, next: agent.commit(2) },
    );
    expect(await codeOf(registry, theft)).toBe("ERR_KEY_EVENT_INVALID");
    const rotated = await issueKeyRotate(agent.key(1), { prev: init, next: agent.commit(2) });
    await registry.publish(rotated.bytes);

    const profile = { role: "agent" } as const;
    expect(await codeOf(registry, await issueProfile(agent.key(0), profile))).toBe("ERR_KEY_SUPERSEDED");
    expect(await codeOf(registry, await issueRevocation(agent.key(0), { revokes: "self" }))).toBe("ERR_KEY_SUPERSEDED");
    expect(await codeOf(registry, await issueProfile(agent.key(2), profile))).toBe("ERR_KEY_SUPERSEDED");
    const own = await issueVouch(agent.key(1), { subject: friend.did, scope: ["tools"], confidence: 60 });
    await registry.publish(own.bytes);

    const network = await Network.open({ reader: await HttpRegistryReader.connect({ url: registry.url }) });
    expect(network.rejected).toEqual([]);
    expect(network.view.vouch(own.id)?.status).toBe("in-force");
    expect(network.view.agent(agent.did)).toMatchObject({
      key: { status: "active", current: multibaseOf(identityFromKid(agent.key(1))), last: rotated.id },
      received: [{ status: "in-force" }],
    });
    const { didDocument, didDocumentMetadata } = await registry.json(`/1.0/identifiers/${agent.did}`);
    expect(didDocument.id).toBe(agent.did);
    expect(didDocument.verificationMethod[0].id).toBe(agent.key(1).kid);
    expect(didDocumentMetadata.versionId).toBe(rotated.id);
    // What is known is answered as known, also when it is a key event.
    expect((await registry.post(rotated.bytes)).status).toBe(200);
  });

  it("A-STMT-10 A-STMT-11 is suspended, rescued, disputed and recovered, and says so by its codes", async () => {
    await using registry = await startRegistry();
    const agent = owner();
    const init = await agent.init();
    await registry.publish(init.bytes);
    const revoked = await issueKeyRevoke(agent.key(0), { prev: init, compromisedSince: new Date(Date.now() - 60_000) });
    await registry.publish(revoked.bytes);
    const profile = await issueProfile(agent.key(0), { role: "agent" });
    expect(await codeOf(registry, profile)).toBe("ERR_KEY_REVOKED");
    const rotated = await issueKeyRotate(agent.key(1), { prev: revoked, next: agent.commit(2) });
    await registry.publish(rotated.bytes);
    const rival = await issueKeyRotate(agent.key(1), { prev: revoked, next: agent.commit(5) });
    await registry.publish(rival.bytes);
    expect(await codeOf(registry, await issueProfile(agent.key(1), { role: "agent" }))).toBe("ERR_KEY_DISPUTED");
    const alone = await issueKeyRecover(agent.key(2), [agent.key(3)], { prev: rotated, next: agent.commit(0) });
    expect(await codeOf(registry, alone)).toBe("ERR_KEY_EVENT_INVALID");
    const recovered = await issueKeyRecover(agent.key(2), [agent.key(3), agent.key(5)], {
      prev: rotated,
      next: agent.commit(0),
    });
    await registry.publish(recovered.bytes);
    expect((await registry.json(`/v1/agents/${agent.did}`)).key).toMatchObject({
      status: "active",
      last: recovered.id,
    });
    expect(await registry.publish((await issueProfile(agent.key(2), { role: "agent" })).bytes)).toMatchObject({
      state: "published",
    });
    const late = await issueKeyRevoke(agent.key(1), { prev: rotated });
    expect(await codeOf(registry, late)).toBe("ERR_KEY_EVENT_INVALID");
  });

  it("A-STMT-13 refuses a compromise declared for months ago, and takes one of last week", async () => {
    await using registry = await startRegistry();
    const agent = owner();
    const init = await agent.init();
    await registry.publish(init.bytes);
    const since = (days: number) => new Date(Date.now() - days * 86_400_000);
    const options = { prev: init, next: agent.commit(2) };
    const months = await issueKeyRotate(agent.key(1), { ...options, compromisedSince: since(100) });
    expect(await codeOf(registry, months)).toBe("ERR_KEY_EVENT_INVALID");
    const week = await issueKeyRotate(agent.key(1), { ...options, compromisedSince: since(7) });
    await registry.publish(week.bytes);
    expect((await registry.json(`/v1/agents/${agent.did}`)).key.compromises).toBe(1);
  });

  it("judges 20 events sent at once one after the other: one is logged, none contradicts it", async () => {
    await using registry = await startRegistry();
    const agent = owner();
    const inits = Array.from({ length: 20 }, (_, i) =>
      issueKeyInit(agent.key(0), { next: agent.commit(1 + (i % 5)), now: new Date(Date.now() - i * 1_000) }),
    );
    const answers = await Promise.all((await Promise.all(inits)).map((init) => codeOf(registry, init)));
    expect(answers.filter((answer) => answer === 201)).toHaveLength(1);
    expect(answers.filter((answer) => answer === "ERR_KEY_EVENT_INVALID")).toHaveLength(19);
  });
});

it("A-STMT-13 A-TRUST-05 logs reports, shows them with their evidence, and scores as before", async () => {
  const [root, agent, other] = [generateIdentity(), generateIdentity(), generateIdentity()];
  await using registry = await startRegistry({ roots: [root.did] });
  await registry.publish((await issueVouch(root, { subject: agent.did, scope: ["tools"], confidence: 70 })).bytes);
  const before = await registry.json(`/v1/score?to=${agent.did}`);
  const evidence = [digest("a receipt")];
  const report = await issueReport(other, { subject: agent.did, category: "unapproved-action", evidence });
  await registry.publish(report.bytes);
  expect((await registry.json(`/v1/score?to=${agent.did}`)).score).toBe(before.score);
  const shown = await registry.json(`/v1/agents/${agent.did}`);
  expect(shown).toMatchObject({ reports: 1, reportedBy: [{ issuer: other.did, evidence, withdrawn: false }] });
  const taken = await issueRevocation(other, { revokes: "statement", target: report.id });
  await registry.publish(taken.bytes);
  expect((await registry.json(`/v1/agents/${agent.did}`)).reports).toBe(0);
  // Whoever reports a log shows what it rests on.
  const fork = await issueReport(other, { subject: agent.did, category: "log-fork", evidence });
  expect(await codeOf(registry, fork)).toBe("ERR_STATEMENT_INVALID");
  const page = await registry.json("/v1/statements?kind=Report");
  expect(page.statements).toHaveLength(1);
});

function identityFromKid({ kid }: Identity): Identity["did"] {
  return `did:key:${kid.slice(kid.indexOf("#") + 1)}` as Identity["did"];
}
