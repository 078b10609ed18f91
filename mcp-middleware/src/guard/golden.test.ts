import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import {
  type Did,
  type Digest,
  fromHex,
  type Identity,
  identityFromSeed,
  type JsonObject,
  signCall,
} from "@peerage/core";
import { describe, expect, it } from "vitest";
import { CALL_META, HISTORY_META, http, permissive, stdio, verdict } from "../../../test/_guard.ts";
import { GuardCore } from "./guard.ts";
import { MemoryReplayStore } from "./replay.ts";
import type { Synthetic } from "./subject.ts";
import type { Admission } from "./types.ts";

interface Case {
  readonly id: string;
  readonly attack?: string;
  readonly valid: boolean;
  readonly now?: number;
  readonly expect: { readonly codes: readonly string[] } & Readonly<Record<string, unknown>>;
}
interface CallCase extends Case {
  readonly message: JsonObject & {
    readonly synthetic?: Synthetic & JsonObject;
    readonly header?: Record<string, string>;
  };
  readonly seen?: readonly { readonly iss: Did; readonly aud: string; readonly jti: string }[];
}
interface Golden {
  readonly now: number;
  readonly context: { readonly audiences: readonly string[] };
  readonly keys: readonly { readonly role: string; readonly seed: string }[];
  readonly call: readonly CallCase[];
  readonly message: readonly (Case & { readonly text: string })[];
  readonly history: readonly (Case & { readonly entries: readonly string[]; readonly head: readonly Digest[] })[];
}

const path = resolve(import.meta.dirname, "../../../../shared/vectors/peerage-golden/golden.json");
const isPresent = existsSync(path);
if (!isPresent) console.warn("SKIPPED: golden vectors not found at ../shared/vectors/peerage-golden");
const golden = (
  isPresent ? JSON.parse(readFileSync(path, "utf8")) : { call: [], message: [], history: [], keys: [] }
) as Golden;

function key(role: string): Identity {
  return identityFromSeed(fromHex(golden.keys.find((entry) => entry.role === role)!.seed));
}

function guardFor(test: Case & Pick<CallCase, "seen">): GuardCore {
  const now = test.now ?? golden.now;
  const date = new Date(now * 1000);
  const replay = new MemoryReplayStore({ startedAt: new Date((now - 400) * 1000) });
  for (const { iss, aud, jti } of test.seen ?? []) {
    replay.insert({ issuer: iss, audience: aud, jti, issuedAt: now, expiresAt: now + 60 }, date);
  }
  const audiences = golden.context.audiences.filter((audience) => audience.startsWith("https:"));
  return new GuardCore({ identity: key("server"), policy: permissive(), audiences, replay, now: () => date });
}

function titled<T extends Case>(cases: readonly T[]): { title: string; test: T }[] {
  return cases.map((test) => ({ title: `${test.attack ?? "admits"} ${test.id}`, test }));
}

describe.skipIf(!isPresent)("golden calls through the guard", () => {
  it("has all cases", () => {
    expect([golden.call.length, golden.message.length, golden.history.length]).toEqual([101, 13, 32]);
  });

  it.each(titled(golden.call))("$title", async ({ test }) => {
    const { synthetic, header } = test.message;
    const guard = guardFor(test);
    const admission = await (synthetic
      ? guard.admitSynthetic(synthetic, http({ "peerage-call": header!["Peerage-Call"]! }))
      : guard.admit(test.message, stdio()));
    if (!test.valid) {
      expect(test.expect.codes).toContain(await verdict(admission));
      return;
    }
    expect(admission).toMatchObject({ admitted: true, caller: { did: test.expect["caller"] } });
    const { jti, method, req } = test.expect;
    expect(admission.decision?.proof).toMatchObject({ jti, method, req });
  });

  it.each(titled(golden.message))("$title", async ({ test }) => {
    const got = await verdict(guardFor(test).admitText(test.text, stdio()));
    if (test.valid) expect(got).toBe("admitted");
    else expect(test.expect.codes).toContain(got);
  });
});

describe.skipIf(!isPresent)("golden histories presented with a call", () => {
  async function present(test: Golden["history"][number]): Promise<Admission> {
    const guard = guardFor(test);
    const params = { name: "echo", arguments: {} };
    const now = new Date((test.now ?? golden.now) * 1000);
    const message = { method: "tools/call", params };
    const token = await signCall(key("agent"), { audience: guard.did, message, head: test.head, now });
    const _meta = { [CALL_META]: token, [HISTORY_META]: test.entries };
    return guard.admit({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { ...params, _meta } }, stdio());
  }

  it.each(titled(golden.history))("$title", async ({ test }) => {
    const admission = await present(test);
    if (!test.valid) {
      expect(test.expect.codes).toContain(await verdict(admission));
      expect(admission).toMatchObject({ step: "history" });
      return;
    }
    const { run, tips, steps } = test.expect;
    expect(admission).toMatchObject({ admitted: true, decision: { run, tips } });
    const entries = admission.admitted ? (admission.caller?.history ?? []) : [];
    expect(entries.map((entry) => `${entry.step}/${entry.result}`)).toEqual(steps);
  });
});
