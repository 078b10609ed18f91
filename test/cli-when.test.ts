import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Home } from "./_cli.ts";

const policy = (when: string): string => `apiVersion: peerage.dev/v1
kind: Policy
allow:
- {id: small, tools: refund, agents: "@me", when: '${when}'}
`;

it("loads an expression of a policy, and refuses one about what is not there", async () => {
  await using home = await Home.make();
  await home.ok(["init", "me", "--no-input"]);
  const file = join(home.path, "policy.yaml");
  await writeFile(file, policy("args.amount < 100.0"));
  const checked = await home.run(["policy", "check", file]);
  expect(checked.code, checked.stderr).toBe(0);
  await writeFile(file, policy("amount < 100.0"));
  const refused = await home.run(["policy", "check", file]);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain("undeclared reference");
});
