import { lstat, unlink } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { CliError } from "../errors.ts";
import { privateFolder } from "../files/safe-file.ts";
import { ask } from "./client.ts";

/**
 * Listens at a socket that this user alone can reach: 0600 from the first instant, in a folder of 0700.
 * @throws {CliError} ERR_KEY_FILE_UNSAFE for a folder that others enter, ERR_CONFIG_INVALID if an agent answers there
 */
export async function listen(path: string, connected: (socket: Socket) => void): Promise<Server> {
  await privateFolder(dirname(path));
  await checkFolder(dirname(path));
  await dropStale(path);
  const server = createServer({ allowHalfOpen: true }, connected);
  server.maxConnections = 64;
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  server.once("error", reject).once("listening", () => resolve(undefined));
  // The socket's file is made within this call.
  const before = process.umask(0o177);
  try {
    server.listen({ path });
  } finally {
    process.umask(before);
  }
  await promise;
  return server;
}

/** What a socket that nobody listens at any more leaves behind is taken away; anything else stays, and is told. */
async function dropStale(path: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  if (!stat) return;
  if (!stat.isSocket()) throw new CliError("ERR_KEY_FILE_UNSAFE", `${path} is not a socket`, { hint: "move it away" });
  try {
    await ask(path, { v: 1, op: "status" });
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== "ERR_UPSTREAM_UNAVAILABLE") throw error;
    return unlink(path);
  }
  throw new CliError("ERR_CONFIG_INVALID", `an agent runs at ${path} already`, { hint: "peerage agent status" });
}

async function checkFolder(folder: string): Promise<void> {
  if (((await lstat(folder)).mode & 0o077) !== 0)
    throw new CliError("ERR_KEY_FILE_UNSAFE", `others can enter ${folder}`, { hint: `chmod 700 ${folder}` });
}
