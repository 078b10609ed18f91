import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generateSeed, identityFromSeed, type Identity, type JsonObject, type JsonValue, toHex } from "@peerage/core";

const require = createRequire(import.meta.url);
export const node: string = process.execPath;
export const everything: string = require.resolve("@modelcontextprotocol/server-everything/dist/index.js");

/** The path of a file under test/fixtures. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
}

/** A policy under which every verified caller may do everything. */
export const openPolicy: JsonObject = {
  apiVersion: "peerage.dev/v1",
  kind: "Policy",
  open: true,
  allow: [
    { tools: "*", agents: "*" },
    { prompts: "*", agents: "*" },
    { methods: "*", agents: "*" },
    { resources: "**", agents: "*" },
  ],
};

/** A JSON-RPC answer whose members a test names without ceremony. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Answer = any;

/** An identity whose seed can be handed to a fixture. */
export interface Party {
  readonly identity: Identity;
  readonly seed: string;
}

export function party(): Party {
  const seed = generateSeed();
  return { identity: identityFromSeed(seed), seed: toHex(seed) };
}

export type Command = readonly [command: string, ...args: string[]];

export const everythingStdio: Command = [node, everything, "stdio"];
export const modernStdio: Command = [node, fixture("modern-server.ts"), "stdio"];
export const rawServer: Command = [node, fixture("raw-server.ts")];

/** The command of a guard in front of another command. */
export function guarded(server: Party, inner: Command, policy: JsonObject = openPolicy): Command {
  return [node, fixture("guard-process.ts"), JSON.stringify({ seed: server.seed, policy }), ...inner];
}

/** The command of a signing bridge in front of a command or URL. */
export function bridged(
  client: Party,
  inner: Command,
  options: { pins?: string; receipts?: string; graceMs?: number } = {},
): Command {
  return [node, fixture("bridge-process.ts"), JSON.stringify({ seed: client.seed, ...options }), ...inner];
}

/** A folder that goes away by itself. */
export function scratch(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), "peerage-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true, maxRetries: 5 }) };
}

/** A process that speaks MCP over stdio, driven frame by frame. */
export class StdioPeer implements AsyncDisposable {
  readonly child: ChildProcess;
  /** Every line of its stdout, as text. */
  readonly lines: string[] = [];
  stderr = "";
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  #waiting: (() => void)[] = [];
  #rest = "";
  #lastId = 0;

  constructor([command, ...args]: Command, env: Readonly<Record<string, string>> = {}) {
    this.child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    this.child.stdin?.on("error", () => undefined);
    this.child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (this.#rest + chunk).split("\n");
      this.#rest = lines.pop() ?? "";
      this.lines.push(...lines);
      this.#wake();
    });
    this.child.stderr?.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.exited = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        resolve({ code, signal });
        this.#wake();
      });
    });
  }

  /** All messages so far. */
  get messages(): JsonObject[] {
    return this.lines.map((line) => JSON.parse(line) as JsonObject);
  }

  write(text: string | Uint8Array): void {
    this.child.stdin?.write(text);
  }

  send(message: JsonValue): void {
    this.write(`${JSON.stringify(message)}\n`);
  }

  notify(method: string, params: JsonObject = {}): void {
    this.send({ jsonrpc: "2.0", method, params });
  }

  /** Sends a request and waits for the answer to its id. */
  request(method: string, params: JsonObject = {}): Promise<Answer> {
    const id = `t${++this.#lastId}`;
    this.send({ jsonrpc: "2.0", id, method, params });
    return this.answer(id);
  }

  call(name: string, args: JsonObject = {}): Promise<Answer> {
    return this.request("tools/call", { name, arguments: args });
  }

  async initialize(): Promise<Answer> {
    const answer = await this.request("initialize", {
      protocolVersion: "2025-11-25",
      capabilities: {},
      clientInfo: { name: "test", version: "1" },
    });
    this.notify("notifications/initialized");
    return answer;
  }

  answer(id: JsonValue): Promise<Answer> {
    return this.until((message) => message["id"] === id && !("method" in message));
  }

  /** The first message, past or future, for which this holds. @throws if the process ends without it */
  async until(predicate: (message: JsonObject) => boolean): Promise<Answer> {
    let seen = 0;
    for (;;) {
      for (; seen < this.lines.length; seen++) {
        const message = parsed(this.lines[seen] ?? "");
        if (message && predicate(message)) return message;
      }
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        await this.exited;
        if (seen >= this.lines.length) throw new Error(`the process ended: ${this.stderr}`);
        continue;
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.stdin?.end();
    const late = setTimeout(() => this.child.kill("SIGKILL"), 60_000);
    await this.exited;
    clearTimeout(late);
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

function parsed(line: string): JsonObject | undefined {
  try {
    return JSON.parse(line) as JsonObject;
  } catch {
    return undefined;
  }
}

/** server-everything over Streamable HTTP, unmodified, on a free loopback port unless one is wanted. */
export function startEverythingHttp(port = "0"): Promise<HttpServerProcess> {
  return startHttp(["--import", fixture("loopback.ts"), everything, "streamableHttp"], port);
}

/** A server of SDK 2.x that speaks both eras over Streamable HTTP. */
export function startModernHttp(): Promise<HttpServerProcess> {
  return startHttp([fixture("modern-server.ts"), "http"]);
}

export interface HttpServerProcess extends AsyncDisposable {
  readonly url: string;
  /** What it wrote to stderr so far. */
  stderr(): string;
}

async function startHttp(args: readonly string[], wanted = "0"): Promise<HttpServerProcess> {
  const child = spawn(node, args, {
    env: { ...process.env, PORT: wanted },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = new Promise((resolve) => child.once("close", resolve));
  let stderr = "";
  const port = await new Promise<string>((resolve, reject) => {
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
      const found = /loopback:(\d+)\n/.exec(stderr)?.[1];
      if (found) resolve(found);
    });
    child.once("close", () => reject(new Error(`the server ended: ${stderr}`)));
  });
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    stderr: () => stderr,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** True while a process with this id exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
