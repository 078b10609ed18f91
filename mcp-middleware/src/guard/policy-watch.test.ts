import { mkdtempSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parsePolicy } from "@peerage/core";
import { afterEach, describe, expect, it, vi } from "vitest";
import { scene, signedEcho, stdio, verdict } from "../../../test/_guard.ts";
import { clearDenyAll, readDenyAll, setDenyAll } from "./deny-all.ts";
import { type PolicyWatch, type PolicyWatchOptions, watchPolicy } from "./policy-watch.ts";

const folders: string[] = [];
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "peerage-policy-"));
  folders.push(path);
  return path;
}
afterEach(() => {
  for (const path of folders.splice(0)) rmSync(path, { recursive: true, force: true });
});

const allowing = (tool: string): string =>
  JSON.stringify({ apiVersion: "peerage.dev/v1", kind: "Policy", allow: [{ tools: tool, agents: "*" }] });
const digestOf = (tool: string): string => parsePolicy(allowing(tool)).digest;

async function watched(
  options: PolicyWatchOptions = {},
): Promise<{ path: string; watch: PolicyWatch; alarms: unknown[] }> {
  const path = join(folder(), "policy.yaml");
  writeFileSync(path, allowing("echo"));
  const alarms: unknown[] = [];
  const watch = await watchPolicy(path, { onAlarm: (problem) => alarms.push(problem), goneMs: 0, ...options });
  return { path, watch, alarms };
}

describe("a watched policy", () => {
  it("is swapped when its file is written or replaced, by a file event", async () => {
    const { path, watch } = await watched({ pollMs: 3_600_000 });
    using _watch = watch;
    writeFileSync(path, allowing("read"));
    await vi.waitFor(() => expect(watch.current.digest).toBe(digestOf("read")), { timeout: 12_000 });
    writeFileSync(`${path}.new`, allowing("write"));
    renameSync(`${path}.new`, path);
    await vi.waitFor(() => expect(watch.current.digest).toBe(digestOf("write")), { timeout: 12_000 });
  });

  it("is swapped by the regular look where a link is switched", async () => {
    const home = folder();
    for (const tool of ["echo", "read"]) {
      mkdirSync(join(home, tool));
      writeFileSync(join(home, tool, "policy.yaml"), allowing(tool));
    }
    symlinkSync("echo", join(home, "..data"));
    symlinkSync("..data/policy.yaml", join(home, "policy.yaml"));
    using watch = await watchPolicy(join(home, "policy.yaml"), { pollMs: 3_600_000 });
    symlinkSync("read", join(home, "..next"));
    renameSync(join(home, "..next"), join(home, "..data"));
    await watch.look();
    expect(watch.current.digest).toBe(digestOf("read"));
  });

  it("is the newest one once a look has settled, also where another look was under way", async () => {
    let asked: Promise<void> | undefined;
    const { path, watch } = await watched({
      pollMs: 3_600_000,
      parse: (source) => {
        if (source === allowing("read")) {
          writeFileSync(path, allowing("write"));
          asked = watch.look();
        }
        return parsePolicy(source);
      },
    });
    using _watch = watch;
    writeFileSync(path, allowing("read"));
    await watch.look();
    await asked;
    expect(watch.current.digest).toBe(digestOf("write"));
  });

  it("A-POL-01 P-LOAD-09 keeps the old one and alarms when the new one is bad, empty or half written", async () => {
    const { path, watch, alarms } = await watched();
    using _watch = watch;
    for (const [i, bad] of ["", "allow: [", allowing("x").replace("agents", "agnets"), "a: &a [*a]"].entries()) {
      writeFileSync(path, bad);
      await watch.look();
      expect(watch.current.digest).toBe(digestOf("echo"));
      expect(watch.problem).toBeDefined();
      expect(alarms.length).toBeGreaterThanOrEqual(i + 1);
    }
    const before = alarms.length;
    await watch.look();
    expect(alarms.length).toBe(before);
    writeFileSync(path, allowing("read"));
    await watch.look();
    expect([watch.current.digest, watch.problem]).toEqual([digestOf("read"), undefined]);
  });

  it("denies everything once its file is gone, and not while it is only being replaced", async () => {
    const slow = await watched({ goneMs: 3_600_000 });
    using _slow = slow.watch;
    unlinkSync(slow.path);
    await slow.watch.look();
    expect(slow.watch.current.digest).toBe(digestOf("echo"));

    const { path, watch, alarms } = await watched();
    using _watch = watch;
    const { guard, caller } = scene({ policy: () => watch.current });
    const ask = async (): Promise<string> => verdict(guard.admit(await signedEcho(caller, guard.did), stdio()));
    expect(await ask()).toBe("admitted");
    unlinkSync(path);
    await watch.look();
    expect([await ask(), alarms.length]).toEqual(["ERR_POLICY_DENIED", 1]);
    writeFileSync(path, allowing("echo"));
    await watch.look();
    expect(await ask()).toBe("admitted");
  });

  it("A-POL-08 decides each of many calls under exactly one policy while it is reloaded", async () => {
    const { path, watch } = await watched();
    using _watch = watch;
    const seen = new Set<string>();
    const { guard, caller } = scene({ policy: () => watch.current, onDecision: (record) => seen.add(record.policy) });
    for (let round = 0; round < 10; round++) {
      writeFileSync(path, allowing(round % 2 === 0 ? "read" : "echo"));
      const looked = watch.look();
      const verdicts = await Promise.all(
        Array.from({ length: 10 }, async () => verdict(guard.admit(await signedEcho(caller, guard.did), stdio()))),
      );
      expect(verdicts.every((one) => one === "admitted" || one === "ERR_POLICY_DENIED")).toBe(true);
      await looked;
    }
    expect([...seen].sort()).toEqual([digestOf("echo"), digestOf("read")].sort());
  });

  it("does not start without a document that can be used", async () => {
    const path = join(folder(), "policy.yaml");
    await expect(watchPolicy(path)).rejects.toMatchObject({ code: "ENOENT" });
    writeFileSync(path, "allow: []");
    await expect(watchPolicy(path)).rejects.toMatchObject({ code: "ERR_POLICY_INVALID" });
  });

  it("may be a directory of files", async () => {
    const home = folder();
    writeFileSync(join(home, "a.yaml"), allowing("echo"));
    using watch = await watchPolicy(home, { pollMs: 3_600_000 });
    expect(watch.current.document.allow).toHaveLength(1);
    writeFileSync(join(home, "b.yaml"), allowing("read"));
    await watch.look();
    expect(watch.current.document.allow).toHaveLength(2);
  });
});

