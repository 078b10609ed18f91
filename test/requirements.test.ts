import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { policyIds, ruleIds } from "./_protocol.ts";
import { titlesOf } from "./_titles.ts";
import { features } from "./_features.ts";
import { attacks, coverage } from "./requirements.ts";

const titled = (...titles: string[]) => titles.map((title) => ({ file: "some.test.ts", title }));

it("has a test for every attack and rule, knows every id that a test cites, and agrees with docs/protocol.md", () => {
  expect(coverage().problems).toEqual([]);
});

it("lists every attack of the catalogue, area by area without a gap", () => {
  const last = {
    DID: 7,
    CALL: 16,
    JSON: 8,
    HTTP: 8,
    SESS: 6,
    APPR: 10,
    HIST: 8,
    STMT: 14,
    TRUST: 9,
    LOG: 11,
    POL: 10,
    RATE: 5,
    WEB: 6,
    CLI: 9,
    SPIFFE: 5,
  };
  const ids = Object.entries(last).flatMap(([area, count]) =>
    Array.from({ length: count }, (_, i) => `A-${area}-${String(i + 1).padStart(2, "0")}`),
  );
  expect(attacks.map(({ id }) => id).sort()).toEqual(expect.arrayContaining(ids));
});

it("lists the rules of docs/policy.md beside those of docs/protocol.md", () => {
  const listed = [...coverage().tests.keys()];
  expect(policyIds.size).toBeGreaterThan(35);
  expect(listed).toEqual(expect.arrayContaining([...policyIds]));
  expect(listed).toEqual(expect.arrayContaining([...ruleIds]));
});

it("lists every attack that SECURITY.md points at, whole ranges included", () => {
  const text = readFileSync(new URL("../SECURITY.md", import.meta.url), "utf8");
  const cited = [...text.matchAll(/(A-[A-Z]+)-(\d\d)(?: to \1-(\d\d))?/g)].flatMap(([, area, first, last = first]) =>
    Array.from(
      { length: Number(last) - Number(first) + 1 },
      (_, i) => `${area}-${String(Number(first) + i).padStart(2, "0")}`,
    ),
  );
  expect(cited.length).toBeGreaterThan(50);
  const ids = new Set(attacks.map(({ id }) => id));
  expect(cited.filter((id) => !ids.has(id))).toEqual([]);
});

it("lists every feature of the observatory and the console, each with a test", () => {
  const ids = features.map(({ id }) => id);
  for (let n = 1; n <= 20; n++) expect(ids).toContain(`U${n}`);
  for (const { id, tests } of features) expect(tests, id).not.toEqual([]);
});

it("reports an id without a test, an unknown id, and a rule that is in one place only", () => {
  const { problems } = coverage(titled("A-DID-01 …", "A-NONE-99 …"), ["P-DID-1", "P-NEW-1"]);
  expect(problems).not.toContain("A-DID-01 has no test");
  expect(problems).toContain("A-DID-02 has no test");
  expect(problems.join("\n")).toContain("A-NONE-99 is cited by some.test.ts and is not in test/requirements.ts");
  expect(problems).toContain("P-NEW-1 of docs/protocol.md is not listed");
  expect(problems).toContain("P-DID-2 is not in docs/protocol.md");
  expect(problems).toContain('P-DID-2 names "A-DID-02", which is no test');
  expect(problems).toContain("U3 has no test");
  const named = features.find(({ id }) => id === "U4")!.tests;
  expect(problems.filter((problem) => problem.startsWith("U4 names"))).toHaveLength(named.length);
});

it("reads titles through suites, tables and conditions, and none of what is skipped", () => {
  const source = `
    describe.skipIf(x)("A-X-01 suite", () => {
      it("one", () => {});
      it.each([[1], [2]])("two %i", () => {});
      describe.each(cases)(\`three \${name}\`, () => { test.skipIf(y).each(z)('four', async () => {}); });
      it.skip("five", () => {});
      it.todo("six");
      other("seven", () => {});
    });
    describe.skip("eight", () => { it("nine", () => {}); });`;
  expect(titlesOf(source)).toEqual(["A-X-01 suite > one", "A-X-01 suite > two %i", "A-X-01 suite > three ${} > four"]);
});
