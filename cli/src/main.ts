import type { Globals, Io } from "./context.ts";
import { CliError, describeError, type Exit, Interrupted } from "./errors.ts";
import { answerOf, envelope, errorEnvelope, errorLines, plainLines, type Result } from "./output.ts";
import { parseCommandLine, type Parsed } from "./parse.ts";
import { commands } from "./tree.ts";
import { Terminal } from "./ui/terminal.ts";

export type { Io } from "./context.ts";

/** Runs one command line and returns its exit code. Never throws, and never ends the process. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  if (argv[0] === "__complete") return completeLine(argv.slice(argv[1] === "--" ? 2 : 1), io);
  let parsed: Parsed;
  try {
    parsed = parseCommandLine(argv);
  } catch (error) {
    const ours = argv.slice(0, argv.includes("--") ? argv.indexOf("--") : undefined);
    return fail(io, ours[0] ?? "", { json: ours.includes("--json"), verbose: ours.includes("--verbose") }, error);
  }
  const { globals } = parsed;
  const name = parsed.kind === "run" ? parsed.spec.path : parsed.kind;
  try {
    const result = await perform(parsed, io);
    if (typeof result === "number") return result;
    print(io, name, globals, result);
    return result.exit ?? 0;
  } catch (error) {
    return fail(io, name, globals, error);
  }
}

/** What a shell asks while somebody types: an answer or silence, and never a failure. */
async function completeLine(words: readonly string[], io: Io): Promise<number> {
  try {
    const { complete, completionLines } = await import("./completion/complete.ts");
    // An empty word comes as two quotes from PowerShell, which would otherwise drop it.
    const typed = words.map((word) => (word === '""' ? "" : word));
    for (const line of completionLines(await complete(typed, io.env))) io.stdout.write(`${line}\n`);
  } catch {
    // A damaged file is told by the commands that need it.
  }
  return 0;
}

async function perform(parsed: Parsed, io: Io): Promise<Result | number> {
  if (parsed.kind === "help") {
    const { help } = await import("./commands/help.ts");
    return help(new Terminal(io.stdout, io.env), parsed.path);
  }
  const { Context } = await import("./context.ts");
  const context = new Context(io, parsed.globals);
  if (parsed.kind === "version") {
    const { run } = await import("./commands/version.ts");
    return run(context, { words: [], rest: [], options: {} });
  }
  const { run } = await parsed.spec.load();
  return run(context, parsed.args);
}

function print(io: Io, command: string, globals: Globals, result: Result): void {
  const write = (line: string): unknown => io.stdout.write(`${line}\n`);
  if (globals.json === true) write(envelope(command, result));
  else if (globals.plain === true && result.plain) plainLines(result.plain).forEach(write);
  else result.text.forEach(write);
}

function fail(io: Io, command: string, globals: Globals, error: unknown): Exit {
  if (error instanceof Interrupted) return 130;
  const { exit, ...known } = describeError(error);
  const help =
    exit === 2 || exit === 5
      ? `peerage help${commands.some(({ path }) => path === command) ? ` ${command}` : ""}`
      : undefined;
  const told = known.hint === undefined && help !== undefined ? { ...known, hint: help } : known;
  if (globals.json === true) {
    // "No" and "does not verify" are answers, wherever they were found out.
    if (answerOf(exit) !== undefined && exit !== 1)
      io.stdout.write(`${envelope(command, { exit, data: { error: told }, text: [] })}\n`);
    else io.stderr.write(`${errorEnvelope(command, exit, told)}\n`);
  } else {
    const ui = new Terminal(io.stderr, io.env);
    for (const line of errorLines(ui, told.message, told.hint)) io.stderr.write(`${line}\n`);
  }
  const unexpected = told.code === "ERR_INTERNAL" && !(error instanceof CliError);
  if (globals.verbose === true && unexpected && error instanceof Error) io.stderr.write(`${error.stack ?? ""}\n`);
  return exit;
}
