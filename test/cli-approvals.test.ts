import { spawn } from "node:child_process";
import { chmod, copyFile, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generateIdentity, parseEntry, requestDigest } from "@peerage/core";
import { AuditLog, AuditReader, createGuard } from "@peerage/mcp-middleware";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { callNamed } from "../cli/src/call-named.ts";
import { answerEnvelope, dataSchemas } from "../cli/src/schemas.ts";
import { BIN, Home, type Ran } from "./_cli.ts";
import { policyOf, signed, stdio } from "./_guard.ts";

const ECHO = fileURLToPath(import.meta.resolve("@modelcontextprotocol/server-everything/dist/index.js"));

let home: Home;
let policyPath: string;
const dids = { bot: "", gate: "", alice: "", carol: "" };

// No PEERAGE_* variable reaches a wrapped command, so the guard behind a call finds its files by these.
const env = (): Record<string, string | undefined> => ({
  PEERAGE_HOME: undefined,
  XDG_DATA_HOME: home.path,
  XDG_CONFIG_HOME: home.path,
  XDG_STATE_HOME: home.path,
  XDG_CACHE_HOME: home.path,
});
const run = (...argv: string[]): Promise<Ran> => home.run(argv, { env: env() });
const quick = (...argv: string[]): Promise<Ran> => home.call(argv, { env: env() });

beforeAll(async () => {
  home = await Home.make();
  for (const name of ["bot", "gate", "alice", "carol"] as const) {
    await quick("init", name);
    dids[name] = JSON.parse((await quick("whoami", "--identity", name, "--json")).stdout).data.did;
  }
  policyPath = join(home.path, "policy.yaml");
  await writeFile(
    policyPath,
    `apiVersion: peerage.dev/v1
kind: Policy
groups:
  approvers: ["${dids.alice}"]
allow:
  - { id: sum, tools: get-sum, agents: "${dids.bot}", args: { a: { ">=": 0 } } }
  - { id: echo, tools: echo, agents: "${dids.bot}", approval: { by: "@approvers" } }
`,
  );
});
afterAll(() => home[Symbol.asyncDispose]());

const guard = (...flags: string[]): string[] => [
  ...[process.execPath, BIN, "--identity", "gate", "guard", "--policy", policyPath, "--approval-wait", "0"],
  ...[...flags, "--", process.execPath, ECHO],
];
const callEcho = (message: string, ...flags: string[]): Promise<Ran> =>
  run(
    "--identity",
    "bot",
    "call",
    "echo",
    "--audience",
    dids.gate,
    "--arg",
    `message=${message}`,
    "--json",
    "--",
    ...guard(...flags),
  );

/** The data of a command that ends with this code and says so in the form of its schema. */
async function data(exit: number, ...argv: string[]) {
  const { code, stdout, stderr } = await quick(...argv, "--json");
  expect(code, stdout + stderr).toBe(exit);
  const said = JSON.parse(stdout);
  expect(answerEnvelope.safeParse(said).error).toBeUndefined();
  expect(dataSchemas[said.command]!.safeParse(said.data).error).toBeUndefined();
  return said.data;
}

const open = async () => (await data(0, "approvals")).items.at(-1);

