import { readNames, readRoots } from "../files/book.ts";
import { settingKeys } from "../files/config.ts";
import { identityNames } from "../files/identities.ts";
import { pathsFor } from "../files/paths.ts";
import { type CommandSpec, commands, type Flag, globalFlags, parents } from "../tree.ts";
import { shells } from "./scripts.ts";

/** Something that could stand at the cursor. */
export interface Candidate {
  readonly value: string;
  /** Our own words only: what a shell shows beside it. */
  readonly text: string;
}

/** What fits at the cursor, and whether the names of files do. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly files: boolean;
}

/**
 * What could stand at the end of a command line. Local files only: no network, no key, no prompt.
 * @param words - the words after `peerage`, the one at the cursor last, `""` if it has not begun
 */
export async function complete(words: readonly string[], env: NodeJS.ProcessEnv): Promise<Completion> {
  const current = words.at(-1) ?? "";
  const place = walk(words.slice(0, -1));
  // What is wrapped is another program's command line.
  if (place.wrapped) return { candidates: [], files: true };
  if (place.awaits) return valuesOf(place.awaits, current, env);
  if (current.startsWith("-")) {
    const flags = [...(place.spec?.flags ?? []), ...globalFlags].map(([flag, text]) => ({
      value: longName(flag),
      text,
    }));
    return fitting(flags, current);
  }
  const words1 = place.spec === undefined || place.mayNameSub ? commandWords(place.parent) : [];
  const argument = argumentsOf(place.spec)[place.given] ?? argumentsOf(place.spec).find((name) => name.includes("..."));
  if (argument === undefined) return fitting(words1, current);
  const values = await valuesOf(argument, current, env);
  return { candidates: [...fitting(words1, current).candidates, ...values.candidates], files: values.files };
}

/** How `__complete` writes it: a line a candidate, tab, what it is; `:files` where names of files fit. */
export function completionLines({ candidates, files }: Completion): string[] {
  return [...candidates.map(({ value, text }) => `${value}\t${text}`), ...(files ? [":files"] : [])];
}

interface Place {
  readonly parent: string | undefined;
  readonly spec: CommandSpec | undefined;
  /** The command is the one that its parent does without a further word, so another could still be named. */
  readonly mayNameSub: boolean;
  /** How many arguments stand there already. */
  readonly given: number;
  /** What the flag before the cursor takes. */
  readonly awaits: string | undefined;
  readonly wrapped: boolean;
}

function walk(before: readonly string[]): Place {
  let parent: string | undefined;
  let spec: CommandSpec | undefined;
  let named = false;
  let given = 0;
  let awaits: string | undefined;
  for (const word of before) {
    if (awaits !== undefined) awaits = undefined;
    else if (word === "--") return { parent, spec, mayNameSub: false, given, awaits, wrapped: true };
    else if (word.startsWith("-")) awaits = word.includes("=") ? undefined : valueOf(word, spec);
    else if (spec === undefined && parent === undefined) {
      spec = find(word);
      if (spec === undefined && word in parents) {
        parent = word;
        spec = commands.find((one) => one.byDefault === true && one.path.startsWith(`${word} `));
      } else named = true;
    } else {
      const sub: CommandSpec | undefined = named || parent === undefined ? undefined : find(`${parent} ${word}`);
      if (sub) {
        spec = sub;
        named = true;
      } else given += 1;
    }
  }
  return { parent, spec, mayNameSub: parent !== undefined && !named && given === 0, given, awaits, wrapped: false };
}

function find(path: string): CommandSpec | undefined {
  return commands.find((spec) => spec.path === path);
}

function commandWords(parent: string | undefined): Candidate[] {
  if (parent !== undefined) {
    return commands.flatMap(({ path, text }) =>
      path.startsWith(`${parent} `) ? [{ value: path.slice(parent.length + 1), text }] : [],
    );
  }
  const firsts = new Map<string, string>();
  for (const { path, text } of commands) {
    const [first = "", second] = path.split(" ");
    if (!firsts.has(first)) firsts.set(first, second === undefined ? text : (parents[first] ?? ""));
  }
  return [...firsts].map(([value, text]) => ({ value, text }));
}

function argumentsOf(spec: CommandSpec | undefined): string[] {
  return (spec?.args ?? "").match(/[<[][^>\]]*[>\]]/g) ?? [];
}

function longName(flag: string): string {
  return /--[\w-]+/.exec(flag)?.[0] ?? flag;
}

function valueOf(word: string, spec: CommandSpec | undefined): string | undefined {
  const flag = [...(spec?.flags ?? []), ...globalFlags].find(([term]: Flag) => term.split(/[, ]+/).includes(word));
  const placeholder = flag === undefined ? undefined : /[<[][^>\]]*[>\]]/.exec(flag[0])?.[0];
  return flag !== undefined && placeholder !== undefined ? `${longName(flag[0])} ${placeholder}` : undefined;
}

const roles = ["agent", "server", "person", "organization"];

/** What a placeholder of the help stands for. */
async function valuesOf(placeholder: string, current: string, env: NodeJS.ProcessEnv): Promise<Completion> {
  const fixed = (values: readonly string[]): Completion =>
    fitting(
      values.map((value) => ({ value, text: "" })),
      current,
    );
  if (placeholder.startsWith("--identity")) return fixed(await identityNames(pathsFor(env)));
  if (placeholder.startsWith("--scope")) return fixed(["tools", "code", "data", "payments"]);
  if (placeholder.startsWith("--role")) return fixed(roles);
  if (placeholder.startsWith("--verdict")) return fixed(["admitted", "asked", "refused"]);
  if (/<shell>/.test(placeholder)) return fixed(shells);
  if (/[<[]key[>\]]/.test(placeholder)) return fixed(settingKeys);
  if (/[<[]command/.test(placeholder)) return fitting(commandWords(undefined), current);
  if (/agent|thing/.test(placeholder)) return fitting(await knownAgents(env), current);
  return { candidates: [], files: /file|folder|path|dir/.test(placeholder) };
}

/** The user's own names, identities and roots. Names that agents chose for themselves are not among them. */
async function knownAgents(env: NodeJS.ProcessEnv): Promise<Candidate[]> {
  const paths = pathsFor(env);
  const [names, identities, roots] = await Promise.all([readNames(paths), identityNames(paths), readRoots(paths)]);
  return [
    ...[...names].map(([value, did]) => ({ value, text: `${did.slice(8, 17)}…${did.slice(-4)}` })),
    ...identities.map((value) => ({ value, text: "an identity of yours" })),
    ...roots.map((value) => ({ value, text: "a root of yours" })),
  ];
}

/** Only what no shell could take for anything but a word. */
const harmless = /^[A-Za-z0-9._:@/+-]+$/;

function fitting(candidates: readonly Candidate[], current: string): Completion {
  const found = new Map<string, Candidate>();
  for (const candidate of candidates)
    if (candidate.value.startsWith(current) && harmless.test(candidate.value)) found.set(candidate.value, candidate);
  return { candidates: [...found.values()], files: false };
}
