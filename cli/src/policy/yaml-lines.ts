/**
 * Small changes to the text of a policy that leave every other byte, comments and layout included, as it is. They know the
 * usual block style only and give undefined for any other; whoever uses them reads the result and compares its meaning.
 */

type List = "allow" | "deny";

/** Adds a rule at the end of a list. */
export function appendRule(text: string, list: List, rule: object): string | undefined {
  const lines = text.split("\n");
  const at = lines.findIndex((line) => new RegExp(`^${list}\\s*:`).test(line));
  if (at < 0) {
    if (list === "allow") return undefined;
    const before = headOf(lines, /^allow\s*:/);
    if (before === undefined) return undefined;
    lines.splice(before, 0, `${list}:`, ...ruleLines(rule, "  "), "");
    return lines.join("\n");
  }
  const opening = lines[at] ?? "";
  if (/:\s*\[\s*\]\s*(#.*)?$/.test(opening)) {
    lines.splice(at, 1, opening.replace(/\s*\[\s*\]/, ""), ...ruleLines(rule, "  "));
    return lines.join("\n");
  }
  if (!/:\s*(#.*)?$/.test(opening)) return undefined;
  const items = itemsIn(lines, at);
  const last = items.at(-1);
  if (!last) return undefined;
  lines.splice(last.to, 0, ...ruleLines(rule, last.indent));
  return lines.join("\n");
}

/** Takes rules out of a list, by their places. */
export function removeRules(text: string, list: List, places: readonly number[]): string | undefined {
  const lines = text.split("\n");
  const at = lines.findIndex((line) => new RegExp(`^${list}\\s*:\\s*(#.*)?$`).test(line));
  if (at < 0) return undefined;
  const items = itemsIn(lines, at);
  for (const place of places.toSorted((a, b) => b - a)) {
    const item = items[place];
    if (!item) return undefined;
    lines.splice(item.from, item.to - item.from);
  }
  if (places.length === items.length) lines[at] = (lines[at] ?? "").replace(":", ": []");
  return lines.join("\n");
}

/** Adds a member to a group, which is made if it is not there. */
export function addToGroup(text: string, group: string, member: string, comment?: string): string | undefined {
  const lines = text.split("\n");
  const quoted = JSON.stringify(member);
  const item = comment === undefined ? quoted : `${quoted} # ${comment}`;
  const groups = lines.findIndex((line) => /^groups\s*:\s*(#.*)?$/.test(line));
  if (groups < 0) {
    if (lines.some((line) => /^groups\s*:/.test(line))) return undefined;
    const before = headOf(lines, /^(defaults|readonly|deny|allow|also)\s*:/);
    if (before === undefined) return undefined;
    lines.splice(before, 0, "groups:", `  ${group}:`, `    - ${item}`, "");
    return lines.join("\n");
  }
  const own = groupLine(lines, groups, group);
  if (own === undefined) {
    lines.splice(groups + 1, 0, `  ${group}:`, `    - ${item}`);
    return lines.join("\n");
  }
  const line = lines[own] ?? "";
  const flow = /^(.*?:\s*\[)(.*)(\]\s*(?:#.*)?)$/.exec(line);
  const scalar = /^(.*?:\s*)("[^"]*"|'[^']*'|[^\s#[{]+)(\s*(?:#.*)?)$/.exec(line);
  if (flow) {
    const [, open = "", inside = "", close = ""] = flow;
    lines[own] = `${open}${inside.trim() === "" ? quoted : `${inside.trimEnd()}, ${quoted}`}${close}`;
  } else if (scalar) {
    lines[own] = `${scalar[1] ?? ""}[${scalar[2] ?? ""}, ${quoted}]${scalar[3] ?? ""}`;
  } else {
    const last = itemsIn(lines, own).at(-1);
    if (!last) return undefined;
    lines.splice(last.to, 0, `${last.indent}- ${item}`);
  }
  return lines.join("\n");
}

/** Takes a member out of a group; a group without members stays, and is nobody. */
export function removeFromGroup(text: string, group: string, member: string): string | undefined {
  const lines = text.split("\n");
  const groups = lines.findIndex((line) => /^groups\s*:\s*(#.*)?$/.test(line));
  const own = groups < 0 ? undefined : groupLine(lines, groups, group);
  if (own === undefined) return undefined;
  const line = lines[own] ?? "";
  if (line.includes(member)) {
    const rest = line.replace(new RegExp(`,\\s*["']?${member}["']?|["']?${member}["']?\\s*,?\\s*`), "");
    lines[own] = /:\s*(#.*)?$/.test(rest) ? rest.replace(/:\s*/, ": [] ").trimEnd() : rest;
    return lines.join("\n");
  }
  const items = itemsIn(lines, own);
  const item = items.find(({ from, to }) => lines.slice(from, to).some((one) => one.includes(member)));
  if (!item) return undefined;
  lines.splice(item.from, item.to - item.from);
  if (items.length === 1) lines[own] = line.replace(/:/, ": []");
  return lines.join("\n");
}

/** The place of the rule with an id in a list of this text. */
export function placeOfRule(text: string, list: List, id: string): number | undefined {
  const lines = text.split("\n");
  const at = lines.findIndex((line) => new RegExp(`^${list}\\s*:`).test(line));
  if (at < 0 || !/^[a-z][a-z0-9-]*$/.test(id)) return undefined;
  const named = new RegExp(`(^|[\\s{,-])["']?id["']?\\s*:\\s*["']?${id}["']?\\s*([,}#]|$)`);
  const place = itemsIn(lines, at).findIndex(({ from, to }) => lines.slice(from, to).some((line) => named.test(line)));
  return place < 0 ? undefined : place;
}

/** A rule in block style, its values as JSON, which is YAML that means one thing only. */
export function ruleLines(rule: object, indent: string): string[] {
  return Object.entries(rule).map(([key, value]: [string, unknown], i) => {
    const list = Array.isArray(value)
      ? `[${value.map((one) => JSON.stringify(one)).join(", ")}]`
      : JSON.stringify(value);
    return `${indent}${i === 0 ? "- " : "  "}${key}: ${key === "id" ? String(value) : list}`;
  });
}

interface Item {
  readonly from: number;
  /** The line after its last one. */
  readonly to: number;
  readonly indent: string;
}

/** The items of the block sequence that a line opens; blank lines and comments after one are not part of it. */
function itemsIn(lines: readonly string[], opening: number): Item[] {
  const outer = indentOf(lines[opening] ?? "");
  const items: { from: number; to: number; indent: string }[] = [];
  let indent: string | undefined;
  for (let i = opening + 1; i < lines.length; i++) {
    const line = lines[i] ?? "";
    if (line.trim() === "" || /^\s*#/.test(line)) continue;
    const depth = indentOf(line);
    const isDash = /^\s*-(\s|$)/.test(line);
    if (depth.length < outer.length || (depth.length === outer.length && !isDash)) break;
    indent ??= depth;
    if (isDash && depth === indent) items.push({ from: i, to: i + 1, indent });
    else {
      const last = items.at(-1);
      if (!last) break;
      last.to = i + 1;
    }
  }
  return items;
}

function groupLine(lines: readonly string[], groups: number, group: string): number | undefined {
  for (let i = groups + 1; i < lines.length; i++) {
    const line = lines[i] ?? "";
    if (/^[^\s#]/.test(line)) return undefined;
    if (new RegExp(`^\\s+["']?${group}["']?\\s*:`).test(line)) return i;
  }
  return undefined;
}

/** Where a key and the comment right above it begin. */
function headOf(lines: readonly string[], key: RegExp): number | undefined {
  let at = lines.findIndex((line) => key.test(line));
  if (at < 0) return undefined;
  while (at > 0 && /^#/.test(lines[at - 1] ?? "") && !/yaml-language-server/.test(lines[at - 1] ?? "")) at--;
  return at;
}

function indentOf(line: string): string {
  return /^ */.exec(line)?.[0] ?? "";
}
