import { constants } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { Context } from "../context.ts";
import { writeSetting } from "../files/config.ts";
import { identityNames } from "../files/identities.ts";
import { codeOf } from "../files/safe-file.ts";
import { shellWord } from "../own-command.ts";
import { visible } from "../ui/visible.ts";

/** A change that mends something, not done yet. */
export interface Mend {
  /** The check that it mends. */
  readonly name: string;
  /** What is done, as a command. */
  readonly change: string;
  /** The command that takes it back. */
  readonly undo: string;
  /** More to look at before it is done: the lines of a file that change. */
  readonly shown: readonly string[];
  readonly apply: () => Promise<void>;
}

/** An MCP server in a client's settings. */
export interface ClientServer {
  readonly client: string;
  readonly server: string;
  readonly signed: boolean;
}

/**
 * What `doctor --fix` can mend by itself: what has one right answer, changes nothing that others see, and can be taken
 * back. Whom to trust, and which key to use of several, is for a person to say.
 */
export async function findMends(context: Context): Promise<Mend[]> {
  return [...(await modes(context)), ...(await identity(context)), ...(await unsigned(context))];
}

/** Modes by which others reach keys: the folder's first, then those of the files in it. */
async function modes({ paths }: Context): Promise<Mend[]> {
  if (process.platform === "win32") return [];
  const folder = await loosened("folder", paths.keys, 0o700);
  let files: string[];
  try {
    files = await readdir(paths.keys);
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES"].includes(codeOf(error) ?? "")) return folder;
    throw error;
  }
  const keys = files.filter((file) => /^[a-z0-9][a-z0-9_-]{0,63}\.(key|next|recovery|after|recovered)\b/.test(file));
  const found = await Promise.all(keys.sort().map((file) => loosened("key", join(paths.keys, file), 0o600)));
  return [...folder, ...found.flat()];
}

async function loosened(name: string, path: string, right: number): Promise<Mend[]> {
  const mode = await withHandle(path, right, async (_, now) => Promise.resolve(now));
  if (mode === undefined || (mode & 0o077) === 0) return [];
  const octal = (value: number): string => value.toString(8).padStart(4, "0");
  return [
    {
      name,
      change: `chmod ${octal(right)} ${shownWord(path)}`,
      undo: `chmod ${octal(mode)} ${shownWord(path)}`,
      shown: [],
      apply: async () => {
        await withHandle(path, right, async (chmod) => chmod());
      },
    },
  ];
}

/**
 * Opens the very file or folder, and no link in its place, if it is this user's; undefined if it is not, or is none.
 * @param look gets what sets the right mode, and the mode that it has
 */
async function withHandle<T>(
  path: string,
  right: number,
  look: (chmod: () => Promise<void>, mode: number) => Promise<T>,
): Promise<T | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  );
  if (!file) return undefined;
  try {
    const stat = await file.stat();
    const isKind = right === 0o700 ? stat.isDirectory() : stat.isFile();
    if (!isKind || stat.uid !== process.getuid?.()) return undefined;
    return await look(() => file.chmod(right), stat.mode & 0o777);
  } finally {
    await file.close();
  }
}

/** The settings name an identity that is not here, and there is one other only. */
async function identity(context: Context): Promise<Mend[]> {
  const named = await context.userSetting("identity").catch(() => undefined);
  const [only, ...more] = await identityNames(context.paths);
  if (named === undefined || only === undefined || more.length > 0 || only === named) return [];
  return [
    {
      name: "config",
      change: `peerage config set identity ${only}`,
      undo: `peerage config set identity ${named}`,
      shown: [],
      apply: () => writeSetting(context.paths, "identity", only),
    },
  ];
}

/** MCP servers that a client starts without the bridge. */
async function unsigned(context: Context): Promise<Mend[]> {
  const { run } = await import("../commands/proxy-install.ts");
  const quiet = new Context(context.io, { ...context.globals, quiet: true, yes: true });
  const mends: Mend[] = [];
  for (const { client, server, signed } of await clientServers(context)) {
    if (signed) continue;
    const words = [client, server];
    const planned = await run(quiet, { words, rest: [], options: { dryRun: true } }).catch(() => undefined);
    if (typeof planned !== "object") continue;
    const command = `peerage proxy install ${client} ${shownWord(server)}`;
    mends.push({
      name: "mcp",
      change: command,
      undo: `${command} --undo`,
      shown: planned.text.filter((line) => line.startsWith("    ")),
      apply: async () => {
        await run(quiet, { words, rest: [], options: {} });
      },
    });
  }
  return mends;
}

/** The MCP servers in the settings of known clients; none where they cannot be read, which `proxy install` tells. */
export async function clientServers(context: Context): Promise<readonly ClientServer[]> {
  const { run } = await import("../commands/proxy-install.ts");
  const quiet = new Context(context.io, { ...context.globals, quiet: true });
  const found = await run(quiet, { words: [], rest: [], options: {} }).catch(() => undefined);
  return typeof found === "object" ? (found.data as { servers: ClientServer[] }).servers : [];
}

/** A word as a POSIX shell reads it back, of what may be shown. */
export function shownWord(text: string): string {
  return shellWord(visible(text, 4_096));
}
