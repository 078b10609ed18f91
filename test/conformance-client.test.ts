import { describe, expect, it } from "vitest";
import { released, runClientScenario } from "./_conformance.ts";
import { fixture, node } from "./_mcp.ts";

/** The client scenarios that are not about OAuth. */
const scenarios = ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"];

describe(`client scenarios of ${released.name}`, () => {
  // `sse-retry` takes the first GET that it sees for the reconnection. Where the machine is busy that can be the stream
  // which every client opens after `notifications/initialized`, and it takes an answer half a second late for a wrong one:
  // the suite is asked again.
  it.for(scenarios)("%s passes through the signing bridge", { retry: 9 }, async (scenario) => {
    const client = [node, fixture("conformance-client.ts"), "bridge"];
    const { passed, output } = await runClientScenario(released, scenario, client);
    expect(passed, output).toBe(true);
    expect(output).toMatch(/Passed: (\d+)\/\1, 0 failed/);
  });
});
