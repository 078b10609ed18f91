import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  decide,
  explainDecision,
  parsePolicyTests,
  type PartialInput,
  type Policy,
  type PolicyAdapters,
  type PolicyTestResult,
  replayCalls,
  testPolicy,
} from "@peerage/core";
import { AuditReader } from "@peerage/mcp-middleware";
import type { Context, Options } from "../../context.ts";
import { CliError } from "../../errors.ts";
import { findAuditFile } from "../../files/guard-files.ts";
import type { Result } from "../../output.ts";
import { adaptersOf } from "../../policy/adapters.ts";
import { failedLines } from "../../policy/explained.ts";
import { inputFile } from "../../policy/input-file.ts";
import { decidedCalls } from "../../policy/recorded.ts";
import { loadPolicy, policyPath } from "../../policy/source.ts";
import type { Args } from "../../tree.ts";
import { count } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";

/**
 * `peerage policy test`: plays the cases of `*.test.yaml`, or with `--calls` recorded calls, through the function that
 * decides calls. Exit 1 if one fails.
 */
export async function run(context: Context, { words: [word], options }: Args): Promise<Result> {
  const path = await policyPath(context, word);
  const policy = await loadPolicy(context, path);
  const cases = options["calls"] === true ? await callCases(context, options, policy) : undefined;
  const adapters = await adaptersOf(context, options).load(["also", ...(policy.document.also ?? [])].join(" "));
  const asked = Object.keys(adapters).length > 0 ? adapters : undefined;
  const results = cases?.results ?? (await fileResults(path, policy, asked));
  const undecidable = cases?.undecidable ?? 0;
  const failed = results.filter(({ passed }) => !passed);
  const { ui } = context;
  const unasked = asked === undefined ? (policy.document.also ?? []) : [];
  return {
    exit: failed.length > 0 ? 1 : 0,
    data: {
      path,
      digest: policy.digest,
      passed: results.length - failed.length,
      failed: failed.length,
      ...(cases ? { undecidable } : {}),
      tests: results.map(({ name, file, passed, differs, decision }) => ({
        name,
        file,
        passed,
        differs,
        effect: decision.effect,
        ...("reason" in decision ? { reason: decision.reason } : {}),
        ...(decision.rule === undefined ? {} : { rule: decision.rule }),
      })),
    },
    text: [
      ...(cases ? failed : results).flatMap((result) => resultLines(context, result)),
      ...(unasked.length > 0 ? [`  ${ui.dim(`not asked: ${unasked.join(", ")} (--also)`)}`] : []),
      ...(undecidable > 0
        ? [`  ${ui.dim(`${count(undecidable, "call")} undecidable: what its rules read was not recorded`)}`]
        : []),
      `  ${results.length - failed.length} of ${count(results.length, cases ? "call" : "case")} passed   ${ui.dim(`exit ${failed.length > 0 ? 1 : 0}`)}`,
    ],
    plain: results.map(({ file, name, passed, differs }) => [file, name, passed ? "pass" : "fail", differs.join("; ")]),
  };
}

type CaseResult = PolicyTestResult & { readonly file: string };

async function fileResults(path: string, policy: Policy, adapters: PolicyAdapters | undefined): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const file of await testFiles(path)) {
    const tests = parsePolicyTests(await readFile(file, "utf8"), basename(file));
    const inputs = new Map<string, PartialInput>();
    for (const { input } of tests) {
      const { file: named } = input as { file?: unknown };
      if (typeof named === "string" && !inputs.has(named))
        inputs.set(named, await inputFile(join(dirname(file), named)));
    }
    const read = (named: string): PartialInput => inputs.get(named) ?? {};
    const played = await testPolicy(policy, tests, read, adapters);
    results.push(...played.map((result) => ({ ...result, file: basename(file) })));
  }
  return results;
}

/** Recorded calls that some rule decided: each must end as it did. Those whose rules read what was not kept are counted. */
async function callCases(
  context: Context,
  options: Options,
  policy: Policy,
): Promise<{ results: CaseResult[]; undecidable: number }> {
  const path = await findAuditFile(context, options);
  using reader = new AuditReader(path);
  const results: CaseResult[] = [];
  let undecidable = 0;
  for (const { id, target, at, call, effect } of decidedCalls(reader)) {
    const { counts } = replayCalls(policy, policy, [call]);
    if (counts.undecidable > 0) {
      undecidable++;
      continue;
    }
    const used = new Set<string>(call.spent);
    const memory = { spent: (one: string): boolean => used.has(one) };
    const decision = decide(policy, call.input, memory);
    const passed = decision.effect === effect;
    const explanation = passed ? {} : { explanation: explainDecision(policy, call.input, memory) };
    const differs = passed ? [] : [`expect: ${effect}, not ${decision.effect}`];
    const name = `${target} at ${at}  ${id}`;
    results.push({ name, passed, differs, decision, file: basename(path), ...explanation });
  }
  return { results, undecidable };
}

function resultLines({ ui }: Context, { name, passed, differs, explanation }: PolicyTestResult): string[] {
  const line = `  ${passed ? ui.good(ui.mark.ok) : ui.bad(ui.mark.no)}  ${visible(name, 120)}`;
  if (passed) return [line];
  const why = explanation ? failedLines(ui, explanation) : [];
  return [line, ...differs.map((text) => `       ${visible(text, 200)}`), ...why.map((text) => `  ${text}`)];
}

/** The tests of a folder, or those beside a file under its name. @throws {CliError} ERR_NOT_FOUND */
async function testFiles(path: string): Promise<string[]> {
  let found: string[];
  if ((await stat(path)).isDirectory()) {
    found = (await readdir(path)).filter((name) => /\.test\.ya?ml$/.test(name)).map((name) => join(path, name));
  } else {
    const stem = basename(path).replace(/\.ya?ml$/, "");
    const names = await readdir(dirname(path));
    found = names
      .filter((name) => name === `${stem}.test.yaml` || name === `${stem}.test.yml`)
      .map((name) => join(dirname(path), name));
  }
  if (found.length > 0) return found.sort();
  throw new CliError("ERR_NOT_FOUND", `there are no tests for ${visible(path, 200)}`, {
    hint: "put them beside it, in a file such as policy.test.yaml",
  });
}
