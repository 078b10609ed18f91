import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { policyJsonSchema } from "./json-schema.ts";

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
