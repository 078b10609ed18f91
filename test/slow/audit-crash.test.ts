import { expect, it } from "vitest";
import { killAgainAndAgain } from "../_kills.ts";

it("A-HIST-08 A-APPR-10 killed at 200 random moments, a guard has lost no decision and no approval, and used none twice", async () => {
  const seed = 1 + Math.floor(Math.random() * 2_147_483_645);
  const seen = await killAgainAndAgain(200, seed);
  console.log(`seed ${seed}: ${JSON.stringify(seen)}`);
  expect(seen.refunds).toBeGreaterThan(100);
  // Some moments fell between a decision and its end.
  expect(seen.abandoned).toBeGreaterThan(0);
}, 1_800_000);