describe("the marker that denies everything", () => {
  it("P-LOAD-10 wins over any policy for the very next message, until it is taken away or its time has passed", async () => {
    const denyAll = join(folder(), "deny-all");
    let now = new Date("2026-11-20T12:00:00Z");
    const { watch } = await watched({ denyAll, now: () => now });
    using _watch = watch;
    const { guard, caller } = scene({ policy: () => watch.current });
    const ask = async (): Promise<string> => verdict(guard.admit(await signedEcho(caller, guard.did), stdio()));
    expect(await ask()).toBe("admitted");
    setDenyAll(denyAll, { because: "an incident" });
    expect(await ask()).toBe("ERR_POLICY_DENIED");
    expect(readDenyAll(denyAll, now)).toEqual({ because: "an incident" });
    clearDenyAll(denyAll);
    expect(await ask()).toBe("admitted");
    setDenyAll(denyAll, { until: new Date("2026-11-20T13:00:00Z") });
    expect(await ask()).toBe("ERR_POLICY_DENIED");
    now = new Date("2026-11-20T13:00:00Z");
    expect(await ask()).toBe("admitted");
  });

  it("counts also where it cannot be read", async () => {
    const denyAll = join(folder(), "deny-all");
    const { watch } = await watched({ denyAll });
    using _watch = watch;
    mkdirSync(denyAll);
    expect(watch.current.document.allow).toEqual([]);
    rmSync(denyAll, { recursive: true });
    writeFileSync(denyAll, "not json");
    expect(watch.current.document.allow).toEqual([]);
  });
});
