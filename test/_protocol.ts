import { readFileSync } from "node:fs";

/** The text of docs/protocol.md. */
export const protocolText: string = readFileSync(new URL("../docs/protocol.md", import.meta.url), "utf8");

const blocks = new Map<string, string>();
for (const [, name, body] of protocolText.matchAll(/^```\w+ example=([\w-]+)\n([\s\S]*?)^```$/gm)) {
  if (blocks.has(name!)) throw new Error(`docs/protocol.md has two examples called ${name}`);
  blocks.set(name!, body!);
}

/** Names of the examples that nobody has read yet. */
export const unread: Set<string> = new Set(blocks.keys());

/** An example of docs/protocol.md as text, with the line feed at its end. */
export function example(name: string): string {
  const body = blocks.get(name);
  if (body === undefined) throw new Error(`docs/protocol.md has no example called ${name}`);
  unread.delete(name);
  return body;
}

/** An example of one line. */
export function line(name: string): string {
  return example(name).trimEnd();
}

/** The lines of an example, each cut at two or more spaces. */
export function rows(name: string): string[][] {
  return line(name)
    .split("\n")
    .map((row) => row.split(/ {2,}/));
}

/** The ids in docs/policy.md, whose rules have ids of their own. */
export const policyIds: ReadonlySet<string> = new Set(
  readFileSync(new URL("../docs/policy.md", import.meta.url), "utf8").match(/\bP-[A-Z]+-\d+\b/g),
);

/** The rule ids that docs/protocol.md defines, in order; a definition is in bold. */
export const ruleIds: readonly string[] = [...protocolText.matchAll(/\*\*(P-[A-Z]+-\d+)\*\*/g)].map(([, id]) => id!);
