import { mkdir, readFile, readdir, rename, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parse as parseJsonc } from "jsonc-parser";
import { parse as parseToml } from "smol-toml";
import { describe, expect, it } from "vitest";
import { BIN, Home } from "./_cli.ts";
import { startProcess } from "./_running.ts";

/** Settings as such a client has them: its own comments, order and spacing. */
const samples: readonly {
  readonly client: string;
  readonly file: string;
  readonly text: string;
  readonly server: string;
  readonly starts: readonly string[];
  readonly read: (text: string) => unknown;
}[] = [
  {
    client: "claude-code",
    file: ".mcp.json",
    text: `{
  "mcpServers": {
    "files": { "type": "stdio", "command": "npx", "args": ["-y", "@modelcontextprotocol/server-filesystem", "."], "env": {} },
    "other": { "type": "http", "url": "https://tools.example/mcp" }
  }
}
`,
    server: "files",
    starts: ["npx", "-y", "@modelcontextprotocol/server-filesystem", "."],
    read: (text) => JSON.parse(text).mcpServers.files,
  },
  {
    client: "claude-desktop",
    file: ".config/Claude/claude_desktop_config.json",
    text: `{\r\n\t"globalShortcut": "",\r\n\t"mcpServers": {\r\n\t\t"memory": {\r\n\t\t\t"command": "npx",\r\n\t\t\t"args": ["-y", "@modelcontextprotocol/server-memory"]\r\n\t\t}\r\n\t}\r\n}`,
    server: "memory",
    starts: ["npx", "-y", "@modelcontextprotocol/server-memory"],
    read: (text) => JSON.parse(text).mcpServers.memory,
  },
  {
    client: "cursor",
    file: ".cursor/mcp.json",
    text: `{"mcpServers":{"search":{"url":"https://search.example/mcp"},"db":{"command":"/usr/bin/db-mcp"}}}`,
    server: "search",
    starts: ["https://search.example/mcp"],
    read: (text) => JSON.parse(text).mcpServers.search,
  },
  {
    client: "vscode",
    file: ".vscode/mcp.json",
    text: `{
    // asked for once, kept by the editor
    "inputs": [{ "id": "key", "type": "promptString", "password": true, "description": "API key" }],
    "servers": {
        "db": {
            "type": "stdio",
            "command": "uvx",
            "args": ["mcp-server-sqlite", "--db-path", "\${workspaceFolder}/a b.db"], // the project's
            "env": { "KEY": "\${input:key}" },
        },
    },
}
`,
    server: "db",
    starts: ["uvx", "mcp-server-sqlite", "--db-path", "${workspaceFolder}/a b.db"],
    read: (text) => parseJsonc(text).servers.db,
  },
  {
    client: "windsurf",
    file: ".codeium/windsurf/mcp_config.json",
    text: `{\n  "mcpServers": {\n    "docs": {\n      "serverUrl": "https://docs.example/mcp"\n    }\n  }\n}\n`,
    server: "docs",
    starts: ["https://docs.example/mcp"],
    read: (text) => JSON.parse(text).mcpServers.docs,
  },
  {
    client: "zed",
    file: ".config/zed/settings.json",
    text: `// Zed settings
{
  "theme": "One Dark",
  "context_servers": {
    "old": { "command": { "path": "node", "args": ["server.js"], "env": { "A": "1" } } },
    "new": { "source": "custom", "command": "node", "args": ["server.js", "$(touch owned); rm -rf /"] }
  }
}
`,
    server: "new",
    starts: ["node", "server.js", "$(touch owned); rm -rf /"],
    read: (text) => parseJsonc(text).context_servers.new,
  },
  {
    client: "codex",
    file: ".codex/config.toml",
    text: `model = "o3"   # the default

[mcp_servers."my server"]
command = "npx" # from npm
args = [
  "-y", # yes
  'server "with] quotes',
]
env = { "TOKEN" = "x" }

[mcp_servers.remote]
url = "https://remote.example/mcp"

[profiles.fast]
model = "o4-mini"
`,
    server: "my server",
    starts: ["npx", "-y", 'server "with] quotes'],
    read: (text) => (parseToml(text) as Json).mcp_servers["my server"],
  },
  {
    client: "gemini",
    file: ".gemini/settings.json",
    text: `{\n  "selectedAuthType": "oauth-personal",\n  "mcpServers": {\n    "git": { "command": "uvx", "args": ["mcp-server-git"], "timeout": 30000, "trust": false }\n  }\n}\n`,
    server: "git",
    starts: ["uvx", "mcp-server-git"],
    read: (text) => JSON.parse(text).mcpServers.git,
  },
];

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- settings of eight programs
type Json = any;
const bridge = [BIN, "proxy"];

class User {
  readonly home: Home;
  constructor(home: Home) {
    this.home = home;
  }

  async put(file: string, text: string): Promise<string> {
    const path = join(this.home.path, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text, { mode: 0o640 });
    return path;
  }

  run(...argv: string[]): ReturnType<Home["call"]> {
    return this.home.call(["proxy", "install", ...argv], { env: { HOME: this.home.path } });
  }
}

