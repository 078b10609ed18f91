import { expect, it } from "vitest";
import { policyIds } from "./_protocol.ts";
import { collectTitles } from "./_titles.ts";

it("every rule of docs/policy.md has a test that carries its id, in its title or a suite's", () => {
  const cited = new Set(collectTitles().flatMap(({ title }) => title.match(/\bP-[A-Z]+-\d+\b/g) ?? []));
  expect(policyIds.size).toBeGreaterThan(35);
  expect([...policyIds].filter((id) => !cited.has(id))).toEqual([]);
});
