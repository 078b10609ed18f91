import { isDeepStrictEqual } from "node:util";
import { applyEdits, type FormattingOptions, modify, parse as parseJsonc, type ParseError } from "jsonc-parser";
import { parse as parseToml } from "smol-toml";
import { CliError } from "../errors.ts";
import { visible } from "../ui/visible.ts";
import type { Client } from "./clients.ts";
import { applied, type Change, type ServerEntry } from "./entry.ts";
import { editToml } from "./toml.ts";

/** The servers in a client's settings, by name. @throws {CliError} ERR_CONFIG_INVALID for a file that is broken */
export function serversIn(client: Client, text: string, path: string): Readonly<Record<string, ServerEntry>> {
  const servers = objectOf(read(client, text, path)[client.member]) ?? {};
  return Object.fromEntries(
    Object.entries(servers).flatMap(([name, entry]) => {
      const object = objectOf(entry);
      return object ? [[name, object]] : [];
    }),
  );
}

/**
 * The settings with one server's entry changed and not another character: comments, order, indentation and line ends
 * stay. What comes out is read again, and must be the old settings with this change.
 * @throws {CliError} ERR_CONFIG_INVALID
 */
export function edited(client: Client, text: string, path: string, server: string, change: Change): string {
  const before = read(client, text, path);
  const entry = serversIn(client, text, path)[server];
  if (!entry) throw broken(path, `it has no server ${visible(server)}`);
  const after =
    client.format === "toml" ? editToml(text, client.member, server, change) : editJson(client, text, server, change);
  const wanted = {
    ...before,
    [client.member]: { ...objectOf(before[client.member]), [server]: applied(entry, change) },
  };
  const isExact = after !== undefined && isDeepStrictEqual(plain(read(client, after, path)), plain(wanted));
  if (!isExact) throw broken(path, "the entry is written in a way that cannot be changed safely: change it by hand");
  return after;
}

function editJson(client: Client, text: string, server: string, { set, remove }: Change): string | undefined {
  let out = text;
  const steps: [string, unknown][] = [
    ...remove.map((name): [string, unknown] => [name, undefined]),
    ...Object.entries(set),
  ];
  for (const [name, value] of steps) {
    const formattingOptions = formattingOf(out);
    try {
      out = applyEdits(out, modify(out, [client.member, server, name], value, { formattingOptions }));
    } catch {
      // The text holds the same member twice, and what is edited is not the one that is read.
      return undefined;
    }
  }
  return out;
}

/** How the file is written already. */
function formattingOf(text: string): FormattingOptions {
  const indent = /^([ \t]+)\S/m.exec(text)?.[1] ?? "  ";
  return {
    insertSpaces: !indent.startsWith("\t"),
    tabSize: indent.startsWith("\t") ? 1 : indent.length,
    eol: text.includes("\r\n") ? "\r\n" : "\n",
  };
}

function read(client: Client, text: string, path: string): Record<string, unknown> {
  try {
    if (client.format === "toml") return parseToml(text);
    const errors: ParseError[] = [];
    // An empty file is what some clients begin with.
    const value: unknown =
      text.trim() === "" ? {} : parseJsonc(text.replace(/^\uFEFF/, ""), errors, { allowTrailingComma: true });
    const object = objectOf(value);
    if (errors.length === 0 && object) return object;
  } catch {
    // Told below.
  }
  throw broken(path, `it is no readable ${client.format === "toml" ? "TOML" : "JSON"}, and is left alone`);
}

function objectOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/** Without prototypes and dates of a parser's own. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, one: unknown) => (typeof one === "bigint" ? one.toString() : one)));
}

function broken(path: string, why: string): CliError {
  return new CliError("ERR_CONFIG_INVALID", `${visible(path, 400)}: ${why}`);
}
