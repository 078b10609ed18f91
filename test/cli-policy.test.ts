import { execFileSync } from "node:child_process";
import { chmod, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { dataSchemas } from "../cli/src/schemas.ts";
import { Home, masked } from "./_cli.ts";
import { startOpa } from "./_opa.ts";

const EXAMPLES = fileURLToPath(new URL("../examples/policy", import.meta.url));
const LANTERN = "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME";
const OTHER = "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw";

let home: Home;
beforeAll(async () => {
  home = await Home.make();
  await home.ok(["init", "bot"]);
  await home.ok(["names", "set", "lantern", LANTERN]);
});
afterAll(() => home[Symbol.asyncDispose]());

// Each file of a test has a name of its own, in the same home.
let files = 0;
async function file(text: string, name = `policy-${++files}.yaml`): Promise<string> {
  const path = join(home.path, name);
  await writeFile(path, text);
  return path;
}

/** The data of a command that ends with this code. */
async function data(exit: number, ...argv: string[]) {
  const { code, stdout, stderr } = await home.call([...argv, "--json"]);
  expect(code, stdout + stderr).toBe(exit);
  const said = JSON.parse(stdout);
  expect(dataSchemas[said.command]!.safeParse(said.data).error).toBeUndefined();
  return said.data;
}

const HEAD = "apiVersion: peerage.dev/v1\nkind: Policy\n";

describe("peerage policy init", () => {
  it.each(["laptop", "server", "approvals"])(
    "writes `%s`, which loads without a warning, and never writes over it",
    async (template) => {
      const out = join(home.path, `${template}.yaml`);
      expect((await data(0, "policy", "init", template, "--out", out)).digest).toMatch(/^sha256:/);
      const text = await readFile(out, "utf8");
      expect(text).toMatch(/^# yaml-language-server: \$schema=\S+policy\.v1\.json\n/);
      const checked = await data(0, "policy", "check", out);
      expect(checked.warnings).toEqual([]);
      expect(checked.strangers).toHaveLength(template === "server" ? 1 : 0);
      expect(await home.call(["policy", "init", template, "--out", out])).toMatchObject({ code: 2, stdout: "" });
      expect(await readFile(out, "utf8")).toBe(text);
    },
  );

  it("asks a server for its tools, and takes what it calls read-only as a proposal", async () => {
    const server = fileURLToPath(import.meta.resolve("@modelcontextprotocol/server-everything/dist/index.js"));
    const out = join(home.path, "proposed.yaml");
    const ran = await home.run(["policy", "init", "server", "--out", out, "--", process.execPath, server]);
    expect(ran.code, ran.stderr).toBe(0);
    const text = await readFile(out, "utf8");
    expect(text).toMatch(/^readonly: \[.*"echo".*\]$/m);
    expect(text).not.toContain("read_*");
    expect((await data(0, "policy", "check", out)).allow).toBe(2);
  });
});

describe("peerage policy check", () => {
  it("A-POL-01 refuses what is not known with line and place, and says what a stranger could do under what is", async () => {
    const bad = await file(`${HEAD}allow:\n  - tools: search\n    agent: "*"\n`);
    expect(await home.call(["policy", "check", bad])).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringMatching(/line 5.*agent/s),
    });
    for (const text of ["", "allow: []\n", `${HEAD}allow: []\nallow: []\n`, `${HEAD}allow: &a []\n`]) {
      expect((await home.call(["policy", "check", await file(text)])).code, text).toBe(2);
    }
    const open = await file(
      `${HEAD}allow:\n  - { id: all, tools: search, agents: "*", limit: { calls: 5, per: 1m } }\n`,
    );
    expect((await data(0, "policy", "check", open)).strangers).toEqual([
      { rule: "all", kind: "tools", targets: ["search"], wants: ["at most 5 in 1m"] },
    ]);
  });

  it("is as it looks at 80 columns", async () => {
    await file(await readFile(join(EXAMPLES, "community-server.yaml"), "utf8"), "community-server.yaml");
    const { stdout } = await home.run(["policy", "check", "community-server.yaml"]);
    expect(masked(stdout, home)).toBe(
      `  ✓  policy     community-server.yaml, 2 allow rules, 1 deny rule
     digest     sha256:${"0".repeat(64)}
  !  strangers  tools search, read_* (readers); only what is read-only: search,
                read_*; at most 30 in 1m; at most 300 in 1m by all together
`,
    );
  });
});

