import fc from "./_properties.ts";
import { expect } from "vitest";
import { decide, type PolicyDocument, type PolicyInput } from "../core/src/index.ts";
import { naive } from "./_policy-naive.ts";
import { load, spentDigests, underPolicy } from "./_policy-world.ts";

/** Compares the compiled evaluator with the naive one, ten calls a document; answers how often each answer occurred. */
export function checkAgreement(
  document: fc.Arbitrary<PolicyDocument>,
  input: fc.Arbitrary<PolicyInput>,
  documents: number,
): Record<string, number> {
  const seen: Record<string, number> = {};
  fc.assert(
    fc.property(document, fc.array(input, { minLength: 10, maxLength: 10 }), spentDigests, (one, calls, used) => {
      const policy = load(one);
      const spent = (digest: string): boolean => used.has(digest);
      for (const each of calls) {
        const call = underPolicy(each, policy);
        const decision = decide(policy, call, { spent });
        const answer = decision.effect === "deny" ? decision.reason : `${decision.effect} ${decision.rule}`;
        expect(answer).toBe(naive(policy.document, policy.digest, call, spent));
        const kind = answer.split(" ")[0]!;
        seen[kind] = (seen[kind] ?? 0) + 1;
      }
    }),
    { numRuns: documents },
  );
  return seen;
}
