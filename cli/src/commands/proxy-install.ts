import { lstat, readFile } from "node:fs/promises";
import type { Context, Options } from "../context.ts";
import { CliError, usage } from "../errors.ts";
import { tilde } from "../files/paths.ts";
import { codeOf, replaceFile } from "../files/safe-file.ts";
import { type Client, clients } from "../install/clients.ts";
import { type Bridge, type Change, changeFor, isSigned, reverse } from "../install/entry.ts";
import { backupPath, hashOf, type Installed, keepBackup, readLedger, writeLedger } from "../install/ledger.ts";
import { edited, serversIn } from "../install/settings.ts";
import type { Result } from "../output.ts";
import { ownCommand } from "../own-command.ts";
import type { Args } from "../tree.ts";
import { nearest } from "../ui/nearest.ts";
import { visible } from "../ui/visible.ts";

/** `peerage proxy install`: puts the bridge before a server in a client's settings, or takes it away again. */
export async function run(context: Context, { words: [client, server], options }: Args): Promise<Result> {
  if (client === undefined) return overview(context, options);
  const chosen = clientOf(client);
  const files = await settingsOf(context, chosen, options);
  if (server === undefined) throw usage(`which server of ${chosen.name}?`, serverHint(chosen, files));
  const file = files.find(({ text, path }) => Object.hasOwn(serversIn(chosen, text, path), server));
  if (!file) {
    const where = files.map(({ path }) => tilde(context.paths, path)).join(", ") || "no settings of it here";
    throw new CliError("ERR_NOT_FOUND", `${chosen.name} has no server ${visible(server)} (${where})`, {
      hint: serverHint(chosen, files),
    });
  }
  return options["undo"] === true
    ? undo(context, chosen, server, file, options)
    : install(context, chosen, server, file, options);
}

