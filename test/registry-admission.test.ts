import { beforeAll, describe, expect, it } from "vitest";
import {
  generateIdentity,
  issueKeyInit,
  issueProfile,
  issueRevocation,
  issueVouch,
  keyDigest,
  type Identity,
  type Vouch,
} from "@peerage/core";
import { GOLDEN_NOW, goldenCases, vectorsPresent } from "./_vectors.ts";
import { startRegistry, type TestRegistry } from "./_registry.ts";

const clock = { now: GOLDEN_NOW };
const now = (): Date => new Date(clock.now * 1_000);

/** Posts and returns status, code and how many entries the log has afterwards. */
async function submit(
  registry: TestRegistry,
  body: string | Uint8Array,
): Promise<{ status: number; code?: string; index?: number }> {
  const response = await registry.post(body);
  const answer = (await response.json()) as { code?: string; index?: number; status?: number };
  if (response.status >= 400) {
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(answer.status).toBe(response.status);
  }
  return { ...answer, status: response.status };
}

describe.skipIf(!vectorsPresent)("golden statements over HTTP", () => {
  const cases = vectorsPresent
    ? [...goldenCases("statement", { valid: 11, invalid: 32 }), ...goldenCases("vouch", { valid: 6, invalid: 66 })]
    : [];

  it("A-STMT-02 A-STMT-04 A-STMT-05 refuses every invalid statement with its code, and logs none", async () => {
    await using registry = await startRegistry({ now });
    for (const { id, text, expect: expected, now: at } of cases.filter(({ valid }) => !valid)) {
      clock.now = at ?? GOLDEN_NOW;
      const { status, code } = await submit(registry, text);
      expect(status, id).toBeGreaterThanOrEqual(400);
      expect(status, id).toBeLessThan(500);
      expect(expected.codes, id).toContain(code);
    }
    clock.now = GOLDEN_NOW;
    const valid = cases.find(({ id }) => id === "statement/vouch");
    expect(await submit(registry, valid!["text"])).toMatchObject({ status: 201, index: 0 });
  });

  it("logs every valid statement under its id, key events after the chain that they extend", async () => {
    for (const { id, text, expect: expected, now: at, chain = [] } of cases.filter(({ valid }) => valid)) {
      await using registry = await startRegistry({ now });
      for (const [index, event] of [...(chain as string[]), text as string].entries()) {
        const { issued } = JSON.parse(event) as { issued?: string };
        clock.now = issued === undefined ? (at ?? GOLDEN_NOW) : Date.parse(issued) / 1_000;
        const answer = await submit(registry, event);
        expect(answer, id).toMatchObject({ status: 201, index });
        if (event === text) expect(answer, id).toMatchObject({ id: expected.statementId });
      }
    }
  });
});

