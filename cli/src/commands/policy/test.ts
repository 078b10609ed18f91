import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parsePolicyTests, type PartialInput, type PolicyTestResult, testPolicy } from "@peerage/core";
import type { Context } from "../../context.ts";
import { CliError } from "../../errors.ts";
import type { Result } from "../../output.ts";
import { failedLines } from "../../policy/explained.ts";
import { inputFile } from "../../policy/input-file.ts";
import { loadPolicy, policyPath } from "../../policy/source.ts";
import type { Args } from "../../tree.ts";
import { count } from "../../ui/time.ts";
import { visible } from "../../ui/visible.ts";

/** `peerage policy test`: plays the cases of `*.test.yaml` through the function that decides calls. Exit 1 if one fails. */
export async function run(context: Context, { words: [word] }: Args): Promise<Result> {
  const path = await policyPath(context, word);
  const policy = await loadPolicy(context, path);
  const results: (PolicyTestResult & { file: string })[] = [];
  for (const file of await testFiles(path)) {
    const tests = parsePolicyTests(await readFile(file, "utf8"), basename(file));
    const inputs = new Map<string, PartialInput>();
    for (const { input } of tests) {
      const { file: named } = input as { file?: unknown };
      if (typeof named === "string" && !inputs.has(named))
        inputs.set(named, await inputFile(join(dirname(file), named)));
    }
    const read = (named: string): PartialInput => inputs.get(named) ?? {};
    results.push(...testPolicy(policy, tests, read).map((result) => ({ ...result, file: basename(file) })));
  }
  const failed = results.filter(({ passed }) => !passed);
  const { ui } = context;
  return {
    exit: failed.length > 0 ? 1 : 0,
    data: {
      path,
      digest: policy.digest,
      passed: results.length - failed.length,
      failed: failed.length,
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
      ...results.flatMap((result) => resultLines(context, result)),
      `  ${results.length - failed.length} of ${count(results.length, "case")} passed   ${ui.dim(`exit ${failed.length > 0 ? 1 : 0}`)}`,
    ],
    plain: results.map(({ file, name, passed, differs }) => [file, name, passed ? "pass" : "fail", differs.join("; ")]),
  };
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
