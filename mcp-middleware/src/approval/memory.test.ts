import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Did, generateIdentity, parseEntry, signEntry, tokenDigest } from "@peerage/core";
import { afterEach, describe, expect, it } from "vitest";
import { HISTORY_META, policyOf, scene, signed, stdio, verdict } from "../../../test/_guard.ts";
import { AuditLog } from "../audit/audit-log.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp();
});

function tips(history: readonly string[]): `sha256:${string}`[] {
  const prev = new Set(history.flatMap((token) => parseEntry(token).prev));
  return history.map(tokenDigest).filter((digest) => !prev.has(digest));
}

describe("requirements over a presented history", () => {
  it("A-HIST-04 remembers a denial that the caller leaves out next time", async () => {
    const [identity, caller, checker] = [generateIdentity(), generateIdentity(), generateIdentity()];
    const folder = mkdtempSync(join(tmpdir(), "peerage-approval-"));
    cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
    const policy = policyOf([
      { tools: "pay", agents: "*", require: [{ step: "fraud_check", by: checker.did }] },
      { tools: "read", agents: "*" },
    ]);
    const audit = new AuditLog({ path: join(folder, "audit.db"), identity });
    const { guard } = scene({ identity, policy, audit });
    cleanups.push(() => guard[Symbol.asyncDispose]());
    const run = "B".repeat(22);
    const begin = await signEntry(caller, { run, prev: [], step: "request_received", result: "accepted" });
    const prev = [tokenDigest(begin)];
    const passed = await signEntry(checker, { run, prev, step: "fraud_check", result: "passed" });
    const failed = await signEntry(checker, {
      run,
      prev: [tokenDigest(passed)],
      step: "fraud_check",
      result: "failed",
    });
    const present = async (tool: string, history: readonly string[]): Promise<string> => {
      const options = { meta: { [HISTORY_META]: [...history] }, head: tips(history) };
      return verdict(
        guard.admit(await signed(caller, guard.did, "tools/call", { name: tool, arguments: {} }, options), stdio()),
      );
    };
    expect(await present("pay", [begin, passed])).toBe("admitted");
    expect(await present("read", [begin, passed, failed])).toBe("admitted");
    expect(await present("pay", [begin, passed])).toBe("ERR_POLICY_DENIED");
  });

  it("A-HIST-03 refuses entries of a key that is revoked", async () => {
    const [caller, checker] = [generateIdentity(), generateIdentity()];
    const revoked = new Set<Did>();
    const keyState = (did: Did): "burnt" | "active" => (revoked.has(did) ? "burnt" : "active");
    const trust = { score: () => 1, keyState, ageSeconds: () => 0, maxAgeSeconds: 60 } as const;
    const policy = policyOf([{ tools: "pay", agents: "*" }]);
    const { guard } = scene({ policy, trust });
    const token = await signEntry(checker, { run: "C".repeat(22), prev: [], step: "fraud_check", result: "passed" });
    const call = async (): Promise<string> => {
      const options = { meta: { [HISTORY_META]: [token] }, head: [tokenDigest(token)] };
      return verdict(
        guard.admit(await signed(caller, guard.did, "tools/call", { name: "pay", arguments: {} }, options), stdio()),
      );
    };
    expect(await call()).toBe("admitted");
    revoked.add(checker.did);
    expect(await call()).toBe("ERR_HISTORY_INVALID");
  });
});
