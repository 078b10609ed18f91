import { lstat } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { codeOf } from "../files/safe-file.ts";

/** The kernel's limit on the path of a socket, in bytes: 108 on Linux, 104 elsewhere, with the final zero. */
const MAX_PATH = 103;

/** Where the agent of this user listens, unless told otherwise. */
export function agentSocket(context: Context): string {
  const runtime = context.io.env["XDG_RUNTIME_DIR"];
  const own = context.io.env["PEERAGE_HOME"];
  const isRuntime = (own === undefined || own === "") && runtime !== undefined && isAbsolute(runtime);
  return isRuntime ? join(runtime, "peerage", "agent.sock") : join(context.paths.state, "agent", "agent.sock");
}

/** @throws {CliError} ERR_CONFIG_INVALID for a path that no socket can have */
export function checkSocketPath(path: string): string {
  if (process.platform === "win32")
    throw new CliError("ERR_CONFIG_INVALID", "a signing agent needs Unix sockets, which keep other users out");
  if (!isAbsolute(path) || Buffer.byteLength(path) > MAX_PATH)
    throw new CliError("ERR_CONFIG_INVALID", `a socket's path is absolute and at most ${MAX_PATH} bytes long`, {
      hint: "--socket <a shorter path>",
    });
  return path;
}

/**
 * Checks that a socket and its folder are this user's and closed to all others. The kernel lets nobody else connect then,
 * which is all that can be known of the other end: Node does not tell who it is.
 * @throws {CliError} ERR_KEY_FILE_UNSAFE, ERR_UPSTREAM_UNAVAILABLE if there is none
 */
export async function checkPrivate(path: string): Promise<void> {
  const uid = process.getuid?.();
  try {
    for (const place of [dirname(path), path]) {
      const stat = await lstat(place);
      const isRight = place === path ? stat.isSocket() : stat.isDirectory();
      if (!isRight || stat.uid !== uid || (stat.mode & 0o077) !== 0)
        throw new CliError("ERR_KEY_FILE_UNSAFE", `${place} is open to others, or not this user's`, {
          hint: `ls -ld ${place}`,
        });
    }
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") throw unreachable(path);
    throw error;
  }
}

/** Nothing listens at a socket. */
export function unreachable(path: string): CliError {
  return new CliError("ERR_UPSTREAM_UNAVAILABLE", `no signing agent answers at ${path}`, { hint: "peerage agent" });
}
