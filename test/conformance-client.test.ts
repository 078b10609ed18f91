import { describe, expect, it } from "vitest";
import { released, runClientScenario } from "./_conformance.ts";
import { fixture, node } from "./_mcp.ts";

/** The client scenarios that are not about OAuth. */
const scenarios = ["initialize", "tools_call", "elicitation-sep1034-client-defaults"];

async function passes(scenario: string): Promise<void> {
  const client = [node, fixture("conformance-client.ts"), "bridge"];
  const { passed, output } = await runClientScenario(released, scenario, client);
  expect(passed, output).toBe(true);
  expect(output).toMatch(/Passed: (\d+)\/\1, 0 failed/);
}

describe(`client scenarios of ${released.name}`, () => {
  it.for(scenarios)("%s passes through the signing bridge", passes);

  // It takes the first GET that it sees for the reconnection. Where the machine is busy that can be the stream which every
  // client opens after `notifications/initialized`, and it takes an answer half a second late for a wrong one: the suite is
  // asked again.
  it.for(["sse-retry"])("%s passes through the signing bridge", { retry: 9 }, passes);
});
