import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Ran, runProcess } from "./_cli.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The commands of a document's `sh` blocks, in order; what a here-document holds belongs to its command. */
export async function commandsOf(document: string): Promise<string[]> {
  const text = await readFile(join(root, document), "utf8");
  const found: string[] = [];
  for (const [, block = ""] of text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)) {
    let until: string | undefined;
    for (const line of block.split("\n")) {
      if (until !== undefined || found.at(-1)?.endsWith("\\") === true) {
        found.push(`${found.pop() ?? ""}\n${line}`);
        if (line === until) until = undefined;
      } else if (line.trim() !== "" && !line.startsWith("#")) {
        found.push(line.replace(/ {2,}# .*$/, ""));
        until = /<<'(\w+)'/.exec(line)?.[1];
      }
    }
  }
  return found;
}

/** A newcomer: a home of its own, and a folder in which `npx` finds what a clone has after `npm ci`. */
export class Newcomer implements AsyncDisposable {
  readonly home: string;
  readonly #env: Record<string, string>;

  private constructor(home: string) {
    this.home = home;
    this.#env = { HOME: home, npm_config_offline: "true", npm_config_update_notifier: "false" };
  }

  static async make(): Promise<Newcomer> {
    const home = await mkdtemp(join(tmpdir(), "peerage-newcomer-"));
    await symlink(join(root, "node_modules"), join(home, "node_modules"));
    return new Newcomer(home);
  }

  /** Runs a command as it was written, in a shell. */
  run(command: string): Promise<Ran> {
    return runProcess("bash", ["-c", command], { cwd: this.home, env: this.#env });
  }

  /** Starts a command that is to be left running; it is ended as by Ctrl-C when disposed of. */
  async leaveRunning(command: string, ready: RegExp): Promise<AsyncDisposable> {
    const child = spawn("bash", ["-c", command], {
      cwd: this.home,
      env: { PATH: process.env["PATH"], LANG: "C.UTF-8", ...this.#env },
      stdio: ["ignore", "pipe", "pipe"],
      // A terminal sends Ctrl-C to all that runs in it.
      detached: true,
    });
    const closed = once(child, "close");
    let seen = "";
    const stop = async (): Promise<void> => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, "SIGINT");
      await closed;
    };
    await new Promise<void>((resolve, reject) => {
      const look = (chunk: Buffer): void => {
        seen += chunk.toString();
        if (ready.test(seen)) resolve();
      };
      child.stdout.on("data", look);
      child.stderr.on("data", look);
      void closed.then(() => reject(new Error(`${command} ended\n${seen}`)));
    });
    return { [Symbol.asyncDispose]: stop };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** A port that nobody listens on just now, for a command that must be told one. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
