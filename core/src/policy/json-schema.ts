import { z } from "zod";
import type { JsonObject } from "../json/types.ts";
import { policySchema } from "./grammar.ts";

/**
 * The JSON Schema (2020-12) of a policy document, for editors. It is looser than {@link parsePolicy}: what spans several
 * keys, and whether a DID's key is acceptable, only the loader sees.
 */
export function policyJsonSchema(): JsonObject {
  const { $schema, ...schema } = z.toJSONSchema(policySchema, { target: "draft-2020-12", io: "input" });
  const titled = {
    $schema,
    title: "Peerage policy, version 1",
    description: "Which MCP calls a guard admits. Whatever no rule allows is denied.",
    ...schema,
  };
  return titled as unknown as JsonObject;
}
