import type { JsonValue } from "../json/types.ts";
import type { CompileWhen } from "./engines.ts";
import type { PolicyInput } from "./input.ts";

/** An expression has at most this many characters, … */
export const MAX_CEL_LENGTH = 1_024;
/** … this many nodes of its syntax tree, … */
export const MAX_CEL_NODES = 200;
/** … and comprehensions nested this deep: each costs a pass over a history of up to 256 entries. */
export const MAX_CEL_NESTING = 2;

/** Members of the input that an expression may name. An absent one is an error, which denies; `has(caller.spiffe)` asks. */
const roots: ReadonlySet<string> = new Set<keyof PolicyInput>([
  "v",
  "now",
  "method",
  "target",
  "tool",
  "server",
  "calling_agent",
  "caller",
  "args",
  "req",
  "trust",
  "standing",
  "trust_age_seconds",
  "run",
  "in_custody",
  "history",
  "held",
]);

/** True if a policy's text may hold a `when`, so that the engine need not be loaded for the others. */
export function mentionsWhen(text: string): boolean {
  return /\bwhen\b/.test(text);
}

/**
 * Loads the CEL engine (cel-spec, `matches` by RE2: no backtracking), about 0.2 s, once. Expressions see the policy input
 * (docs/policy.md); JSON numbers are doubles, so arithmetic wants `1.0`.
 */
export async function loadCel(): Promise<CompileWhen> {
  const { CelScalar, celEnv, parse, plan } = await import("@bufbuild/cel");
  const env = celEnv({ variables: Object.fromEntries([...roots].map((name) => [name, CelScalar.DYN])) });
  return (expression) => {
    if (expression.length > MAX_CEL_LENGTH) throw new Error(`an expression has at most ${MAX_CEL_LENGTH} characters`);
    const parsed = parse(expression);
    checkTree(parsed.expr);
    const evaluate = plan(env, parsed);
    return (input) => {
      const answer = evaluate(bindings(input));
      // The engine returns its errors. Neither they nor a number or text are an answer: not met in allow, met in deny.
      if (typeof answer !== "boolean") throw new Error("the expression has no answer for this call");
      return answer;
    };
  };
}

function bindings(input: PolicyInput): Record<string, never> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(input)) if (roots.has(name)) out[name] = toCel(value as JsonValue);
  return out as Record<string, never>;
}

/** Objects become maps with own members only. */
function toCel(value: JsonValue): unknown {
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(toCel);
  if (typeof value !== "object" || value === null) return value;
  return new Map(Object.entries(value).map(([name, inner]) => [name, toCel(inner)]));
}

interface Node {
  readonly exprKind?: { readonly case?: string | undefined; readonly value?: unknown };
}

/** Bounds the tree, and refuses names that are neither an input nor bound by a comprehension around them. */
function checkTree(root: Node): void {
  let nodes = 0;
  const visit = (node: Node, bound: ReadonlySet<string>, depth: number): void => {
    if (++nodes > MAX_CEL_NODES) throw new Error(`an expression has at most ${MAX_CEL_NODES} parts`);
    const { case: kind, value } = node.exprKind ?? {};
    if (kind === "identExpr") {
      const { name } = value as { name: string };
      if (!roots.has(name) && !bound.has(name) && !typeNames.has(name))
        throw new Error(`undeclared reference '${name}'`);
    }
    if (kind !== "comprehensionExpr") {
      for (const child of children(value)) visit(child, bound, depth);
      return;
    }
    if (depth === MAX_CEL_NESTING) throw new Error(`comprehensions nest at most ${MAX_CEL_NESTING} deep`);
    const { iterVar, iterVar2, accuVar, iterRange, ...rest } = value as Record<string, unknown>;
    if (iterRange) visit(iterRange, bound, depth);
    const inner = new Set([...bound, iterVar, iterVar2, accuVar].filter((name) => typeof name === "string"));
    for (const child of children(rest)) visit(child, inner, depth + 1);
  };
  visit(root, new Set(), 0);
}

const typeNames = new Set(["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"]);

/** The expressions directly inside a value of the syntax tree. */
function children(value: unknown): Node[] {
  if (typeof value !== "object" || value === null) return [];
  if ("exprKind" in value) return [value as Node];
  return Object.values(value).flatMap(children);
}
