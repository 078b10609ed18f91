import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Did } from "@peerage/core";
import { serveRegistry } from "@peerage/registry";
import { main } from "../cli/src/main.ts";

export const BIN: string = fileURLToPath(new URL("../cli/bin/peerage.js", import.meta.url));

/** How a process ended and what it wrote. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Record<string, string | undefined>;
  readonly cwd?: string;
  readonly input?: string;
  /** Arguments for node itself. */
  readonly node?: readonly string[];
}

/** The user's folder of one test, gone afterwards. */
export class Home implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Home> {
    return new Home(await mkdtemp(join(tmpdir(), "peerage-cli-")));
  }

  /** Runs `peerage` as a real process with nothing of this machine's settings. */
  run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return runProcess(process.execPath, [...(options.node ?? []), BIN, ...argv], {
      ...options,
      cwd: options.cwd ?? this.path,
      env: { PEERAGE_HOME: join(this.path, "peerage"), ...options.env },
    });
  }

  /** As {@link run}, in this process: for long loops, where starting a process each time tells nothing more. */
  async call(argv: readonly string[], options: Pick<RunOptions, "env" | "input"> = {}): Promise<Ran> {
    const out = { stdout: "", stderr: "" };
    const sink = (name: "stdout" | "stderr"): Writable =>
      new Writable({
        write: (chunk: Buffer, _encoding, done) => {
          out[name] += chunk.toString();
          done();
        },
      });
    const code = await main(argv, {
      env: { PATH: process.env["PATH"], LANG: "C.UTF-8", PEERAGE_HOME: join(this.path, "peerage"), ...options.env },
      cwd: this.path,
      stdin: Readable.from(options.input === undefined ? [] : [Buffer.from(options.input)]),
      stdout: sink("stdout"),
      stderr: sink("stderr"),
      now: () => new Date(),
    });
    return { code, ...out };
  }

  /** As {@link run}, and it must end with 0. */
  async ok(argv: readonly string[], options: RunOptions = {}): Promise<string> {
    const ran = await this.run(argv, options);
    if (ran.code !== 0)
      throw new Error(`peerage ${argv.join(" ")} ended with ${String(ran.code)}\n${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  }

  /** The `data` of `--json`, of a run that must end with 0. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- each test knows the shape it asserts
  async data(argv: readonly string[], options: RunOptions = {}): Promise<any> {
    return JSON.parse(await this.ok([...argv, "--json"], options)).data;
  }

  at(...parts: string[]): string {
    return join(this.path, "peerage", ...parts);
  }

  async did(name?: string): Promise<Did> {
    return (await this.data(["whoami", ...(name === undefined ? [] : ["--identity", name])])).did;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Runs a command to its end; its environment has only PATH, LANG and what is given. */
export function runProcess(
  command: string,
  args: readonly string[],
  options: { env?: Record<string, string | undefined>; cwd?: string; input?: string },
): Promise<Ran> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: {
      PATH: process.env["PATH"],
      LANG: "C.UTF-8",
      HOME: options.cwd,
      // Hundreds of processes run the same code: it is compiled once for all of them.
      NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
      ...options.env,
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdin.on("error", () => undefined);
  child.stdin.end(options.input ?? "");
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** A registry with one agent that `owner` stands for. */
export async function openTestRegistry(): Promise<
  { url: string; folder: string; registry: Awaited<ReturnType<typeof serveRegistry>>["registry"] } & AsyncDisposable
> {
  const folder = await mkdtemp(join(tmpdir(), "peerage-registry-"));
  const server = await serveRegistry({ dataDir: folder, cadenceMs: 50 });
  return {
    url: server.url,
    folder,
    registry: server.registry,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** DIDs, digests, paths and times of a run, replaced by words, so that the rest can be compared. */
export function masked(text: string, home: Home): string {
  return text
    .replaceAll(home.path, "~")
    .replace(/did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}/g, "did:key:z6Mk<44 characters of a key, in base58btc........>")
    .replace(/z6Mk[1-9A-HJ-NP-Za-km-z]{5}…[1-9A-HJ-NP-Za-km-z]{4}/g, "z6Mk12345…6789")
    .replace(/sha256:[0-9a-f]{64}/g, `sha256:${"0".repeat(64)}`)
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, "2026-01-02T03:04:05Z")
    .replace(/127\.0\.0\.1:\d+/g, "127.0.0.1:7075")
    .replace(/checked in \d+ ms/g, "checked in 9 ms")
    .replace(/checkpoint [\d.]+ s old/g, "checkpoint 1 s old");
}
