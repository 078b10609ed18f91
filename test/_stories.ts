import { commandsOf, Newcomer } from "./_docs.ts";
import { closedPort } from "./_ports.ts";

/** A command that does more than to end with 0. */
export interface Step {
  readonly command: RegExp;
  /** The code that it ends with; 0 by default. */
  readonly code?: number;
  /** What it prints, on either stream. */
  readonly shows?: RegExp;
  /** It goes on until Ctrl-C; this is what it prints first. */
  readonly stays?: RegExp;
  /** Makes it print that: run again and again until it does. */
  readonly stirred?: string;
  /** It speaks MCP on its standard input and output: it is asked for its tools. */
  readonly speaks?: true;
}

/** How the commands of a page are run: in order, in an empty home, as they stand there. */
export interface Story {
  readonly page: string;
  /** The mark of its blocks: `sh`, then this. */
  readonly mark?: string;
  /** What the page takes for granted: a script that runs before it. */
  readonly given?: string;
  /** What the page takes to be running. */
  readonly running?: readonly { readonly command: string; readonly ready: RegExp }[];
  /** Placeholders of the page, and the shell words that stand for them here. */
  readonly stands?: Readonly<Record<string, string>>;
  /** Ports that the page names; free ones take their place. */
  readonly ports?: readonly string[];
  readonly steps?: readonly Step[];
}

const HELLO = [
  {
    id: 1,
    method: "initialize",
    params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "reader", version: "1" } },
  },
  { method: "notifications/initialized" },
  { id: 2, method: "tools/list" },
];
const HELLO_FRAMES = HELLO.map((message) => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`).join("");
const ANSWERED = /"id":2\b/;

/**
 * Plays a page. Everything that it started is stopped at its end.
 * @returns the commands that were run, as the page has them
 * @throws {Error} with the command and all it printed, if one did not do what it should
 */
export async function play(story: Story): Promise<readonly string[]> {
  await using user = await Newcomer.make();
  await using running = new AsyncDisposableStack();
  const stands = new Map(Object.entries(story.stands ?? {}));
  for (const port of story.ports ?? []) stands.set(port, String(await closedPort()));
  const here = (command: string): string =>
    [...stands].reduce((text, [placeholder, word]) => text.replaceAll(placeholder, word), command);
  for (const { command, ready } of story.running ?? []) running.use(await user.leaveRunning(here(command), ready));
  if (story.given !== undefined) {
    const { code, stdout, stderr } = await user.run(`set -e\n${here(story.given)}`);
    if (code !== 0) throw new Error(`what ${story.page} takes for granted ended with ${code}\n${stdout}${stderr}`);
  }
  const steps = [...(story.steps ?? [])];
  const commands = await commandsOf(story.page, story.mark);
  for (const command of commands) {
    const step = steps[0]?.command.test(command) === true ? steps.shift() : undefined;
    if (step?.speaks === true) running.use(await user.leaveRunning(here(command), ANSWERED, HELLO_FRAMES));
    else if (step?.stays) running.use(await stirring(user.leaveRunning(here(command), step.stays), user, step.stirred));
    else {
      const ran = await user.run(here(command));
      const told = `${story.page}: ${command}\nended with ${ran.code}\n${ran.stdout}${ran.stderr}`;
      if (ran.code !== (step?.code ?? 0)) throw new Error(told);
      if (step?.shows?.test(ran.stdout + ran.stderr) === false)
        throw new Error(`${told}\nwithout ${step.shows.source}`);
    }
  }
  if (steps.length > 0) throw new Error(`${story.page} has no command ${String(steps[0]?.command)}`);
  return commands;
}

async function stirring<T>(started: Promise<T>, user: Newcomer, stir: string | undefined): Promise<T> {
  let waits = stir !== undefined;
  const settled = started.finally(() => (waits = false));
  settled.catch(() => undefined);
  while (waits) await user.run(stir ?? "");
  return await settled;
}
