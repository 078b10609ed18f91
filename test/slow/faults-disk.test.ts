import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  errorCodes,
  generateIdentity,
  generateSeed,
  identityFromSeed,
  isPeerageError,
  issueProfile,
  toHex,
  tokenDigest,
} from "@peerage/core";
import { ApprovalStore, AuditReader, signAnswer, verifyAudit } from "@peerage/mcp-middleware";
import { expect, it } from "vitest";
import { BIN, Home, type Ran, runProcess } from "../_cli.ts";
import { traceable } from "../_faults.ts";
import { signed } from "../_guard.ts";
import { startRegistry, temporaryFolder } from "../_registry.ts";

// The registry's own disk: test/slow/registry-crash.test.ts. Here: what a guard, a command and a mirror write.

const isLinux = process.platform === "linux";
const plain = { ...process.env, NODE_DISABLE_COMPILE_CACHE: "1" };

/** Runs a program whose system calls of a kind fail from one place on, for the files that are named. */
function tracing(calls: string, error: string, from: number, files: readonly string[]): string[] {
  const paths = files.flatMap((file) => ["-P", file]);
  return [
    "strace",
    "-f",
    "-o",
    "/dev/null",
    "-e",
    `trace=${calls}`,
    ...paths,
    "-e",
    `inject=${calls}:error=${error}:when=${from}+`,
  ];
}

/** Runs a program whose files can grow to so many bytes and no further. */
function limited(bytes: number): string[] {
  return ["/bin/sh", "-c", `ulimit -f ${Math.ceil(bytes / 512)} && exec "$@"`, "sh"];
}

interface Judged {
  readonly executed: number;
  readonly refused: number;
  /** Whether the fault was met: the guard ended, or refused for another reason than that a person must approve. */
  readonly isMet: boolean;
}

/** A disk that can be made to fail, and is well again at the end. */
interface Disk extends Disposable {
  readonly path: string;
  /** What is put before the command of a process that is to meet the fault. */
  readonly before: readonly string[];
  fail(): void;
  heal(): void;
}

function folderWith(before: (folder: string) => readonly string[]): Disk {
  const folder = temporaryFolder();
  const nothing = (): void => undefined;
  return {
    path: folder.path,
    before: before(folder.path),
    fail: nothing,
    heal: nothing,
    [Symbol.dispose]: folder[Symbol.dispose],
  };
}

const mount = (...args: readonly string[]): boolean => spawnSync("mount", args).status === 0;

/** A file system of its own, in memory, which something else fills. Only the superuser of a Linux may make one. */
function fullDisk(): Disk | undefined {
  const folder = temporaryFolder();
  if (!isLinux || !mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", folder.path)) {
    folder[Symbol.dispose]();
    return undefined;
  }
  const filler = join(folder.path, "filler");
  return {
    path: folder.path,
    before: [],
    fail() {
      const file = openSync(filler, "w");
      expect(() => {
        for (;;) writeSync(file, Buffer.alloc(4_096));
      }).toThrow("ENOSPC");
      closeSync(file);
    },
    heal: () => rmSync(filler),
    [Symbol.dispose]() {
      spawnSync("umount", ["-l", folder.path]);
      folder[Symbol.dispose]();
    },
  };
}

/**
 * Calls, approvals and approved calls through a guard while its disk fails, and again when it is well. No call ran without
 * its decision on the disk, no approval is lost or used twice, and the log verifies.
 */
