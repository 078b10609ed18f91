import { expect, it } from "vitest";
import { killAgainAndAgain } from "./_registry-kills.ts";

// test/slow/registry-crash.test.ts does it 200 times.
it("A-LOG-07 loses no acknowledged statement when it is killed again and again between acknowledgements", async () => {
  expect(await killAgainAndAgain(6)).toBeGreaterThan(6);
}, 240_000);
