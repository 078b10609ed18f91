import { spawnSync } from "node:child_process";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { commands } from "../cli/src/tree.ts";
import { shells } from "../cli/src/completion/scripts.ts";
import { BIN, Home, runProcess } from "./_cli.ts";

const FRIEND = "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME";
const present = (shell: string): boolean => spawnSync(shell, ["-c", "exit 0"]).status === 0;

async function offered(home: Home, ...words: string[]): Promise<string[]> {
  const ran = await home.call(["__complete", "--", ...words]);
  expect([ran.code, ran.stderr]).toEqual([0, ""]);
  return ran.stdout.split("\n").flatMap((line) => line.split("\t")[0] || []);
}

describe("completion", () => {
  it("offers commands, second words, flags and values, each where it fits", async () => {
    await using home = await Home.make();
    expect(await offered(home, "")).toEqual([...new Set(commands.map(({ path }) => path.split(" ")[0]))]);
    expect(await offered(home, "tru")).toEqual(["trust"]);
    expect(await offered(home, "roots", "")).toEqual(["list", "add", "remove"]);
    expect(await offered(home, "trust", "--sc")).toEqual(["--scope"]);
    expect(await offered(home, "trust", "x", "--no-i")).toEqual(["--no-input"]);
    expect(await offered(home, "init", "--role", "p")).toEqual(["person"]);
    expect(await offered(home, "init", "--role", "person", "--pass")).toEqual(["--passphrase", "--passphrase-file"]);
    expect(await offered(home, "completion", "")).toEqual([...shells]);
    expect(await offered(home, "verify", "")).toEqual([":files"]);
    expect(await offered(home, "guard", "--policy", "")).toEqual([":files"]);
    expect(await offered(home, "guard", "--", "")).toEqual([":files"]);
    expect(await offered(home, "no-such-command", "")).toEqual(expect.arrayContaining(["trust"]));
  });

  it("offers the user's own names, identities and roots, from files alone", async () => {
    await using home = await Home.make();
    await home.call(["init", "bot"]);
    await home.call(["names", "set", "friend", FRIEND]);
    await home.call(["roots", "add", "friend"]);
    expect(await offered(home, "vouch", "")).toEqual(["friend", "bot", FRIEND]);
    expect(await offered(home, "vouch", "did:key:z6Mkw")).toEqual([FRIEND]);
    expect(await offered(home, "whoami", "--identity", "")).toEqual(["bot"]);
  });

  it("A-CLI-07 is silent, with exit 0, where a file is damaged or holds a name that a shell could obey", async () => {
    await using home = await Home.make();
    await mkdir(home.at(), { recursive: true });
    await writeFile(home.at("names.json"), JSON.stringify({ v: 1, names: { "$(touch owned)": FRIEND } }));
    expect(await offered(home, "vouch", "")).toEqual([]);
    await writeFile(home.at("names.json"), JSON.stringify({ v: 1, names: { friend: FRIEND } }));
    expect(await offered(home, "vouch", "")).toEqual(["friend"]);
  });

  it("prints one script a shell, and refuses others with the nearest", async () => {
    await using home = await Home.make();
    for (const shell of shells) {
      const { stdout, code } = await home.call(["completion", shell]);
      expect(code).toBe(0);
      expect(stdout).toContain("peerage __complete");
    }
    const wrong = await home.call(["completion", "fsh"]);
    expect(wrong.code).toBe(2);
    expect(wrong.stderr).toContain("did you mean fish?");
  });
});

/** `peerage` on a PATH of its own, for shells that start it by its name. */
async function onPath(home: Home): Promise<string> {
  const bin = join(home.path, "bin");
  await mkdir(bin);
  await writeFile(join(bin, "peerage"), `#!/bin/sh\nexec "${process.execPath}" "${BIN}" "$@"\n`);
  await chmod(join(bin, "peerage"), 0o755);
  return bin;
}

/** Loads the script in a shell, errors fatal, and completes `peerage tru`; zsh completes at a keyboard only. */
const others = [
  {
    shell: "zsh",
    script: `setopt err_exit; autoload -Uz compinit; compinit -u -d "$PWD/.dump"; source <(peerage completion zsh); whence -w _peerage`,
    expected: /^_peerage: function$/m,
  },
  {
    shell: "fish",
    script: `peerage completion fish | source; or exit 1; complete -C "peerage tru"`,
    expected: /^trust\t/m,
  },
  {
    shell: "pwsh",
    script: `$ErrorActionPreference = "Stop"; peerage completion powershell | Out-String | Invoke-Expression; (TabExpansion2 "peerage tru" 11).CompletionMatches[0].CompletionText`,
    expected: /^trust$/m,
  },
];

describe.each(others.filter(({ shell }) => present(shell)))(
  "completion in a real $shell",
  ({ shell, script, expected }) => {
    it("loads without an error and knows the commands", async () => {
      await using home = await Home.make();
      const env = { PEERAGE_HOME: home.at(), PATH: `${await onPath(home)}${delimiter}${process.env["PATH"]}` };
      const ran = await runProcess(shell, ["-c", script], { cwd: home.path, env });
      expect([ran.code, ran.stdout], ran.stderr).toEqual([0, expect.stringMatching(expected)]);
    });
  },
);

describe.skipIf(!present("bash"))("completion in a real bash", () => {
  let bin = "";
  let home: Home;
  beforeAll(async () => {
    home = await Home.make();
    bin = await onPath(home);
    await home.call(["init", "bot"]);
    await home.call(["names", "set", "friend", FRIEND]);
    await home.call(["roots", "add", "friend"]);
    return async () => home[Symbol.asyncDispose]();
  });

  async function replies(line: string): Promise<string[]> {
    const script = `set -eu
      source <(peerage completion bash)
      COMP_LINE="$1" COMP_POINT=\${#1} COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:'
      set +u; _peerage
      for reply in "\${COMPREPLY[@]}"; do printf '%s\\n' "$reply"; done`;
    const ran = await runProcess("bash", ["-c", script, "bash", line], {
      cwd: home.path,
      env: { PEERAGE_HOME: home.at(), PATH: `${bin}${delimiter}${process.env["PATH"]}` },
    });
    expect([ran.code, ran.stderr]).toEqual([0, ""]);
    return ran.stdout.split("\n").filter(Boolean);
  }

  it("completes commands and flags, a DID after its colons, and files", async () => {
    expect(await replies("peerage tru")).toEqual(["trust"]);
    expect(await replies("peerage trust --sc")).toEqual(["--scope"]);
    expect(await replies("peerage trust fr")).toEqual(["friend"]);
    expect(await replies("peerage trust did:key:z6Mkw")).toEqual([FRIEND.slice("did:key:".length)]);
    await writeFile(join(home.path, "a file $(touch owned).json"), "{}");
    expect(await replies("peerage verify a")).toEqual(["a file $(touch owned).json"]);
    expect(await replies("peerage verify $(touch")).toEqual([]);
  });
});
