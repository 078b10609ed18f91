import { expect, it } from "vitest";
import { killAgainAndAgain } from "./_registry-kills.ts";

// test/slow/registry-crash.test.ts does it 200 times.
it("A-LOG-07 loses no acknowledged statement when it is killed 20 times between acknowledgements", async () => {
  expect(await killAgainAndAgain(20)).toBeGreaterThan(40);
}, 240_000);
