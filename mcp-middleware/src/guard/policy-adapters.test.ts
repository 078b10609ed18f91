import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  generateIdentity,
  type JsonObject,
  opaAdapter,
  parsePolicy,
  type Policy,
  type PolicyAdapter,
  type PolicyInput,
} from "@peerage/core";
import { afterAll, describe, expect, it } from "vitest";
import { policyOf, scene, signedEcho, stdio, verdict } from "../../../test/_guard.ts";
import { startOpa } from "../../../test/_opa.ts";
import { ApprovalStore } from "../approval/approval-store.ts";
import { signAnswer } from "../approval/item.ts";
import { AuditLog } from "../audit/audit-log.ts";
import { AuditReader } from "../audit/reader.ts";
import type { DecisionBody } from "../audit/record.ts";
import { createGuard } from "./create-guard.ts";
import type { GuardOptions } from "./guard.ts";
import type { Admission } from "./types.ts";

const folder = mkdtempSync(join(tmpdir(), "peerage-also-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function also(names: readonly string[], rule: JsonObject = {}): Policy {
  const allow = [{ id: "echo", tools: "echo", agents: "*", ...rule }];
  const document = { apiVersion: "peerage.dev/v1", kind: "Policy", also: names, allow };
  return parsePolicy(JSON.stringify(document), {}, { adapters: names });
}

const says = (answer: unknown): PolicyAdapter => ({ version: "test 1", ask: () => answer });
const yes = says({ allow: true });

interface Gate {
  readonly adapter: PolicyAdapter;
  readonly asked: Promise<PolicyInput>;
  readonly answer: (answer: unknown) => void;
}

/** An adapter that answers when it is told to. */
function gate(): Gate {
  const asked = Promise.withResolvers<PolicyInput>();
  const answered = Promise.withResolvers();
  const ask = (input: PolicyInput): Promise<unknown> => {
    asked.resolve(input);
    return answered.promise;
  };
  return { adapter: { version: "gate 1", ask }, asked: asked.promise, answer: answered.resolve };
}

function recorded(path: string): DecisionBody[] {
  using reader = new AuditReader(path);
  return [...reader.records()].flatMap((record) => (record.kind === "decision" ? [record] : []));
}

describe("also: adapters of a policy", () => {
  it("A-POL-09 P-ALSO-01 only narrow: each must allow what the rules have allowed, and none is asked before", async () => {
    let asked = 0;
    const counting = (answer: unknown): PolicyAdapter => ({ version: "c", ask: () => (asked++, answer) });
    const outcome = async (adapters: GuardOptions["adapters"], args: JsonObject = { n: 1 }): Promise<string> => {
      const { guard, caller } = scene({ policy: also(["a", "b"], { args: { n: { "<": 9, ">": 0 } } }), adapters });
      return verdict(guard.admit(await signedEcho(caller, guard.did, args), stdio()));
    };
    expect(await outcome({ a: yes, b: yes })).toBe("admitted");
    expect(await outcome(() => ({ a: yes, b: yes }))).toBe("admitted");
    for (const no of [{ allow: false }, { allow: "true" }, {}, [], true, undefined]) {
      expect(await outcome({ a: yes, b: says(no) }), JSON.stringify(no)).toBe("ERR_POLICY_DENIED");
      expect(await outcome({ a: says(no), b: yes }), JSON.stringify(no)).toBe("ERR_POLICY_DENIED");
    }
    expect(await outcome({ a: yes })).toBe("ERR_POLICY_DENIED");
    expect(await outcome(undefined)).toBe("ERR_POLICY_DENIED");
    expect(await outcome({ a: counting({ allow: true }), b: counting({ allow: true }) }, { n: 10 })).toBe(
      "ERR_POLICY_DENIED",
    );
    expect(asked).toBe(0);
  });

  it("costs a policy without adapters nothing: it is decided at once", async () => {
    const { guard, caller } = scene({ policy: policyOf([{ tools: "echo", agents: "*" }]), adapters: { a: yes } });
    expect(guard.admit(await signedEcho(caller, guard.did), stdio())).not.toBeInstanceOf(Promise);
  });

  it("asks a real OPA about the call; the audit says what it answered, and the caller learns the kind only", async () => {
    await using opa = await startOpa({
      mcp: { allow: ({ args }: { args: { n: number } }) => args.n < 5, reasons: () => ["limit of the sidecar"] },
    });
    // The first request of a process loads the HTTP client, and a guard waits for a second.
    await (await fetch(opa.url)).text();
    const identity = generateIdentity();
    const path = join(folder, "opa.db");
    const adapters = { opa: opaAdapter({ url: `${opa.url}/v1/data/mcp`, timeoutMs: 20_000 }) };
    const { guard, caller } = scene({
      identity,
      policy: also(["opa"]),
      adapters,
      audit: new AuditLog({ path, identity }),
    });
    const admitted = await guard.admit(await signedEcho(caller, guard.did, { n: 1 }), stdio());
    expect(admitted.admitted).toBe(true);
    const refused = await guard.admit(await signedEcho(caller, guard.did, { n: 7 }), stdio());
    expect(refused).toMatchObject({ admitted: false, step: "policy", reason: "ERR_POLICY_DENIED" });
    expect(JSON.stringify(refused.admitted ? {} : refused.reply)).not.toMatch(/opa|sidecar/);
    expect(opa.seen).toMatchObject([{ v: 1, tool: "echo", calling_agent: caller.did }, { args: { n: 7 } }]);
    await guard[Symbol.asyncDispose]();
    expect(recorded(path)).toMatchObject([
      { verdict: "admitted", rule: "echo", also: [{ adapter: "opa", version: "opa /v1/data/mcp", allow: true }] },
      { verdict: "refused", detail: "also opa: limit of the sidecar", also: [{ allow: false }] },
    ]);
  });

  it("A-POL-08 P-ALSO-03 decides by what is in force when they have answered: deny-all catches a call that waits", async () => {
    const { adapter, asked, answer } = gate();
    let policy = also(["a"]);
    const { guard, caller } = scene({ policy: () => policy, adapters: { a: adapter, b: says({ allow: false }) } });
    const waiting = async (): Promise<Admission> => guard.admit(await signedEcho(caller, guard.did), stdio());
    const caught = waiting();
    await asked;
    policy = policyOf([]);
    answer({ allow: true });
    expect(await verdict(caught)).toBe("ERR_POLICY_DENIED");
    policy = also(["a"]);
    expect(await verdict(waiting())).toBe("admitted");
    const next = gate();
    const { guard: other } = scene({ policy: () => policy, adapters: { a: next.adapter, b: says({ allow: false }) } });
    const judgedAgain = other.admit(await signedEcho(caller, other.did), stdio());
    await next.asked;
    policy = also(["b"]);
    next.answer({ allow: true });
    expect(await verdict(judgedAgain)).toBe("ERR_POLICY_DENIED");
  });

  it("keeps the id of a request taken while they are asked, and gives it free again", async () => {
    const { adapter, asked, answer } = gate();
    const { guard, caller } = scene({ policy: also(["a"]), adapters: { a: adapter } });
    const connection = stdio();
    const message = await signedEcho(caller, guard.did);
    const first = guard.admit(message, connection);
    await asked;
    const twin = { ...(await signedEcho(caller, guard.did)), id: message["id"] ?? null };
    expect(await verdict(guard.admit(twin, connection))).toBe("ERR_MESSAGE_INVALID");
    answer({ allow: false });
    expect(await verdict(first)).toBe("ERR_POLICY_DENIED");
    const again = { ...(await signedEcho(caller, guard.did)), id: message["id"] ?? null };
    expect(await verdict(guard.admit(again, connection))).toBe("ERR_POLICY_DENIED");
  });

  it("asks nobody before a person has approved; a refusal after that leaves the approval as it was", async () => {
    const identity = generateIdentity();
    const alice = generateIdentity();
    const path = join(folder, "ask.db");
    let allow = false;
    let asked = 0;
    const adapters = { a: { version: "a 1", ask: () => (asked++, { allow }) } };
    const policy = also(["a"], { approval: { by: alice.did } });
    const audit = new AuditLog({ path, identity });
    const { guard, caller } = scene({ identity, policy, adapters, audit, approvals: { waitSeconds: 0 } });
    const call = async (): Promise<string> => verdict(guard.admit(await signedEcho(caller, guard.did), stdio()));
    expect(await call()).toBe("ERR_APPROVAL_REQUIRED");
    expect(asked).toBe(0);
    using store = new ApprovalStore(path);
    const [listed] = store.list();
    const item = store.show(listed!.id);
    store.submit(item.id, await signAnswer(alice, item, "approved"));
    expect(await call()).toBe("ERR_POLICY_DENIED");
    allow = true;
    expect(await call()).toBe("admitted");
    expect(asked).toBe(2);
    expect(await call()).toBe("ERR_APPROVAL_REQUIRED");
    await guard[Symbol.asyncDispose]();
  });

  it("A-POL-10 starts no guard whose policy asks an adapter that it has not", async () => {
    const identity = generateIdentity();
    await expect(createGuard({ identity, policy: also(["a"]) })).rejects.toThrow("the adapter a");
    await expect(createGuard({ identity, policy: also(["a"]), adapters: { b: yes } })).rejects.toThrow(TypeError);
    await using guard = await createGuard({ identity, policy: also(["a"]), adapters: { a: yes } });
    expect(guard.did).toBe(identity.did);
  });
});

describe("a shadow policy", () => {
  it("is recorded beside the decision and changes none, whatever it says or throws", async () => {
    const strict = policyOf([]);
    const lenient = policyOf([{ id: "all", tools: "*", agents: "*", args: { n: 1 } }]);
    const bad = (): never => {
      throw new Error("no");
    };
    for (const [index, { policy, shadow, expected, says: said }] of [
      { policy: lenient, shadow: strict, expected: "admitted", says: { effect: "deny", reason: "ERR_POLICY_DENIED" } },
      { policy: strict, shadow: () => lenient, expected: "ERR_POLICY_DENIED", says: { effect: "allow", rule: "all" } },
      { policy: lenient, shadow: bad, expected: "admitted", says: undefined },
      { policy: lenient, shadow: () => undefined, expected: "admitted", says: undefined },
    ].entries()) {
      const identity = generateIdentity();
      const path = join(folder, `shadow-${index}.db`);
      const { guard, caller } = scene({ identity, policy, shadow, audit: new AuditLog({ path, identity }) });
      expect(await verdict(guard.admit(await signedEcho(caller, guard.did, { n: 1 }), stdio()))).toBe(expected);
      await guard[Symbol.asyncDispose]();
      const [decision] = recorded(path);
      const source = typeof shadow === "function" ? lenient : shadow;
      expect(decision?.shadow).toEqual(said && { policy: source.digest, ...said });
      expect(decision?.policy).toBe(policy.digest);
    }
  });
});
