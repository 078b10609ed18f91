import { describe, expect, it } from "vitest";
import {
  passedScenarios,
  released,
  type Results,
  runServerSuite,
  startFixture,
  startSigner,
  strictGuard,
  tally,
} from "./_conformance.ts";
import { startEverythingHttp } from "./_mcp.ts";

/** The suite against a server, and through signer and guard, which let no message of any kind pass unsigned. */
async function bothWays(url: string): Promise<{ direct: Results; through: Results }> {
  await using guard = await strictGuard(url);
  await using signer = await startSigner(guard.url);
  return { direct: await runServerSuite(released, url), through: await runServerSuite(released, signer.url) };
}

describe(`the official suite, ${released.name}`, () => {
  for (const major of ["v1", "v2"] as const) {
    it(`passes 40 of 40 checks on our server of SDK ${major}, and finds the same through signer and guard`, async () => {
      await using fixture = await startFixture(major);
      const { direct, through } = await bothWays(fixture.url);
      expect(tally(direct)).toEqual({ passed: 40, failed: 0 });
      expect(through).toEqual(direct);
    });
  }

  it("finds the same of server-everything, failures included, but for the foreign host name that the guard refuses", async () => {
    await using everything = await startEverythingHttp();
    const { direct, through } = await bothWays(everything.url);
    expect(tally(direct)).toEqual({ passed: 13, failed: 19 });
    const rebinding = "dns-rebinding-protection";
    expect(passedScenarios(direct)).not.toContain(rebinding);
    expect(passedScenarios(through)).toContain(rebinding);
    expect({ ...through, [rebinding]: direct[rebinding] }).toEqual(direct);
  });

  it("A-CALL-01 passes no scenario unsigned, and nothing of it reaches the server", async () => {
    await using fixture = await startFixture("v1");
    await using guard = await strictGuard(fixture.url);
    const unsigned = await runServerSuite(released, guard.url);
    expect(Object.keys(unsigned)).toHaveLength(30);
    // What it asks for is that a foreign host name is refused and that its own gets a 200, be it with an error in it.
    expect(passedScenarios(unsigned)).toEqual(["dns-rebinding-protection"]);
    expect(fixture.requests()).toBe(0);
  });
});
