import { usage } from "../errors.ts";
import { visible } from "../ui/visible.ts";
import type { Client } from "./clients.ts";

/** A server as a client's settings start it. */
export type ServerEntry = Readonly<Record<string, unknown>>;

/** How a server is started: what the bridge is put before. */
interface Started {
  readonly command: string;
  readonly args: readonly string[];
}

/** The bridge as a program to start: absolute, because hosts often start without the user's PATH. */
export type Bridge = readonly [command: string, ...args: string[]];

/** Members to set, and those to take away, so that everything the client sends to the server is signed. */
export interface Change {
  readonly set: Readonly<Record<string, unknown>>;
  readonly remove: readonly string[];
}

/** True if a server is started through the bridge already. */
export function isSigned(entry: ServerEntry, [command, ...args]: Bridge): boolean {
  const started = startOf(entry);
  if (!started) return false;
  const isOurs = started.command === command && args.every((arg, i) => started.args[i] === arg);
  // Installed by another version, from another place, or by hand.
  const isSome = started.args.some(
    (arg, i) => arg === "proxy" && /peerage/.test(started.args[i - 1] ?? started.command),
  );
  return isOurs || isSome;
}

/**
 * What to change in a server's entry. Nothing of it goes through a shell, before or after.
 * @throws {CliError} ERR_USAGE for an entry that cannot be changed without losing something
 */
export function changeFor(client: Client, name: string, entry: ServerEntry, [command, ...args]: Bridge): Change {
  const started = startOf(entry);
  if (started) {
    const wrapped = { command, args: [...args, "proxy", "--", started.command, ...started.args] };
    // Zed's older form keeps all three in one member.
    const nested = entry["command"];
    if (typeof nested === "object" && nested !== null)
      return { set: { command: { ...nested, path: wrapped.command, args: wrapped.args } }, remove: [] };
    return { set: wrapped, remove: [] };
  }
  const member = client.addresses.find((one) => typeof entry[one] === "string");
  if (member === undefined)
    throw usage(`${visible(name)} has neither a command nor an address in the settings of ${client.name}`);
  if (
    ["headers", "http_headers", "env_http_headers", "bearer_token_env_var", "oauth", "auth"].some(
      (one) => entry[one] !== undefined,
    )
  )
    throw usage(
      `${visible(name)} is called with credentials, which would stand in a command line`,
      `peerage proxy ${String(entry[member])} in a start script of your own`,
    );
  return {
    set: {
      ...(typeof entry["type"] === "string" ? { type: "stdio" } : {}),
      command,
      args: [...args, "proxy", String(entry[member])],
    },
    remove: [member],
  };
}

/** The entry with a change made. */
export function applied(entry: ServerEntry, { set, remove }: Change): ServerEntry {
  return { ...Object.fromEntries(Object.entries(entry).filter(([name]) => !remove.includes(name))), ...set };
}

/** The change that takes another one back. */
export function reverse(entry: ServerEntry, { set, remove }: Change): Change {
  const before = [...Object.keys(set), ...remove].filter((name) => Object.hasOwn(entry, name));
  return {
    set: Object.fromEntries(before.map((name) => [name, entry[name]])),
    remove: Object.keys(set).filter((name) => !Object.hasOwn(entry, name)),
  };
}

function startOf(entry: ServerEntry): Started | undefined {
  const { command, args } = entry;
  const words = (list: unknown): string[] =>
    Array.isArray(list) ? list.filter((word): word is string => typeof word === "string") : [];
  if (typeof command === "string" && command !== "") return { command, args: words(args) };
  if (typeof command === "object" && command !== null) {
    const { path, args: own } = command as { path?: unknown; args?: unknown };
    if (typeof path === "string") return { command: path, args: words(own) };
  }
  return undefined;
}