describe("approvals on the command line", () => {
  it("A-APPR-05 lets one person approve one call once: not the caller, not another, not twice", async () => {
    expect(await data(0, "approvals")).toEqual({ items: [] });
    expect((await callEcho("hello")).code).toBe(8);
    const item = await open();
    expect(item).toMatchObject({ state: "open", caller: dids.bot, guard: dids.gate, target: "echo" });
    const word = item.req.slice(7, 15);
    for (const identity of ["bot", "carol", "gate"]) {
      const { code, stdout, stderr } = await quick("approvals", "approve", word, "--identity", identity, "--yes");
      expect(code, stderr).toBe(3);
      expect(stdout).toBe("");
    }
    expect((await data(0, "approvals")).items).toHaveLength(1);
    // Without a yes nothing is signed, and a rehearsal changes nothing.
    expect((await quick("approvals", "approve", word, "--identity", "alice", "--no-input")).code).toBe(2);
    expect(await data(0, "approvals", "approve", word, "--identity", "alice", "--yes", "--dry-run")).toMatchObject({
      state: "open",
    });
    const approved = await data(0, "approvals", "approve", word, "--identity", "alice", "--yes");
    expect(approved).toMatchObject({ state: "approved", missing: 0, approver: dids.alice });
    expect(parseEntry(approved.token)).toMatchObject({
      issuer: dids.alice,
      step: "human_approval",
      result: "approved",
      req: requestDigest("tools/call", { name: "echo", arguments: { message: "hello" } }),
      audience: dids.gate,
      sub: { caller: dids.bot },
    });
    // Other arguments are another request.
    expect((await callEcho("hello!")).code).toBe(8);
    expect((await callEcho("hello")).code).toBe(0);
    expect((await callEcho("hello")).code).toBe(8);
    const all = (await data(0, "approvals", "list", "--all")).items;
    expect(all.map(({ state }: { state: string }) => state)).toEqual(["used", "open", "open"]);
    expect(await quick("approvals", "approve", all[0].id, "--identity", "alice", "--yes")).toMatchObject({ code: 3 });
  });

  it("a denial refuses the call, and says so to whoever answers later", async () => {
    expect((await callEcho("no")).code).toBe(8);
    const { id } = await open();
    expect(await data(0, "approvals", "deny", id, "--identity", "alice", "--yes")).toMatchObject({ state: "denied" });
    const { code, stdout } = await callEcho("no");
    expect(code, stdout).toBe(3);
    expect(stdout).toContain("ERR_APPROVAL_DENIED");
    expect((await quick("approvals", "approve", id, "--identity", "alice", "--yes")).code).toBe(3);
  });

  it("A-APPR-09 shows every byte of what is asked for, and nothing that a terminal would obey or an eye miss", async () => {
    const message = `pay 10\u202e 01 yap\u200b\u001b[2J\u0007 ${"x".repeat(300)}  end \\u{202e} "q" é e\u0301`;
    expect((await callEcho(message)).code).toBe(8);
    const { id, req } = await open();
    const { stdout } = await quick("approvals", "show", id);

    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b\u202e\u0301]/);
    const shown = stdout
      .split("\n")
      .slice(stdout.split("\n").findIndex((line) => line.includes("  message  ")))
      .map((line) => line.replace(/^ {4}(message| {7}) {2}/, ""));
    const text = shown
      .slice(
        0,
        shown.findIndex((line) => line.trim() === ""),
      )
      .join("");
    expect(text).toBe(
      `"pay 10\\u{202e} 01 yap\\u{200b}\\u001b[2J\\u0007 ${"x".repeat(300)}  end \\\\u{202e} \\"q\\" é e\\u{301}"`,
    );
    for (const line of stdout.split("\n"))
      if (!/did:key:|sha256:/.test(line)) expect(line.length, line).toBeLessThanOrEqual(80);
    const raw = (await quick("approvals", "show", id, "--raw")).stdout
      .split("\n")
      .find((line) => line.startsWith("{"))!;
    const { method, params } = JSON.parse(raw);
    expect(params.arguments.message).toBe(message);
    expect(requestDigest(method, params)).toBe(req);
    expect((await data(0, "approvals", "show", id)).request.params.arguments.message).toBe(message);
  });

  it("A-APPR-09 an item whose kept request is another than was asked about is not shown, and not approved", async () => {
    expect((await callEcho("swap")).code).toBe(8);
    const { id } = await open();
    const path = join(home.path, "swapped.db");
    await copyFile(join(home.path, "peerage", "audit", "gate.db"), path);
    const database = new Database(path);
    database
      .prepare("UPDATE item SET request = ? WHERE id = ?")
      .run('{"method":"tools/call","params":{"name":"echo","arguments":{}}}', id);
    database.close();
    for (const argv of [
      ["show", id],
      ["approve", id, "--identity", "alice", "--yes"],
    ]) {
      const { code, stdout } = await quick("approvals", ...argv, "--audit", path);
      expect(code).toBe(1);
      expect(stdout).toBe("");
    }
    await data(0, "approvals", "show", id);
  });

  it("tells what begins to wait as it comes, one envelope a line", async () => {
    const child = spawn(process.execPath, [BIN, "approvals", "watch", "--json"], {
      env: { PATH: process.env["PATH"], ...env() },
    });
    const closed = new Promise<number | null>((resolve) => child.once("close", resolve));
    let text = "";
    const heard = new Promise<void>((resolve) => {
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
        if (text.includes('"watched"')) resolve();
      });
    });
    expect((await callEcho("watched")).code).toBe(8);
    await heard;
    child.kill("SIGINT");
    expect(await closed).toBe(130);
    const lines = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    lines.forEach(({ command, answer, exit, data: item }, seq) => {
      expect({ command, answer, exit, seq: item.seq }).toEqual({
        command: "approvals watch",
        answer: "waiting",
        exit: 8,
        seq,
      });
      expect(dataSchemas[command]!.safeParse(item).error).toBeUndefined();
    });
  });
});

