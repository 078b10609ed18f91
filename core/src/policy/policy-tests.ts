import { z } from "zod";
import { askAdapters, type PolicyAdapters } from "./adapters/adapter.ts";
import type { PolicyInput } from "./input.ts";
import { policyInvalid } from "./problem.ts";
import { completeInput, type PartialInput } from "./complete-input.ts";
import { decide, type Decision } from "./decide.ts";
import { explainDecision, type Explanation } from "./explain.ts";
import { problemsOf } from "./issues.ts";
import type { Policy } from "./load.ts";
import { readYaml } from "./read-yaml.ts";

/** One case of a `*.test.yaml`. */
export interface PolicyTest {
  readonly name: string;
  /** Part of an input, completed by {@link completeInput}, or a file that holds one. */
  readonly input: PartialInput | { readonly file: string };
  readonly expect: "allow" | "ask" | "deny";
  /** The code of the refusal, or of the ask. */
  readonly reason?: string;
  /** The rule that allows, asks or refuses. */
  readonly rule?: string;
}

/** What came of one case. */
export interface PolicyTestResult {
  readonly name: string;
  readonly passed: boolean;
  /** What differs from what was expected: `expect: allow, not deny`. */
  readonly differs: readonly string[];
  readonly decision: Decision;
  /** Of a case that did not pass. */
  readonly explanation?: Explanation;
}

const text = z.string().min(1).max(500);
const testFile = z.strictObject({
  tests: z.array(
    z.strictObject({
      name: text,
      input: z.record(z.string(), z.json()),
      expect: z.enum(["allow", "ask", "deny"], { error: "`allow`, `ask` or `deny`" }),
      reason: text.exactOptional(),
      rule: text.exactOptional(),
    }),
  ),
});

/**
 * Reads a file of tests: `tests: [{name, input, expect, reason, rule}]`.
 * @throws {PeerageError} ERR_POLICY_INVALID with line and place
 */
export function parsePolicyTests(source: string, file?: string): readonly PolicyTest[] {
  const yaml = readYaml(source, file);
  const result = testFile.safeParse(yaml.value);
  if (result.success) return result.data.tests;
  const problems = problemsOf(result.error.issues, () => null);
  throw policyInvalid(
    problems.map((problem) => ({
      ...problem,
      ...(file !== undefined && { file }),
      line: yaml.lineOf(problem.path ?? []),
    })),
  );
}

/**
 * Runs tests through the very function that decides calls. Nothing is used up: a test says what would be decided.
 * @param readFile gives the partial input that a case names by `{file}`
 * @param adapters asked where the rules allow, as a guard would; without them the rules alone are tested
 */
export function testPolicy(
  policy: Policy,
  tests: readonly PolicyTest[],
  readFile: (file: string) => PartialInput = noFiles,
  adapters?: PolicyAdapters,
): Promise<readonly PolicyTestResult[]> {
  const memory = { spent: () => false };
  const run = async (test: PolicyTest): Promise<PolicyTestResult> => {
    const { file } = test.input as { file?: unknown };
    const input = completeInput(typeof file === "string" ? readFile(file) : (test.input as PartialInput));
    const ruled = decide(policy, input, memory);
    const decision = adapters ? await narrowed(ruled, adapters, input) : ruled;
    const differs = differences(test, decision);
    const passed = differs.length === 0;
    const explanation = passed ? undefined : explainDecision(policy, input, memory);
    return { name: test.name, passed, differs, decision, ...(explanation && { explanation }) };
  };
  return Promise.all(tests.map(run));
}

async function narrowed(decision: Decision, adapters: PolicyAdapters, input: PolicyInput): Promise<Decision> {
  if (decision.effect !== "allow" || decision.obligations.adapters.length === 0) return decision;
  const answers = await askAdapters(decision.obligations.adapters, adapters, input);
  const failed = answers.flatMap(({ adapter, allow, reasons }) =>
    allow ? [] : [{ condition: "also" as const, path: [adapter, ...reasons].join(": ") }],
  );
  if (failed.length === 0) return decision;
  return { effect: "deny", policy: decision.policy, reason: "ERR_POLICY_DENIED", failed };
}

function differences(test: PolicyTest, decision: Decision): string[] {
  const reason = decision.effect === "allow" ? "none" : decision.reason;
  const compared = [
    ["expect", test.expect, decision.effect],
    ["reason", test.reason, reason],
    ["rule", test.rule, decision.rule ?? "none"],
  ] as const;
  return compared
    .filter(([, wanted, found]) => wanted !== undefined && wanted !== found)
    .map(([key, wanted, found]) => `${key}: ${wanted ?? ""}, not ${found}`);
}

function noFiles(file: string): never {
  throw policyInvalid([{ message: `the test names the file ${file}, and there is nothing to read it with` }]);
}
