import { readFile, stat } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { z } from "zod";
import { CliError } from "../errors.ts";
import { type Paths, tilde } from "./paths.ts";
import { codeOf, replaceFile } from "./safe-file.ts";

/** What can be configured. */
export const settingKeys = ["registry", "identity", "agent", "scope", "policy", "audience"] as const;
export type SettingKey = (typeof settingKeys)[number];

/** Where a setting came from, the strongest first. */
export type Origin = "flag" | "environment" | "project" | "user" | "default";

/** A setting and where it came from. */
export interface Setting {
  readonly value: string;
  readonly origin: Origin;
}

const scope = z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, "must be a scope such as tools");
const values = {
  registry: z.string().refine(isRegistryUrl, "must be https, or http on loopback, without user, query or fragment"),
  identity: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, "must be the name of an identity"),
  agent: z.string().max(4096).refine(isAbsolute, "must be the absolute path of a socket"),
  scope,
  policy: z.string().min(1).max(4096),
  audience: z.string().min(1).max(2048),
};
const userFile = z.strictObject(values).partial();
// A project file comes with a checkout, so it may not choose who signs, whom to trust, or whom to ask.
const projectFile = z.strictObject({ policy: values.policy, scope, audience: values.audience }).partial();

/** True for an https URL, or an http URL on loopback, without credentials, query or fragment (A-CLI-09). */
export function isRegistryUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") return false;
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname));
}

/** True for `localhost`, 127.0.0.0/8 and `[::1]`. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** The settings in force: flag > environment > project `.peerage.json` > user > default. */
export class Settings {
  readonly #found: ReadonlyMap<SettingKey, Setting>;

  private constructor(found: ReadonlyMap<SettingKey, Setting>) {
    this.#found = found;
  }

  /** @throws {CliError} ERR_CONFIG_INVALID names the file and the member */
  static async load(
    paths: Paths,
    cwd: string,
    env: NodeJS.ProcessEnv,
    flags: Partial<Record<SettingKey, string | undefined>>,
  ): Promise<Settings> {
    const found = new Map<SettingKey, Setting>([["scope", { value: "tools", origin: "default" }]]);
    const put = (origin: Origin, layer: Partial<Record<SettingKey, string | undefined>>): void => {
      for (const key of settingKeys) {
        const value = layer[key];
        if (value !== undefined && value !== "") found.set(key, { value, origin });
      }
    };
    put("user", (await readSettings(paths.config, userFile, paths)) ?? {});
    const project = await projectFileOf(cwd);
    if (project !== undefined) {
      const layer = (await readSettings(project, projectFile, paths)) ?? {};
      put("project", layer.policy === undefined ? layer : { ...layer, policy: join(dirname(project), layer.policy) });
    }
    put("environment", {
      registry: env["PEERAGE_REGISTRY"],
      identity: env["PEERAGE_IDENTITY"],
      agent: env["PEERAGE_AGENT_SOCK"],
    });
    put("flag", flags);
    for (const [key, { value, origin }] of found) checkSetting(key, value, origin);
    return new Settings(found);
  }

  get(key: SettingKey): Setting | undefined {
    return this.#found.get(key);
  }

  value(key: SettingKey): string | undefined {
    return this.#found.get(key)?.value;
  }
}

/** Sets or, with undefined, removes one user setting. @throws {CliError} ERR_CONFIG_INVALID */
export async function writeSetting(paths: Paths, key: SettingKey, value: string | undefined): Promise<void> {
  if (value !== undefined) checkSetting(key, value, "user");
  const { [key]: _, ...rest } = (await readSettings(paths.config, userFile, paths)) ?? {};
  const next = value === undefined ? rest : { ...rest, [key]: value };
  await replaceFile(paths.config, `${JSON.stringify(next, null, 2)}\n`);
}

function checkSetting(key: SettingKey, value: string, origin: Origin): void {
  const parsed = values[key].safeParse(value);
  if (parsed.success) return;
  const why = parsed.error.issues[0]?.message ?? "is not valid";
  // A URL may carry a password: then it is not repeated.
  const shown = value.includes("@") ? "" : `: ${JSON.stringify(value)}`;
  throw new CliError("ERR_CONFIG_INVALID", `${key} (${origin})${shown} ${why}`);
}

type Layer = Partial<Record<SettingKey, string | undefined>>;

async function readSettings(path: string, schema: z.ZodType<Layer>, paths: Paths): Promise<Layer | undefined> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new CliError("ERR_CONFIG_INVALID", `${tilde(paths, path)} is not readable JSON`, { cause: error });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const what =
    issue?.code === "unrecognized_keys"
      ? `may not set ${issue.keys.map((key) => JSON.stringify(key)).join(", ")}`
      : `${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`.trim();
  throw new CliError("ERR_CONFIG_INVALID", `${tilde(paths, path)} ${what}`, {
    hint:
      schema === projectFile
        ? "a project file sets policy, scope and audience only"
        : `one of: ${settingKeys.join(", ")}`,
  });
}

/** `.peerage.json` of this folder or of a folder above it, up to the top of the checkout. */
async function projectFileOf(cwd: string): Promise<string | undefined> {
  const top = await checkoutOf(cwd);
  for (let folder = cwd; ; folder = dirname(folder)) {
    const path = join(folder, ".peerage.json");
    if (await exists(path)) return path;
    if (folder === top || folder === dirname(folder)) return undefined;
  }
}

/** The top of the checkout around a folder, or the folder itself: nobody else's file above it counts. */
async function checkoutOf(cwd: string): Promise<string> {
  for (let folder = cwd; folder !== dirname(folder); folder = dirname(folder)) {
    if (await exists(join(folder, ".git"))) return folder;
  }
  return cwd;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false;
  }
}
