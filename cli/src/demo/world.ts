import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire, getCompileCacheDir } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { generateSeed, type Identity, identityFromSeed, issueKeyInit, keyDigest, multibaseOf } from "@peerage/core";
import { openRegistry } from "@peerage/registry";
import { CliError } from "../errors.ts";
import { createKeyFile } from "../files/key-file.ts";
import { serveApp } from "../serve.ts";
import { submit } from "../submit.ts";
import { ownCommand } from "../own-command.ts";
import { Owned } from "../owned.ts";

/** The third-party MCP server that stands behind the gate. */
export const SERVER_PACKAGE = "@modelcontextprotocol/server-everything";

/** Who plays, each with a key in a file. */
export const players = ["owner", "gate", "scout", "stranger"] as const;
export type Player = (typeof players)[number];

/** A registry, identities and files of a demonstration, all on this machine and gone afterwards. */
export interface World extends AsyncDisposable {
  readonly registryUrl: string;
  readonly who: Readonly<Record<Player, Identity>>;
  /** The command of the gate before the server, to be started by whoever calls it. */
  readonly gate: readonly [string, ...string[]];
  /** A signing bridge before a command, as one of the players. */
  bridge(player: Player, command: readonly string[]): readonly [string, ...string[]];
  /** The environment of all of them: nothing of the user's own keys or settings. */
  readonly env: Record<string, string>;
  /** Every connection that was opened, with the processes behind it. */
  readonly sessions: Owned;
  /** Ends the registry; everything else is checked without it. */
  stopRegistry(): Promise<void>;
}

// Only `echo`, and only for callers that the gate's owner or those whom it trusts stand for.
const policy = `apiVersion: peerage.dev/v1
kind: Policy
allow:
  - tools: echo
    agents: "*"
    trust: 0.25
`;

/** Makes the world: keys, a registry on a free port of 127.0.0.1, the policy of the gate. */
export async function createWorld(env: NodeJS.ProcessEnv): Promise<World> {
  const server = serverScript();
  const home = await mkdtemp(join(tmpdir(), "peerage-demo-"));
  const folders = {
    XDG_CONFIG_HOME: "config",
    XDG_DATA_HOME: "data",
    XDG_STATE_HOME: "state",
    XDG_CACHE_HOME: "cache",
  };
  const own = Object.fromEntries(Object.entries(folders).map(([name, folder]) => [name, join(home, folder)]));
  try {
    const who = await makePlayers(join(home, "data", "peerage", "keys"));
    const policyPath = join(home, "policy.yaml");
    await writeFile(policyPath, policy, { mode: 0o600 });
    const registry = await openRegistry({ dataDir: join(home, "registry"), roots: [who.owner.did], cadenceMs: 100 });
    const served = await serveApp(registry, { host: "127.0.0.1", port: 0 }, { roots: [who.owner.did] });
    for (const player of players) await register(served.url, who[player]);

    const sessions = new Owned();
    let running = true;
    const stopRegistry = async (): Promise<void> => {
      if (!running) return;
      running = false;
      await served[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
    };
    return {
      registryUrl: served.url,
      who,
      gate: [
        ...ownCommand,
        ...["--identity", "gate", "--registry", served.url, "--quiet"],
        ...[
          "guard",
          "--policy",
          policyPath,
          "--root",
          who.owner.did,
          "--refresh",
          "0.2",
          "--",
          process.execPath,
          server,
        ],
      ],
      bridge: (player, command) => [...ownCommand, "--identity", player, "--quiet", "proxy", "--", ...command],
      env: { ...cleanEnvironment(env), ...own, ...compiledCode(), APPDATA: home, LOCALAPPDATA: home },
      sessions,
      stopRegistry,
      [Symbol.asyncDispose]: async () => {
        // First those who write into the folder, then the folder.
        await sessions.disposeAsync();
        await stopRegistry();
        await rm(home, { recursive: true, force: true, maxRetries: 5 });
      },
    };
  } catch (error) {
    await rm(home, { recursive: true, force: true });
    throw error;
  }
}

/** The demonstration has folders of its own; the code of its processes is compiled already. */
function compiledCode(): Record<string, string> {
  const folder = getCompileCacheDir();
  // Node names its own subfolder of the one that it is given.
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: dirname(folder) };
}

async function makePlayers(folder: string): Promise<Record<Player, Identity>> {
  const made = await Promise.all(
    players.map(async (player) => {
      const seed = generateSeed();
      await createKeyFile(join(folder, `${player}.key`), seed);
      return [player, identityFromSeed(seed)] as const;
    }),
  );
  return Object.fromEntries(made) as Record<Player, Identity>;
}

async function register(url: string, identity: Identity): Promise<void> {
  const next = identityFromSeed(generateSeed());
  await submit(url, await issueKeyInit(identity, { next: keyDigest(multibaseOf(next.did)) }), { wait: false });
}

/** The start script of the third-party server. @throws {CliError} ERR_NOT_FOUND where it is not installed */
function serverScript(): string {
  const require = createRequire(import.meta.url);
  try {
    const path = require.resolve(`${SERVER_PACKAGE}/package.json`);
    const { bin } = require(path) as { bin: Record<string, string> };
    const [script = ""] = Object.values(bin);
    return join(dirname(path), script);
  } catch {
    throw missing(SERVER_PACKAGE);
  }
}

/** The error for a third-party part that the demonstration plays with and that is not installed here. */
export function missing(name: string): CliError {
  return new CliError("ERR_NOT_FOUND", `the demonstration plays with ${name}, which is not installed`, {
    hint: `npm install ${name}`,
  });
}

function cleanEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const kept = Object.entries(env).filter(([name]) => !/^(PEERAGE_|XDG_|NODE_OPTIONS$|HTTPS?_PROXY$)/i.test(name));
  return Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