describe("peerage policy test", () => {
  it("plays the cases of a folder, and ends with 1 naming the case and the condition that failed", async () => {
    expect(await data(0, "policy", "test", join(EXAMPLES, "gitops"))).toMatchObject({ failed: 0 });
    const path = await file(
      `${HEAD}allow:\n  - { id: big, tools: pay, agents: "*", args: { n: { "<": 10, ">": 0 } } }\n`,
      "pay.yaml",
    );
    await file(
      "tests:\n- { name: small ones, input: { tool: pay, args: { n: 5 } }, expect: allow, rule: big }\n- { name: large ones, input: { tool: pay, args: { n: 50 } }, expect: allow }\n",
      "pay.test.yaml",
    );
    const failed = await data(1, "policy", "test", path);
    expect(failed).toMatchObject({ passed: 1, failed: 1 });
    expect(failed.tests[1]).toMatchObject({
      name: "large ones",
      passed: false,
      effect: "deny",
      reason: "ERR_POLICY_DENIED",
    });
    expect((await home.call(["policy", "test", path])).stdout).toBe(
      `  ✓  small ones
  ✕  large ones
       expect: allow, not deny
    allow big does not admit
    ✕  args  n < 10 and > 0 → 50
  1 of 2 cases passed   exit 1
`
        .replace("    allow big", "    allow big")
        .replace("    ✕  args", "      ✕  args"),
    );
  });

  it("without any tests says where to put them", async () => {
    expect(await home.call(["policy", "test", await file(`${HEAD}allow: []\n`)])).toMatchObject({ code: 5 });
  });
});

describe("peerage policy check -v", () => {
  it("lists who may use what, deny first; in JSON always", async () => {
    const path = await file(
      `${HEAD}deny:\n  - { id: no, tools: "rm_*" }\nallow:\n  - { id: yes, tools: [a, b], agents: "${LANTERN}", trust: 0.5, until: "2099-01-01T00:00:00Z" }\n`,
    );
    expect((await data(0, "policy", "check", path)).rules).toEqual([
      { list: "deny", rule: "no", kind: "tools", targets: ["rm_*"], agents: ["*"], asks: [] },
      {
        ...{ list: "allow", rule: "yes", kind: "tools", targets: ["a", "b"], agents: [LANTERN], asks: ["trust"] },
        until: "2099-01-01T00:00:00Z",
      },
    ]);
    const shown = (await home.call(["policy", "check", path, "-v"])).stdout.replace(/\s+/g, " ");
    expect(shown).toContain(`allow yes: tools a, b by ${LANTERN}; asks for trust; until 2099-01-01T00:00:00Z`);
    expect((await home.call(["policy", "check", path])).stdout).not.toContain("asks for");
  });
});

describe("peerage policy --also", () => {
  const text = `${HEAD}also: [opa]\nallow:\n  - { id: pay, tools: pay, agents: "*", args: { n: { ">=": 0 } } }\n`;

  it("asks a policy's adapters in tests, and without it says who was not asked", async () => {
    await using opa = await startOpa({ mcp: { allow: ({ args }: { args: { n: number } }) => args.n < 10 } });
    const path = await file(text, "also.yaml");
    await file(
      "tests:\n- { name: few, input: { tool: pay, args: { n: 5 } }, expect: allow }\n- { name: many, input: { tool: pay, args: { n: 50 } }, expect: deny, reason: ERR_POLICY_DENIED }\n",
      "also.test.yaml",
    );
    // OPA is given 250 ms, which a busy machine may need more than once.
    await vi.waitFor(
      async () => {
        const ran = await data(0, "policy", "test", path, "--also", `opa=${opa.url}/v1/data/mcp`);
        expect(ran).toMatchObject({ passed: 2, failed: 0 });
      },
      { timeout: 20_000 },
    );
    expect((await data(1, "policy", "test", path)).tests[1].differs).toContain("expect: deny, not allow");
    expect((await home.call(["policy", "test", path])).stdout).toContain("not asked: opa");
    expect((await data(0, "policy", "check", path)).also).toEqual(["opa"]);
    const call = await file('{"tool":"pay","args":{"n":5}}', "also.json");
    const explained = (await home.call(["policy", "explain", call, "--policy", path])).stdout;
    expect(explained).toContain("and then opa must allow as well");
  });

  it("A-POL-09 takes no adapter that could not be trusted, and none whose files are not there or not right", async () => {
    const path = await file(text);
    const cedar = await file("permit (principal, action, resource);", "x.cedar");
    for (const also of [
      "opa",
      "opa=",
      "OPA=http://127.0.0.1:1/v1/data/x",
      "opa=http://opa.example/v1/data/x",
      "opa=https://opa.example/other",
      "opa=rules.rego",
      "opa=nowhere.cedar",
      `opa=${cedar}`,
    ]) {
      expect((await home.call(["policy", "check", path, "--also", also])).code, also).toBe(2);
    }
    await file(
      'action "pay" appliesTo { principal: Agent, resource: Server, context: { call: Call, args: {} } };',
      "x.cedarschema",
    );
    await data(0, "policy", "check", path, "--also", `opa=${cedar}`);
  });
});

