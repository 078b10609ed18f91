import type { Change } from "./entry.ts";

/**
 * Changes members of a table `[member.server]`, keeping every other character. Undefined where the server is written in
 * another form (inline, dotted): the caller checks what comes out in any case.
 */
export function editToml(text: string, member: string, server: string, { set, remove }: Change): string | undefined {
  const table = tableOf(text, member, server);
  if (!table) return undefined;
  let body = text.slice(table.start, table.end);
  const eol = text.includes("\r\n") ? "\r\n" : "\n";
  for (const name of remove) {
    const found = assignmentOf(body, name);
    if (found) body = body.slice(0, found.line) + body.slice(lineEnd(body, found.end));
  }
  const added: string[] = [];
  for (const [name, value] of Object.entries(set)) {
    const found = assignmentOf(body, name);
    if (found) body = body.slice(0, found.start) + tomlValue(value) + body.slice(found.end);
    else added.push(`${name} = ${tomlValue(value)}${eol}`);
  }
  return text.slice(0, table.start) + added.join("") + body + text.slice(table.end);
}

/** Where the lines of a table begin, after its header, and end. */
function tableOf(text: string, member: string, server: string): { start: number; end: number } | undefined {
  const quoted = [server, JSON.stringify(server), `'${server}'`].map((name) =>
    name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"),
  );
  const header = new RegExp(
    `^[ \\t]*\\[[ \\t]*${member}[ \\t]*\\.[ \\t]*(?:${quoted.join("|")})[ \\t]*\\][^\\n]*\\n`,
    "m",
  );
  const found = header.exec(text);
  if (!found) return undefined;
  const start = found.index + found[0].length;
  const next = /^[ \t]*\[/m.exec(text.slice(start));
  return { start, end: next ? start + next.index : text.length };
}

/** Where a member's line begins, and its value begins and ends. */
function assignmentOf(body: string, name: string): { line: number; start: number; end: number } | undefined {
  const found = new RegExp(`^([ \\t]*)(?:${name}|"${name}"|'${name}')[ \\t]*=[ \\t]*`, "m").exec(body);
  if (!found) return undefined;
  const start = found.index + found[0].length;
  return { line: found.index, start, end: valueEnd(body, start) };
}

/** The end of a string or an array; strings in it may hold brackets, and comments anything. */
function valueEnd(body: string, start: number): number {
  let depth = 0;
  for (let at = start; at < body.length;) {
    const string = /^(?:"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')/.exec(body.slice(at))?.[0];
    const character = body[at] ?? "";
    if (string !== undefined) at += string.length;
    else if (character === "#") at = lineEnd(body, at) - 1;
    else {
      if (character === "[" || character === "{") depth++;
      if (character === "]" || character === "}") depth--;
      if (depth === 0 && (character === "\n" || character === "\r")) return at;
      at++;
      continue;
    }
    if (depth === 0) return at;
  }
  return body.length;
}

function lineEnd(text: string, from: number): number {
  const at = text.indexOf("\n", from);
  return at < 0 ? text.length : at + 1;
}

function tomlValue(value: unknown): string {
  // A JSON string is a TOML basic string, and a list of them a TOML array.
  if (Array.isArray(value)) return `[${value.map(tomlValue).join(", ")}]`;
  return JSON.stringify(value);
}
