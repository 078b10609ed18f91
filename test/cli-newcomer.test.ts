import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { BIN, Home, openTestRegistry } from "./_cli.ts";
import { startProcess } from "./_running.ts";

const ECHO = fileURLToPath(new URL("./fixtures/modern-server.ts", import.meta.url));

/** The commands that a text tells to type next, word by word; quotes are of the shell. */
function hints(text: string): string[][] {
  const joined = text.replace(/ \\\n */g, " ");
  return [...joined.matchAll(/^.*?(?:Next {2,}|try it {2,}| {2,})peerage ((?:\S| (?! ))+)/gm)].map(([, line = ""]) =>
    line.split(" ").map((word) => word.replace(/^'(.*)'$/, "$1")),
  );
}

it("C1 gets from init to an admitted call by what is printed alone", async () => {
  await using registry = await openTestRegistry();
  await using owner = await Home.make();
  await using newcomer = await Home.make();
  // Somebody has a server, and lets in whom they vouch for.
  const policy = 'apiVersion: peerage.dev/v1\nkind: Policy\nallow:\n  - { tools: echo, agents: "*", trust: 0.5 }\n';
  await writeFile(join(owner.path, "policy.yaml"), policy);
  for (const name of ["owner", "gate"]) await owner.call(["init", name, "--registry", registry.url]);
  const guard = [
    "--identity",
    "gate",
    "guard",
    "--http",
    "0",
    "--root",
    "owner",
    "--refresh",
    "0.2",
    "--policy",
    "policy.yaml",
  ];
  await using server = startProcess(owner, process.execPath, [BIN, ...guard, "--", process.execPath, ECHO, "stdio"]);
  const [tried = []] = hints(await server.match(/try it +peerage call \S+ <tool>/).then(() => server.written()));

  const begun = await newcomer.call(["init", "newcomer", "--registry", registry.url]);
  expect(begun.code, begun.stderr).toBe(0);
  const [share = [], , call = []] = hints(begun.stdout);
  // What stands in angle brackets is named by the server: where it is, and a tool of it.
  expect(call).toEqual(["call", "<url>", "<tool>"]);
  expect(tried.slice(0, 1)).toEqual(["call"]);
  const line = [...tried.map((word) => (word === "<tool>" ? "echo" : word)), "--arg", "message=hello"];
  const stranger = await newcomer.call(line);
  expect([stranger.code, stranger.stdout]).toEqual([3, expect.stringContaining("ERR_TRUST_INSUFFICIENT")]);

  const asked = await newcomer.call(share);
  const [vouch = []] = hints(asked.stdout);
  expect(vouch[0]).toBe("vouch");
  const vouched = await owner.call(["--identity", "owner", ...vouch]);
  expect(vouched.code, vouched.stderr).toBe(0);
  await expect.poll(async () => (await newcomer.call(line)).code, { timeout: 60_000 }).toBe(0);
  expect((await newcomer.call(line)).stdout).toContain("Echo: hello");
});