describe("approvers on the command line", () => {
  it("are a group of the policy: added, effective in a running guard's next call, and removed", async () => {
    expect(await data(0, "approvers", "list", "--policy", policyPath)).toEqual({
      group: "approvers",
      approvers: [{ approver: dids.alice, name: "alice" }],
      rules: [{ rule: "echo", by: ["@approvers"], count: 1 }],
    });
    await quick("names", "set", "carol-phone", dids.carol);
    expect(await data(0, "approvers", "add", "carol-phone", "--policy", policyPath)).toMatchObject({
      approvers: 2,
      written: true,
    });
    expect(await data(0, "approvers", "add", "carol-phone", "--policy", policyPath)).toMatchObject({
      change: "none",
      written: false,
    });
    expect((await callEcho("carol")).code).toBe(8);
    const { id } = await open();
    await data(0, "approvals", "approve", id, "--identity", "carol", "--yes");
    // What is taken away from an approver counts at once, for what was signed and not used too.
    await data(0, "approvers", "remove", dids.carol, "--policy", policyPath);
    expect((await callEcho("carol")).code).not.toBe(0);
    expect(await readFile(policyPath, "utf8")).toContain(`approvers: ["${dids.alice}"]`);
    expect((await quick("approvers", "remove", dids.carol, "--policy", policyPath)).code).toBe(5);
  });

  it.each([
    ["no groups", "", "groups:\n  approvers:\n    - "],
    ["another group", "groups:\n  staff: []\n", "groups:\n  approvers:\n    - "],
    ["a block", 'groups:\n  approvers:\n    # who\n    - "DID" # me\n', '    - "DID" # me\n    - '],
    ["one word", 'groups:\n  approvers: "DID"\n', '  approvers: ["DID", '],
  ])("are written into a policy with %s, and taken out again", async (_what, groups, expected) => {
    const other = dids.bot;
    const path = join(home.path, "some.yaml");
    const text = `apiVersion: peerage.dev/v1\nkind: Policy\n${groups.replace("DID", other)}# rules\nallow: []\n`;
    await writeFile(path, text);
    await data(0, "approvers", "add", dids.alice, "--policy", path);
    expect(await readFile(path, "utf8")).toContain(expected.replace("DID", other));
    await data(0, "approvers", "remove", dids.alice, "--policy", path);
    expect(
      (await data(0, "approvers", "list", "--policy", path)).approvers.map((one: { approver: string }) => one.approver),
    ).toEqual(groups.includes("DID") ? [other] : []);
    expect(await readFile(path, "utf8")).toContain("# rules\nallow: []\n");
  });
});