describe.each(samples)("proxy install $client", ({ client, file, text, server, starts, read }) => {
  it("puts the bridge before one server, changes nothing else, and takes it back byte for byte", async () => {
    await using home = await Home.make();
    const user = new User(home);
    const path = await user.put(file, text);
    const before = read(text) as Json;

    const rehearsal = await user.run(client, server, "--dry-run");
    expect([rehearsal.code, await readFile(path, "utf8")]).toEqual([0, text]);
    expect(rehearsal.stdout).toMatch(/^ {4}- /m);
    expect(rehearsal.stdout).toMatch(/^ {4}\+ /m);
    // Nobody can be asked here, so nothing is changed without a yes.
    expect((await user.run(client, server)).code).toBe(2);
    expect(await readFile(path, "utf8")).toBe(text);

    const done = await user.run(client, server, "--yes", "--json");
    expect(done.code, done.stderr).toBe(0);
    const changed = await readFile(path, "utf8");
    const after = read(changed) as Json;
    const isUrl = starts.length === 1;
    expect(after.command).toBe(process.execPath);
    expect(after.args).toEqual([...bridge, ...(isUrl ? [] : ["--"]), ...starts]);
    for (const name of Object.keys(before))
      if (!["command", "args", "url", "serverUrl", "type"].includes(name)) expect(after[name]).toEqual(before[name]);
    expect((await stat(path)).mode & 0o777).toBe(0o640);
    const { backup } = JSON.parse(done.stdout).data;
    expect(await readFile(backup, "utf8")).toBe(text);
    expect((await stat(backup)).mode & 0o777).toBe(0o600);

    expect((await user.run(client, server, "--yes")).stdout).toContain("signs already");
    expect(await readFile(path, "utf8")).toBe(changed);
    expect((await user.run(client, server, "--undo", "--yes")).code).toBe(0);
    expect(await readFile(path, "utf8")).toBe(text);
    expect((await user.run(client, server, "--undo", "--yes")).code).toBe(5);
  });
});

describe("proxy install", () => {
  const cursor = samples.find(({ client }) => client === "cursor")!;

  it("A-CLI-08 leaves a broken and a linked file alone, and loses nothing that somebody wrote meanwhile", async () => {
    await using home = await Home.make();
    const user = new User(home);
    const path = await user.put(cursor.file, '{"mcpServers": {"search": {"url": ');
    expect((await user.run("cursor", "search", "--yes")).code).toBe(2);
    expect(await readFile(path, "utf8")).toBe('{"mcpServers": {"search": {"url": ');

    await writeFile(path, cursor.text);
    await rename(path, `${path}.real`);
    await symlink(`${path}.real`, path);
    const linked = await user.run("cursor", "search", "--yes");
    expect([linked.code, linked.stderr]).toEqual([2, expect.stringContaining("is a link")]);
    expect(await readFile(`${path}.real`, "utf8")).toBe(cursor.text);

    await rename(`${path}.real`, path);
    expect((await user.run("cursor", "search", "--yes")).code).toBe(0);
    // The user adds a server; undo takes back ours and keeps theirs.
    const changed = JSON.parse(await readFile(path, "utf8"));
    changed.mcpServers.added = { command: "new" };
    await writeFile(path, JSON.stringify(changed));
    expect((await user.run("cursor", "search", "--undo", "--yes")).code).toBe(0);
    const undone = JSON.parse(await readFile(path, "utf8"));
    expect(undone.mcpServers).toEqual({ ...JSON.parse(cursor.text).mcpServers, added: { command: "new" } });
    expect((await readdir(dirname(path))).filter((name) => name.includes(".tmp"))).toEqual([]);
  });

  it("A-CLI-08 keeps shell metacharacters as they are: the wrapped command gets them as one argument", async () => {
    await using home = await Home.make();
    const user = new User(home);
    const zed = samples.find(({ client }) => client === "zed")!;
    const path = await user.put(zed.file, zed.text);
    expect((await user.run("zed", "new", "--yes")).code).toBe(0);
    const { command, args } = zed.read(await readFile(path, "utf8")) as { command: string; args: string[] };
    // As a host starts it, but with a program that says what it was given.
    const say = ["-e", "process.stderr.write(JSON.stringify(process.argv.slice(1)))"];
    const started = [...args.slice(0, args.indexOf("--") + 1), process.execPath, ...say, ...args.slice(-2)];
    await home.call(["init", "bot"]);
    // Its stdin stays open: a server whose host has left is soon told to leave as well, perhaps before it said anything.
    await using running = startProcess(home, command, started);
    const ended = new Promise((resolve) => running.child.once("close", resolve));
    expect(await running.match(/\["server\.js".*\]/)).toBe(JSON.stringify(["server.js", "$(touch owned); rm -rf /"]));
    await ended;
    expect(await readdir(home.path)).not.toContain("owned");
  });

  it("refuses what would put a credential into a command line, and names what is there", async () => {
    await using home = await Home.make();
    const user = new User(home);
    const text =
      '{"mcpServers":{"a":{"url":"https://a.example/mcp","headers":{"Authorization":"Bearer secret"}},"b":{"x":1}}}';
    const path = await user.put(cursor.file, text);
    const refused = await user.run("cursor", "a", "--yes");
    expect([refused.code, refused.stderr.includes("secret")]).toEqual([2, false]);
    expect((await user.run("cursor", "b", "--yes")).code).toBe(2);
    expect(await readFile(path, "utf8")).toBe(text);
    const missing = await user.run("cursor", "c", "--yes");
    expect([missing.code, missing.stderr]).toEqual([5, expect.stringContaining("proxy install cursor a")]);
    expect((await user.run("cursr", "a")).stderr).toContain("did you mean cursor?");
  });

  it("alone shows every client's servers, and which of them are signed for", async () => {
    await using home = await Home.make();
    const user = new User(home);
    for (const { file, text } of samples) await user.put(file, text);
    expect((await user.run("cursor", "search", "--yes")).code).toBe(0);
    const { servers } = JSON.parse((await user.run("--json")).stdout).data as { servers: Json[] };
    expect(new Set(servers.map(({ client }) => client as string))).toEqual(
      new Set(samples.map(({ client }) => client)),
    );
    expect(servers.filter(({ signed }) => signed)).toMatchObject([{ client: "cursor", server: "search" }]);
  });
});
