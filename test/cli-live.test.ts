import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BIN } from "./_cli.ts";
import { DEAD, openWorld, type World } from "./_cli-world.ts";
import { type Running, startProcess } from "./_running.ts";

const PTY = fileURLToPath(new URL("./fixtures/pseudo-terminal.py", import.meta.url));
const hasTerminal = spawnSync("python3", ["-c", "import pty, termios"]).status === 0;
if (!hasTerminal) console.warn("SKIPPED: no python3 with pty on PATH, live screens not seen in a terminal");

/** What stands on the screen: all since it was last cleared, as it looks. */
function screenOf(written: string): string[] {
  const since = written.slice(written.lastIndexOf("\u001b[2J\u001b[H") + 1);
  // A footer is written over by whatever comes after a carriage return.
  const lines = since.replaceAll("\r\n", "\n").replace(/[^\n]*\r(?!\n)/g, "");
  return stripVTControlCharacters(lines.replaceAll("\u001b[J", "").replaceAll("\u001b[K", "")).split("\n");
}

describe.skipIf(!hasTerminal)("C7 live screens in a real terminal", () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const watch = (columns: number, ...argv: string[]): Running =>
    startProcess(world.home, "python3", [PTY, String(columns), "24", process.execPath, BIN, ...argv]);
  const order = (running: Running, what: object): void => void running.child.stdin?.write(`${JSON.stringify(what)}\n`);
  const until = (running: Running, fits: (screen: string[]) => boolean): Promise<void> =>
    expect.poll(() => fits(screenOf(running.written())), { timeout: 60_000 }).toBe(true);
  const exitOf = (running: Running): Promise<number | null> =>
    new Promise((resolve) => running.child.once("close", resolve));
  const shows = (screen: string[], text: string): boolean => screen.some((line) => line.includes(text));

  it("calls --follow: every call that --json tells, filtered by /, written anew at 60 columns, left by q with 0", async () => {
    await using running = watch(80, "calls", "--follow");
    const ended = exitOf(running);
    await until(running, (screen) => shows(screen, "0 admitted"));
    await world.callThroughGuard();
    const told = JSON.parse((await world.home.call(["calls", "--limit", "3", "--json"])).stdout).data.calls;
    await until(running, (screen) => (told as { seq: number }[]).every(({ seq }) => shows(screen, `#${seq} `)));
    await until(running, (screen) => shows(screen, "1 admitted   1 refused   1 waiting"));
    for (const line of screenOf(running.written())) expect(line.length, line).toBeLessThanOrEqual(80);
    order(running, { keys: "/write" });
    await until(
      running,
      (screen) => shows(screen, "write_file") && !shows(screen, "search") && shows(screen, "/write"),
    );
    order(running, { keys: "\r" });
    await until(running, (screen) => shows(screen, "/write · esc all"));
    order(running, { size: [60, 20] });
    await until(running, (screen) => shows(screen, "write_file") && screen.every((line) => line.length <= 60));
    order(running, { keys: "\u001b" });
    await until(running, (screen) => shows(screen, "transfer_funds") && shows(screen, "q quit"));
    for (const line of screenOf(running.written())) expect(line.length, line).toBeLessThanOrEqual(60);
    order(running, { keys: "q" });
    expect(await ended).toBe(0);
  });

  it("approvals watch: what waits, with how to answer; Ctrl-C leaves with 130", async () => {
    await using running = watch(80, "approvals", "watch");
    const ended = exitOf(running);
    await until(running, (screen) => shows(screen, "8876cbd5  ◔ waits") && shows(screen, "1 waiting"));
    order(running, { keys: "/nothing such\r" });
    await until(running, (screen) => !shows(screen, "8876cbd5"));
    order(running, { keys: "\u0003" });
    expect(await ended).toBe(130);
  });

  it("log watch: the log as it was found, and in the footer when it was last looked at", async () => {
    await using running = watch(60, "log", "watch", "--every", "0.5");
    const ended = exitOf(running);
    await until(running, (screen) => shows(screen, "✓ 8 entries") && shows(screen, "looked at"));
    for (const line of screenOf(running.written())) expect(line.length, line).toBeLessThanOrEqual(60);
    order(running, { keys: "q" });
    expect(await ended).toBe(0);
  });

  it("guard: each decision, counted in the footer, and the server's own exit by q", async () => {
    await using running = watch(
      80,
      "--identity",
      "gate",
      "guard",
      "--http",
      "0",
      "--upstream",
      `${DEAD}/mcp`,
      "--policy",
      "guard.yaml",
    );
    const ended = exitOf(running);
    await until(running, (screen) => shows(screen, "0 admitted   0 refused   0 waiting"));
    const url = await running.match(/(http:\/\/127\.0\.0\.1:\d+\/mcp)/);
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
    const unsigned = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "write_file", arguments: {} } };
    await (await fetch(url, { method: "POST", headers, body: JSON.stringify(unsigned) })).text();
    await until(running, (screen) => shows(screen, "✕ refuse") && shows(screen, "1 refused"));
    order(running, { keys: "/admit\r" });
    await until(running, (screen) => !shows(screen, "✕ refuse"));
    order(running, { keys: "q" });
    expect(await ended).toBe(0);
  });

  it("call asks for the passphrase of a sealed key; proxy, whose stdin is a client's, never does", async () => {
    await using asking = watch(80, "call", `${DEAD}/mcp`, "echo", "--identity", "vault");
    const ended = exitOf(asking);
    await until(asking, (screen) => shows(screen, "Passphrase of vault"));
    order(asking, { keys: "\u0003" });
    expect(await ended).toBe(130);
    await using silent = watch(80, "proxy", `${DEAD}/mcp`, "--identity", "vault");
    expect(await exitOf(silent)).toBe(4);
    expect(silent.written()).toContain("the key of vault is locked");
    expect(silent.written()).not.toContain("Passphrase of vault");
  });

  it("writes lines alone where nobody is at the keyboard, or wants to be asked nothing", async () => {
    await using running = watch(80, "approvals", "watch", "--no-input");
    await until(running, (screen) => shows(screen, "transfer_funds"));
    expect(running.written()).not.toContain("q quit");
    await using json = watch(80, "approvals", "watch", "--json");
    await json.match(/\{"v":1,"ok":true,"command":"approvals watch","answer":"waiting","exit":8,"data":\{"seq":0/);
  });
});
