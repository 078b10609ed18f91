import { readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { digest, type JsonObject, type JsonValue, parsePolicy, type Policy, type PolicyDocument } from "@peerage/core";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { codeOf, replaceFile } from "../files/safe-file.ts";
import type { Terminal } from "../ui/terminal.ts";
import { visible } from "../ui/visible.ts";
import { engines, membersOf, readPolicySource } from "./source.ts";

/** A change to the text of a policy: what it does to a file, and what must come out. */
export interface Change {
  /** In a folder of policies: the file to change, given those that are there; one that is not there is made. */
  readonly file: (files: ReadonlyMap<string, string>) => string;
  /** Undefined where the text is written in a way that it does not know. */
  readonly edit: (text: string) => string | undefined;
  /** The document that the changed text must say, and nothing else. */
  readonly expected: (document: PolicyDocument) => PolicyDocument;
  /** What to write where the text cannot be changed. */
  readonly byHand: readonly string[];
}

/** A change that was made in memory and means what it should. */
export interface Plan {
  readonly path: string;
  readonly before: string;
  readonly after: string;
  readonly policy: Policy;
}

const NEW_FILE = "apiVersion: peerage.dev/v1\nkind: Policy\nallow: []\n";

/**
 * Changes the text of a policy in memory, reads the result as a guard would, and compares it with what was wanted.
 * @throws {CliError} ERR_POLICY_INVALID with what to write by hand, if the text is written in another way
 */
export async function plan(context: Context, path: string, change: Change): Promise<Plan> {
  const source = await readPolicySource(path);
  const members = await membersOf(context);
  const old = parsePolicy(source, members, engines);
  const files = new Map(typeof source === "string" ? [["", source]] : source.map(({ name, text }) => [name, text]));
  const name = typeof source === "string" ? "" : change.file(files);
  const before = files.get(name) ?? "";
  const after = change.edit(before === "" ? NEW_FILE : before);
  if (after === undefined) throw notKnown(path, change);
  files.set(name, after);
  let policy: Policy;
  try {
    policy = parsePolicy(
      typeof source === "string" ? after : [...files].map(([file, text]) => ({ name: file, text })),
      members,
      engines,
    );
  } catch {
    // What was asked for may itself be refused; then the reader's words say why.
    parsePolicy(JSON.stringify(change.expected(old.document)), {}, engines);
    throw notKnown(path, change);
  }
  if (meaning(policy.document) !== meaning(change.expected(old.document))) throw notKnown(path, change);
  return { path: name === "" ? path : join(path, name), before, after, policy };
}

/** Writes a plan in one step. False if the policy is read-only. @throws {CliError} if it was changed meanwhile */
export async function apply({ path, before, after }: Plan): Promise<boolean> {
  try {
    // Behind a link it is the file that changes, as the one who set the link wants.
    const target = before === "" ? path : await realpath(path);
    const now = before === "" ? "" : await readFile(target, "utf8");
    if (now !== before)
      throw new CliError("ERR_POLICY_INVALID", "the policy was changed meanwhile", { hint: "run it again" });
    await replaceFile(target, after, before === "" ? 0o644 : (await stat(target)).mode & 0o777);
    return true;
  } catch (error) {
    if (["EACCES", "EPERM", "EROFS"].includes(codeOf(error) ?? "")) return false;
    throw error;
  }
}

/** The lines that differ, as a patch shows them, with a line around them. */
export function patch(ui: Terminal, { before, after }: Pick<Plan, "before" | "after">): string[] {
  const lines = differing(before === "" ? [] : before.split("\n"), after.split("\n"));
  const isNear = (i: number): boolean => [i - 1, i, i + 1].some((at) => (lines[at]?.mark ?? " ") !== " ");
  return lines.flatMap(({ mark, text }, i) => {
    const line = `  ${mark} ${visible(text, 400)}`.trimEnd();
    return isNear(i) ? [mark === "+" ? ui.good(line) : mark === "-" ? ui.bad(line) : line] : [];
  });
}

interface Line {
  readonly mark: "+" | "-" | " ";
  readonly text: string;
}

/** The longest common subsequence of two texts, and what is in one of them only. */
function differing(old: readonly string[], next: readonly string[]): Line[] {
  let head = 0;
  while (head < old.length && head < next.length && old[head] === next[head]) head++;
  let tail = 0;
  while (tail < Math.min(old.length, next.length) - head && old.at(-1 - tail) === next.at(-1 - tail)) tail++;
  const [a, b] = [old.slice(head, old.length - tail), next.slice(head, next.length - tail)];
  const same = (text: string): Line => ({ mark: " ", text });
  return [...old.slice(0, head).map(same), ...middle(a, b), ...old.slice(old.length - tail).map(same)];
}

function middle(a: readonly string[], b: readonly string[]): Line[] {
  // Beyond this a table would be too large, and nobody reads it line by line.
  const isLarge = a.length * b.length > 4_000_000;
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint32Array(isLarge ? 0 : b.length + 1));
  const at = (i: number, j: number): number => lengths[i]?.[j] ?? 0;
  for (let i = a.length - 1; i >= 0 && !isLarge; i--) {
    const row = lengths[i];
    for (let j = b.length - 1; row && j >= 0; j--)
      row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  }
  const lines: Line[] = [];
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j] && !isLarge) {
      lines.push({ mark: " ", text: a[i] ?? "" });
      i++;
      j++;
    } else if (i < a.length && (j >= b.length || at(i + 1, j) >= at(i, j + 1)))
      lines.push({ mark: "-", text: a[i++] ?? "" });
    else lines.push({ mark: "+", text: b[j++] ?? "" });
  }
  return lines;
}

/** The digest of a document whatever the order of its rules, which never decides whether a call is allowed. */
function meaning(document: PolicyDocument): string {
  const { allow, deny = [], ...rest } = document;
  const sorted = (rules: readonly object[]): string[] => rules.map((rule) => digest(rule as JsonValue)).sort();
  return digest({ ...(rest as unknown as JsonObject), allow: sorted(allow), deny: sorted(deny) });
}

function notKnown(path: string, { byHand }: Change): CliError {
  return new CliError(
    "ERR_POLICY_INVALID",
    `${visible(path, 200)} is written in a way that is not changed by machine; write it yourself:\n${byHand.join("\n")}`,
    { hint: "peerage policy check says whether it is right" },
  );
}
