// Writes core/schema/policy.v1.json from the grammar; run it after a change of core/src/policy/grammar.ts.
import { writeFileSync } from "node:fs";
import { format } from "prettier";
import { policyJsonSchema } from "../core/src/policy/json-schema.ts";

const file = new URL("../core/schema/policy.v1.json", import.meta.url);
writeFileSync(file, await format(JSON.stringify(policyJsonSchema()), { parser: "json", printWidth: 120 }));
