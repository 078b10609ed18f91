import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { CliError } from "../errors.ts";

/** Where things are kept, see docs/operating.md: XDG folders, the profile's on Windows, all under `PEERAGE_HOME` if set. */
export interface Paths {
  /** `config.json`. */
  readonly config: string;
  /** Folder of keys, 0700. */
  readonly keys: string;
  /** Roots, petnames, receipts, pinned audiences. */
  readonly data: string;
  /** Audit, replay memory, last checkpoints. */
  readonly state: string;
  /** Registry mirror; may be deleted. */
  readonly cache: string;
  /** The user's home, to show paths as `~/…`. */
  readonly home: string;
}

/** The folders for an environment. @throws {CliError} ERR_CONFIG_INVALID if a folder is not an absolute path */
export function pathsFor(env: NodeJS.ProcessEnv, platform: NodeJS.Platform = process.platform): Paths {
  const home = env["HOME"] || homedir();
  const root = folder(env, "PEERAGE_HOME");
  if (root !== undefined) {
    const config = folder(env, "PEERAGE_CONFIG") ?? join(root, "config.json");
    return {
      config,
      keys: join(root, "keys"),
      data: root,
      state: join(root, "state"),
      cache: join(root, "cache"),
      home,
    };
  }
  const windows = platform === "win32";
  const local = env["LOCALAPPDATA"] || join(home, "AppData", "Local");
  const pick = (xdg: string, unix: string, win: string): string =>
    join(windows ? win : (folder(env, xdg) ?? join(home, unix)), "peerage");
  const config = pick("XDG_CONFIG_HOME", ".config", env["APPDATA"] || join(home, "AppData", "Roaming"));
  const data = pick("XDG_DATA_HOME", ".local/share", local);
  return {
    config: folder(env, "PEERAGE_CONFIG") ?? join(config, "config.json"),
    keys: join(data, "keys"),
    data,
    state: windows ? join(data, "state") : pick("XDG_STATE_HOME", ".local/state", local),
    cache: windows ? join(data, "cache") : pick("XDG_CACHE_HOME", ".cache", local),
    home,
  };
}

/** A path as people know it: `~/.local/share/…`. */
export function tilde(paths: Paths, path: string): string {
  return path.startsWith(`${paths.home}/`) ? `~${path.slice(paths.home.length)}` : path;
}

function folder(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = env[name];
  if (value === undefined || value === "") return undefined;
  if (!isAbsolute(value)) {
    // The XDG rule: a relative path is ignored. Ours must be meant, so it is an error.
    if (!name.startsWith("PEERAGE_")) return undefined;
    throw new CliError("ERR_CONFIG_INVALID", `${name} must be an absolute path`);
  }
  return value;
}
