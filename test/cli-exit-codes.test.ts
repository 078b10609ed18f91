import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerEnvelope, dataSchemas, errorLine } from "../cli/src/schemas.ts";
import { commands } from "../cli/src/tree.ts";
import { Home, openTestRegistry } from "./_cli.ts";

const STRANGER = "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME";
const DEAD = "http://127.0.0.1:9";

describe("every command", () => {
  let home: Home;
  let empty: Home;
  let registry: Awaited<ReturnType<typeof openTestRegistry>>;
  let files: Record<"vouch" | "tampered" | "expired" | "policy" | "call", string>;
  beforeAll(async () => {
    [home, empty, registry] = await Promise.all([Home.make(), Home.make(), openTestRegistry()]);
    await home.ok(["init", "bot", "--registry", registry.url]);
    await home.ok(["init", "friend"]);
    await home.ok(["roots", "add", "friend"]);
    await home.ok(["names", "set", "lantern", STRANGER]);
    await home.ok(["--identity", "friend", "vouch", "bot"]);
    await registry.registry.published(4);
    const raw = await home.ok(["show", "4", "--raw"]);
    files = {
      vouch: join(home.path, "vouch.json"),
      tampered: join(home.path, "tampered.json"),
      expired: join(home.path, "not-now.json"),
      policy: join(home.path, "policy.yaml"),
      call: join(home.path, "call.json"),
    };
    await writeFile(files.vouch, raw);
    await writeFile(files.tampered, raw.replace('"confidence":80', '"confidence":81'));
    await writeFile(files.call, '{"tool":"search"}');
    await writeFile(files.policy, "apiVersion: peerage.dev/v1\nkind: Policy\nallow: []\n");
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await Promise.all([home[Symbol.asyncDispose](), empty[Symbol.asyncDispose]()]);
  });

  /** argv, exit code, and for errors the code; `{…}` are files made above. Every row runs with and without `--json`. */
  const table: readonly (readonly [line: string, exit: number, code?: string])[] = [
    // done; the answer is yes
    ["init bot", 0],
    ["init bot --dry-run", 0],
    ["doctor", 0],
    ["doctor --fix", 0],
    ["doctor --fix --dry-run", 0],
    ["whoami", 0],
    ["whoami --share", 0],
    ["trust bot", 0],
    ["trust bot --min 0.6", 0],
    ["vouch lantern --dry-run", 0],
    ["unvouch bot --identity friend --dry-run", 0],
    [`report lantern --category spam --evidence sha256:${"0".repeat(64)} --dry-run`, 0],
    ["find", 0],
    [`find ${STRANGER.slice(0, 12)}`, 0],
    ["show bot", 0],
    ["show 4", 0],
    ["show #0", 0],
    ["roots list", 0],
    ["roots", 0],
    ["roots add lantern --dry-run", 0],
    ["roots remove friend --dry-run", 0],
    ["names list", 0],
    ["names", 0],
    [`names set other ${STRANGER} --dry-run`, 0],
    ["names remove lantern --dry-run", 0],
    ["verify {vouch}", 0],
    ["log head", 0],
    ["log", 0],
    ["log entry 4", 0],
    ["log audit", 0],
    ["config get", 0],
    ["config get registry --origin", 0],
    ["config set scope code --dry-run", 0],
    ["config path", 0],
    ["config", 0],
    ["help", 0],
    ["help trust", 0],
    ["version", 0],
    [`call ${DEAD}/mcp echo --dry-run`, 0],
    ["key list", 0],
    ["key", 0],
    ["key status", 0],
    ["key new bot --dry-run", 0],
    ["key rotate --dry-run", 0],
    ["key revoke --dry-run", 0],
    ["key recover --dry-run", 0],
    ["key lock --dry-run", 0],
    ["key unlock", 0],
    ["key store keychain --dry-run", 0],
    ["key store file", 0],
    ["key export --out {missing} --dry-run", 0],
    ["history append {missing} --step checked --result passed --dry-run", 0],
    ["approvals list", 0],
    ["approvals", 0],
    ["approvers list --policy {policy}", 0],
    ["approvers add lantern --policy {policy} --dry-run", 0],
    ["policy check {policy}", 0],
    ["policy diff {policy} {policy}", 0],
    ["policy grant lantern search --policy {policy} --dry-run", 0],
    ["policy init --dry-run", 0],
    ["policy deny-all --dry-run", 0],
    ["policy deny-all --off --dry-run", 0],
    ["policy input {call}", 0],
    // the answer is no
    ["policy explain {call} --policy {policy}", 3],
    ["trust bot --min 0.9", 3],
    ["trust lantern", 3],
    [`trust ${STRANGER}`, 3],
    ["trust bot --scope payments", 3],
    ["verify {vouch} --at 2099-01-01T00:00:00Z", 3],
    // wrong usage: nothing was done
    ...commands.map(({ path }) => [`${path} --frobnicate`, 2, "ERR_USAGE"] as const),
    ...[
      "trust",
      "vouch",
      "unvouch",
      "show",
      "pack verify",
      "pack import",
      "roots remove",
      "names set",
      "names remove",
      "verify",
      "call",
      "log entry",
      "config set",
      "key lock",
      "key export",
      "key import",
      "key store",
      "history show",
      "history verify",
      "history append",
      "calls show",
      "approvals show",
      "approvals approve",
      "approvals deny",
      "approvers add",
      "approvers remove",
      "policy explain",
      "policy diff",
      "policy grant",
      "policy revoke",
      "policy check",
      "policy test",
      "policy input",
    ].map((path) => [path, 2, "ERR_USAGE"] as const),
    ["frobnicate", 2, "ERR_USAGE"],
    ["roots frobnicate", 2, "ERR_USAGE"],
    ["whoami one two", 2, "ERR_USAGE"],
    ["trust bot --min 7", 2, "ERR_USAGE"],
    ["trust bot --min 0", 2, "ERR_USAGE"],
    ["trust did:key:z6Mkbroken", 2, "ERR_DID_INVALID"],
    ["trust did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj", 2, "ERR_DID_INVALID"],
    ["vouch lantern --confidence 101", 2, "ERR_USAGE"],
    ["vouch lantern --days 181", 2, "ERR_USAGE"],
    ["vouch lantern --scope Code", 2, "ERR_USAGE"],
    ["vouch bot", 2, "ERR_USAGE"],
    ["report lantern", 2, "ERR_USAGE"],
    ["report lantern --category spam", 2, "ERR_USAGE"],
    ["init Bad/Name", 2, "ERR_USAGE"],
    ["init bot --role king", 2, "ERR_USAGE"],
    ["init lantern", 2, "ERR_USAGE"],
    ["init sealed --passphrase", 2, "ERR_USAGE"],
    ["roots add", 2, "ERR_USAGE"],
    [`names set did:x ${STRANGER}`, 2, "ERR_USAGE"],
    [`names set bot ${STRANGER}`, 2, "ERR_USAGE"],
    ["registry mirror", 2, "ERR_USAGE"],
    ["registry mirror http://registry.example", 2, "ERR_USAGE"],
    ["registry serve --witness-policy {missing}", 2, "ERR_CONFIG_INVALID"],
    ["log audit --witness-policy {policy}", 2, "ERR_CONFIG_INVALID"],
    ["log watch --every never", 2, "ERR_USAGE"],
    ["log witness", 2, "ERR_USAGE"],
    ["history append {missing} --step checked", 2, "ERR_USAGE"],
    ["history append {missing} --step UP --result passed", 2, "ERR_USAGE"],
    ["key revoke --with thumb", 2, "ERR_USAGE"],
    ["key rotate --compromised-since 60d", 2, "ERR_USAGE"],
    ["key recover --did did:key:z6Mkbroken", 2, "ERR_DID_INVALID"],
    ["key export --out {missing}", 2, "ERR_USAGE"],
    ["key store cloud", 2, "ERR_USAGE"],
    ["doctor --dry-run", 2, "ERR_USAGE"],
    ["agent run --allow everything", 2, "ERR_USAGE"],
    ["agent run --idle never", 2, "ERR_USAGE"],
    ["agent run --confirm", 2, "ERR_USAGE"],
    ["agent --audience nobody", 2, "ERR_DID_INVALID"],
    ["approvers list", 2, "ERR_USAGE"],
    ["approvers add lantern --group Everyone --policy {policy}", 2, "ERR_USAGE"],
    ["calls list --verdict maybe", 2, "ERR_USAGE"],
    ["policy check {missing}", 2, "ERR_POLICY_INVALID"],
    ["policy check {vouch}", 2, "ERR_POLICY_INVALID"],
    ["policy init castle", 2, "ERR_USAGE"],
    ["policy grant lantern", 2, "ERR_USAGE"],
    ["policy input", 2, "ERR_USAGE"],
    ["config set colour blue", 2, "ERR_USAGE"],
    ["config set registry http://registry.example", 2, "ERR_CONFIG_INVALID"],
    ["log entry abc", 2, "ERR_USAGE"],
    ["guard npx some-mcp-server", 2, "ERR_USAGE"],
    ["guard -- true", 2, "ERR_USAGE"],
    ["guard --http 0", 2, "ERR_USAGE"],
    ["guard --policy {missing} -- true", 2, "ERR_POLICY_INVALID"],
    ["guard --policy {vouch} -- true", 2, "ERR_POLICY_INVALID"],
    ["guard --policy {policy} --http 0.0.0.0:0 --upstream http://127.0.0.1:9/mcp", 2, "ERR_CONFIG_INVALID"],
    ["proxy", 2, "ERR_USAGE"],
    ["proxy http://tools.example/mcp", 2, "ERR_USAGE"],
    ["proxy https://tools.example/mcp -- true", 2, "ERR_USAGE"],
    ["call http://tools.example/mcp echo", 2, "ERR_USAGE"],
    ["registry serve --listen 0.0.0.0:0", 2, "ERR_CONFIG_INVALID"],
    // not found
    ["trust lantren", 5, "ERR_NOT_FOUND"],
    ["find nobody-at-all", 5, "ERR_NOT_FOUND"],
    ["show 99", 5, "ERR_NOT_FOUND"],
    [`show sha256:${"0".repeat(64)}`, 5, "ERR_NOT_FOUND"],
    [`unvouch sha256:${"0".repeat(64)}`, 5, "ERR_NOT_FOUND"],
    ["unvouch lantern", 5, "ERR_NOT_FOUND"],
    ["vouch --from-calls", 5, "ERR_NOT_FOUND"],
    ["report lantern --category spam --evidence {missing}", 5, "ERR_NOT_FOUND"],
    ["names remove nobody", 5, "ERR_NOT_FOUND"],
    ["roots remove lantern", 5, "ERR_NOT_FOUND"],
    ["verify {missing}", 5, "ERR_NOT_FOUND"],
    ["pack verify {missing}", 5, "ERR_NOT_FOUND"],
    ["pack import {missing}", 5, "ERR_NOT_FOUND"],
    ["calls", 5, "ERR_NOT_FOUND"],
    ["calls show 1", 5, "ERR_NOT_FOUND"],
    ["calls verify", 5, "ERR_NOT_FOUND"],
    ["approvals show 12345678", 5, "ERR_NOT_FOUND"],
    ["approvals approve 12345678 --yes", 5, "ERR_NOT_FOUND"],
    ["approvals deny 12345678 --yes", 5, "ERR_NOT_FOUND"],
    ["approvals watch", 5, "ERR_NOT_FOUND"],
    ["approvers remove lantern --policy {policy}", 5, "ERR_NOT_FOUND"],
    ["key import {missing}", 5, "ERR_NOT_FOUND"],
    ["history show {missing}", 5, "ERR_NOT_FOUND"],
    ["history verify {missing}", 5, "ERR_NOT_FOUND"],
    ["policy test {policy}", 5, "ERR_NOT_FOUND"],
    ["policy explain 17 --policy {policy}", 5, "ERR_NOT_FOUND"],
    ["policy input --dump", 5, "ERR_NOT_FOUND"],
    ["policy revoke lantern --policy {policy}", 5, "ERR_NOT_FOUND"],
    ["config get policy", 5, "ERR_NOT_FOUND"],
    ["log entry 99", 5, "ERR_NOT_FOUND"],
    // does not verify
    ["verify {tampered}", 6],
    ["pack verify {vouch}", 6],
    ["verify {policy}", 6],
    ["history verify {vouch}", 6],
    // unreachable
    ...[
      "trust bot",
      "vouch lantern",
      "unvouch bot",
      "find",
      "show bot",
      "log head",
      "log entry 0",
      "pack export",
      "whoami",
      "init bot",
      "log audit",
      "log watch",
      "key status",
      "key rotate",
      "key revoke",
      "key recover",
    ].map((line) => [`${line} --registry ${DEAD}`, 7, "ERR_REGISTRY_UNREACHABLE"] as const),
    [`registry mirror ${DEAD} --once`, 7, "ERR_REGISTRY_UNREACHABLE"],
    ["agent status", 7, "ERR_UPSTREAM_UNAVAILABLE"],
    ["agent lock", 7, "ERR_UPSTREAM_UNAVAILABLE"],
    ["agent unlock", 7, "ERR_UPSTREAM_UNAVAILABLE"],
    [`call ${DEAD}/mcp echo`, 7, "ERR_UPSTREAM_UNAVAILABLE"],
  ];

  /** Each first word has been seen to end with each of its codes as a real process; the rest runs in this one. */
  const inProcess = new Set(
    table.flatMap(([line, exit], i) => {
      const word = line.split(" ")[0];
      return table.findIndex(([other, code]) => code === exit && other.split(" ")[0] === word) < i ? [line] : [];
    }),
  );
  const run = (line: string, more: readonly string[] = [], user = home): ReturnType<Home["run"]> => {
    const argv = line
      .split(" ")
      .map((word) =>
        word.replace(
          /^\{(\w+)\}$/,
          (_, name: string) => (files as Record<string, string>)[name] ?? join(home.path, "absent"),
        ),
      );
    const at = argv.indexOf("--");
    const own = at < 0 ? argv : argv.slice(0, at);
    const all = [...own, ...more, ...(at < 0 ? [] : argv.slice(at))];
    return more.includes("--json") || inProcess.has(line) ? user.call(all) : user.run(all);
  };

  it.each(table.map(([line, exit, code]) => ({ line, exit, code })))(
    "`$line` ends with $exit",
    async ({ line, exit, code }) => {
      const [plain, json] = await Promise.all([run(line), run(line, ["--json"])]);
      expect(plain.code, plain.stdout + plain.stderr).toBe(exit);
      expect(json.code, json.stdout + json.stderr).toBe(exit);
      if (code !== undefined) {
        // An error: nothing on stdout, and what, why and the way out on stderr.
        expect(plain.stdout).toBe("");
        expect(plain.stderr).toMatch(/^ {2}✕ {2}\S/m);
        expect(json.stdout).toBe("");
        const said = JSON.parse(json.stderr.trim().split("\n").at(-1) ?? "");
        expect(errorLine.safeParse(said).error).toBeUndefined();
        expect(said).toMatchObject({ exit, error: { code } });
        return;
      }
      expect(plain.stdout).not.toBe("");
      expect(json.stdout.endsWith("\n")).toBe(true);
      expect(json.stdout.trim().split("\n")).toHaveLength(1);
      const said = JSON.parse(json.stdout);
      expect(answerEnvelope.safeParse(said).error).toBeUndefined();
      expect(said.exit).toBe(exit);
      const schema = dataSchemas[said.command];
      expect(schema, said.command).toBeDefined();
      expect(schema!.safeParse(said.data).error).toBeUndefined();
    },
  );

  it("has a row for each command that ends by itself", () => {
    const rows = table.map(([line]) => line);
    for (const { path } of commands) {
      expect(rows.filter((line) => line === path || line.startsWith(`${path} `)).length, path).toBeGreaterThan(0);
    }
  });

  it.each([
    "whoami",
    "key status",
    "key rotate",
    "key lock",
    "key unlock",
    "key export --out {missing}",
    "key store keychain",
    "agent",
    `vouch ${STRANGER} --registry ${DEAD}`,
    "proxy -- true",
    "guard --policy {policy} -- true",
    `call ${DEAD}/mcp echo`,
  ])("without an identity `%s` ends with 4 and says how to make one", async (line) => {
    const { code, stdout, stderr } = await run(line, [], empty);
    expect(code, stderr).toBe(4);
    expect(stdout).toBe("");
    expect(stderr).toContain("peerage init");
  });

  it("works locally without a registry, and says how to name one where it is needed", async () => {
    await using other = await Home.make();
    await other.ok(["init", "bot"]);
    const { code, stderr } = await other.run(["trust", STRANGER]);
    expect(code).toBe(2);
    expect(stderr).toContain("peerage config set registry <url>");
  });

  it("gives `--plain` as tab-separated lines without a header", async () => {
    expect(await home.ok(["names", "list", "--plain"])).toBe(`lantern\t${STRANGER}\n`);
    expect((await home.ok(["trust", "bot", "--plain"])).split("\t").slice(1)).toEqual(["tools", "0.8", "yes\n"]);
  });
});
