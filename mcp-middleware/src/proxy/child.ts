import { type ChildProcessByStdio, spawn } from "node:child_process";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";

/** How a stdio server is started. */
export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  /** Working directory; this process's own by default. */
  readonly cwd?: string;
  /** Environment of the child before `PEERAGE_*` is taken out; this process's own by default. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** How a child ended: by `code`, or by `signal`. */
export interface ExitStatus {
  /** Its exit code, 0 to 255; null if a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A wrapped MCP server: stdin and stdout are pipes of ours, stderr is inherited. */
export interface ServerProcess {
  readonly pid: number | undefined;
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Settles when the child is gone and its stdout is read to the end; 127 if it could not be started. */
  readonly exited: Promise<ExitStatus>;
  kill(signal: NodeJS.Signals): void;
}

/**
 * Starts a server without a shell, so no argument is ever interpreted. Its environment has no `PEERAGE_*` variable: the
 * passphrase or the key file of this process is none of its business.
 */
export function startServer(options: ServerCommand): ServerProcess {
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(options.command, options.args, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: childEnvironment(options.env ?? process.env),
    stdio: ["pipe", "pipe", "inherit"],
    shell: false,
    windowsHide: true,
  });
  const exited = new Promise<ExitStatus>((resolve) => {
    child.once("error", (error) => {
      if (child.pid !== undefined) return;
      process.stderr.write(`peerage: cannot start ${options.command}: ${startFault(error)}\n`);
      resolve({ code: 127, signal: null });
    });
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  // A child that closes stdin early must not end this process with EPIPE: its exit is reported by `exited`.
  child.stdin.on("error", () => undefined);
  return {
    pid: child.pid,
    stdin: child.stdin,
    stdout: child.stdout,
    exited,
    kill: (signal) => void child.kill(signal),
  };
}

/** The environment for a wrapped server: without `PEERAGE_*`, in any case of letters. */
function childEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^PEERAGE_/i.test(name)));
}

/** The exit code that a shell reports: the code, or 128 plus the number of the signal. */
export function exitCodeOf(status: ExitStatus): number {
  if (status.signal !== null) return 128 + constants.signals[status.signal];
  return status.code ?? 1;
}

const forwarded = ["SIGTERM", "SIGINT", "SIGHUP"] as const;

/** Passes SIGTERM, SIGINT and SIGHUP of this process on to the child until disposed. */
export function forwardSignals(server: ServerProcess): Disposable {
  const handlers = forwarded.map((signal) => ({ signal, handler: () => server.kill(signal) }));
  for (const { signal, handler } of handlers) process.on(signal, handler);
  return {
    [Symbol.dispose]: () => {
      for (const { signal, handler } of handlers) process.off(signal, handler);
    },
  };
}

/** The first SIGTERM, SIGINT or SIGHUP of this process. */
export function nextSignal(): { readonly signal: Promise<NodeJS.Signals> } & Disposable {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>();
  for (const signal of forwarded) process.on(signal, resolve);
  return {
    signal: promise,
    [Symbol.dispose]: () => {
      for (const signal of forwarded) process.off(signal, resolve);
    },
  };
}

export interface StopOptions {
  /** True while answers are still owed to a host that reads them. */
  readonly busy: () => boolean;
  /** Time for a child without work to leave after its stdin ended, before SIGTERM, and again before SIGKILL; 2 s. */
  readonly graceMs?: number;
}

/**
 * Sees to it that a child whose stdin has ended does leave. A child that still owes answers is given time as long as our
 * own parent lives: someone may be reading a pipe. Once the parent is gone nobody reads, and waiting makes orphans.
 */
export async function endServer(server: ServerProcess, options: StopOptions): Promise<ExitStatus> {
  const grace = options.graceMs ?? 2_000;
  const parent = process.ppid;
  server.stdin.end();
  let idleMs = 0;
  let sent = 0;
  const step = 100;
  const timer = setInterval(() => {
    const orphaned = process.ppid !== parent;
    if (options.busy() && !orphaned && sent === 0) {
      idleMs = 0;
      return;
    }
    idleMs += step;
    if (sent === 0 && (orphaned || idleMs >= grace)) {
      sent = 1;
      idleMs = 0;
      server.kill("SIGTERM");
    } else if (sent === 1 && idleMs >= grace) {
      sent = 2;
      server.kill("SIGKILL");
    }
  }, step);
  try {
    return await server.exited;
  } finally {
    clearInterval(timer);
  }
}

function startFault(error: Error & { code?: unknown }): string {
  if (error.code === "ENOENT") return "there is no such command, or no such folder to start it in";
  return error.code === "EACCES" ? "it is no file that may be run" : error.message;
}
