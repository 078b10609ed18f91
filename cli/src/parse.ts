import { Argument, Command, CommanderError, Option } from "commander";
import type { Globals } from "./context.ts";
import { type CliError, usage } from "./errors.ts";
import { type Args, type CommandSpec, commands, type Flag, globalFlags, parents } from "./tree.ts";
import { nearest } from "./ui/nearest.ts";

/** What a command line asks for. */
export type Parsed =
  | { readonly kind: "run"; readonly spec: CommandSpec; readonly args: Args; readonly globals: Globals }
  | { readonly kind: "help"; readonly path: string; readonly globals: Globals }
  | { readonly kind: "version"; readonly globals: Globals };

/**
 * Reads a command line. An unknown flag, command or argument stops it: a tool that signs things must not guess.
 * @throws {CliError} ERR_USAGE
 */
export function parseCommandLine(argv: readonly string[]): Parsed {
  const split = argv.indexOf("--");
  const rest = split < 0 ? [] : argv.slice(split + 1);
  const program = root();
  if (argv.length === 0) return { kind: "help", path: "", globals: {} };
  let found: Parsed | undefined;
  const known = new Map<string, Command>([["", program]]);
  for (const spec of commands) {
    const [first = "", second] = spec.path.split(" ");
    let parent = program;
    if (second !== undefined) {
      parent = known.get(first) ?? add(program, first);
      known.set(first, parent);
    }
    const command = add(parent, second ?? first, spec.byDefault === true);
    // A word that does something by itself may have a second word as well: `proxy`, `proxy install`.
    if (second === undefined) known.set(first, command);
    for (const argument of (spec.args ?? "").split(/ (?=[<[])/).filter(Boolean))
      command.addArgument(new Argument(argument));
    if (spec.wraps) command.argument("[command...]");
    if (spec.byDefault) command.allowExcessArguments(true);
    for (const flag of spec.flags ?? []) command.addOption(option(flag));
    command.action((): void => {
      if (spec.byDefault && second !== undefined) refuseExcess(command, first, second);
      const words = spec.wraps && rest.length > 0 ? command.args.slice(0, -rest.length) : command.args;
      if (spec.wraps) refuseUnwrapped(spec, words, argv, split < 0);
      found = {
        kind: "run",
        spec,
        args: { words, rest: spec.wraps ? rest : [], options: command.opts() },
        globals: program.opts(),
      };
    });
  }
  try {
    program.parse(argv, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.version") return { kind: "version", globals: program.opts() };
    if (error.code.startsWith("commander.help")) {
      return { kind: "help", path: helpPath(argv.slice(0, split < 0 ? undefined : split)), globals: program.opts() };
    }
    throw readable(error, helpPath(argv.slice(0, split < 0 ? undefined : split)));
  }
  if (!found) return { kind: "help", path: helpPath(argv), globals: program.opts() };
  return found;
}

function root(): Command {
  const program = quiet(new Command("peerage")).version("0", "--version").helpCommand(false);
  for (const flag of globalFlags) program.addOption(option(flag));
  return program;
}

function add(parent: Command, name: string, isDefault = false): Command {
  const command = quiet(new Command(name)).helpCommand(false);
  parent.addCommand(command, { isDefault });
  return command;
}

function quiet(command: Command): Command {
  const nothing = (): void => undefined;
  return command.exitOverride().configureOutput({ writeOut: nothing, writeErr: nothing, outputError: nothing });
}

function option([flags, text, { many } = {}]: Flag): Option {
  const made = new Option(flags, text);
  return many ? made.argParser((value: string, all: string[] | undefined) => [...(all ?? []), value]) : made;
}

/** A wrapped command must stand after `--`; what stands before it is ours. */
function refuseUnwrapped(
  spec: CommandSpec,
  words: readonly string[],
  argv: readonly string[],
  noSeparator: boolean,
): void {
  const max = (spec.args ?? "").split(/ (?=[<[])/).filter(Boolean).length;
  if (words.length <= max) return;
  const at = argv.indexOf(words[max] ?? "");
  // As it was typed, flags of the command included.
  const extra = argv.slice(at).join(" ");
  throw noSeparator
    ? usage(`a command to run stands after --`, `peerage ${argv.slice(0, at).join(" ")} -- ${extra}`)
    : usage(`too many arguments: ${extra}`, `peerage help ${spec.path}`);
}

function refuseExcess(command: Command, parent: string, implied: string): void {
  const max = command.registeredArguments.length;
  const extra = command.args[max];
  if (extra === undefined) return;
  const siblings = commands.flatMap(({ path }) =>
    path.startsWith(`${parent} `) ? [path.slice(parent.length + 1)] : [],
  );
  const near = nearest(
    max === 0 ? extra : (command.args[0] ?? ""),
    siblings.filter((name) => name !== implied),
    1,
  )[0];
  throw usage(
    `unknown command: ${parent} ${max === 0 ? extra : (command.args[0] ?? extra)}`,
    near === undefined ? `peerage help ${parent}` : `peerage ${parent} ${near}`,
  );
}

function helpPath(argv: readonly string[]): string {
  const words = argv.filter((word) => !word.startsWith("-"));
  const two = words.slice(0, 2).join(" ");
  if (commands.some(({ path }) => path === two)) return two;
  const one = words[0] ?? "";
  return one in parents || commands.some(({ path }) => path === one) ? one : "";
}

/** The flag of a command that takes this word, such as `--mode` for `shadow`. */
function flagWithValue(path: string, word: string): string | undefined {
  const flags = commands.find((spec) => spec.path === path)?.flags ?? [];
  if (!/^[a-z-]+$/.test(word)) return undefined;
  const listed = new RegExp(`(?:^|[:,] | or )${word}(?:,| \\(| or |$)`);
  const found = flags.find(([flag, text]) => flag.endsWith(" <how>") && listed.test(text));
  return found?.[0].split(" ")[0];
}

/** What commander found, with the way out: the nearest word, an example, or the help of the command. */
function readable(error: CommanderError, path: string): CliError {
  const [first = "", second] = error.message.replace(/^error: /, "").split("\n");
  const near = /Did you mean (?:one of )?(.*)\?\)/.exec(second ?? "")?.[1];
  if (near !== undefined) return usage(first, `did you mean ${near}?`);
  const unknown = /^unknown option '--(\S+)'$/.exec(first)?.[1];
  const flag = unknown === undefined ? undefined : flagWithValue(path, unknown);
  if (flag !== undefined) return usage(first, `did you mean ${flag} ${unknown ?? ""}?`);
  const [, most, given = ""] =
    /^too many arguments .* Expected (\d+) arguments? but got \d+: (.*)\.$/.exec(first) ?? [];
  if (most !== undefined) {
    const extra = given.split(", ").slice(Number(most)).join(" ");
    const quotes = most === "0" ? "" : "; a text of several words stands in quotes";
    return usage(`too many arguments: ${extra}`, `peerage help ${path}${quotes}`);
  }
  const missing = /^missing required argument '(.*)'$/.exec(first)?.[1];
  const example = commands.find((spec) => spec.path === path)?.examples[0];
  if (missing !== undefined && example !== undefined)
    return usage(`<${missing}> is missing`, `for example: ${example}`);
  return usage(first, path === "" ? "peerage help" : `peerage help ${path}`);
}
