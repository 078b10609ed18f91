import { readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEntry, requestDigest } from "@peerage/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dataSchemas } from "../cli/src/schemas.ts";
import { Home, type Ran, runProcess } from "./_cli.ts";

/** What Claude Code sends before and after a tool call. */
const event = (name: string, more: object = {}): string =>
  JSON.stringify({
    session_id: "0b2f9c1e-7d57-4c3e-9a55-4c6f1c7f7a10",
    transcript_path: "/home/someone/.claude/projects/p/0b2f9c1e.jsonl",
    cwd: "/home/someone/p",
    permission_mode: "default",
    hook_event_name: name,
    tool_name: "Bash",
    tool_input: { command: "ls -l", description: "list files" },
    tool_use_id: "toolu_01ABC123",
    ...more,
  });
const after = { tool_response: { stdout: "total 0", interrupted: false } };

describe("C8 peerage hook", () => {
  let home: Home;
  beforeAll(async () => {
    home = await Home.make();
    await home.call(["init", "bot"]);
  });
  afterAll(() => home[Symbol.asyncDispose]());

  const hook = (input: string, ...flags: string[]): Promise<Ran> => home.call(["hook", ...flags], { input });
  /** The data of `--json`, in the form of its schema. */
  const data = async (input: string, ...flags: string[]) => {
    const ran = await hook(input, ...flags, "--json");
    expect(ran.code, ran.stderr).toBe(0);
    const said = JSON.parse(ran.stdout).data;
    expect(dataSchemas["hook run"]!.safeParse(said).error).toBeUndefined();
    return said;
  };
  const decisionOf = ({ stdout }: Ran): string | undefined => JSON.parse(stdout).hookSpecificOutput?.permissionDecision;

  it("signs each tool call before and after, one over the other, by digest, and leaves the decision to the host", async () => {
    const session = { session_id: "a session" };
    const before = await hook(event("PreToolUse", session));
    expect(before).toMatchObject({ code: 0, stdout: '{"suppressOutput":true}\n', stderr: "" });
    const { file } = await data(event("PostToolUse", { ...session, ...after }));
    expect((await data(event("PostToolUseFailure", { ...session, error: "no" }))).file).toBe(file);
    const text = await readFile(file, "utf8");
    const entries = (JSON.parse(text) as string[]).map((token) => parseEntry(token));
    expect(entries.map(({ result }) => result)).toEqual(["requested", "executed", "failed"]);
    expect(entries.map(({ prev }) => prev)).toEqual([[], [entries[0]!.digest], [entries[1]!.digest]]);
    const args = { command: "ls -l", description: "list files" };
    for (const entry of entries)
      expect(entry).toMatchObject({
        step: "tool_call",
        tool: "Bash",
        req: requestDigest("tools/call", { name: "Bash", arguments: args }),
      });
    for (const { token } of entries)
      expect(Buffer.from(token.split(".")[1]!, "base64url").toString()).not.toContain("ls -l");
    expect((await home.call(["history", "verify", file])).code).toBe(0);
  });

  it("loses none of the calls that a host makes side by side", async () => {
    const session = { session_id: "many at once" };
    const told = await Promise.all(Array.from({ length: 8 }, () => data(event("PreToolUse", session))));
    expect(new Set(told.map(({ digest }) => digest)).size).toBe(8);
    const ran = await home.call(["history", "verify", told[0].file, "--json"]);
    expect(JSON.parse(ran.stdout).data.entries).toHaveLength(8);
  });

  it("denies what the policy denies, asks where it asks, and allows nothing that the host would ask about", async () => {
    const policy = join(home.path, "policy.yaml");
    const { did } = JSON.parse((await home.call(["whoami", "--json"])).stdout).data;
    await writeFile(
      policy,
      `apiVersion: peerage.dev/v1
kind: Policy
groups: { people: ["did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME"] }
allow:
  - { id: look, tools: Read, agents: "${did}" }
  - { id: run, tools: Bash, agents: "${did}", approval: { by: "@people" } }
`,
    );
    const read = await hook(
      event("PreToolUse", { tool_name: "Read", tool_input: { file_path: "a" } }),
      "--policy",
      policy,
    );
    expect([read.code, decisionOf(read)]).toEqual([0, undefined]);
    const bash = await hook(event("PreToolUse"), "--policy", policy);
    expect([bash.code, decisionOf(bash)]).toEqual([0, "ask"]);
    const write = await hook(event("PreToolUse", { tool_name: "Write", tool_input: {} }), "--policy", policy);
    expect([write.code, decisionOf(write)]).toEqual([0, "deny"]);
    expect(JSON.parse(write.stdout).hookSpecificOutput.permissionDecisionReason).toContain("ERR_POLICY_DENIED");
    // What was refused is recorded as well.
    const { file } = await data(event("PreToolUse", { tool_name: "Write", tool_input: {} }), "--policy", policy);
    const results = (JSON.parse(await readFile(file, "utf8")) as string[]).map((token) => parseEntry(token).result);
    expect(results).toEqual(["requested", "asked", "refused", "refused"]);
  });

  it("says what is wrong and blocks nothing, unless its owner asked for that", async () => {
    await using nobody = await Home.make();
    const input = event("PreToolUse");
    // To the host exit 1 is told and goes on, exit 2 would block.
    expect(await nobody.call(["hook"], { input })).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringContaining("peerage init"),
    });
    for (const bad of ["", "not json", "[]", event("Stop"), event("PreToolUse", { tool_name: 7 })])
      expect(await hook(bad), bad).toMatchObject({
        code: 1,
        stdout: "",
        stderr: expect.stringContaining("no hook of a tool call"),
      });
    const required = await nobody.call(["hook", "--require"], { input });
    expect([required.code, decisionOf(required)]).toEqual([0, "deny"]);
    expect(required.stdout).toContain("peerage init");
    const unread = await hook(input, "--policy", join(home.path, "absent.yaml"));
    expect([unread.code, decisionOf(unread)]).toEqual([0, "deny"]);
    expect(unread.stdout).toContain("there is no policy");
    // What the policy says is said as well where nothing can be recorded.
    const policy = join(nobody.path, "policy.yaml");
    await writeFile(policy, "apiVersion: peerage.dev/v1\nkind: Policy\nallow: []\n");
    const undecided = await nobody.call(["hook", "--policy", policy], { input });
    expect([undecided.code, decisionOf(undecided)]).toEqual([0, "deny"]);
    expect(undecided.stderr).toContain("not recorded");
    const { file } = await data(event("PreToolUse", { session_id: "unwritable" }));
    await writeFile(file, '["no token"]', { mode: 0o600 });
    const denied = await hook(event("PreToolUse", { session_id: "unwritable" }), "--policy", policy);
    expect([denied.code, decisionOf(denied)]).toEqual([0, "deny"]);
    // An agent whose arguments cannot be read gets by no policy: exit 2 blocks.
    const odd = event("PreToolUse").replace("ls -l", "\\ud800");
    for (const flags of [["--policy", policy], ["--require"]])
      for (const bad of [
        odd,
        ...[{ tool_name: "x".repeat(257) }, { tool_input: ["rm"] }].map((one) => event("PreToolUse", one)),
      ])
        expect(await hook(bad, ...flags)).toMatchObject({ code: 2, stdout: "" });
    expect((await hook(odd)).code).toBe(1);
    // After the deed nothing can be denied: it is told.
    expect((await nobody.call(["hook", "--require"], { input: event("PostToolUse", after) })).code).toBe(1);
  });

  it("A-CLI-07 takes names of tools and sessions as text: no path and no escape comes of them", async () => {
    const hostile = { session_id: "../../../etc/\u001b[31m", tool_name: "mcp__x__\u202e\u001b]0;t\u0007" };
    const { file, tool } = await data(event("PreToolUse", hostile));
    expect(file.startsWith(home.at("state", "hook"))).toBe(true);
    expect(tool).toBe(hostile.tool_name);
    const ran = await hook(event("PreToolUse", hostile), "--policy", join(home.path, "absent.yaml"));
    expect(ran.stdout + ran.stderr).not.toMatch(/[\u001b\u202e\u0007]/);
  });

  it("adds to no history of another agent or of none, and goes on in a new file when one is full", async () => {
    const { file } = await data(event("PreToolUse", { session_id: "damaged" }));
    await writeFile(file, '["no token"]', { mode: 0o600 });
    expect((await hook(event("PreToolUse", { session_id: "damaged" }))).code).toBe(1);
    const full = (await data(event("PreToolUse", { session_id: "full" }))).file;
    const [token] = JSON.parse(await readFile(full, "utf8")) as [string];
    await writeFile(full, JSON.stringify(Array.from({ length: 256 }, () => token)));
    expect((await data(event("PreToolUse", { session_id: "full" }))).file).toBe(full.replace(".json", "-2.json"));
    // A lock that a crash left holds nobody up for ever.
    await writeFile(`${full}.lock`, "");
    await utimes(`${full}.lock`, new Date(0), new Date(0));
    expect((await data(event("PreToolUse", { session_id: "full" }))).recorded).toBe(true);
    await rm(full);
  });

  it("shows what a host needs to run it", async () => {
    const { stdout } = await home.call(["hook", "settings", "--policy", "it's.yaml", "--require", "--json"]);
    const { settings } = JSON.parse(stdout).data;
    const command = expect.stringContaining(` hook --policy '${home.path}/it'\\''s.yaml' --require`) as string;
    expect(settings.hooks.PreToolUse).toEqual([{ matcher: "*", hooks: [{ type: "command", command, timeout: 60 }] }]);
    expect(Object.keys(settings.hooks)).toEqual(["PreToolUse", "PostToolUse"]);
  });

  it("is found by a host whose PATH has no peerage, and runs as whom it was set up", async () => {
    await home.call(["init", "other"]);
    const { stdout } = await home.call(["--identity", "other", "hook", "settings", "--json"]);
    const { command } = JSON.parse(stdout).data.settings.hooks.PreToolUse[0].hooks[0] as { command: string };
    const env = { PATH: "/nowhere", PEERAGE_HOME: home.at() };
    const input = event("PreToolUse", { session_id: "by a host" });
    const ran = await runProcess("/bin/sh", ["-c", command], { env, input, cwd: home.path });
    expect(ran).toMatchObject({ code: 0, stdout: '{"suppressOutput":true}\n' });
    const { file } = await data(event("PostToolUse", { session_id: "by a host", ...after }), "--identity", "other");
    const [first] = (JSON.parse(await readFile(file, "utf8")) as string[]).map((token) => parseEntry(token));
    expect(first!.issuer).toBe((await home.data(["whoami", "--identity", "other"])).did);
    expect((await runProcess("/bin/sh", ["-c", "peerage hook"], { env, input, cwd: home.path })).code).toBe(127);
  });
});
