import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Home, openTestRegistry } from "./_cli.ts";
import { type Json, sampleFile, samplesOf, verified } from "./_samples.ts";

const samples = await samplesOf("aip-samples");
const { identity, beta, vouch, credential, certificate, serviceCredential, didKey } = samples;
const four = ["voucher", "target", "scope", "statement"];

describe("AIP's identities and vouches", () => {
  let home: Home;
  beforeAll(async () => {
    home = await Home.make();
  });
  afterAll(() => home[Symbol.asyncDispose]());

  const file = (content: unknown): Promise<string> => sampleFile(home, content);
  async function imported(
    content: unknown,
    ...argv: string[]
  ): Promise<{ code: number | null; data: Json; error: Json }> {
    const ran = await home.call(["import", "aip", await file(content), ...argv, "--json"]);
    const last = ran.stderr.trim().split("\n").at(-1) ?? "";
    return {
      code: ran.code,
      data: ran.stdout === "" ? undefined : JSON.parse(ran.stdout).data,
      error: ran.stdout === "" ? JSON.parse(last).error : undefined,
    };
  }
  it.each([
    ["vouch", vouch, ["level", "created_at", "expires_at"]],
    ["credential", credential, ["credentialSubject", "expirationDate", "issuer"]],
    ["certificate", certificate, ["scope", "statement", "voucher_did"]],
    ["credential of its service", serviceCredential, ["credentialSubject", "issuer", "proof"]],
  ])(
    "made by its reference implementation verify, a %s, and do not once they were tampered with",
    async (_, genuine, members) => {
      expect(await verified(home, genuine)).toMatchObject({ code: 0 });
      for (const member of members) {
        const copy = structuredClone(genuine);
        if (member === "credentialSubject") copy[member].trustScope = "FINANCIAL";
        else if (member === "issuer") copy[member].aipDid = beta.did;
        else if (member === "proof") copy[member].proofValue = credential.proof.proofValue;
        else copy[member] = member === "level" ? 5 : member === "voucher_did" ? beta.did : "2030-01-01T00:00:00Z";
        expect(await verified(home, copy), member).toMatchObject({ code: 6 });
        const refused = await imported(copy);
        expect(refused).toMatchObject({ code: 6, data: { agents: [], claims: [] } });
        expect(refused.data.refused).toHaveLength(1);
      }
      // A member that AIP's forms do not have would be read as if somebody had signed it.
      for (const one of [certificate, vouch])
        expect(await verified(home, { ...one, endorsed_by: "everybody" })).toMatchObject({ code: 6 });
      // What its voucher did not sign is named, also where a W3C proof seems to cover all of it.
      expect((await verified(home, certificate)).texts["unsigned"]).toBe(
        "created_at, vouch_id, certificate_issued_at: signed by nobody",
      );
      expect((await verified(home, serviceCredential)).texts["unsigned"]).toBe(
        "level, created_at, vouch_id, all else in it: signed by nobody",
      );
    },
  );

  it("are kept as claims, each member marked by whether its voucher signed it", async () => {
    const { code, data } = await imported([certificate, vouch], "--yes");
    expect(code).toBe(0);
    expect(data.claims).toEqual([
      expect.objectContaining({ signed: four, unverifiable: ["created", "id"], voucher: certificate.voucher_did }),
      expect.objectContaining({ signed: [...four, "level", "created", "expires"], unverifiable: [], level: 4 }),
    ]);
    // What its service lists has no signature, so nothing of it can be verified; what is known is not replaced by it.
    const row = {
      vouch_id: "1",
      voucher_did: beta.did,
      target_did: identity.did,
      scope: "GENERAL",
      statement: null,
      created_at: "2026-01-02 03:04:05",
    };
    const listed = await imported({
      did: identity.did,
      vouched_by: [row],
      vouches_for: [{ ...certificate, signature: undefined, voucher_public_key: undefined }],
    });
    expect(listed.code).toBe(0);
    for (const claim of listed.data.claims) expect(claim.signed).toEqual([]);
    const kept = JSON.parse((await home.call(["import", "aip", "--json"])).stdout).data;
    expect(kept.claims.map(({ signed }: Json) => signed.length)).toEqual([4, 7, 0]);
    expect(kept.agents.map(({ key }: Json) => key)).toEqual([didKey.alpha, didKey.beta]);
  });

  it("get a name of the user's own under aip., if their DID proves their key, and only if the user agrees", async () => {
    // Names were given with the claims above, by the keys alone.
    const names = async (): Promise<Json> =>
      JSON.parse((await home.call(["names", "list", "--json"])).stdout).data.names;
    for (const { name } of await names()) await home.call(["names", "remove", name]);
    const asked = await imported([identity, beta]);
    expect(asked).toMatchObject({ code: 2, error: { code: "ERR_USAGE" } });
    const { data } = await imported([identity, beta], "--yes");
    expect(data.agents).toEqual([
      { did: identity.did, key: didKey.alpha, name: "alpha-bot", petname: "aip.alpha-bot" },
      { did: beta.did, key: didKey.beta, name: "beta-bot", petname: "aip.beta-bot" },
    ]);
    expect(await names()).toEqual([
      { name: "aip.alpha-bot", did: didKey.alpha },
      { name: "aip.beta-bot", did: didKey.beta },
    ]);
    // After a rotation, only AIP's service says whose the new key is: it gets no name. Nor does another of the same name
    // get a name that is taken.
    const rotated = await imported({ did: beta.did, public_key: identity.public_key, username: "alpha-bot" }, "--yes");
    expect(rotated.data.agents).toEqual([
      expect.objectContaining({ petname: null, why: expect.stringContaining("only AIP's service says") }),
    ]);
    await home.call(["names", "remove", "aip.beta-bot"]);
    const double = await imported({ ...beta, username: "alpha-bot", platforms: [] }, "--yes");
    expect(double.data.agents[0].petname).toBe(`aip.alpha-bot.${beta.did.slice(8, 16)}`);
    expect((await imported(identity, "--no-names")).code).toBe(0);
  });

  it("raise nobody's score", async () => {
    await using registry = await openTestRegistry();
    await using own = await Home.make();
    const call = async (...argv: string[]): Promise<Json> => {
      const ran = await own.call([...argv, "--registry", registry.url, "--json"]);
      return JSON.parse(ran.stdout).data;
    };
    await call("init", "me");
    await call("roots", "add", didKey.alpha);
    const before = await call("trust", didKey.beta, "--scope", "tools");
    expect(before).toMatchObject({ score: "unknown" });
    await call("import", "aip", await file([certificate, vouch, credential]), "--yes");
    for (const scope of ["tools", "code-signing", "general"])
      expect(
        await call("trust", "aip.544494f1".replace("544494f1", beta.did.slice(8, 16)), "--scope", scope),
      ).toMatchObject({
        agent: didKey.beta,
        score: "unknown",
        evidence: 0,
      });
  });

  it("are refused whole if they are forged in a part, are too many, hold a key, or are none", async () => {
    const forged = await imported([certificate, { ...vouch, scope: "FINANCIAL" }], "--yes");
    expect(forged).toMatchObject({
      code: 6,
      data: { claims: [], refused: [{ at: "[1]", why: "the signature does not hold" }] },
    });
    const { error, code } = await imported({ ...identity, private_key: "AAAA" });
    expect(code).toBe(2);
    expect(error.message).toContain("it holds a private key");
    expect((await imported(Array.from({ length: 501 }, () => identity))).error.message).toContain("more than 500");
    for (const none of [{}, [], "{", "null", { did: "did:key:z6Mk" }, { did: "did:aip:xyz" }])
      expect((await imported(none)).error.code, JSON.stringify(none)).toBe("ERR_REQUEST_INVALID");
    const malformed = [
      { ...certificate, version: "9" },
      { ...certificate, target_did: 7 },
      { ...identity, public_key: "AA==" },
      { ...vouch, statement: "x".repeat(3000) },
      { ...certificate, voucher_public_key: "AQ".repeat(22) },
    ];
    for (const one of malformed) expect([2, 6]).toContain((await imported(one)).code);
    // Deep and odd JSON ends as an error, not as a crash.
    expect((await imported("[".repeat(100_000))).error.code).toBe("ERR_REQUEST_INVALID");
    expect((await imported('{"did":"a","did":"b"}')).error.code).toBe("ERR_REQUEST_INVALID");
  });

  it("A-CLI-07 say nothing that a terminal would obey", async () => {
    const evil = { ...identity, username: "Evil\u001b[31m\u202e\u0007\nBot", platforms: [] };
    const ran = await home.call(["import", "aip", await file(evil), "--dry-run"]);
    expect(ran.code).toBe(0);
    expect(ran.stdout + ran.stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    expect(ran.stdout).toContain("\\u{1b}");
  });
});