describe("admission", () => {
  const clockNow = { ms: 0 };
  // Not when the file was read: what is signed here has the time of now.
  beforeAll(() => {
    clockNow.ms = Date.now();
  });
  const options = { now: (): Date => new Date(clockNow.ms) };
  const vouch = (issuer: Identity, subject: Identity, more: object = {}): Promise<Vouch> =>
    issueVouch(issuer, { subject: subject.did, scope: ["tools"], confidence: 80, ...more });

  it("A-STMT-01 takes a revoked or expired vouch once more as what it is: the same entry, still revoked", async () => {
    await using registry = await startRegistry(options);
    const [alice, bob] = [generateIdentity(), generateIdentity()];
    const revoked = await vouch(alice, bob);
    const short = await vouch(bob, alice, { validUntil: new Date(clockNow.ms + 60_000) });
    await registry.publish(revoked.bytes);
    await registry.publish(short.bytes);
    const revocation = await issueRevocation(alice, { revokes: "statement", target: revoked.id });
    await registry.publish(revocation.bytes);
    const score = `/v1/score?from=${alice.did}&to=${bob.did}`;
    expect(await registry.json(score)).toMatchObject({ status: "unknown", score: null });

    expect(await submit(registry, revoked.bytes)).toMatchObject({ status: 200, index: 0 });
    clockNow.ms += 120_000;
    expect(await submit(registry, short.bytes)).toMatchObject({ status: 200, index: 1 });
    const text = Buffer.from(short.bytes)
      .toString()
      .replace(/"validUntil":"[^"]*"/, "");
    expect(await submit(registry, text)).toMatchObject({ code: "ERR_STATEMENT_INVALID" });
    expect(await registry.json(score)).toMatchObject({ status: "unknown", score: null });
    expect(await registry.json(`/v1/statements/${revoked.id}`)).toMatchObject({ revokedBy: [revocation.id] });
  });

  it("A-STMT-01 refuses an expired vouch that it never saw", async () => {
    await using registry = await startRegistry(options);
    const [alice, bob] = [generateIdentity(), generateIdentity()];
    const short = await vouch(alice, bob, { validUntil: new Date(clockNow.ms + 60_000) });
    clockNow.ms += 120_000;
    expect(await submit(registry, short.bytes)).toMatchObject({ status: 422, code: "ERR_VOUCH_EXPIRED" });
    expect(await submit(registry, (await vouch(alice, bob)).bytes)).toMatchObject({ status: 201, index: 0 });
  });

  it("A-STMT-06 counts of two vouches for one subject and scope the newest, once; of two alike none", async () => {
    await using registry = await startRegistry(options);
    const [alice, bob, carol] = [generateIdentity(), generateIdentity(), generateIdentity()];
    const from = (seconds: number): Date => new Date(clockNow.ms + seconds * 1_000);
    await registry.publish((await vouch(alice, bob, { confidence: 90, validFrom: from(-100) })).bytes);
    await registry.publish((await vouch(alice, bob, { confidence: 40, validFrom: from(-50) })).bytes);
    await registry.publish((await vouch(alice, carol, { confidence: 40, validFrom: from(-50) })).bytes);
    const score = (to: Identity): Promise<object> => registry.json(`/v1/score?from=${alice.did}&to=${to.did}`);
    expect(await score(bob)).toMatchObject({ status: "scored", score: 0.4 });
    expect(await score(carol)).toMatchObject({ status: "scored", score: 0.4 });
    await registry.publish((await vouch(alice, carol, { confidence: 50, validFrom: from(-50) })).bytes);
    expect(await score(carol)).toMatchObject({ status: "unknown", score: null });
    const explained = (await registry.json(`/v1/explain?from=${alice.did}&to=${carol.did}`)) as {
      explanation: { notCounted: { reason: string }[] };
    };
    expect(explained.explanation.notCounted.map(({ reason }) => reason)).toEqual(["conflicting", "conflicting"]);
  });

  it("A-STMT-08 lets nobody but the issuer revoke, keeps a revocation that comes first, and it stays revoked", async () => {
    await using registry = await startRegistry(options);
    const [alice, bob, mallory] = [generateIdentity(), generateIdentity(), generateIdentity()];
    const logged = await vouch(alice, bob);
    await registry.publish(logged.bytes);
    const foreign = await issueRevocation(mallory, { revokes: "statement", target: logged.id });
    expect(await submit(registry, foreign.bytes)).toMatchObject({ status: 422, code: "ERR_STATEMENT_INVALID" });
    expect(await registry.json(`/v1/score?from=${alice.did}&to=${bob.did}`)).toMatchObject({ score: 0.8 });

    const later = await vouch(bob, mallory);
    const early = await issueRevocation(bob, { revokes: "statement", target: later.id });
    await registry.publish(early.bytes);
    const beforehand = await issueRevocation(mallory, { revokes: "statement", target: later.id });
    await registry.publish(beforehand.bytes); // nobody can know yet whose statement this is
    await registry.publish(later.bytes);
    expect(await registry.json(`/v1/statements/${later.id}`)).toMatchObject({ revokedBy: [early.id] });
    expect(await registry.json(`/v1/score?from=${bob.did}&to=${mallory.did}`)).toMatchObject({ status: "unknown" });

    const again = await issueRevocation(bob, { revokes: "statement", target: early.id });
    expect(await submit(registry, again.bytes)).toMatchObject({ code: "ERR_STATEMENT_INVALID" });
  });

  it("takes nothing more from an issuer that revoked itself, and shows it as burnt", async () => {
    await using registry = await startRegistry(options);
    const [alice, bob] = [generateIdentity(), generateIdentity()];
    await registry.publish((await vouch(alice, bob)).bytes);
    await registry.publish((await issueRevocation(alice, { revokes: "self", target: alice.did })).bytes);
    const profile = await issueProfile(alice, { role: "agent" });
    expect(await submit(registry, profile.bytes)).toMatchObject({ status: 409, code: "ERR_KEY_REVOKED" });
    expect(await submit(registry, (await issueProfile(bob, { role: "agent" })).bytes)).toMatchObject({ status: 201 });
    expect(await registry.json(`/v1/score?from=${bob.did}&to=${alice.did}`)).toMatchObject({
      status: "burnt",
      score: null,
    });
    expect(await registry.json(`/1.0/identifiers/${alice.did}`)).toMatchObject({
      didDocumentMetadata: { deactivated: true },
    });
    expect(await registry.json(`/1.0/identifiers/${bob.did}`)).toMatchObject({ didDocumentMetadata: {} });
  });

  it("takes one first key event of an agent, and no second one", async () => {
    await using registry = await startRegistry(options);
    const alice = generateIdentity();
    const next = (): Promise<{ bytes: Uint8Array; id: string }> =>
      issueKeyInit(alice, { next: keyDigest(generateIdentity().did.slice(8) as `z6Mk${string}`) });
    const first = await next();
    const answers = await Promise.all(Array.from({ length: 20 }, () => submit(registry, first.bytes)));
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(19);
    expect(await submit(registry, (await next()).bytes)).toMatchObject({ status: 422, code: "ERR_KEY_EVENT_INVALID" });
    await registry.publish((await issueProfile(alice, { role: "person" })).bytes);
    expect(await registry.json(`/v1/agents/${alice.did}`)).toMatchObject({
      key: { status: "active", events: 1 },
      role: "person",
    });
    expect(await registry.json(`/1.0/identifiers/${alice.did}`)).toMatchObject({
      didDocumentMetadata: { versionId: first.id },
    });
  });
});
