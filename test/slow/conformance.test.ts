import { describe, expect, it } from "vitest";
import {
  type Checks,
  hasNext,
  next,
  passedScenarios,
  type Results,
  runClientScenario,
  runServerSuite,
  startFixture,
  startSigner,
  strictGuard,
  tally,
} from "../_conformance.ts";
import { fixture, node, startEverythingHttp } from "../_mcp.ts";

if (!hasNext) console.warn(`SKIPPED: ${next.name} is not installed (npm alias "conformance-next")`);

const legacy = ["--requirements", "2025-11-25"];
const modern = ["--requirements", "2026-07-28"];

async function bothWays(url: string, args: readonly string[]): Promise<{ direct: Results; through: Results }> {
  await using guard = await strictGuard(url);
  await using signer = await startSigner(guard.url);
  return { direct: await runServerSuite(next, url, args), through: await runServerSuite(next, signer.url, args) };
}

const failures = (results: Results): string[] =>
  Object.keys(results).filter((name) => results[name]!.some((check) => / FAILURE(:|$)/.test(check)));

/** Which checks there are and what they found, without the words: a failed one quotes the server's capabilities. */
const found = (results: Results): Record<string, Checks> =>
  Object.fromEntries(
    Object.entries(results).map(([name, checks]) => [name, checks.map((check) => check.replace(/: .*/s, ""))]),
  );

/** The suite itself gives a server some seconds for an answer: a machine that stood still for longer is asked again. */
const again = { retry: 2 };

describe.skipIf(!hasNext)(`the official suite, ${next.name}`, () => {
  for (const major of ["v1", "v2"] as const) {
    it(
      `on 2025-11-25 passes 84 of 84 checks on our server of SDK ${major}, and finds the same through signer and guard`,
      again,
      async () => {
        await using target = await startFixture(major);
        const { direct, through } = await bothWays(target.url, legacy);
        expect(tally(direct)).toEqual({ passed: 84, failed: 0 });
        expect(found(through)).toEqual(found(direct));
      },
    );
  }

  it(
    "on 2026-07-28 fails only tasks, which SDK 2.4 lacks, and finds the same through signer and guard",
    again,
    async () => {
      await using target = await startFixture("v2");
      const { direct, through } = await bothWays(target.url, modern);
      expect(tally(direct)).toEqual({ passed: 164, failed: 30 });
      expect(failures(direct).every((name) => name.startsWith("tasks-"))).toBe(true);
      expect(Object.keys(direct)).toHaveLength(50);
      expect(found(through)).toEqual(found(direct));
    },
  );

  it(
    "finds the same of server-everything, failures included, but for two that the guard does better",
    again,
    async () => {
      await using everything = await startEverythingHttp();
      const { direct, through } = await bothWays(everything.url, legacy);
      expect(tally(direct)).toEqual({ passed: 47, failed: 22 });
      // A foreign host name is refused, and a session that was ended is 404.
      const better = ["dns-rebinding-protection", "server-session-lifecycle"];
      expect(failures(direct)).toEqual(expect.arrayContaining(better));
      expect(passedScenarios(through)).toEqual(expect.arrayContaining(better));
      const rest = Object.fromEntries(better.map((name) => [name, direct[name]!]));
      expect(found({ ...through, ...rest })).toEqual(found(direct));
    },
  );

  it.for([
    { revision: "2025-11-25", args: legacy, satisfied: [] },
    {
      revision: "2026-07-28",
      args: modern,
      // Content with any error, or with any answer that is no question: a refusal is both.
      satisfied: [
        "dns-rebinding-protection",
        "input-required-result-ignore-extra-params",
        "input-required-result-missing-input-response",
        "input-required-result-unsupported-methods",
        "input-required-result-validate-input",
        "sep-2164-resource-not-found",
        "server-sse-multiple-streams",
      ],
    },
  ])("A-CALL-01 gets nothing from the server unsigned, on $revision", async ({ args, satisfied }) => {
    await using target = await startFixture("v2");
    await using guard = await strictGuard(target.url);
    const unsigned = await runServerSuite(next, guard.url, args);
    expect(passedScenarios(unsigned)).toEqual(satisfied);
    expect(target.requests()).toBe(0);
  });

  it.for([
    "initialize",
    "tools_call",
    "elicitation-sep1034-client-defaults",
    "sse-retry",
    "request-metadata",
    "http-standard-headers",
    "http-custom-headers",
    "http-invalid-tool-headers",
    "json-schema-ref-no-deref",
    "json-schema-2020-12-preservation",
    "sep-2322-client-request-state",
    // `sse-retry` has a race of its own, see test/conformance-client.test.ts: the suite is asked again.
  ])("client scenario %s passes through the signing bridge", { retry: 3 }, async (scenario) => {
    const client = [node, fixture("conformance-client.ts"), "bridge"];
    const { passed, output } = await runClientScenario(next, scenario, client);
    expect(passed, output).toBe(true);
    expect(output).toMatch(/Passed: (\d+)\/\1, 0 failed/);
  });
});
