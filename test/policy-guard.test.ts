import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CALL_META, type Did, generateIdentity, type JsonObject, signCall } from "@peerage/core";
import { AuditReader } from "@peerage/mcp-middleware";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { BIN, Home } from "./_cli.ts";
import { node, rawServer, StdioPeer } from "./_mcp.ts";

// One real guard process, its policy changed under it.

const caller = generateIdentity();
const HEAD = "apiVersion: peerage.dev/v1\nkind: Policy\n";
const policy = `${HEAD}also: [cedar]\nallow:\n  - { id: echo, tools: echo, agents: "*", args: { n: { ">=": 0, "<": 100 } } }\n`;
const schema =
  'action "echo" appliesTo { principal: Agent, resource: Server, context: { call: Call, args: { n: Long } } };\n';
const below = (n: number): string => `permit (principal, action, resource) when { context.args.n < ${n} };\n`;

let home: Home;
let guard: StdioPeer;
let audience: Did;
const at = (name: string): string => join(home.path, name);

async function write(name: string, text: string): Promise<void> {
  await writeFile(`${at(name)}.new`, text);
  await rename(`${at(name)}.new`, at(name));
}

/** True if a call of `echo` is executed. */
async function echo(n: number): Promise<boolean> {
  const params = { name: "echo", arguments: { n } };
  const token = await signCall(caller, { audience, message: { method: "tools/call", params } });
  const answer = (await guard.request("tools/call", { ...params, _meta: { [CALL_META]: token } })) as JsonObject;
  return !JSON.stringify(answer).includes('"isError":true') && "result" in answer;
}

const soon = (check: () => Promise<void>): Promise<void> => vi.waitFor(check, { timeout: 30_000, interval: 50 });

describe("a guard whose policy asks Cedar", () => {
  beforeAll(async () => {
    home = await Home.make();
    await home.ok(["init", "gate"]);
    audience = await home.did();
    await write("policy.yaml", policy);
    await write("shadow.yaml", `${HEAD}allow: []\n`);
    await write("rules.cedar", below(10));
    await write("rules.cedarschema", schema);
    const flags = ["--policy", at("policy.yaml"), "--also", `cedar=${at("rules.cedar")}`];
    const command = [BIN, "guard", ...flags, "--shadow-policy", at("shadow.yaml"), "--audit-args", "full"];
    guard = new StdioPeer([node, ...command, "--", ...rawServer], { PEERAGE_HOME: home.at() });
    await guard.initialize();
  }, 60_000);
  afterAll(async () => {
    await guard[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  it("admits what both allow, takes up another Cedar file by itself, and keeps the old one where the new is bad", async () => {
    expect([await echo(5), await echo(50), await echo(500)]).toEqual([true, false, false]);
    await write("rules.cedar", below(60));
    await soon(async () => expect(await echo(50)).toBe(true));
    expect(await echo(70)).toBe(false);
    await write("rules.cedar", "permit (principal, action, resource) when { context.args.m < 10 };\n");
    await soon(async () => expect(guard.stderr).toContain("the adapter cedar"));
    expect([await echo(50), await echo(70)]).toEqual([true, false]);
    await rm(at("rules.cedar"));
    await soon(async () => expect(guard.stderr).toContain("no such file"));
    expect([await echo(50), await echo(70)]).toEqual([true, false]);
    await write("rules.cedar", below(60));
  });

  it("A-POL-01 keeps the old policy where the new one names an adapter that is not there", async () => {
    await write("policy.yaml", policy.replace("[cedar]", "[cedar, opa]"));
    await soon(async () => expect(guard.stderr).toContain("there is no adapter opa here"));
    expect(await echo(5)).toBe(true);
    await write("policy.yaml", policy);
  });

  it("deny-all holds for the next message, grant and revoke soon after; nothing restarts", async () => {
    const pid = guard.child.pid;
    await home.ok(["policy", "deny-all", "--because", "drill"]);
    expect(await echo(5)).toBe(false);
    await home.ok(["policy", "deny-all", "--off"]);
    expect(await echo(5)).toBe(true);
    await home.ok(["policy", "revoke", caller.did, "--policy", at("policy.yaml")]);
    await soon(async () => expect(await echo(5)).toBe(false));
    expect(await readFile(at("policy.yaml"), "utf8")).toContain("revoked-1");
    await write("policy.yaml", policy.replace('agents: "*"', `agents: "${audience}"`));
    await home.ok(["policy", "grant", caller.did, "echo", "--policy", at("policy.yaml")]);
    await soon(async () => expect(await echo(5)).toBe(true));
    await home.ok(["policy", "revoke", "grant-1", "--policy", at("policy.yaml")]);
    await soon(async () => expect(await echo(5)).toBe(false));
    await write("policy.yaml", policy);
    await soon(async () => expect(await echo(5)).toBe(true));
    expect(guard.child.exitCode).toBeNull();
    expect(guard.child.pid).toBe(pid);
  });

  it("what it recorded is played again, suggested from, and says what Cedar and the shadow policy said", async () => {
    const audit = join(home.at("state", "audit"), "gate.db");
    using reader = new AuditReader(audit);
    const calls = [...reader.calls()].filter(({ decision }) => decision.target === "echo");
    const refusedByCedar = calls.find(({ decision }) => decision.detail?.startsWith("also cedar"))?.decision;
    expect(refusedByCedar?.also).toMatchObject([{ adapter: "cedar", allow: false }]);
    expect(calls.find(({ outcome }) => outcome?.outcome === "executed")?.decision).toMatchObject({
      also: [{ adapter: "cedar", allow: true, version: expect.stringMatching(/^cedar 4\..* sha256:/) as string }],
      shadow: { effect: "deny", reason: "ERR_POLICY_DENIED" },
    });
    // Of what the policy decides now, nothing is else; what deny-all and revoke refused is.
    const played = (await home.run(["policy", "test", at("policy.yaml"), "--calls", "--audit", audit, "--json"]))
      .stdout;
    const { data } = JSON.parse(played) as { data: { passed: number; failed: number; tests: { differs: string[] }[] } };
    expect(data.passed).toBeGreaterThan(0);
    expect(data.failed).toBe(data.tests.filter(({ differs }) => differs.join() === "expect: deny, not allow").length);
    const { text, rules } = await home.data(["policy", "suggest", "--audit", audit]);
    expect(rules).toBe(1);
    expect(text).toContain(`    tools: "echo"\n    agents: "${caller.did}"\n`);
  });
});