describe("peerage policy explain", () => {
  it("shows each condition, what would admit it, and ends with 3 for denied, 8 for asked, 0 for allowed", async () => {
    const policy = await file(
      `${HEAD}groups: { people: ["${OTHER}"] }\nallow:\n  - { id: small, tools: pay, agents: "*", args: { n: { "<": 10, ">": 0 } } }\n  - { id: large, tools: pay, agents: "*", args: { n: { ">=": 10 } }, approval: { by: "@people" } }\n`,
    );
    const call = async (args: object) => file(JSON.stringify({ tool: "pay", args }), `call-${++files}.json`);
    expect(await data(0, "policy", "explain", await call({ n: 5 }), "--policy", policy)).toMatchObject({
      effect: "allow",
      rule: "small",
    });
    expect(await data(8, "policy", "explain", await call({ n: 50 }), "--policy", policy)).toMatchObject({
      effect: "ask",
      rule: "large",
      change: { rule: "large", wanted: ["one approval by @people within 30m"] },
    });
    const denied = await data(3, "policy", "explain", await call({ n: "5" }), "--policy", policy);
    expect(denied).toMatchObject({ effect: "deny", reason: "ERR_POLICY_DENIED" });
    expect(
      denied.rules[0].conditions.find((one: { condition: string }) => one.condition === "args").holds,
    ).toBeUndefined();
  });

  it("A-CLI-07 shows a tool name and arguments that a terminal would obey as text", async () => {
    const policy = await file(
      `${HEAD}allow:\n  - { tools: "*", agents: "*", open: true }\n`.replace(", open: true", `, args: { a: x }`),
    );
    const path = await file(
      JSON.stringify({ tool: "pay\u001b[2J\u202e", args: { a: "\u001b]0;x\u0007\u200b" } }),
      "evil.json",
    );
    const { code, stdout } = await home.call(["policy", "explain", path, "--policy", policy]);
    expect(code).toBe(3);
    expect(stdout).toContain("\\u{1b}[2J\\u{202e}");

    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b\u202e]/);
  });
});

