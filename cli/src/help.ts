import { globalFlags, type CommandSpec, commands, groups, parents } from "./tree.ts";
import type { Terminal } from "./ui/terminal.ts";

/** The help of `peerage` alone: the seven commands to start with, and where the others are. */
export function topHelp(ui: Terminal): string[] {
  const front = commands.filter((spec) => spec.front !== undefined).sort((a, b) => (a.front ?? 0) - (b.front ?? 0));
  return [
    `  ${ui.bold("peerage")}  identity, trust and signed calls for AI agents`,
    "",
    ...ui.table(front.map((spec) => [ui.bold(term(spec)), spec.text])),
    "",
    ...ui.table(groups.map((group) => [ui.dim(group), namesIn(group).join("  ")])),
    "",
    ...ui.table([
      [ui.dim("help"), "peerage help <command>   how one works, with two examples"],
      ["", "peerage help --all       every command"],
    ]),
  ];
}

/** Every command, by group, and the flags that all of them take. */
export function allHelp(ui: Terminal): string[] {
  const lines = [`  ${ui.bold("peerage")}  identity, trust and signed calls for AI agents`];
  const width = Math.max(...commands.map((spec) => term(spec).length));
  for (const group of groups) {
    lines.push("", `  ${ui.dim(group)}`);
    const rows = commands
      .filter((spec) => spec.group === group)
      .map((spec) => [ui.pad(ui.bold(term(spec)), width), spec.text]);
    lines.push(...ui.table(rows, 4));
  }
  lines.push("", `  ${ui.dim("with every command")}`);
  lines.push(
    ...ui.table(
      globalFlags.map(([flags, text]) => [ui.pad(flagTerm(flags), width), text]),
      4,
    ),
  );
  lines.push("", `  ${ui.dim("exit codes")}`);
  lines.push(
    ...ui.table(
      exitCodes.map(([code, text]) => [ui.pad(String(code), width), text]),
      4,
    ),
  );
  return lines;
}

/** The help of one command. */
export function commandHelp(ui: Terminal, spec: CommandSpec): string[] {
  const lines = [`  ${ui.bold(usageOf(spec))}`, ...ui.wrap(spec.text, 2).map((line) => `  ${line}`)];
  if (spec.flags?.length) lines.push("", ...ui.table(spec.flags.map(([flags, text]) => [flagTerm(flags), text])));
  const common = globalFlags.map(([flags]) => flags.split(", ").at(-1) ?? flags).join(" ");
  lines.push("", ...ui.table([[ui.dim("also"), ui.dim(common)]]));
  lines.push("", `  ${ui.dim("examples")}`);
  for (const example of spec.examples) lines.push(`    ${example}`);
  return lines;
}

/** The help of a first word that has several second words. */
export function parentHelp(ui: Terminal, parent: string): string[] {
  const own = commands.filter((spec) => spec.path.startsWith(`${parent} `));
  const lines = [`  ${ui.bold(`peerage ${parent}`)}`, `  ${parents[parent] ?? ""}`, ""];
  lines.push(...ui.table(own.map((spec) => [ui.bold(term(spec)), spec.text])));
  lines.push("", `  ${ui.dim("examples")}`);
  for (const example of own.slice(0, 2).map((spec) => spec.examples[0])) lines.push(`    ${example}`);
  if (own.length === 1) lines.push(`    ${own[0]?.examples[1] ?? ""}`);
  return lines;
}

/** A flag as it is written and what it is for. */
export interface HelpFlag {
  readonly flags: string;
  readonly text: string;
}

/** The tree as `help --json` gives it, and as the manual pages are made from. */
export interface HelpData {
  readonly groups: readonly string[];
  readonly commands: readonly {
    readonly path: string;
    readonly usage: string;
    readonly text: string;
    readonly group: string;
    readonly flags: readonly HelpFlag[];
    readonly examples: readonly string[];
  }[];
  readonly flags: readonly HelpFlag[];
  readonly exitCodes: readonly { readonly code: number; readonly text: string }[];
}

/** The whole tree as data. */
export function helpData(): HelpData {
  return {
    groups,
    commands: commands.map(({ path, args, text, group, flags, examples, wraps }) => ({
      path,
      usage: usageOf({ path, ...(args === undefined ? {} : { args }), ...(wraps ? { wraps } : {}) }),
      text,
      group,
      flags: (flags ?? []).map(([term, about]) => ({ flags: term, text: about })),
      examples,
    })),
    flags: globalFlags.map(([term, about]) => ({ flags: term, text: about })),
    exitCodes: exitCodes.map(([code, text]) => ({ code, text })),
  };
}

const exitCodes: readonly (readonly [number, string])[] = [
  [0, "done; the answer is yes"],
  [1, "failed; problems found"],
  [2, "wrong usage: nothing was done"],
  [3, "the answer is no: below --min, unknown, refused, too old"],
  [4, "no identity, key locked, key file unsafe"],
  [5, "not found"],
  [6, "does not verify"],
  [7, "registry or server unreachable"],
  [8, "waiting for a human"],
  [130, "interrupted"],
];

function usageOf(spec: Pick<CommandSpec, "path" | "args" | "wraps">): string {
  const wrapped = spec.wraps
    ? spec.path === "guard" || spec.args === undefined
      ? " -- <command…>"
      : " [-- <command…>]"
    : "";
  return `peerage ${spec.path}${spec.args === undefined ? "" : ` ${spec.args}`} [flags]${wrapped}`;
}

function term(spec: CommandSpec): string {
  return spec.args === undefined ? spec.path : `${spec.path} ${spec.args}`;
}

function flagTerm(flags: string): string {
  return flags.startsWith("-") && !flags.startsWith("--") ? flags : `    ${flags}`;
}

function namesIn(group: string): string[] {
  return [...new Set(commands.filter((spec) => spec.group === group).map((spec) => spec.path.split(" ")[0] ?? ""))];
}
