import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync } from "node:fs";
import { mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Ran, runProcess } from "./_cli.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Every page that people read, from the repository's root. */
export const pages: readonly string[] = ["*.md", "docs/**/*.md", "examples/**/*.md", "*/README.md"]
  .flatMap((pattern) => globSync(pattern, { cwd: root, exclude: (name) => name === "node_modules" }))
  .map((page) => page.replaceAll("\\", "/"))
  .filter((page, i, all) => all.indexOf(page) === i)
  .sort();

/** A fenced block of a page. */
export interface Block {
  readonly page: string;
  /** The line of its fence, from 1. */
  readonly line: number;
  readonly language: string;
  /** What stands after the language. */
  readonly mark: string;
  readonly text: string;
}

/** The text of a page. */
export function pageText(page: string): Promise<string> {
  return readFile(join(root, page), "utf8");
}

/** The fenced blocks of a page, in order. */
export async function blocksOf(page: string): Promise<Block[]> {
  const text = await pageText(page);
  return [...text.matchAll(/^( *)```(\w*) *([^\n`]*)\n([\s\S]*?)^\1```$/gm)].map((match) => {
    const [, indent = "", language = "", mark = "", body = ""] = match;
    const line = text.slice(0, match.index).split("\n").length;
    return { page, line, language, mark, text: body.replace(new RegExp(`^${indent}`, "gm"), "") };
  });
}

/** The commands of a document's `sh` blocks with this mark, in order; what a here-document holds belongs to its command. */
export async function commandsOf(page: string, mark = ""): Promise<string[]> {
  const blocks = await blocksOf(page);
  return blocks
    .filter((block) => block.language === "sh" && block.mark === mark)
    .flatMap(({ text }) => commandsIn(text));
}

/** The commands of one block: comments are left out, and lines that go on in the next are one. */
export function commandsIn(text: string): string[] {
  const found: string[] = [];
  let until: string | undefined;
  for (const line of text.split("\n")) {
    if (until !== undefined || found.at(-1)?.endsWith("\\") === true) {
      found.push(`${found.pop() ?? ""}\n${line}`);
      if (until === undefined) until = hereDocument(line);
      else if (line === until) until = undefined;
    } else if (line.trim() !== "" && !line.startsWith("#")) {
      found.push(line.replace(/ {2,}# .*$/, ""));
      until = hereDocument(line);
    }
  }
  return found;
}

function hereDocument(line: string): string | undefined {
  return /<<'(\w+)'/.exec(line)?.[1];
}

/** A newcomer: a home of its own, and a folder in which `npx` and the shell find what a clone has after `npm ci`. */
export class Newcomer implements AsyncDisposable {
  readonly home: string;
  readonly #env: Record<string, string>;

  private constructor(home: string) {
    this.home = home;
    this.#env = {
      HOME: home,
      PATH: [join(root, "node_modules", ".bin"), process.env["PATH"]].join(delimiter),
      npm_config_offline: "true",
      npm_config_update_notifier: "false",
    };
  }

  static async make(): Promise<Newcomer> {
    const home = await mkdtemp(join(tmpdir(), "peerage-newcomer-"));
    for (const name of ["node_modules", "examples"]) await symlink(join(root, name), join(home, name));
    return new Newcomer(home);
  }

  /** Runs a command as it was written, in a shell. */
  run(command: string): Promise<Ran> {
    return runProcess("bash", ["-c", command], { cwd: this.home, env: this.#env });
  }

  /**
   * Starts a command that is to be left running; it is ended as by Ctrl-C when disposed of.
   * @throws {Error} with all it printed, if it ends before that; it is stopped if it is not ready within a minute
   */
  async leaveRunning(command: string, ready: RegExp, input = ""): Promise<AsyncDisposable> {
    const child = spawn("bash", ["-c", command], {
      cwd: this.home,
      env: { LANG: "C.UTF-8", ...this.#env },
      stdio: ["pipe", "pipe", "pipe"],
      // A terminal sends Ctrl-C to all that runs in it.
      detached: true,
    });
    child.stdin.on("error", () => undefined);
    child.stdin.write(input);
    let ended = false;
    const closed = once(child, "close").then(() => (ended = true));
    const stop = async (): Promise<void> => {
      if (child.pid !== undefined && !ended) process.kill(-child.pid, "SIGINT");
      await closed;
    };
    let seen = "";
    const begun = new Promise<void>((resolve, reject) => {
      const look = (chunk: Buffer): void => {
        seen += chunk.toString();
        if (ready.test(seen)) resolve();
      };
      child.stdout.on("data", look);
      child.stderr.on("data", look);
      void closed.then(() => reject(new Error(`${command} ended\n${seen}`)));
    });
    const timer = setTimeout(() => void stop(), 60_000);
    await begun.finally(() => clearTimeout(timer));
    return { [Symbol.asyncDispose]: stop };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.home, { recursive: true, force: true, maxRetries: 5 });
  }
}