async function guardOn(disk: Disk): Promise<Judged> {
  const seed = generateSeed();
  const [server, caller, alice] = [identityFromSeed(seed), generateIdentity(), generateIdentity()];
  const path = join(disk.path, "audit.db");
  const given = new Set<string>();
  const reasons = new Set<string>();
  let n = 0;
  const approve = async (): Promise<void> => {
    using store = new ApprovalStore(path);
    for (const item of store.list()) {
      const token = await signAnswer(alice, item, "approved", { lifetimeSeconds: 86_400 });
      store.submit(item.id, token);
      given.add(tokenDigest(token));
    }
  };
  const run = async (before: readonly string[], rounds: number, between?: () => void): Promise<Judged> => {
    const args = [join(import.meta.dirname, "../fixtures/audit-guard.ts"), disk.path, toHex(seed), alice.did];
    const [command, ...rest] = [...before, process.execPath, ...args] as [string, ...string[]];
    const child = spawn(command, rest, { stdio: ["pipe", "pipe", "ignore"], env: plain });
    child.stdin.on("error", () => undefined);
    const exited = new Promise((resolve) => child.once("exit", resolve));
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const counts = { executed: 0, refused: 0, isMet: false };
    const ask = async (tool: string, of: number): Promise<string | undefined> => {
      child.stdin.write(
        `${JSON.stringify(await signed(caller, server.did, "tools/call", { name: tool, arguments: { n: of } }))}\n`,
      );
      const { value, done } = (await lines.next()) as { value: string; done?: boolean };
      if (done === true) {
        counts.isMet = true;
        return "ended";
      }
      const { refused } = JSON.parse(value) as { refused?: string };
      if (refused === undefined) counts.executed++;
      else {
        counts.refused++;
        counts.isMet ||= refused !== "ERR_APPROVAL_REQUIRED";
        reasons.add(refused);
      }
      return refused;
    };
    for (let round = 0; round < rounds; round++) {
      if (round === 2) between?.();
      const refused = await ask(round % 3 === 2 ? "refund" : "echo", ++n);
      if (refused === "ended") break;
      if (round % 3 !== 2 || refused === undefined) continue;
      // The person answers from another process, whose disk is the same: its answer may not be kept, and then is none.
      await approve().catch((error: unknown) =>
        expect(isPeerageError(error, "ERR_AUDIT_UNAVAILABLE"), String(error)).toBe(true),
      );
      if ((await ask("refund", n)) === "ended") break;
    }
    child.stdin.end();
    await exited;
    return counts;
  };
  // It has its files before anything fails.
  await run([], 3);
  const during = await run(disk.before, 40, () => disk.fail());
  for (const reason of reasons) expect(errorCodes).toContain(reason);
  disk.heal();
  expect((await run([], 6)).executed, "it recovers by itself").toBeGreaterThan(0);
  const ran = readFileSync(join(disk.path, "executed"), "utf8")
    .split("\n")
    .filter((line) => line.endsWith("}"));
  using reader = new AuditReader(path);
  const records = [...reader.records()];
  const decisions = records.flatMap((one) => (one.kind === "decision" && one.verdict === "admitted" ? [one] : []));
  const known = new Set(decisions.map(({ id }) => id));
  for (const line of ran)
    expect(known, "it ran without a record").toContain((JSON.parse(line) as { decision: string }).decision);
  const spent = decisions.flatMap((one) => one.spent ?? []);
  expect(new Set(spent).size, "an approval was used twice").toBe(spent.length);
  const kept = new Set(records.flatMap((one): string[] => (one.kind === "approval" ? [one.entry] : [])));
  for (const one of given) expect(kept, "an approval is lost").toContain(one);
  expect(await verifyAudit(path)).not.toHaveProperty("defect");
  return during;
}

const auditFiles = (folder: string): string[] =>
  ["audit.db", "replay.db"].flatMap((name) => ["", "-wal", "-shm"].map((end) => join(folder, name + end)));

it.skipIf(!traceable).each([
  ["pwrite64", "ENOSPC", 12],
  ["pwrite64", "EIO", 40],
  ["fsync,fdatasync", "EIO", 1],
  ["ftruncate", "EIO", 1],
  // As after a remount: the kernel itself makes no file system read-only that somebody writes to.
  ["pwrite64", "EROFS", 30],
] as const)(
  "a guard whose %s fails with %s from number %i on runs no call that it cannot record",
  async (calls, error, from) => {
    using disk = folderWith((folder) => tracing(calls, error, from, auditFiles(folder)));
    const { executed, refused, isMet } = await guardOn(disk);
    console.log(`guard, ${error} at ${calls}: ${executed} executed, ${refused} refused`);
    expect(isMet).toBe(true);
  },
);

