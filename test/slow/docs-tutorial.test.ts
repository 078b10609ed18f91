import { expect, it } from "vitest";
import { commandsOf, freePort, Newcomer } from "../_docs.ts";

/** What the text says of a command's end; the others end with 0. */
const ends: readonly (readonly [command: RegExp, code: number, shows: RegExp])[] = [
  [/call echo/, 3, /ERR_TRUST_INSUFFICIENT/],
  [/^npx peerage trust bot/, 0, /0\.80/],
  [/call echo/, 0, /Echo: hello/],
  [/unvouch bot/, 0, /withdrew +1 vouch/],
  [/trust bot/, 3, /unknown/],
];

it("every command of the tutorial does what the tutorial says, in its order", async () => {
  const port = await freePort();
  const commands = (await commandsOf("docs/tutorial.md")).map((command) => command.replaceAll("7075", String(port)));
  expect(commands.length).toBeGreaterThanOrEqual(13);
  const [serve = "", ...rest] = commands;
  expect(serve).toContain("registry serve");
  await using user = await Newcomer.make();
  await using _registry = await user.leaveRunning(serve, /127\.0\.0\.1:\d+/);
  const shown: string[] = [];
  let step = 0;
  for (const command of rest) {
    const ran = await user.run(command);
    const [expected, code, shows] = ends[step] ?? [];
    const told = `${command}\n${ran.stdout}${ran.stderr}`;
    shown.push(command);
    if (expected?.test(command) === true) {
      expect(ran.code, told).toBe(code);
      expect(told).toMatch(shows!);
      step += 1;
    } else expect(ran.code, told).toBe(0);
  }
  expect(step).toBe(ends.length);
  expect(shown).toHaveLength(rest.length);
});
