import type { HelpData } from "../../cli/src/help.ts";
import { roff, roffArgument } from "./roff.ts";

type Command = HelpData["commands"][number];

/** What the pages need beside the tree. */
export interface About {
  readonly version: string;
  /** What the first words of two-word commands have in common. */
  readonly parents: Readonly<Record<string, string>>;
}

/**
 * The manual: `peerage.1`, and a page for each first word with all that can follow it. Made from the tree that the command
 * line itself is parsed by, so it cannot tell of a flag that is not there.
 */
export function manPages(help: HelpData, about: About): ReadonlyMap<string, string> {
  const words = [...new Set(help.commands.map(({ path }) => firstWord(path)))];
  return new Map([
    ["peerage.1", topPage(help, about)],
    ...words.map((word) => [`peerage-${word}.1`, wordPage(word, help, about)] as const),
  ]);
}

function topPage(help: HelpData, about: About): string {
  return page([
    title("PEERAGE", about),
    ...section("NAME", [`peerage \\- ${roff("identity, trust and signed calls for AI agents")}`]),
    ...section("SYNOPSIS", [".B peerage", ".I command", "[\\fIargument\\fR ...]", "[\\fIflag\\fR ...]"]),
    ...section("DESCRIPTION", [
      roff(
        "Every agent makes its own key, signs what it calls, and vouches for others in a log that anybody can verify. " +
          "A guard in front of a tool server decides by it.",
      ),
      ".PP",
      roff("The first steps are in peerage-init(1), peerage-proxy(1) and peerage-guard(1)."),
    ]),
    ".SH COMMANDS",
    ...help.groups.flatMap((group) => [
      `.SS ${roffArgument(group)}`,
      ...help.commands
        .filter((command) => command.group === group)
        .flatMap(({ path, text }) => entry(`peerage ${path}`, text)),
    ]),
    ".SH OPTIONS",
    roff("Every command takes these as well."),
    ...help.flags.flatMap(({ flags, text }) => entry(flags, text)),
    ...exitStatus(help),
    ".SH ENVIRONMENT",
    ...environment.flatMap(([name, text]) => entry(name, text)),
    ".SH FILES",
    ...files.flatMap(([name, text]) => entry(name, text)),
    ...seeAlso([...new Set(help.commands.map(({ path }) => `peerage-${firstWord(path)}`))]),
  ]);
}

function wordPage(word: string, help: HelpData, about: About): string {
  const own = help.commands.filter(({ path }) => firstWord(path) === word);
  const [only] = own;
  const text = about.parents[word] ?? only?.text ?? "";
  return page([
    title(`PEERAGE-${word.toUpperCase()}`, about),
    ...section("NAME", [`peerage\\-${roff(word)} \\- ${roff(text)}`]),
    ".SH SYNOPSIS",
    ...own.flatMap(({ usage }, i) => [...(i === 0 ? [] : [".br"]), `.B ${roff(usage)}`]),
    ".SH DESCRIPTION",
    ...(own.length === 1 && only ? details(only, false) : own.flatMap((command) => details(command, true))),
    ".SH OPTIONS",
    roff("The flags that every command takes are in peerage(1), with the environment and the files."),
    ".SH EXAMPLES",
    ...own.flatMap(({ examples }) => [".PP", ".EX", ...examples.map((example) => roff(`    ${example}`)), ".EE"]),
    ...exitStatus(help),
    ...seeAlso(["peerage"]),
  ]);
}

function details({ path, text, flags }: Command, named: boolean): string[] {
  return [
    ...(named ? [`.SS ${roffArgument(`peerage ${path}`)}`] : []),
    roff(`${text.charAt(0).toUpperCase()}${text.slice(1)}.`),
    ...flags.flatMap((flag) => entry(flag.flags, flag.text)),
  ];
}

function exitStatus({ exitCodes }: HelpData): string[] {
  return [".SH EXIT STATUS", ...exitCodes.flatMap(({ code, text }) => entry(String(code), text))];
}

function seeAlso(pages: readonly string[]): string[] {
  const all = [...pages].sort();
  return [".SH SEE ALSO", ...all.map((name, i) => `.BR ${roff(name)} ${i === all.length - 1 ? "(1)" : "(1),"}`)];
}

function section(name: string, lines: readonly string[]): string[] {
  return [`.SH ${name}`, ...lines];
}

function entry(term: string, text: string): string[] {
  return [".TP", `.B ${roff(term)}`, roff(text)];
}

function title(name: string, { version }: About): string {
  // Without a date: the same tree gives the same bytes. And no name is hyphenated at a line's end.
  return `.TH ${roffArgument(name)} 1 "" ${roffArgument(`peerage ${version}`)} "Peerage"\n.nh\n.ad l`;
}

function page(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

function firstWord(path: string): string {
  return path.split(" ")[0] ?? path;
}

const environment: readonly (readonly [string, string])[] = [
  ["PEERAGE_HOME", "one folder for everything, instead of those below"],
  ["PEERAGE_CONFIG", "the settings file"],
  ["PEERAGE_REGISTRY", "the registry to use"],
  ["PEERAGE_IDENTITY", "the identity to use"],
  ["PEERAGE_KEY_FILE", "a key file that stands elsewhere"],
  ["PEERAGE_PASSPHRASE_FILE", "a file, or /dev/fd/N, with the passphrase of a sealed key"],
  ["PEERAGE_AGENT_SOCK", "the socket of a signing agent, which has the key"],
  ["PEERAGE_WEBHOOK_SECRET", "the key that signs webhooks"],
  ["PEERAGE_NO_INPUT", "ask nothing, fail instead"],
  ["NO_COLOR", "no colours"],
  ["FORCE_COLOR", "colours, off a terminal too"],
];

const files: readonly (readonly [string, string])[] = [
  ["$XDG_CONFIG_HOME/peerage/config.json", "settings"],
  ["$XDG_DATA_HOME/peerage/keys/", "keys, which no other user may read"],
  ["$XDG_DATA_HOME/peerage/", "roots, names, pinned registries"],
  ["$XDG_STATE_HOME/peerage/", "the audit log, approvals, used proofs, the last heads that were seen"],
  ["$XDG_CACHE_HOME/peerage/", "what can be fetched again"],
  [".peerage.json", "settings of a checkout: policy, scope and audience alone"],
];