/** A client's settings as they are now. */
interface Settings {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

async function install(
  context: Context,
  client: Client,
  server: string,
  file: Settings,
  options: Options,
): Promise<Result> {
  const entry = serversIn(client, file.text, file.path)[server] ?? {};
  const bridge = bridgeOf(context);
  if (isSigned(entry, bridge)) return report(context, client, server, file.path, "already", []);
  const change = changeFor(client, server, entry, bridge);
  const after = edited(client, file.text, file.path, server, change);
  const shown = difference(context, file.text, after);
  if (options["dryRun"] === true) return report(context, client, server, file.path, "would", shown);
  await agree(context, client, server, file.path, shown);
  const kept = await keepBackup(context.paths, file.path, file.text);
  const record: Installed = {
    client: client.id,
    file: file.path,
    server,
    undo: reverse(entry, change),
    before: hashOf(file.text),
    after: hashOf(after),
  };
  // Noted first: a crash between the two leaves a note that undo can tell from the truth, never a change without one.
  await writeLedger(context.paths, [...(await readLedger(context.paths)), record]);
  await write(file, after);
  return report(context, client, server, file.path, "done", shown, kept);
}

async function undo(
  context: Context,
  client: Client,
  server: string,
  file: Settings,
  options: Options,
): Promise<Result> {
  const ledger = await readLedger(context.paths);
  const record = ledger.findLast((one) => one.file === file.path && one.server === server);
  if (!record)
    throw new CliError("ERR_NOT_FOUND", `nothing of ${visible(server)} was changed from here`, {
      hint: `edit ${tilde(context.paths, file.path)}`,
    });
  const rest = ledger.filter((one) => one !== record);
  const text = await before(context, client, server, file, record);
  const shown = difference(context, file.text, text);
  if (options["dryRun"] === true) return report(context, client, server, file.path, "would undo", shown);
  await agree(context, client, server, file.path, shown);
  if (text !== file.text) await write(file, text);
  await writeLedger(context.paths, rest);
  return report(context, client, server, file.path, "undone", shown);
}

/** Byte for byte what was there, if nobody has changed the file since; else this one entry as it was. */
async function before(
  context: Context,
  client: Client,
  server: string,
  file: Settings,
  record: Installed,
): Promise<string> {
  const now = hashOf(file.text);
  if (now === record.before) return file.text;
  if (now === record.after) return readFile(backupPath(context.paths, file.path, record.before), "utf8");
  const change: Change = record.undo;
  return edited(client, file.text, file.path, server, change);
}

async function write(file: Settings, text: string): Promise<void> {
  // The client itself may have written meanwhile: what it wrote is not to be lost.
  if ((await readFile(file.path, "utf8")) !== file.text)
    throw new CliError("ERR_CONFIG_INVALID", `${visible(file.path, 400)} has just been changed by something else`, {
      hint: "run the command again",
    });
  await replaceFile(file.path, text, file.mode);
}

async function agree(
  context: Context,
  client: Client,
  server: string,
  path: string,
  shown: readonly string[],
): Promise<void> {
  if (context.globals.yes === true) return;
  context.say(`  ${client.name}  ${tilde(context.paths, path)}`);
  for (const line of shown) context.say(line);
  if (!(await context.confirm(`Change how ${client.name} starts ${visible(server)}?`)))
    throw usage("nothing was changed");
}

async function overview(context: Context, options: Options): Promise<Result> {
  const bridge = bridgeOf(context);
  const found: { client: string; name: string; server: string; signed: boolean; file: string }[] = [];
  const broken: string[] = [];
  for (const client of clients) {
    for (const { path, text } of await settingsOf(context, client, options)) {
      try {
        for (const [server, entry] of Object.entries(serversIn(client, text, path)))
          found.push({ client: client.id, name: client.name, server, signed: isSigned(entry, bridge), file: path });
      } catch (error) {
        broken.push(error instanceof Error ? error.message : path);
      }
    }
  }
  for (const message of broken) context.warn(message);
  const { ui } = context;
  const rows = found.map(({ client, server, signed, file }) => [
    signed ? ui.good(ui.mark.ok) : ui.warn(ui.mark.warn),
    client,
    ui.bold(visible(server, 32)),
    signed ? "signed" : "unsigned",
    ui.dim(tilde(context.paths, file)),
  ]);
  const next = found.find(({ signed }) => !signed);
  return {
    data: { servers: found, clients: clients.map(({ id, name }) => ({ id, name })) },
    text: [
      ...(rows.length > 0 ? ui.table(rows) : ["  no settings of an MCP client were found"]),
      ...(next ? [`  ${ui.dim("next")}  peerage proxy install ${next.client} ${visible(next.server)}`] : []),
    ],
    plain: found.map(({ client, server, signed, file }) => [client, server, signed ? "signed" : "unsigned", file]),
  };
}

function report(
  context: Context,
  client: Client,
  server: string,
  path: string,
  state: "done" | "already" | "would" | "undone" | "would undo",
  shown: readonly string[],
  backup?: string,
): Result {
  const { ui } = context;
  const words = {
    done: "signs now",
    already: "signs already",
    would: "would sign",
    undone: "as before",
    "would undo": "would be as before",
  } as const;
  const isRehearsal = state.startsWith("would");
  return {
    data: { client: client.id, server, file: path, state, backup: backup ?? null, dryRun: isRehearsal },
    text: [
      ...ui.facts([
        { mark: isRehearsal ? "none" : "ok", label: words[state], value: `${visible(server)} of ${client.name}` },
        { label: "settings", value: tilde(context.paths, path) },
        ...(backup === undefined ? [] : [{ label: "backup", value: tilde(context.paths, backup) }]),
      ]),
      ...(shown.length > 0 ? ["", ...shown, ""] : []),
      ...(state === "done"
        ? [
            `  ${ui.dim(`restart ${client.name}; back again: peerage proxy install ${client.id} ${visible(server)} --undo`)}`,
          ]
        : []),
    ],
    plain: [[client.id, server, state, path]],
  };
}

function clientOf(word: string): Client {
  const client = clients.find(({ id }) => id === word);
  if (client) return client;
  const near = nearest(
    word,
    clients.map(({ id }) => id),
    1,
  )[0];
  throw usage(
    `${visible(word)} is no client whose settings are known`,
    near === undefined ? `one of: ${clients.map(({ id }) => id).join(", ")}` : `did you mean ${near}?`,
  );
}

/** Those of a client's settings that exist. A link is left alone: what it points at belongs to something else. */
async function settingsOf(context: Context, client: Client, options: Options): Promise<Settings[]> {
  const given = options["config"];
  const { env, cwd } = context.io;
  const place = { platform: process.platform, home: context.paths.home, cwd, env };
  const found: Settings[] = [];
  for (const path of new Set(typeof given === "string" ? [given] : client.files(place))) {
    const about = await lstat(path).catch((error: unknown) => {
      if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
      throw error;
    });
    if (!about) continue;
    if (!about.isFile())
      throw new CliError("ERR_CONFIG_INVALID", `${visible(path, 400)} is a link or no file, and is left alone`, {
        hint: "--config <the file itself>",
      });
    found.push({ path, text: await readFile(path, "utf8"), mode: about.mode & 0o777 });
  }
  return found;
}

function serverHint(client: Client, files: readonly Settings[]): string {
  const names = files.flatMap(({ text, path }) => Object.keys(serversIn(client, text, path)));
  return names.length === 0
    ? "peerage proxy install shows what there is"
    : `peerage proxy install ${client.id} ${visible(names[0] ?? "")}${
        names.length > 1
          ? `   (or ${names
              .slice(1, 6)
              .map((name) => visible(name))
              .join(", ")})`
          : ""
      }`;
}

function bridgeOf(context: Context): Bridge {
  const { identity } = context.globals;
  return [...ownCommand, ...(identity === undefined ? [] : ["--identity", identity])];
}

/** The lines that differ, with one before and after. */
function difference({ ui }: Context, before: string, after: string): string[] {
  const [old, fresh] = [before.split(/\r?\n/), after.split(/\r?\n/)];
  let head = 0;
  while (head < Math.min(old.length, fresh.length) && old[head] === fresh[head]) head++;
  let tail = 0;
  while (tail < Math.min(old.length, fresh.length) - head && old.at(-1 - tail) === fresh.at(-1 - tail)) tail++;
  const show = (line: string): string => visible(line, 400);
  return [
    ...old.slice(Math.max(0, head - 1), head).map((line) => `    ${ui.dim(`  ${show(line)}`)}`),
    ...old.slice(head, old.length - tail).map((line) => `    ${ui.bad(`- ${show(line)}`)}`),
    ...fresh.slice(head, fresh.length - tail).map((line) => `    ${ui.good(`+ ${show(line)}`)}`),
    ...fresh.slice(fresh.length - tail, fresh.length - tail + 1).map((line) => `    ${ui.dim(`  ${show(line)}`)}`),
  ].filter((line) => line.trim() !== "");
}