describe("peerage policy diff", () => {
  const before = `${HEAD}allow:\n  - { id: read, tools: search, agents: "*", trust: 0.5 }\n  - { id: gone, tools: x, agents: "@me" }\n`;
  const after = `${HEAD}deny:\n  - { id: no, tools: y }\nallow:\n  - { id: read, tools: search, agents: "*", trust: 0.2 }\n`;

  it("names rules that were added, removed and changed, and calls that would end otherwise", async () => {
    const [old, next] = [await file(before), await file(after)];
    const input = async (trust: object): Promise<string> =>
      JSON.stringify(
        (await data(0, "policy", "input", await file(JSON.stringify({ tool: "search", trust }), `i-${++files}.json`)))
          .input,
      );
    const calls = await file(
      [await input({ tools: 0.3 }), await input({ tools: 0.9 }), await input({})].join("\n"),
      "calls.ndjson",
    );
    const diff = await data(0, "policy", "diff", old, next, "--calls", calls);
    expect(diff).toMatchObject({
      added: [{ list: "deny", rule: "no" }],
      removed: [{ list: "allow", rule: "gone" }],
      changed: [{ list: "allow", rule: "read", keys: ["trust"] }],
      counts: { same: 2, "newly-allowed": 1 },
      calls: [{ id: "line 1", verdict: "newly-allowed" }],
    });
    await data(3, "policy", "diff", old, next, "--calls", calls, "--max-newly-allowed", "0");
    await data(0, "policy", "diff", old, next, "--calls", calls, "--max-newly-allowed", "1");
    await data(0, "policy", "diff", next, old, "--calls", calls, "--max-newly-allowed", "0");
  });

  it("never guesses about a call whose arguments were not recorded: it is undecidable, and no gate lets it pass", async () => {
    const [old, next] = [
      await file(`${HEAD}allow: []\n`),
      await file(`${HEAD}allow:\n  - { tools: pay, agents: "*", args: { n: 1 } }\n`),
    ];
    const { input } = await data(0, "policy", "input", await file('{"tool":"pay"}', "pay.json"));
    delete input.args;
    const calls = await file(JSON.stringify(input), "unknown.ndjson");
    expect((await data(0, "policy", "diff", old, next, "--calls", calls)).counts.undecidable).toBe(1);
    await data(3, "policy", "diff", old, next, "--calls", calls, "--max-newly-allowed", "0");
  });

  it("compares with a revision of git; A-CLI-08 a revision is never taken for a flag or a shell's word", async () => {
    const repository = join(home.path, "repository");
    await mkdir(join(repository, "policy"), { recursive: true });
    const git = (...args: string[]) =>
      execFileSync("git", ["-C", repository, "-c", "user.name=t", "-c", "user.email=t@example.org", ...args]);
    git("init", "-q");
    const path = join(repository, "policy", "a.yaml");
    await writeFile(path, before);
    git("add", ".");
    git("commit", "-q", "-m", "one");
    await writeFile(path, after);
    for (const beside of [path, join(repository, "policy")]) {
      expect((await data(0, "policy", "diff", "HEAD", beside)).removed).toEqual([{ list: "allow", rule: "gone" }]);
    }
    for (const revision of ["nothing", "HEAD;touch${IFS}x", "$(touch x)", "HEAD~9"]) {
      expect((await home.call(["policy", "diff", revision, path])).code, revision).toBe(2);
    }
    expect((await home.call(["policy", "diff", "--", "--output=x", path])).code).toBe(2);
    await expect(stat(join(repository, "x"))).rejects.toThrow();
  });
});

