/**
 * `npm start`: a registry with its observatory, and an example MCP server behind the guard, all on 127.0.0.1. Everything
 * it makes is in `.peerage` in this folder. The registry begins empty: its only entries are the operator and the guard.
 */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { Writable } from "node:stream";
import { main } from "../cli/src/main.ts";
import { buildIslands } from "./build-islands.ts";
import { startExampleServer } from "./example-server.ts";

const home = process.env["PEERAGE_HOME"] ?? join(process.cwd(), ".peerage");
const policy = `# Whom the operator stands for, or somebody the operator trusts, may use both tools; nobody else anything.
apiVersion: peerage.dev/v1
kind: Policy
allow:
  - { tools: [echo, add], agents: "*", trust: 0.25 }
`;

const problems: string[] = [];
const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
const faults = new Writable({
  write: (chunk: Buffer, _encoding, done) => {
    problems.push(chunk.toString());
    done();
  },
});

/** Runs one command of peerage in this process; its answer is not shown. */
function peerage(...argv: string[]): Promise<number> {
  const { PEERAGE_REGISTRY: _, PEERAGE_IDENTITY: __, PEERAGE_AGENT_SOCK: ___, ...others } = process.env;
  const env = { ...others, PEERAGE_HOME: home, PEERAGE_NO_INPUT: "1" };
  const io = { env, cwd: process.cwd(), stdin: process.stdin, stdout: silent, stderr: faults, now: () => new Date() };
  return main([...argv, "--quiet"], io);
}

async function done(...argv: string[]): Promise<void> {
  if ((await peerage(...argv)) === 0) return;
  throw new Error(`peerage ${argv.join(" ")}\n${problems.join("")}`);
}

/** The wanted port, or a free one if somebody has it. */
async function freePort(wanted: number): Promise<number> {
  for (const port of [wanted, 0]) {
    const server = createServer();
    const got = await new Promise<number | undefined>((resolve) => {
      server.once("error", () => resolve(undefined));
      server.listen(port, "127.0.0.1", () => resolve((server.address() as { port: number }).port));
    });
    if (got === undefined) continue;
    await new Promise((resolve) => server.close(resolve));
    return got;
  }
  throw new Error("no port is free on 127.0.0.1");
}

/** Waits until something answers there, as long as it has not ended. */
async function answers(url: string, ended: Promise<number>): Promise<void> {
  const over = { is: false };
  void ended.then(() => (over.is = true));
  for (;;) {
    try {
      await (await fetch(url)).arrayBuffer();
      return;
    } catch {
      if (over.is) throw new Error(`it did not start\n${problems.join("")}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

const say = (line = ""): void => void process.stdout.write(`${line}\n`);

try {
  await mkdir(home, { recursive: true, mode: 0o700 });
  await buildIslands();
  const registryPort = await freePort(7075);
  const registryUrl = `http://127.0.0.1:${registryPort}`;
  // Left by an earlier start: that registry is not up yet, and `init` would ask it.
  await done("config", "set", "registry");
  for (const name of ["operator", "gate"]) await done("init", name, "--role", name === "gate" ? "server" : "person");
  const registry = peerage(
    "registry",
    "serve",
    "--listen",
    String(registryPort),
    "--data",
    join(home, "registry"),
    "--root",
    "operator",
  );
  await answers(`${registryUrl}/healthz`, registry);
  await done("config", "set", "registry", registryUrl);
  for (const name of ["operator", "gate"]) await done("init", name, "--registry", registryUrl);

  const policyPath = join(home, "policy.yaml");
  if (!existsSync(policyPath)) await writeFile(policyPath, policy, { mode: 0o600 });
  const upstream = await startExampleServer();
  const guardPort = await freePort(7070);
  const guardUrl = `http://127.0.0.1:${guardPort}/mcp`;
  const guard = peerage(
    ...["guard", "--identity", "gate", "--root", "operator", "--policy", policyPath, "--refresh", "0.2"],
    ...["--http", String(guardPort), "--upstream", upstream],
  );
  await answers(guardUrl, guard);

  say(`  \u25cf registry and observatory   ${registryUrl}`);
  say(`  \u25cf example MCP server         ${guardUrl}   behind the guard`);
  say(`    kept in                    ${home === join(process.cwd(), ".peerage") ? ".peerage" : home}`);
  if (registryPort !== 7075) say("  !  port 7075 is taken, so the registry has another one");
  if (guardPort !== 7070) say("  !  port 7070 is taken, so the guard has another one");
  say();
  say("  connect an agent, in another terminal in this folder:");
  say();
  say(`    export PEERAGE_HOME="${home}"`);
  say("    npx peerage init me --registry " + registryUrl);
  say(`    npx peerage --identity me call ${guardUrl} echo --arg message=hello`);
  say("                          refused: nobody stands for me yet. As the operator:");
  say("    npx peerage --identity operator vouch me");
  say(`    npx peerage --identity me call ${guardUrl} echo --arg message=hello`);
  say("                          admitted, with a signed receipt");
  say();
  say("  an MCP client of yours: put this command where the server's command stands");
  say();
  say(`    npx peerage --identity me proxy ${guardUrl}`);
  say();
  say("  Ctrl-C stops it");
  process.exitCode = Math.max(await Promise.race([registry, guard]), 0);
} catch (error) {
  process.stderr.write(`  the start failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
process.exit();
