import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { fromBase64url, generateIdentity, identityFromSeed } from "@peerage/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newAgentCard, signAgentCard } from "../cli/src/bridges/agent-card.ts";
import { act, type Job, openJob, readAction, type Stepped } from "./_action.ts";
import { runProcess } from "./_cli.ts";

/** The step that was run by then, and has no input. */
const INSTALLED = 1;
const root = fileURLToPath(new URL("..", import.meta.url));

describe("action.yml", () => {
  it("has the form of a composite action, and every input reaches its step by the environment alone", async () => {
    const action = await readAction();
    const steps = action.runs.steps;
    // A-CLI-08: an expression in a run line would become part of the program.
    for (const { run } of steps) expect(run).not.toContain("${{");
    const passed = steps.flatMap(({ env = {} }) => Object.entries(env));
    const inputs = Object.keys(action.inputs);
    expect(passed).toEqual(inputs.map((name) => [`INPUT_${name.toUpperCase()}`, `\${{ inputs.${name} }}`]));
    const scripts = await readdir(join(root, "scripts", "action"));
    for (const name of scripts) {
      const script = await readFile(join(root, "scripts", "action", name), "utf8");
      expect(script).not.toMatch(/\beval\b|\bsource\b|\$\{\{/);
      expect((await runProcess("bash", ["-n", join(root, "scripts", "action", name)], {})).code).toBe(0);
    }
  });
});

describe("the action", () => {
  let job: Job;
  let workspace = "";
  let did = "";
  beforeAll(async () => {
    job = await openJob();
    ({ workspace, did } = job);
  });
  afterAll(() => job[Symbol.asyncDispose]());
  const run = (inputs: Record<string, string>): Promise<Stepped> => act(workspace, inputs);

  it("signs with a key that is in no argument, no output and no file afterwards, and verifies who signed", async () => {
    const signed = await run({ mode: "sign", path: "skill", key: job.key });
    expect(signed.code, signed.stdout + signed.stderr).toBe(0);
    expect(JSON.parse(signed.outputs["result"]!).data).toMatchObject({ issuer: did, files: 1 });
    const { seed } = JSON.parse(job.key) as { seed: string };
    const everything = signed.stdout + signed.stderr + JSON.stringify(signed.outputs);
    expect(everything).not.toContain(seed);
    expect(signed.left).toEqual([]);
    // What is started finds it neither among its arguments nor in its environment.
    const started = await mkdtemp(join(tmpdir(), "peerage-started-"));
    const log = join(started, "log");
    const node = `#!/bin/sh\n{ printf '%s\\n' "$@"; env; } >> '${log}'\nexec '${process.execPath}' "$@"\n`;
    await writeFile(join(started, "node"), node, { mode: 0o755 });
    const secrets = { mode: "sign", path: "skill", key: job.key, passphrase: "a phrase for nothing" };
    await act(workspace, secrets, INSTALLED, {
      PATH: `${started}:${process.env["PATH"] ?? ""}`,
      TOKEN_OF_JOB: "secret",
    });
    const seen = await readFile(log, "utf8");
    expect(seen).toContain("--passphrase-file");
    for (const secret of [seed, "a phrase for nothing", "TOKEN_OF_JOB"]) expect(seen).not.toContain(secret);
    await rm(started, { recursive: true });

    const stranger = generateIdentity().did;
    const verified = await run({ mode: "verify", path: "skill", signer: `${stranger} ${did}` });
    expect([verified.code, verified.outputs["answer"]]).toEqual([0, "yes"]);
    const foreign = await run({ mode: "verify", path: "skill", signer: stranger });
    expect([foreign.code, foreign.outputs["answer"]]).toEqual([6, "invalid"]);
  });

  it("takes nothing signed for a signed file that is none, whatever it holds", async () => {
    const signer = identityFromSeed(fromBase64url((JSON.parse(job.key) as { seed: string }).seed));
    const form = { name: "x", description: "x", version: "1", url: "https://a.example", binding: "JSONRPC" };
    const chain = { subject: signer.did, scope: "tools", created: "2026-01-01T00:00:00Z", vouches: [] };
    const claims = { data: { type: "manifest", verdict: "valid" } };
    const card = await signAgentCard(newAgentCard({ ...form, scope: "tools" }), { ...chain, ...claims }, signer);
    await writeFile(join(workspace, "card.json"), JSON.stringify(card));
    const { code, outputs, stdout } = await act(
      workspace,
      { mode: "verify", path: "card.json", signer: did },
      INSTALLED,
    );
    expect(JSON.parse(outputs["result"]!)).toMatchObject({ exit: 0, data: { type: "A2A agent card" } });
    expect([code, outputs["answer"]]).toEqual([6, "invalid"]);
    expect(stdout).toContain("no file or folder with a manifest");
    await rm(join(workspace, "card.json"));
  });

  it("A-CLI-08 tells of files with names that are commands to the runner, and lets it take none", async () => {
    const folder = join(workspace, "named");
    await mkdir(folder);
    await writeFile(join(folder, "a"), "a");
    expect((await act(workspace, { mode: "sign", path: "named", key: job.key }, INSTALLED)).code).toBe(0);
    await writeFile(join(folder, "::error::pwned"), "");
    const { code, stdout } = await act(workspace, { mode: "verify", path: "named", signer: did }, INSTALLED);
    expect(code).toBe(6);
    const [begin = "", token = ""] = /^::stop-commands::(\S{40,})\n/m.exec(stdout) ?? [];
    expect(token).not.toBe("");
    const end = stdout.indexOf(`\n::${token}::\n`);
    expect(end).toBeGreaterThan(0);
    const shown = stdout.slice(stdout.indexOf(begin), end);
    expect(shown).toContain("::error::pwned");
    expect(stdout.replace(shown, "")).not.toContain("pwned");
    await rm(folder, { recursive: true });
  });

  it("gates on the trust in an agent: admits at the threshold, and refuses below it and a stranger", async () => {
    const gate = { mode: "gate", agent: did, registry: job.registry.url, roots: job.voucher.did };
    const admitted = await run({ ...gate, min: "0.8" });
    expect([admitted.code, admitted.outputs["answer"]], admitted.stdout).toEqual([0, "yes"]);
    expect(admitted.stdout).toContain("trusted");
    expect((await run({ ...gate, min: "0.81" })).code).toBe(3);
  });

  const hostile = [
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned; rm -rf .",
    '"; touch pwned #',
    "x\ntouch pwned",
    "x\r\n::set-output name=answer::yes",
    "--help",
    "-y",
    "${IFS}touch${IFS}pwned",
    "a[$(touch pwned)]",
    "x' && touch pwned && '",
  ];

  it.each(["mode", "path", "signer", "agent", "min", "scope", "roots", "registry", "key", "passphrase"])(
    "A-CLI-08 does nothing that the input %s says, whatever shell syntax, flag or line end is in it",
    async (name) => {
      const good: Record<string, Record<string, string>> = {
        verify: { mode: "verify", path: "skill", signer: did },
        gate: { mode: "gate", agent: did, registry: job.registry.url, roots: job.voucher.did },
        sign: { mode: "sign", path: "skill", key: "{}" },
      };
      const base = ["path", "signer"].includes(name)
        ? "verify"
        : ["key", "passphrase"].includes(name)
          ? "sign"
          : "gate";
      const before = await readdir(workspace);
      // All of them in turn where it costs no process of ours; of secrets, which are only written to a file, the first.
      const tried = base === "sign" ? hostile.slice(0, 1) : hostile;
      for (const value of tried) {
        const { code, stdout, stderr, outputs, left } = await act(
          workspace,
          { ...good[base], [name]: value },
          INSTALLED,
        );
        expect([value, code === 0], stdout + stderr).toEqual([value, false]);
        expect(outputs["answer"] ?? "").not.toBe("yes");
        expect(stdout + stderr).not.toContain("touch pwned");
        expect(left).toEqual([]);
      }
      expect(await readdir(workspace)).toEqual(before);
    },
  );
});
