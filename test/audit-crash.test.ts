import { expect, it } from "vitest";
import { killAgainAndAgain } from "./_kills.ts";

// test/slow/audit-crash.test.ts does it 200 times.
it("A-HIST-08 A-APPR-10 a guard that is killed again and again loses no decision and no approval, and uses none twice", async () => {
  const { refunds, approvals } = await killAgainAndAgain(6, 7);
  expect(refunds).toBeGreaterThan(0);
  expect(approvals).toBeGreaterThanOrEqual(refunds);
}, 120_000);
