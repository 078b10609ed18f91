import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BIN, type Ran, runProcess } from "../_cli.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const frameworks = ["langchain", "openai-agents", "mastra", "ai-sdk"] as const;
const online = spawnSync("npm", ["view", "@ai-sdk/mcp", "version"], { encoding: "utf8", timeout: 60_000 }).status === 0;
if (!online) console.warn("SKIPPED: npm cannot be reached, so the frameworks of the examples cannot be installed");

// Each example stands in a folder as a clone has it, with the workspace's own packages above and `peerage` on the path.
describe.skipIf(!online)("an example, installed by its lock file", () => {
  let folder = "";
  let server: ChildProcess;
  let url = "";
  const env = (): Record<string, string> => ({
    PATH: `${join(folder, "bin")}:${process.env["PATH"] ?? ""}`,
    HOME: join(folder, "home"),
  });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "peerage-frameworks-"));
    for (const name of ["bin", "home", "examples"]) await mkdir(join(folder, name));
    await symlink(join(root, "node_modules"), join(folder, "node_modules"));
    await symlink(join(root, "examples", "stdio"), join(folder, "examples", "stdio"));
    await symlink(process.execPath, join(folder, "bin", "node"));
    await writeFile(join(folder, "bin", "peerage"), `#!/bin/sh\nexec "${process.execPath}" "${BIN}" "$@"\n`);
    await chmod(join(folder, "bin", "peerage"), 0o755);
    must(await runProcess("peerage", ["init", "agent"], { cwd: folder, env: env() }));
    const served = [join(root, "examples", "node", "server.ts")];
    server = spawn(process.execPath, served, {
      env: { ...env(), PORT: "0", GUARD_HOME: join(folder, "gate") },
      stdio: ["ignore", "pipe", "inherit"],
    });
    url = await new Promise<string>((resolve, reject) => {
      server.stdout?.once("data", (chunk: Buffer) => resolve(chunk.toString().trim()));
      server.once("close", () => reject(new Error("the guarded server ended")));
    });
  });
  afterAll(async () => {
    const closed = new Promise((resolve) => server.once("close", resolve));
    server.kill("SIGTERM");
    await closed;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  /** A copy of an example with what its lock file names. */
  async function installed(name: string, program: string): Promise<string> {
    const copy = join(folder, "examples", name);
    for (const file of ["package.json", "package-lock.json", program])
      await cp(join(root, "examples", name, file), join(copy, file), { recursive: true });
    const settings = { ...process.env, ...env(), HOME: process.env["HOME"], npm_config_update_notifier: "false" };
    const flags = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    must(await runProcess("npm", flags, { cwd: copy, env: settings }));
    return copy;
  }

  it.each(frameworks)(
    "A-CALL-01 %s: its signed calls are admitted through both doors, its unsigned ones refused",
    async (name) => {
      const copy = await installed(name, "agent.mjs");
      const { stdout } = must(await runProcess("node", ["agent.mjs", url], { cwd: copy, env: env() }));
      const told = stdout.split("\n").filter((line) => / over (stdio|HTTP): /.test(line));
      for (const door of ["stdio", "HTTP"]) {
        expect(told).toContain(`signed, over ${door}: tools whoami`);
        const of = (how: string): string[] => told.filter((line) => line.startsWith(`${how}, over ${door}: `));
        // The tool itself says who called it, so it did run; and for the unsigned caller nothing ran.
        expect(of("signed").at(-1)).toMatch(/: admitted as did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}$/);
        expect(of("unsigned")).toHaveLength(1);
        expect(of("unsigned")[0]).toContain("Refused (ERR_PROOF_MISSING): calls must be signed.");
      }
    },
  );

  it("a2a: A2A's own SDK reads and verifies the card that is exported, and a card that it signs verifies here", async () => {
    const copy = await installed("a2a", "card.mjs");
    const peerage = (...argv: string[]): Promise<Ran> => runProcess("peerage", argv, { cwd: copy, env: env() });
    must(await peerage("init", "friend"));
    must(await peerage("vouch", "agent", "--identity", "friend", "--out", "vouch.json", "--yes"));
    const flags = ["--self", "--identity", "agent", "--url", "https://agent.example/a2a", "--present", "vouch.json"];
    must(await peerage("export", "a2a", ...flags, "--out", "agent-card.json"));
    const text = await readFile(join(copy, "agent-card.json"), "utf8");
    const served = createServer((request, response) => {
      response.writeHead(request.url === "/.well-known/agent-card.json" ? 200 : 404, {
        "content-type": "application/json",
      });
      response.end(text);
    });
    await new Promise<void>((resolve) => served.listen(0, "127.0.0.1", resolve));
    const base = `http://127.0.0.1:${(served.address() as AddressInfo).port}`;
    const ran = await runProcess("node", ["card.mjs", base], { cwd: copy, env: env() }).finally(() => served.close());
    const { stdout } = must(ran);
    const did = "did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}";
    expect(stdout).toMatch(new RegExp(`^agent answers https://agent\\.example/a2a\nsigned by (${did})\n`));
    expect(stdout).toMatch(new RegExp(`\n${did} vouches for ${did} in tools\n`));
    const { signatures, ...card } = JSON.parse(text);
    const { signatures: read, ...kept } = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
    // It reads and writes the card without loss: all of it is A2A, and nothing an empty default.
    expect(kept).toEqual(card);
    expect(read).toEqual([expect.objectContaining(signatures[0])]);

    // The other way round: a card as another implementation signs it, with members that are empty.
    const plain = { ...card, securityRequirements: [], capabilities: { ...card.capabilities, streaming: false } };
    await writeFile(join(copy, "plain.json"), JSON.stringify(plain));
    await writeFile(join(copy, "sign.mjs"), signing);
    must(await runProcess("node", ["sign.mjs"], { cwd: copy, env: env() }));
    const verified = await peerage("verify", "sdk-card.json", "--key", "key.json", "--json");
    expect(verified).toMatchObject({ code: 0 });
    const tampered = JSON.parse(await readFile(join(copy, "sdk-card.json"), "utf8"));
    await writeFile(join(copy, "sdk-card.json"), JSON.stringify({ ...tampered, version: "9.9.9" }));
    expect(await peerage("verify", "sdk-card.json", "--key", "key.json", "--json")).toMatchObject({ code: 6 });
  });
});

/** Signs a card by the SDK's own function, with a key of the kind that the specification names. */
const signing = `import { generateKeyPairSync } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { generateAgentCardSignature } from "@a2a-js/sdk";
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const sign = generateAgentCardSignature(privateKey, { alg: "ES256", kid: "key-1", typ: "JOSE" });
writeFileSync("sdk-card.json", JSON.stringify(await sign(JSON.parse(readFileSync("plain.json", "utf8")))));
writeFileSync("key.json", JSON.stringify(publicKey.export({ format: "jwk" })));
`;

function must(ran: Ran): Ran {
  if (ran.code !== 0) throw new Error(`ended with ${String(ran.code)}\n${ran.stdout}${ran.stderr}`);
  return ran;
}
