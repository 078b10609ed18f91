import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Reading } from "./probe.ts";

const PROBE = join(import.meta.dirname, "probe.ts");

/** How a process of the soak is started. */
export interface ProcessOptions {
  readonly name: string;
  /** The program and its arguments, run by this Node. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** A process under watch, in a group of its own so that whatever it leaves behind is found. */
export class WatchedProcess {
  readonly name: string;
  readonly child: ChildProcess;
  readonly #ended: Promise<number | null>;
  #text = "";
  #waiting: ((message: unknown) => void)[] = [];

  constructor({ name, args, env }: ProcessOptions) {
    this.name = name;
    this.child = spawn(process.execPath, ["--expose-gc", "--import", PROBE, ...args], {
      env,
      stdio: ["pipe", "pipe", "pipe", "ipc"],
      detached: true,
    });
    this.child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      // Its last words are enough to explain an end that nobody asked for.
      this.#text = (this.#text + text).slice(-4_096);
    });
    this.child.stdin!.on("error", () => undefined);
    this.child.on("message", (message) => this.#waiting.shift()?.(message));
    this.#ended = new Promise((resolve) => this.child.once("exit", (code) => resolve(code)));
    this.child.once("exit", () => {
      for (const wake of this.#waiting.splice(0)) wake(undefined);
    });
  }

  /** What it wrote to stderr last. */
  get words(): string {
    return this.#text;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Asks over the channel; answers come in the order of the questions. @throws if it has ended */
  async ask<T>(question: string): Promise<T> {
    const answer = new Promise<unknown>((resolve) => this.#waiting.push(resolve));
    if (this.running) this.child.send(question);
    const got = this.running ? await answer : undefined;
    if (got === undefined) throw new Error(`${this.name} has ended by itself\n${this.#text}`);
    return got as T;
  }

  read(): Promise<Reading> {
    return this.ask<Reading>("read");
  }

  /** The first match in what it writes to stderr, waited for. @throws if it ends without */
  async announced(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.#text);
      if (found) return found[1] ?? found[0];
      if (!this.running) throw new Error(`${this.name} did not start\n${this.#text}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /**
   * Ends it as its user would.
   * @returns what was wrong with its end: another exit code than `expected`, or processes that it left behind
   */
  async stop(expected: number, signal?: NodeJS.Signals): Promise<string[]> {
    if (signal === undefined) this.child.stdin!.end();
    else this.child.kill(signal);
    const late = setTimeout(() => this.child.kill("SIGKILL"), 30_000);
    const code = await this.#ended;
    clearTimeout(late);
    const left = groupOf(this.child.pid ?? -1);
    for (const pid of left) process.kill(pid, "SIGKILL");
    return [
      ...(code === expected ? [] : [`${this.name} ended with ${String(code)} instead of ${expected}\n${this.#text}`]),
      ...(left.length === 0 ? [] : [`${this.name} left processes behind: ${left.join(", ")}`]),
    ];
  }
}

/** The processes of a group that still run. Known on Linux only. */
function groupOf(group: number): number[] {
  if (!existsSync("/proc/self/stat")) return [];
  return readdirSync("/proc").flatMap((entry) => {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) return [];
    try {
      // The fields after the name of the program, which may hold anything: state, parent, group.
      const [state, , of] = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
      return Number(of) === group && state !== "Z" ? [pid] : [];
    } catch {
      return [];
    }
  });
}
