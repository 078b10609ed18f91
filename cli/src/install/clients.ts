import { join } from "node:path";

/** An MCP client whose settings we know how to read. */
export interface Client {
  /** As it is named on the command line. */
  readonly id: string;
  readonly name: string;
  /** Member of the settings that holds the servers by name. */
  readonly member: "mcpServers" | "servers" | "context_servers" | "mcp_servers";
  readonly format: "json" | "toml";
  /** Where the settings are, the nearest first. */
  readonly files: (place: Place) => readonly string[];
  /** Members in which a server's address may stand, instead of a command. */
  readonly addresses: readonly string[];
}

/** What the places of settings depend on. */
export interface Place {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Where applications keep a user's settings. */
function support({ platform, home, env }: Place, ...parts: string[]): string {
  if (platform === "darwin") return join(home, "Library", "Application Support", ...parts);
  if (platform === "win32") return join(env["APPDATA"] || join(home, "AppData", "Roaming"), ...parts);
  return join(env["XDG_CONFIG_HOME"] || join(home, ".config"), ...parts);
}

/** The clients, by the documentation of each. */
export const clients: readonly Client[] = [
  {
    id: "claude-code",
    name: "Claude Code",
    member: "mcpServers",
    format: "json",
    files: ({ cwd, home }) => [join(cwd, ".mcp.json"), join(home, ".claude.json")],
    addresses: ["url"],
  },
  {
    id: "claude-desktop",
    name: "Claude Desktop",
    member: "mcpServers",
    format: "json",
    files: (place) => [support(place, "Claude", "claude_desktop_config.json")],
    addresses: ["url"],
  },
  {
    id: "cursor",
    name: "Cursor",
    member: "mcpServers",
    format: "json",
    files: ({ cwd, home }) => [join(cwd, ".cursor", "mcp.json"), join(home, ".cursor", "mcp.json")],
    addresses: ["url"],
  },
  {
    id: "vscode",
    name: "VS Code",
    member: "servers",
    format: "json",
    files: (place) => [join(place.cwd, ".vscode", "mcp.json"), support(place, "Code", "User", "mcp.json")],
    addresses: ["url"],
  },
  {
    id: "windsurf",
    name: "Windsurf",
    member: "mcpServers",
    format: "json",
    files: ({ home }) => [join(home, ".codeium", "windsurf", "mcp_config.json")],
    addresses: ["serverUrl", "url"],
  },
  {
    id: "zed",
    name: "Zed",
    member: "context_servers",
    format: "json",
    files: (place) => [
      join(place.cwd, ".zed", "settings.json"),
      // On macOS as well, Zed keeps its settings below ~/.config.
      place.platform === "win32"
        ? support(place, "Zed", "settings.json")
        : join(place.env["XDG_CONFIG_HOME"] || join(place.home, ".config"), "zed", "settings.json"),
    ],
    addresses: ["url"],
  },
  {
    id: "codex",
    name: "Codex CLI",
    member: "mcp_servers",
    format: "toml",
    files: ({ home, env }) => [join(env["CODEX_HOME"] || join(home, ".codex"), "config.toml")],
    addresses: ["url"],
  },
  {
    id: "gemini",
    name: "Gemini CLI",
    member: "mcpServers",
    format: "json",
    files: ({ cwd, home }) => [join(cwd, ".gemini", "settings.json"), join(home, ".gemini", "settings.json")],
    addresses: ["httpUrl", "url"],
  },
];
