import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { generateIdentity } from "@peerage/core";
import { afterAll, describe, expect, it } from "vitest";
import { FilePinStore } from "./pins.ts";
import { FileReceiptStore, type StoredReceipt } from "./receipts.ts";

const folder = mkdtempSync(join(tmpdir(), "peerage-sign-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the pin file", () => {
  const path = join(folder, "state", "pins.json");
  const pin = { endpoint: "stdio:x", did: generateIdentity().did, at: "2026-01-01T00:00:00Z" };

  it("is private, is replaced whole, and is read by another process's store", () => {
    const store = new FilePinStore(path);
    expect(store.get("stdio:x")).toBeUndefined();
    store.put(pin);
    store.put({ ...pin, endpoint: "stdio:y" });
    expect(new FilePinStore(path).get("stdio:x")).toEqual(pin);
    expect(new FilePinStore(path).endpointsOf(pin.did)).toEqual(["stdio:x", "stdio:y"]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(folder, "state"))).toEqual(["pins.json"]);
  });

  it("loses no pin when the bridges of several servers start at once", async () => {
    const file = join(folder, "shared", "pins.json");
    const module = new URL("./pins.ts", import.meta.url).href;
    const code = `import { workerData } from "node:worker_threads";
      import { FilePinStore } from ${JSON.stringify(module)};
      const { file, pin, name } = workerData;
      for (let i = 0; i < 8; i++) new FilePinStore(file).put({ ...pin, endpoint: name + i });`;
    const names = ["a", "b", "c", "d"];
    await Promise.all(
      names.map((name) => {
        const url = new URL(`data:text/javascript,${encodeURIComponent(code)}`);
        const worker = new Worker(url, { workerData: { file, pin, name } });
        return new Promise<void>((resolve, reject) => worker.once("error", reject).once("exit", () => resolve()));
      }),
    );
    expect(new FilePinStore(file).endpointsOf(pin.did)).toHaveLength(32);
    expect(readdirSync(join(folder, "shared"))).toEqual(["pins.json"]);
  });

  it("takes over a lock that a killed process left", () => {
    const left = `${path}.lock`;
    writeFileSync(left, "");
    utimesSync(left, 1, 1);
    new FilePinStore(path).put(pin);
    expect(readdirSync(join(folder, "state"))).toEqual(["pins.json"]);
  });

  it("is refused when it is not a pin file, instead of being forgotten", () => {
    for (const text of [
      "",
      "{}",
      '{"version":1,"pins":[{"endpoint":"x","did":"did:key:no","at":""}]}',
      '{"version":2,"pins":[]}',
    ]) {
      writeFileSync(path, text);
      expect(() => new FilePinStore(path).get("stdio:x")).toThrow(
        expect.objectContaining({ code: "ERR_CONFIG_INVALID" }),
      );
      expect(() => new FilePinStore(path).put(pin)).toThrow(expect.objectContaining({ code: "ERR_CONFIG_INVALID" }));
    }
  });
});

describe("the receipt file", () => {
  const receipt: StoredReceipt = {
    token: "a.b.c",
    endpoint: "stdio:x",
    method: "ping",
    receivedAt: "2026-01-01T00:00:00Z",
  };

  it("holds a line a receipt, in order, and is private", async () => {
    const path = join(folder, "receipts", "log.ndjson");
    const store = new FileReceiptStore(path);
    for (let i = 0; i < 50; i++) store.append({ ...receipt, token: `t${i}` });
    await store.flush();
    const lines = readFileSync(path, "utf8").trim().split("\n");
    expect(lines.map((line) => (JSON.parse(line) as StoredReceipt).token)).toEqual(
      Array.from({ length: 50 }, (_, i) => `t${i}`),
    );
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it("says at the next flush what could not be kept", async () => {
    const store = new FileReceiptStore(join(folder, "receipts"));
    store.append(receipt);
    await expect(store.flush()).rejects.toThrow();
    await expect(store.flush()).resolves.toBeUndefined();
  });
});
