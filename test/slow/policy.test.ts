import { expect, it } from "vitest";
import { checkAgreement } from "../_policy-properties.ts";
import { document, historyDocument, input, toolInput } from "../_policy-world.ts";

it("the compiled evaluator and the naive one agree on 200,000 generated calls", () => {
  const seen = [checkAgreement(document, input, 10_000), checkAgreement(historyDocument, toolInput, 10_000)];
  const total = (answer: string) => seen.reduce((sum, one) => sum + (one[answer] ?? 0), 0);
  for (const answer of [
    "allow",
    "ask",
    "ERR_POLICY_DENIED",
    "ERR_TRUST_INSUFFICIENT",
    "ERR_SPIFFE_REQUIRED",
    "ERR_APPROVAL_DENIED",
  ]) {
    expect(total(answer), answer).toBeGreaterThan(500);
  }
});
