import { readdirSync, readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "../../../test/_properties.ts";
import { describe, expect, it } from "vitest";
import { compileWhen, document, historyDocument, members } from "../../../test/_policy-world.ts";
import { policyJsonSchema } from "./json-schema.ts";
import { parsePolicy } from "./load.ts";

const file = new URL("../../schema/policy.v1.json", import.meta.url);

it("is the file core/schema/policy.v1.json; after a change of the grammar run scripts/policy-schema.ts", () => {
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(policyJsonSchema());
});

it("closes every object and describes every key", () => {
  const open: string[] = [];
  const silent: string[] = [];
  const walk = (schema: unknown, path: string): void => {
    if (typeof schema !== "object" || schema === null) return;
    const { type, properties, additionalProperties } = schema as Record<string, unknown>;
    if (type === "object" && properties !== undefined && additionalProperties !== false) open.push(path);
    for (const [key, value] of Object.entries((properties ?? {}) as Record<string, { description?: string }>)) {
      if (!value.description) silent.push(`${path}/${key}`);
    }
    for (const [key, value] of Object.entries(schema)) walk(value, `${path}/${key}`);
  };
  walk(policyJsonSchema(), "");
  expect({ open, silent }).toEqual({ open: [], silent: [] });
});

describe("file and loader agree", () => {
  const validate = new Ajv2020({ strict: false, allErrors: false }).compile(policyJsonSchema());
  const loads = (one: unknown): string | undefined => {
    try {
      parsePolicy(JSON.stringify(one), members, { compileWhen, adapters: "any" });
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : "refused";
    }
  };

  it("on generated documents, which both accept", () => {
    fc.assert(
      fc.property(fc.oneof(document, historyDocument), (one) => {
        expect(loads(one)).toBeUndefined();
        expect(validate(one), JSON.stringify(validate.errors)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("on the examples, which both accept", () => {
    const folder = new URL("../../../examples/policy/", import.meta.url);
    const names = readdirSync(folder).filter((name) => name.endsWith(".yaml"));
    for (const name of names) {
      const { document: one } = parsePolicy(readFileSync(new URL(name, folder), "utf8"));
      expect(validate(one), `${name}: ${JSON.stringify(validate.errors)}`).toBe(true);
    }
    expect(names.length).toBeGreaterThan(4);
  });

  it("on documents with a fault: what loads has passed the file, and what the file alone lets pass spans several keys", () => {
    const counts = { both: 0, loader: 0, accepted: 0 };
    fc.assert(
      fc.property(fc.oneof(document, historyDocument), fc.nat(), fault, (one, at, change) => {
        const copy = JSON.parse(JSON.stringify(one)) as unknown;
        const places = objectsIn(copy);
        change(places[at % places.length]!, at);
        const problem = loads(copy);
        const isValid = validate(copy);
        if (problem === undefined) expect(isValid, JSON.stringify([copy, validate.errors])).toBe(true);
        if (isValid && problem !== undefined) expect(problem, JSON.stringify(copy)).toMatch(beyondSchema);
        counts[problem === undefined ? "accepted" : isValid ? "loader" : "both"]++;
      }),
      { numRuns: 600 },
    );
    expect(counts.both).toBeGreaterThan(100);
    expect(counts.accepted).toBeGreaterThan(0);
  });
});

/** What only the loader sees: what spans several keys, and the inner form of a path, a number, a time or a DID. */
const beyondSchema = new RegExp(
  [
    "is no group|a group holds no other group|is no step under `require`|asks nobody|needs a limit with `of: all`",
    "lets any agent do anything|cannot be compared exactly|an argument path is|would never be in force|stands twice",
    "share|at most 24h|this time does not exist|is not acceptable|from being negative|not signed|in a circle",
  ].join("|"),
);

type Change = (object: Record<string, unknown>, at: number) => void;
const odd = fc.oneof(
  fc.constantFrom<unknown>(null, "", "x", "*", "@none", 0, 1, -1, 0.5, 2, true, [], {}, ["x"], ["x", "x"], "1m", "9x"),
  fc.jsonValue({ maxDepth: 1 }),
);
const key = fc.constantFrom(
  ...[
    "tools",
    "prompts",
    "agents",
    "trust",
    "args",
    "limit",
    "when",
    "unknown",
    "approval",
    "require",
    "from",
    "until",
  ],
  ...[
    "min",
    "scope",
    "by",
    "step",
    "within",
    "count",
    "<",
    "like",
    "absent",
    "nonsense",
    "allow",
    "deny",
    "open",
    "also",
  ],
);
/** One member added, changed or taken away. */
const fault: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(key, odd).map(
    ([name, value]): Change =>
      (object) =>
        (object[name] = value),
  ),
  odd.map((value): Change => (object, at) => {
    const names = Object.keys(object);
    const name = names[at % names.length];
    if (name !== undefined) object[name] = value;
  }),
  fc.constant<Change>((object, at) => {
    const names = Object.keys(object);
    const name = names[at % names.length];
    if (name !== undefined) delete object[name];
  }),
);

function objectsIn(value: unknown): Record<string, unknown>[] {
  if (typeof value !== "object" || value === null) return [];
  const inner = Object.values(value).flatMap(objectsIn);
  return Array.isArray(value) ? inner : [value as Record<string, unknown>, ...inner];
}
