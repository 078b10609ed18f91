import { describe, expect, it } from "vitest";
import { commands } from "../cli/src/tree.ts";
import { parseCommandLine } from "../cli/src/parse.ts";
import { Home } from "./_cli.ts";

describe("help", () => {
  it("shows the seven commands people start with, and where the others are", async () => {
    await using home = await Home.make();
    expect(await home.ok([])).toBe(`  peerage  identity, trust and signed calls for AI agents

  init [name]    make an identity; join a registry if one is named
  demo           a whole network on this machine in half a minute
  trust <agent>  should I? score, chains, and what holds it up
  vouch [agent]  sign a vouch for an agent, or for its link; public for ever
  proxy [url]    sign everything that this MCP client sends
  guard          the gate before any MCP server
  doctor         check Node, key, clock, registry, log and vouches

  start           init  demo  doctor  whoami
  trust           trust  vouch  unvouch  report  note  find  show  watch  roots
                  names  pack  export  import
  sign and check  sign  verify  history  send  inbox  prove
  mcp             proxy  guard  call  agent  hook  calls  audit  approvals
                  approvers  policy
  operate         console  key  spiffe  registry  log  config  completion  help
                  version

  help  peerage help <command>   how one works, with two examples
        peerage help --all       every command
`);
  });

  it("is the same by help, --help and -h", async () => {
    await using home = await Home.make();
    const [word, long, short] = await Promise.all([
      home.ok(["help", "trust"]),
      home.ok(["trust", "--help"]),
      home.ok(["trust", "-h"]),
    ]);
    expect(long).toBe(word);
    expect(short).toBe(word);
    expect(word).toContain("examples\n    peerage trust brisk-lantern\n");
  });

  it("fits 80 columns for every command, and ends with two examples that parse", async () => {
    await using home = await Home.make();
    const tree = await home.data(["help"]);
    expect(tree.commands.map((command: { path: string }) => command.path)).toEqual(commands.map((spec) => spec.path));
    const { commandHelp } = await import("../cli/src/help.ts");
    const { Terminal } = await import("../cli/src/ui/terminal.ts");
    const ui = new Terminal(process.stdout, { NO_COLOR: "1", LANG: "C.UTF-8" });
    for (const spec of commands) {
      const lines = commandHelp(ui, spec);
      expect(lines.slice(-2).map((line) => line.trim())).toEqual([...spec.examples]);
      // An example is never broken, so that it can be copied; everything else fits.
      for (const line of lines.slice(0, -2)) expect(line.length, line).toBeLessThanOrEqual(80);
      for (const example of spec.examples) {
        // What follows is the shell's.
        const words = example
          .split(/ && | < /)[0]!
          .split(" ")
          .slice(1);
        expect(parseCommandLine(words), example).toMatchObject({ kind: "run", spec: { path: spec.path } });
      }
    }
  });

  it("writes ASCII where the terminal has no UTF-8, and colours only where they are asked for", async () => {
    await using home = await Home.make();
    const plain = await home.run(["frobnicate"], { env: { LANG: "C" } });
    expect(plain.stderr).toMatch(/^ {2}\[x\] {2}unknown command/);
    expect(plain.stderr + plain.stdout).not.toMatch(/[^\x20-\x7e\n]/);
    const colour = await home.run(["frobnicate"], { env: { FORCE_COLOR: "1" } });
    expect(colour.stderr).toContain("\u001b[31m");
    const none = await home.run(["frobnicate"], { env: { FORCE_COLOR: undefined, NO_COLOR: "1" } });
    expect(none.stderr).not.toContain("\u001b");
  });
});