describe("calls on the command line", () => {
  it("are listed with their outcomes, filtered, shown in full, followed; A-CLI-01 in a file of mode 0600", async () => {
    await run(
      "--identity",
      "bot",
      "call",
      "get-sum",
      "--audience",
      dids.gate,
      "--arg",
      "a=2",
      "--arg",
      "b=3",
      "--",
      ...guard("--audit-args", "redacted"),
    );
    await run("--identity", "bot", "call", "get-env", "--audience", dids.gate, "--", ...guard());
    const path = join(home.path, "peerage", "audit", "gate.db");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const refused = await data(0, "calls", "--verdict", "refused", "--tool", "get-env");
    expect(refused.calls).toEqual([
      expect.objectContaining({ reason: "ERR_POLICY_DENIED", caller: expect.objectContaining({ did: dids.bot }) }),
    ]);
    const [sum] = (await data(0, "calls", "--tool", "get-sum")).calls;
    expect(sum).toMatchObject({
      verdict: "admitted",
      rule: "sum",
      outcome: { outcome: "executed" },
      input: { args: { a: 2 }, argsAre: "redacted" },
    });
    expect(await data(0, "calls", "show", String(sum.seq))).toMatchObject({ id: sum.id });
    expect(await data(0, "calls", "show", sum.id.slice(0, 8))).toMatchObject({ seq: sum.seq });
    expect((await quick("calls", "show", "999999")).code).toBe(5);
    expect((await quick("calls", "--caller", dids.carol)).code).toBe(5);
    expect((await quick("calls", "--since", "yesterdayish")).code).toBe(2);
    const { stdout } = await quick("calls", "--limit", "3");
    for (const line of stdout.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
    // A recorded call is explained by the policy that decided it, and replayed under another.
    expect(await data(0, "policy", "explain", sum.id)).toMatchObject({ effect: "allow", rule: "sum" });
    const next = join(home.path, "next.yaml");
    await writeFile(next, (await readFile(policyPath, "utf8")).replace('">=": 0', '">=": 5'));
    const diff = await data(0, "policy", "diff", policyPath, next);
    expect(diff.counts).toMatchObject({ "newly-refused": 1, "newly-allowed": 0 });
    expect(diff.calls.find((one: { verdict: string }) => one.verdict === "newly-refused").id).toBe(sum.id);
    const dumped = (await quick("policy", "input", "--dump")).stdout.trim().split("\n");
    expect(dumped.length).toBeGreaterThan(5);
    // Of arguments that were recorded in part nothing is handed on as if it were the whole.
    for (const line of dumped) expect(JSON.parse(line)).not.toHaveProperty("args");
  });

  it("are named by their place, or by the beginning of an id also where it is digits alone; by neither where it is both", async () => {
    const path = join(home.path, "digits.db");
    const identity = generateIdentity();
    const guard = await createGuard({ identity, policy: policyOf([]), audit: new AuditLog({ path, identity }) });
    // One id in forty begins so.
    const id = "12345678-90ab-4def-8123-456789abcdef" as const;
    const random = vi.spyOn(crypto, "randomUUID").mockReturnValue(id);
    await guard.admit(await signed(generateIdentity(), guard.did, "tools/call", { name: "x" }), stdio());
    random.mockRestore();
    await guard[Symbol.asyncDispose]();
    const { seq } = await data(0, "calls", "show", "12345678", "--audit", path);
    for (const name of ["123456", id, String(seq), `#${seq}`])
      expect(await data(0, "calls", "show", name, "--audit", path)).toMatchObject({ id, seq });
    for (const name of ["12345679", "#123456", "0123456", "12345"])
      expect((await quick("calls", "show", name, "--audit", path)).code, name).toBe(5);
    using reader = new AuditReader(path);
    // As if the log had a call at that place.
    const asked = vi.spyOn(reader, "call");
    const call = reader.call(seq)!;
    asked.mockImplementation((which) =>
      which === 123_456
        ? { ...call, decision: { ...call.decision, seq: 123_456 } }
        : which === "123456"
          ? call
          : undefined,
    );
    expect(() => callNamed(reader, "123456")).toThrow(expect.objectContaining({ code: "ERR_USAGE" }));
    expect(callNamed(reader, "#123456")?.decision.seq).toBe(123_456);
  });

  it("A-HIST-07 are verified offline; a log that was altered or cut is refused with the place", async () => {
    expect(await data(0, "calls", "verify")).toMatchObject({ guard: dids.gate, open: 0 });
    const path = join(home.path, "tampered.db");
    const whole = join(home.path, "peerage", "audit", "gate.db");
    const damage = async (sql: string) => {
      await copyFile(whole, path);
      await copyFile(`${whole}.checkpoint`, `${path}.checkpoint`);
      await chmod(path, 0o600);
      const database = new Database(path);
      database.exec(sql);
      database.close();
      return (await data(6, "calls", "verify", "--audit", path)).defect;
    };
    expect(
      await damage(
        `UPDATE record SET body = replace(body, '"refused"', '"admitted"') WHERE seq IN (SELECT seq FROM record WHERE body LIKE '%"refused"%' LIMIT 1)`,
      ),
    ).toMatchObject({ kind: "edited" });
    expect(await damage("DELETE FROM record WHERE seq = 4")).toEqual({ seq: 4, kind: "missing" });
    expect(await damage("DELETE FROM record WHERE seq > 9")).toEqual({ seq: 10, kind: "truncated" });
    expect((await quick("calls", "verify", "--guard", dids.bot)).code).toBe(6);
    expect((await quick("calls", "verify", "--audit", join(home.path, "nowhere.db"))).code).toBe(5);
  });
});

describe("deny-all and a running guard", () => {
  it("refuses from the next message on, and admits again after --off, without a restart", async () => {
    const deny = (...flags: string[]) => data(0, "policy", "deny-all", ...flags);
    const sum = () =>
      run("--identity", "bot", "call", "get-sum", "--arg", "a=1", "--arg", "b=1", "--json", "--", ...guard());
    await deny("--because", "incident");
    const refused = await sum();
    expect(refused.code, refused.stdout).toBe(3);
    expect(refused.stdout).toContain("ERR_POLICY_DENIED");
    await deny("--off");
    expect((await sum()).code).toBe(0);
  });
});
