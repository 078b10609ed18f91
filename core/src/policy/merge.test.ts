import { describe, expect, it } from "vitest";
import { isPeerageError } from "../errors.ts";
import { people } from "../../../test/_history.ts";
import { parsePolicy } from "./load.ts";
import type { PolicyFile } from "./merge.ts";

const head = "apiVersion: peerage.dev/v1\nkind: Policy\n";
const files = (texts: Record<string, string>): PolicyFile[] =>
  Object.entries(texts).map(([name, text]) => ({ name, text: head + text }));
const refusal = (texts: Record<string, string>): string => {
  try {
    parsePolicy(files(texts));
    return "loaded";
  } catch (error) {
    if (isPeerageError(error) && error.code === "ERR_POLICY_INVALID") return error.message;
    throw error;
  }
};
const group = `groups: {g: "${people.alice.did}"}`;

describe("a policy of several files", () => {
  it("P-LOAD-08 is one document, in the order of the names, tests aside", () => {
    const texts = {
      "b.yaml": 'readonly: "get_*"\nallow: [{id: b, tools: y, agents: "@g"}]',
      "a.yaml": `${group}\nreadonly: [search]\nallow: [{id: a, tools: x, agents: "*"}]`,
      "c.test.yaml": "not even yaml: [",
    };
    const policy = parsePolicy(files(texts));
    expect(policy.document).toEqual({
      apiVersion: "peerage.dev/v1",
      kind: "Policy",
      groups: { g: people.alice.did },
      readonly: ["search", "get_*"],
      allow: [
        { id: "a", tools: "x", agents: "*" },
        { id: "b", tools: "y", agents: "@g" },
      ],
    });
    expect(parsePolicy(files(texts).reverse()).digest).toBe(policy.digest);
    expect(parsePolicy(JSON.stringify(policy.document)).digest).toBe(policy.digest);
  });

  it("A-POL-01 is spoilt by any bad file, and says which and where", () => {
    const good = { "a.yaml": 'allow: [{id: a, tools: x, agents: "*"}]' };
    expect(refusal(good)).toBe("loaded");
    for (const [text, message] of [
      ["allow: [", "b.yaml, line"],
      ["allow: []\nalow: []", "b.yaml, line 4, alow: `alow` is not a key here"],
      ["allow: [{id: a, tools: y, agents: x}]", "b.yaml, line 3, allow[0].agents"],
      [
        'allow:\n- {tools: y, agents: "*"}\n- {id: a, tools: y, agents: "*"}',
        "b.yaml, line 5, allow[1].id: the id a stands twice",
      ],
      ['allow: [{tools: y, agents: "@nobody"}]', "b.yaml, line 3, allow[0].agents: @nobody is no group"],
      ["", "b.yaml, line 1, allow: `allow` is missing"],
    ] as const) {
      expect(refusal({ ...good, "b.yaml": text }), text).toContain(message);
    }
    expect(refusal({})).toContain("no policy file");
    expect(refusal({ "a.test.yaml": "allow: []" })).toContain("no policy file");
  });

  it("says defaults, open, metadata, adapters and each group once", () => {
    for (const said of ["defaults: {scope: a}", "open: true", "metadata: {name: a}", group]) {
      const once = { "a.yaml": `${said}\nallow: []`, "b.yaml": "allow: []" };
      expect(refusal(once)).toBe("loaded");
      expect(refusal({ ...once, "b.yaml": `${said}\nallow: []` }), said).toMatch(
        /^b\.yaml, line 3, .* stands in a\.yaml too/,
      );
    }
  });

  it("warns at the place in its file", () => {
    const { warnings } = parsePolicy(
      files({
        "a.yaml": "allow: []",
        "b.yaml": 'deny: [{tools: x}]\nallow:\n- {tools: y, agents: "*", limit: {calls: 1, per: 1m}}',
      }),
    );
    expect(warnings).toMatchObject([{ file: "b.yaml", line: 5, path: ["allow", 0, "limit"] }]);
  });
});
