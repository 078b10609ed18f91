import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { generateIdentity, type Identity, issueVouch } from "@peerage/core";
import { parse } from "yaml";
import { z } from "zod";
import { Home, type Ran, runProcess } from "./_cli.ts";
import { startRegistry, type TestRegistry } from "./_registry.ts";

const root: string = fileURLToPath(new URL("..", import.meta.url));

/** What GitHub's schema of a composite action demands, and what this one promises. */
const step = z.strictObject({
  name: z.string(),
  id: z.string().optional(),
  shell: z.literal("bash"),
  run: z.string(),
  env: z.record(z.string().regex(/^INPUT_[A-Z]+$/), z.string().regex(/^\$\{\{ inputs\.[a-z]+ \}\}$/)).optional(),
});
const form = z.strictObject({
  name: z.string().min(1),
  description: z.string().min(1).max(125),
  author: z.string(),
  branding: z.strictObject({
    icon: z.string(),
    color: z.enum(["white", "black", "yellow", "blue", "green", "orange", "red", "purple", "gray-dark"]),
  }),
  inputs: z.record(
    z.string().regex(/^[a-z]+$/),
    z.strictObject({ description: z.string(), required: z.boolean().optional(), default: z.string().optional() }),
  ),
  outputs: z.record(
    z.string().regex(/^[a-z]+$/),
    z.strictObject({
      description: z.string(),
      value: z.string().regex(/^\$\{\{ steps\.peerage\.outputs\.[a-z]+ \}\}$/),
    }),
  ),
  runs: z.strictObject({ using: z.literal("composite"), steps: z.array(step) }),
});

/** The action of this repository. */
export async function readAction(): Promise<z.infer<typeof form>> {
  return form.parse(parse(await readFile(join(root, "action.yml"), "utf8")));
}

/** How the steps of one job ended. */
export interface Stepped extends Ran {
  readonly outputs: Readonly<Record<string, string>>;
  /** What stands in the runner's folder afterwards. */
  readonly left: readonly string[];
}

/** Runs the action's steps as a runner does: defaults filled in, each `run` a file given to bash, outputs read from files. */
export async function act(
  workspace: string,
  inputs: Record<string, string>,
  from = 0,
  more: Record<string, string> = {},
): Promise<Stepped> {
  const action = await readAction();
  const runner = await mkdtemp(join(tmpdir(), "peerage-runner-"));
  const temp = join(runner, "temp");
  await mkdir(temp);
  const valueOf = (expression: string): string => {
    const name = /inputs\.([a-z]+)/.exec(expression)?.[1] ?? "";
    return inputs[name] ?? action.inputs[name]?.default ?? "";
  };
  let ran: Ran = { code: 0, stdout: "", stderr: "" };
  const outputFile = join(runner, "output");
  await writeFile(outputFile, "");
  for (const [i, { run, env = {} }] of action.runs.steps.slice(from).entries()) {
    const script = join(runner, `${i}.sh`);
    await writeFile(script, run);
    const one = await runProcess("bash", ["--noprofile", "--norc", "-eo", "pipefail", script], {
      cwd: workspace,
      env: {
        PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
        GITHUB_ACTION_PATH: root,
        GITHUB_WORKSPACE: workspace,
        GITHUB_OUTPUT: outputFile,
        RUNNER_TEMP: temp,
        ...more,
        ...Object.fromEntries(Object.entries(env).map(([name, expression]) => [name, valueOf(expression)])),
      },
    });
    ran = { code: one.code, stdout: ran.stdout + one.stdout, stderr: ran.stderr + one.stderr };
    if (one.code !== 0) break;
  }
  const outputs = outputsOf(await readFile(outputFile, "utf8"));
  const left = await readdir(temp);
  await rm(runner, { recursive: true, force: true });
  return { ...ran, outputs, left };
}

/** A runner's reading of its output file: `name=value`, and `name<<end` up to the line that is the end. */
function outputsOf(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  const lines = text.split("\n");
  for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
    const [, name = "", end] = /^([^=<]+)<<(.+)$/.exec(line) ?? [];
    if (end === undefined) {
      if (line !== "") found[line.slice(0, line.indexOf("="))] = line.slice(line.indexOf("=") + 1);
      continue;
    }
    found[name] = lines.splice(0, lines.indexOf(end)).join("\n");
    lines.shift();
  }
  return found;
}

/** What a job is about: an agent with its key, somebody who vouches for it, a registry, and a checkout with a skill. */
export interface Job extends AsyncDisposable {
  readonly workspace: string;
  readonly registry: TestRegistry;
  readonly did: string;
  /** Its key file. */
  readonly key: string;
  readonly voucher: Identity;
}

export async function openJob(): Promise<Job> {
  const [registry, home] = await Promise.all([startRegistry(), Home.make()]);
  const workspace = await mkdtemp(join(tmpdir(), "peerage-action-"));
  const did = JSON.parse((await home.call(["init", "bot", "--json"])).stdout).data.did;
  const key = await readFile(home.at("keys", "bot.key"), "utf8");
  const voucher = generateIdentity();
  await registry.publish((await issueVouch(voucher, { subject: did, scope: ["tools"], confidence: 80 })).bytes);
  await mkdir(join(workspace, "skill"));
  await writeFile(join(workspace, "skill", "SKILL.md"), "# a skill\n");
  return {
    workspace,
    registry,
    did,
    key,
    voucher,
    async [Symbol.asyncDispose]() {
      await registry[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
      await rm(workspace, { recursive: true, force: true });
    },
  };
}
