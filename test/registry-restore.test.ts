import {
  chmodSync,
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { beforeAll, describe, expect, it } from "vitest";
import { generateIdentity, issueVouch } from "@peerage/core";
import { openRegistry } from "../registry/src/index.ts";
import { openSqliteStore } from "../registry/src/store/sqlite.ts";
import { startRegistry, temporaryFolder } from "./_registry.ts";

let leaves: Uint8Array[];
beforeAll(async () => {
  const voucher = generateIdentity();
  const issued = Array.from({ length: 40 }, () =>
    issueVouch(voucher, { subject: generateIdentity().did, scope: ["tools"], confidence: 50 }),
  );
  leaves = (await Promise.all(issued)).map(({ bytes }) => bytes);
});

async function fill(dataDir: string, from: number, to: number): Promise<void> {
  await using registry = await openRegistry({ dataDir, cadenceMs: 20 });
  for (const leaf of leaves.slice(from, to)) await registry.submit(leaf);
}

/** Folds the write-ahead log into the database, as closing the last connection does. */
function backup(dataDir: string, to: string): void {
  expect(existsSync(join(dataDir, "registry.db-wal"))).toBe(false);
  copyFileSync(join(dataDir, "registry.db"), to);
}

describe("a registry whose files were tampered with", () => {
  it("A-LOG-06 serves a database restored from an older backup, and never appends to it", async () => {
    using folder = temporaryFolder();
    await fill(folder.path, 0, 10);
    const copy = join(folder.path, "backup.db");
    backup(folder.path, copy);
    await fill(folder.path, 10, 20);
    const newer = join(folder.path, "newer.db");
    backup(folder.path, newer);
    copyFileSync(copy, join(folder.path, "registry.db"));
    {
      await using registry = await startRegistry({ dataDir: folder.path });
      expect(registry.registry.readOnly).toMatch(/older backup/);
      expect(registry.registry.view.size).toBe(10);
      const response = await registry.post(leaves[30]!);
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({ code: "ERR_REGISTRY_BUSY" });
      expect((await registry.get("/readyz")).status).toBe(503);
      expect((await registry.get("/healthz")).status).toBe(200);
      expect(await registry.json("/v1/statements")).toMatchObject({ checkpoint: { size: 10 } });
    }
    copyFileSync(newer, join(folder.path, "registry.db"));
    await using registry = await startRegistry({ dataDir: folder.path });
    expect(registry.registry.readOnly).toBeUndefined();
    expect(await registry.publish(leaves[30]!)).toMatchObject({ index: 20 });
  });

  it("A-LOG-06 does not append to a database that grew in another way after the restore", async () => {
    using folder = temporaryFolder();
    using elsewhere = temporaryFolder();
    await fill(folder.path, 0, 10);
    for (const name of ["log.key", "witness.key"]) {
      await openRegistry({ dataDir: elsewhere.path }).then((registry) => registry[Symbol.asyncDispose]());
      copyFileSync(join(folder.path, "keys", name), join(elsewhere.path, "keys", name));
      rmSync(join(elsewhere.path, "keys", "head"));
      rmSync(join(elsewhere.path, "registry.db"));
    }
    await fill(elsewhere.path, 20, 35);
    copyFileSync(join(elsewhere.path, "registry.db"), join(folder.path, "registry.db"));
    await using registry = await openRegistry({ dataDir: folder.path });
    expect(registry.readOnly).toBeDefined();
    await expect(registry.submit(leaves[36]!)).rejects.toMatchObject({ code: "ERR_REGISTRY_BUSY" });
  });

  it("refuses to start without its database, and does not make another", async () => {
    using folder = temporaryFolder();
    await fill(folder.path, 0, 3);
    rmSync(join(folder.path, "registry.db"));
    await expect(openRegistry({ dataDir: folder.path })).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
    expect(existsSync(join(folder.path, "registry.db"))).toBe(false);
    writeFileSync(join(folder.path, "registry.db"), "");
    await expect(openRegistry({ dataDir: folder.path })).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
    expect(statSync(join(folder.path, "registry.db")).size).toBe(0);
  });

  it("refuses a damaged database with a clear error, and leaves it as it is", async () => {
    using folder = temporaryFolder();
    await fill(folder.path, 0, 20);
    const path = join(folder.path, "registry.db");
    const whole = readFileSync(path);
    const damages: Record<string, () => void> = {
      "overwritten header": () => writeFileSync(path, Buffer.concat([Buffer.alloc(100, 7), whole.subarray(100)])),
      "cut in half": () => truncateSync(path, whole.length >> 1),
      "a page of noise": () =>
        writeFileSync(path, Buffer.concat([whole.subarray(0, 4096), Buffer.alloc(8192, 0xa5), whole.subarray(12288)])),
      "another leaf hash": () =>
        edit("DROP TRIGGER entry_no_update", "UPDATE entry SET leaf = zeroblob(32) WHERE idx = 7"),
      "a missing entry": () => edit("DROP TRIGGER entry_no_delete", "DELETE FROM entry WHERE idx = 19"),
      "an entry too many": () =>
        edit(
          "INSERT INTO entry SELECT 20, zeroblob(32), leaf, kind, issuer, subject, target, body FROM entry WHERE idx = 1",
        ),
      "another root": () => edit("UPDATE head SET root = zeroblob(32)"),
    };
    const edit = (...statements: string[]): void => {
      const db = new Database(path);
      for (const statement of statements) db.exec(statement);
      db.close();
    };
    for (const [name, damage] of Object.entries(damages)) {
      writeFileSync(path, whole);
      damage();
      const attempt = openRegistry({ dataDir: folder.path }).then(async (registry) => {
        const { readOnly } = registry;
        await registry[Symbol.asyncDispose]();
        return readOnly === undefined ? "opened" : "read-only";
      });
      const outcome = await attempt.catch((error: unknown) => (error as { code: string }).code);
      expect(outcome, name).toBe("ERR_STORE_CORRUPT");
      for (const rest of ["-wal", "-shm"]) rmSync(path + rest, { force: true });
    }
    writeFileSync(path, whole);
    await using registry = await openRegistry({ dataDir: folder.path });
    expect(registry.view.size).toBe(20);
  });

  it("A-CLI-01 makes its keys unreadable for others, and refuses keys that others can read", async () => {
    using folder = temporaryFolder();
    const before = process.umask(0);
    try {
      await fill(folder.path, 0, 1);
    } finally {
      process.umask(before);
    }
    const keys = join(folder.path, "keys");
    expect(statSync(keys).mode & 0o777).toBe(0o700);
    expect(readdirSync(keys).sort()).toEqual(["head", "log.key", "witness.key"]);
    for (const name of ["log.key", "witness.key"]) expect(statSync(join(keys, name)).mode & 0o777).toBe(0o600);
    chmodSync(join(keys, "log.key"), 0o644);
    await expect(openRegistry({ dataDir: folder.path })).rejects.toMatchObject({ code: "ERR_KEY_FILE_UNSAFE" });
    chmodSync(join(keys, "log.key"), 0o600);
    await (await openRegistry({ dataDir: folder.path }))[Symbol.asyncDispose]();
    rmSync(join(keys, "log.key"));
    await expect(openRegistry({ dataDir: folder.path })).rejects.toMatchObject({ code: "ERR_KEY_FILE_INVALID" });
    copyFileSync(join(keys, "witness.key"), join(keys, "log.key"));
    await expect(openRegistry({ dataDir: folder.path })).rejects.toMatchObject({ code: "ERR_KEY_FILE_INVALID" });
  });

  it("keeps its name: another public URL needs another folder", async () => {
    using folder = temporaryFolder();
    const named = { dataDir: folder.path, publicUrl: "https://registry.example.org/peers/" };
    const registry = await openRegistry(named);
    expect(registry.origin).toBe("registry.example.org/peers");
    await registry[Symbol.asyncDispose]();
    await expect(openRegistry({ dataDir: folder.path })).rejects.toMatchObject({ code: "ERR_CONFIG_INVALID" });
    await (await openRegistry(named))[Symbol.asyncDispose]();
  });

  it("A-LOG-07 reads synchronous=FULL back on every opening, and A-LOG-07 fences the first of two writers", async () => {
    using folder = temporaryFolder();
    for (let i = 0; i < 3; i++) {
      await using registry = await openRegistry({ dataDir: folder.path });
      expect(await registry.durability()).toEqual({ journalMode: "wal", synchronous: 2 });
    }
    const failures: unknown[] = [];
    // It shows no head meanwhile, which would be fenced before the submission is.
    const quiet = { dataDir: folder.path, cadenceMs: 3_600_000 };
    const first = await openRegistry({ ...quiet, onFailure: (error) => failures.push(error) });
    await first.submit(leaves[0]!);
    const second = await openRegistry({ dataDir: folder.path });
    expect(await second.durability()).toEqual({ journalMode: "wal", synchronous: 2 });
    await expect(first.submit(leaves[1]!)).rejects.toMatchObject({ code: "ERR_STORE_FENCED" });
    await expect(first.submit(leaves[1]!)).rejects.toMatchObject({ code: "ERR_REGISTRY_BUSY" });
    expect(failures).toHaveLength(1);
    expect(await second.submit(leaves[1]!)).toMatchObject({ index: 1, known: false });
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
    await using third = await openRegistry({ dataDir: folder.path });
    expect(third.view.size).toBe(2);
  });

  it("A-LOG-09 refuses every update and deletion in the database itself", async () => {
    using folder = temporaryFolder();
    await fill(folder.path, 0, 2);
    using _store = await openSqliteStore(join(folder.path, "registry.db"), { mustExist: true });
    const db = new Database(join(folder.path, "registry.db"));
    for (const table of ["entry", "checkpoint"]) {
      expect(() => db.exec(`DELETE FROM ${table}`)).toThrow(/append-only/);
      expect(() => db.exec(`UPDATE ${table} SET rowid = rowid + 100`)).toThrow(/append-only/);
    }
    expect(db.prepare("SELECT count(*) FROM entry").pluck().get()).toBe(2);
    db.close();
  });
});