describe("peerage policy grant and revoke", () => {
  const text = `# mine
${HEAD}# who
groups: { staff: ["${OTHER}"] }

allow: # the rules
  # reading
  - id: read
    tools: [search, "read_*"] # words
    agents: "@staff"

# the end
`;

  it("adds a rule to the text and takes it out again, every other byte as it was", async () => {
    const path = await file(text);
    await chmod(path, 0o640);
    const granted = await data(
      0,
      "policy",
      "grant",
      "lantern",
      "crm.lookup",
      "crm.export",
      "--until",
      "2099-01-31",
      "--trust",
      "0.5",
      "--policy",
      path,
    );
    expect(granted).toMatchObject({
      written: true,
      rule: {
        id: "grant-1",
        tools: ["crm.lookup", "crm.export"],
        agents: LANTERN,
        trust: 0.5,
        until: "2099-01-31T00:00:00Z",
      },
    });
    expect(await readFile(path, "utf8")).toBe(
      text.replace(
        '    agents: "@staff"\n',
        `    agents: "@staff"
  - id: grant-1
    tools: ["crm.lookup", "crm.export"]
    agents: "${LANTERN}"
    trust: 0.5
    until: "2099-01-31T00:00:00Z"
`,
      ),
    );
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    expect((await data(0, "policy", "check", path)).digest).toBe(granted.policy);
    expect(await data(0, "policy", "revoke", "lantern", "--policy", path)).toMatchObject({
      removed: ["grant-1"],
      denied: [],
    });
    expect(await readFile(path, "utf8")).toBe(text);
    expect((await home.call(["policy", "revoke", "lantern", "--policy", path])).code).toBe(5);
  });

  it("revokes what another rule would still allow by a denial, which decides", async () => {
    const path = await file(text.replace("@staff", "*"));
    const call = await file(JSON.stringify({ tool: "search", caller: { did: LANTERN } }), `c-${++files}.json`);
    await data(0, "policy", "explain", call, "--policy", path);
    const { denied } = await data(0, "policy", "revoke", "lantern", "--policy", path);
    expect(denied).toEqual([{ id: "revoked-1", tools: "*", agents: LANTERN }]);
    expect(await data(3, "policy", "explain", call, "--policy", path)).toMatchObject({ rule: "revoked-1" });
    expect(await readFile(path, "utf8")).toContain("# reading\n");
    const granted = await file(text.replace("@staff", "*").replace("allow: #", `deny: []\nallow: #`));
    expect((await data(0, "policy", "revoke", "lantern", "--policy", granted)).denied).toHaveLength(1);
  });

  it("keeps grants of a folder in a file of their own, and follows a link to the file behind it", async () => {
    const folder = join(home.path, "folder");
    await mkdir(folder);
    await writeFile(join(folder, "a.yaml"), text);
    await data(0, "policy", "grant", "lantern", "x", "--policy", folder);
    await data(0, "policy", "grant", OTHER, "x", "--policy", folder);
    expect(await readFile(join(folder, "grants.yaml"), "utf8")).toContain("id: grant-2\n");
    expect(await readFile(join(folder, "a.yaml"), "utf8")).toBe(text);
    await data(0, "policy", "revoke", "grant-1", "--policy", folder);
    expect(await readFile(join(folder, "grants.yaml"), "utf8")).not.toContain("grant-1");
    const link = join(home.path, "link.yaml");
    const target = await file(text);
    await symlink(target, link);
    await data(0, "policy", "grant", "lantern", "x", "--policy", link);
    expect(await readFile(target, "utf8")).toContain("grant-1");
  });

  it("changes nothing where it cannot be sure, and says what to write", async () => {
    const flow = `${HEAD}allow: [{ id: a, tools: x, agents: "@me" }]\n`;
    const path = await file(flow);
    const ran = await home.call(["policy", "grant", "lantern", "x", "--policy", path]);
    expect(ran).toMatchObject({ code: 2, stdout: "" });
    expect(ran.stderr.replace(/\s+/g, " ")).toContain(
      `under allow: - {"id":"grant-1","tools":["x"],"agents":"${LANTERN}"}`,
    );
    expect(await readFile(path, "utf8")).toBe(flow);
    const good = await file(text);
    for (const bad of [
      ["--trust", "2"],
      ["--until", "soon"],
      ["--spiffe", "nonsense"],
    ]) {
      expect((await home.call(["policy", "grant", "lantern", "x", "--policy", good, ...bad])).code, bad.join(" ")).toBe(
        2,
      );
    }
    expect((await home.call(["policy", "grant", "wSD8d", "x", "--policy", good])).code).not.toBe(0);
    await data(0, "policy", "grant", "lantern", "x", "--policy", good, "--dry-run");
    expect(await readFile(good, "utf8")).toBe(text);
  });
});

describe("peerage policy deny-all", () => {
  it("leaves a marker that only its owner writes, with an end and a reason, and takes it away", async () => {
    expect(await data(0, "policy", "deny-all", "--dry-run")).toMatchObject({ denied: true, before: false });
    const said = await data(0, "policy", "deny-all", "--for", "1h", "--because", "an\u202eincident\u001b[2J");
    expect((await stat(said.marker)).mode & 0o777).toBe(0o600);
    const shown = await home.call(["policy", "deny-all", "--because", "an\u202eincident\u001b[2J", "--dry-run"]);
    expect(masked(shown.stdout, home)).toBe(`  –  would deny  everything, until peerage policy deny-all --off
     because     an\\u{202e}incident\\u{1b}[2J
     marker      ~/peerage/state/deny-all.json
`);
    expect(await data(0, "policy", "deny-all", "--off")).toMatchObject({ denied: false, before: true });
    await expect(stat(said.marker)).rejects.toThrow();
    expect((await home.call(["policy", "deny-all", "--for", "an hour"])).code).toBe(2);
    expect((await home.call(["policy", "deny-all", "--off", "--for", "1h"])).code).toBe(2);
  });
});
