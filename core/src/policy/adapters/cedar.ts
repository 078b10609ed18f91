import { digest } from "../../json/digest.ts";
import type { PolicyInput } from "../input.ts";
import type { PolicyAdapter } from "./adapter.ts";
import { CEDAR_TYPES, cedarRequest } from "./cedar-request.ts";

/** What an adapter for Cedar decides by. */
export interface CedarOptions {
  /** Cedar policies. */
  readonly policies: string;
  /** A Cedar schema: an `action` for each tool, with its arguments; {@link CEDAR_TYPES} stands before it. */
  readonly schema: string;
}

/** The engine keeps what it has read by name; a name is used once, so that no adapter is changed behind its back. */
let loads = 0;

/**
 * Loads Cedar, the optional package `@cedar-policy/cedar-wasm`, about 20 ms once, and its policies, which the strict
 * validator must pass without an error and without a warning. A call is allowed if Cedar allows it by some policy and no
 * policy erred: Cedar itself skips a `forbid` that errs.
 * @throws {Error} with a message for the operator: the package is not there, or the policies do not fit the schema
 */
export async function cedarAdapter({ policies, schema }: CedarOptions): Promise<PolicyAdapter> {
  const cedar = await loadEngine();
  const text = `${CEDAR_TYPES}\n${schema}`;
  const set = { staticPolicies: namedPolicies(cedar, policies) };
  const checked = cedar.validate({ schema: text, policies: set, validationSettings: { mode: "strict" } });
  const problems =
    checked.type === "failure"
      ? checked.errors.map(({ message }) => message)
      : [...checked.validationErrors, ...checked.validationWarnings].map(
          ({ policyId, error }) => `${policyId}: ${error.message}`,
        );
  if (problems.length > 0) throw new Error(`Cedar refuses the policies: ${problems.slice(0, 3).join("; ")}`);
  const name = `peerage-${++loads}`;
  for (const parsed of [cedar.preparseSchema(name, text), cedar.preparsePolicySet(name, set)]) {
    if (parsed.type === "failure") throw new Error(`Cedar cannot read it: ${parsed.errors[0]?.message ?? "no reason"}`);
  }
  return {
    version: `cedar ${cedar.getCedarVersion()} ${digest([policies, schema])}`,
    ask: (input: PolicyInput) => {
      const answer = cedar.statefulIsAuthorized({
        ...cedarRequest(input),
        preparsedSchemaName: name,
        preparsedPolicySetId: name,
        validateRequest: true,
      });
      if (answer.type === "failure") return denied(answer.errors.map(({ message }) => message));
      const { decision, diagnostics } = answer.response;
      if (diagnostics.errors.length > 0) {
        return denied(diagnostics.errors.map(({ policyId, error }) => `${policyId}: ${error.message}`));
      }
      return { allow: decision === "allow" && diagnostics.reason.length > 0, reasons: diagnostics.reason };
    },
  };
}

/** The policies by their `@id`, or their place, so that an answer names what a person wrote. */
function namedPolicies(cedar: Engine, text: string): Record<string, string> {
  const parts = cedar.policySetTextToParts(text);
  if (parts.type === "failure") throw refusedText(parts.errors);
  if (parts.policy_templates.length > 0) throw new Error("Cedar refuses the policies: a template is never linked here");
  const named: Record<string, string> = {};
  for (const [index, policy] of parts.policies.entries()) {
    const read = cedar.policyToJson(policy);
    if (read.type === "failure") throw refusedText(read.errors);
    const id = read.json.annotations?.["id"] ?? `policy${index}`;
    if (Object.hasOwn(named, id)) throw new Error(`Cedar refuses the policies: the id ${id} stands twice`);
    named[id] = policy;
  }
  return named;
}

function refusedText(errors: readonly { readonly message: string }[]): Error {
  return new Error(`Cedar cannot read the policies: ${errors[0]?.message ?? "no reason"}`);
}

function denied(reasons: readonly string[]): { allow: false; reasons: readonly string[] } {
  return { allow: false, reasons };
}

type Engine = typeof import("@cedar-policy/cedar-wasm/nodejs");

/** In a variable, so that no bundler looks for what is optional and not for pages. */
const engine: string = "@cedar-policy/cedar-wasm/nodejs";

async function loadEngine(): Promise<Engine> {
  try {
    return (await import(/* @vite-ignore */ engine)) as Engine;
  } catch {
    throw new Error("Cedar is not installed: npm install @cedar-policy/cedar-wasm");
  }
}
