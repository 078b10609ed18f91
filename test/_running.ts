import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { expect } from "vitest";
import type { Home } from "./_cli.ts";

/** A command that goes on running, and what it has written so far. */
export interface Running extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly written: () => string;
  /** The first match in what is written, waited for: its first group, if it has one. */
  match(pattern: RegExp): Promise<string>;
}

/** Starts a command with nothing of this machine's settings; it is asked to stop at the end. */
export function startProcess(home: Home, command: string, args: readonly string[]): Running {
  const env = {
    PATH: process.env["PATH"],
    LANG: "C.UTF-8",
    TERM: "xterm",
    PEERAGE_HOME: join(home.path, "peerage"),
  };
  const child = spawn(command, args, { cwd: home.path, env, stdio: ["pipe", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (more: string) => (text += more));
  const ended = new Promise<void>((done) => child.once("close", () => done()));
  return {
    child,
    written: () => text,
    async match(pattern) {
      await expect.poll(() => text, { timeout: 60_000 }).toMatch(pattern);
      const found = pattern.exec(text);
      return found?.[1] ?? found?.[0] ?? "";
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