it.skipIf(process.platform === "win32").each([64, 160, 400])(
  "a guard whose files can grow to %i KiB only runs no call that it cannot record",
  async (kib) => {
    using disk = folderWith(() => limited(kib * 1_024));
    const { executed, refused, isMet } = await guardOn(disk);
    console.log(`guard, files of ${kib} KiB: ${executed} executed, ${refused} refused`);
    expect(isMet).toBe(true);
  },
);

it("a guard whose disk is full refuses, and goes on when there is room", async () => {
  using disk = fullDisk();
  if (!disk) {
    console.warn("SKIPPED: no file system can be mounted here, so none is filled");
    return;
  }
  const { executed, refused, isMet } = await guardOn(disk);
  console.log(`guard, full disk: ${executed} executed, ${refused} refused`);
  expect(isMet).toBe(true);
});

/** Everything in a folder of keys is a whole file. */
function expectWhole(home: Home): void {
  for (const name of readdirSync(home.at("keys")).filter((one) => !one.startsWith(".")))
    expect(() => JSON.parse(readFileSync(home.at("keys", name), "utf8")) as unknown, name).not.toThrow();
}

/** Runs a command of peerage behind a fault. */
function faulty(home: Home, before: readonly string[], argv: readonly string[]): Promise<Ran> {
  const [command, ...rest] = [...before, process.execPath, BIN, ...argv, "--json"];
  return runProcess(command, rest, {
    cwd: home.path,
    env: { PEERAGE_HOME: home.at(), NODE_DISABLE_COMPILE_CACHE: "1" },
  });
}

it.skipIf(process.platform === "win32")(
  "commands on a disk without room end with a code, leave no half file, and work when there is room",
  async () => {
    await using registry = await startRegistry();
    await using home = await Home.make();
    expect((await home.call(["init", "me", "--registry", registry.url])).code).toBe(0);
    const others: string[][] = [
      ["init", "other"],
      ["key", "rotate"],
      ["roots", "add", generateIdentity().did],
      ["config", "set", "scope", "code"],
    ];
    for (const argv of others) {
      const ran = await faulty(home, limited(0), argv);
      expect(ran.code, `${argv.join(" ")}: ${ran.stdout}${ran.stderr}`).not.toBe(0);
      const { error } = JSON.parse(ran.stderr || ran.stdout) as { error?: { code: string } };
      expect(errorCodes, `${argv.join(" ")}: ${ran.stderr}`).toContain(error?.code);
      expectWhole(home);
      const again = await home.call(argv);
      expect(again.code, `${argv.join(" ")}: ${again.stdout}${again.stderr}`).toBe(0);
      expectWhole(home);
    }
    expect((await home.call(["key", "status"])).code).toBe(0);
  },
);

it.skipIf(process.platform === "win32")(
  "a mirror on a disk without room ends with a code, and its next start copies the rest",
  async () => {
    await using registry = await startRegistry();
    const leaves = await Promise.all(
      Array.from({ length: 300 }, () => issueProfile(generateIdentity(), { role: "agent" })),
    );
    await Promise.all(leaves.map(({ bytes }) => registry.registry.submit(bytes)));
    expect(await registry.registry.published(299)).toBe(true);
    await using home = await Home.make();
    const argv = ["registry", "mirror", registry.url, "--data", join(home.path, "mirror"), "--once"];
    let ended = 0;
    for (const kib of [0, 40, 120, 300]) {
      const ran = await faulty(home, limited(kib * 1_024), argv);
      if (ran.code === 0) continue;
      ended++;
      const { error } = JSON.parse(ran.stderr.trim().split("\n").at(-1) || ran.stdout) as { error?: { code: string } };
      expect(errorCodes, `${kib} KiB: ${ran.stdout}${ran.stderr}`).toContain(error?.code);
    }
    expect(ended).toBeGreaterThan(0);
    const { code, stdout, stderr } = await home.call([...argv, "--json"]);
    expect(code, stdout + stderr).toBe(0);
    expect((JSON.parse(stdout) as { data: object }).data).toMatchObject({ size: 300 });
  },
);
