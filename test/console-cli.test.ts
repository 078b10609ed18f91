import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Did } from "@peerage/core";
import { pairingWords } from "@peerage/observatory";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerEnvelope, dataSchemas } from "../cli/src/schemas.ts";
import { launchBrowser } from "./_browser.ts";
import { BIN, Home } from "./_cli.ts";

const SERVER = fileURLToPath(new URL("./fixtures/modern-server.ts", import.meta.url));
const terminal = ["/usr/bin/script", "/bin/script"].find((path) => existsSync(path));
if (terminal === undefined) console.warn("SKIPPED: no `script` here, so pairing is not tried on a terminal");

/** A `peerage` that goes on running, and what it has written so far. */
interface Running extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly written: () => string;
  /** The first match in what is written, waited for. */
  match(pattern: RegExp): Promise<string>;
}

let home: Home;
const env = (): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"],
  LANG: "C.UTF-8",
  TERM: "xterm",
  PEERAGE_HOME: join(home.path, "peerage"),
});

function start(command: string, args: readonly string[]): Running {
  const child = spawn(command, args, { cwd: home.path, env: env(), stdio: ["pipe", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (more: string) => (text += more));
  const ended = new Promise<void>((done) => child.once("close", () => done()));
  return {
    child,
    written: () => text,
    async match(pattern) {
      await expect.poll(() => text, { timeout: 30_000 }).toMatch(pattern);
      const found = pattern.exec(text);
      return found?.[1] ?? found?.[0] ?? "";
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
const peerage = (...argv: string[]): Running => start(process.execPath, [BIN, ...argv]);

beforeAll(async () => {
  home = await Home.make();
  for (const name of ["gate", "bot"]) await home.call(["init", name]);
  const bot = JSON.parse((await home.call(["whoami", "--identity", "bot", "--json"])).stdout).data.did as string;
  await writeFile(
    join(home.path, "policy.yaml"),
    `apiVersion: peerage.dev/v1
kind: Policy
groups:
  approvers: ["${bot}"]
allow:
  - { id: echo, tools: echo, agents: "${bot}", approval: { by: "@approvers" } }
`,
  );
});
afterAll(() => home[Symbol.asyncDispose]());

describe("peerage console", () => {
  it("serves on loopback, hands a browser in by a one-time code, and a busy port is an error", async () => {
    const missing = await home.call(["console", "open", "--json"]);
    expect([missing.code, JSON.parse(missing.stderr).error.hint]).toEqual([5, "peerage console"]);
    await using console = peerage("console", "--listen", "0");
    const url = await console.match(/console +(http:\/\/127\.0\.0\.1:\d+)\n/);
    expect((await fetch(url)).status).toBe(401);
    const code = await console.match(/#code=([A-Za-z0-9_-]{22})/);
    const enter = (given: string): Promise<Response> => {
      const body = new URLSearchParams({ code: given });
      return fetch(`${url}/login`, { method: "POST", body, headers: { origin: url }, redirect: "manual" });
    };
    expect((await enter(code)).status).toBe(303);
    expect((await enter(code)).status).toBe(401);
    const opened = await home.call(["console", "open", "--json"]);
    const said = JSON.parse(opened.stdout);
    expect(answerEnvelope.safeParse(said).error).toBeUndefined();
    expect(dataSchemas["console open"]!.safeParse(said.data).error).toBeUndefined();
    expect(said.data).toMatchObject({ console: url, url: `${url}/#code=${said.data.code}` });
    expect((await enter(said.data.code)).status).toBe(303);
    const busy = await home.call(["console", "--listen", new URL(url).port]);
    expect([busy.code, busy.stderr]).toEqual([1, expect.stringContaining("is taken")]);
    const off = await home.call(["console", "--listen", "0.0.0.0:0"]);
    expect(off.code).toBe(2);
    const behind = await home.call(["console", "--listen", "0.0.0.0:0", "--behind-proxy"]);
    expect([behind.code, behind.stderr]).toEqual([2, expect.stringContaining("https")]);
  });

  it("runs beside an HTTP guard, whose question names its page; a guard on stdio opens no port", async () => {
    const stdio = await home.call(["guard", "--policy", "policy.yaml", "--console", "0", "--", "true"]);
    expect([stdio.code, stdio.stderr]).toEqual([2, expect.stringContaining("peerage console")]);
    await using guard = peerage(
      ...["--identity", "gate", "guard", "--policy", "policy.yaml", "--approval-wait", "0"],
      ...["--http", "0", "--upstream", "http://127.0.0.1:9/mcp", "--console", "0"],
    );
    const url = await guard.match(/console +(http:\/\/127\.0\.0\.1:\d+)/);
    const endpoint = await guard.match(/connect +(http:\S+)/);
    const { code, stdout } = await home.run(["--identity", "bot", "call", endpoint, "echo", "--json"]);
    expect(code, stdout).toBe(8);
    const asked = new RegExp(`${url}/approvals/([A-Za-z0-9_-]{22})`).exec(stdout);
    expect(asked, stdout).not.toBeNull();
    const opened = JSON.parse((await home.call(["console", "open", "--json"])).stdout).data.code as string;
    const body = new URLSearchParams({ code: opened });
    const inside = await fetch(`${url}/login`, { method: "POST", body, headers: { origin: url }, redirect: "manual" });
    const cookie = inside.headers.get("set-cookie")!.split(";")[0]!;
    const item = await (await fetch(`${url}/approvals/${asked![1]!}.json`, { headers: { cookie } })).json();
    expect(item).toMatchObject({ state: "open", target: "echo", name: "bot" });
    // The same link without a session shows nothing of it.
    const door = await fetch(`${url}/approvals/${asked![1]!}`, { headers: { accept: "text/html" } });
    expect([door.status, await door.text()]).toEqual([401, expect.not.stringContaining("echo")]);
  });

  it("names the page of a console in another process to a caller of a stdio guard, and the command where none runs", async () => {
    const call = ["--identity", "bot", "call", "echo", "--json", "--arg"];
    const gate = [
      process.execPath,
      BIN,
      "--identity",
      "gate",
      "guard",
      "--policy",
      "policy.yaml",
      "--approval-wait",
      "0",
    ];
    // No PEERAGE_* variable reaches a wrapped command, so the guard finds its files by these.
    const xdg = Object.fromEntries(["DATA", "CONFIG", "STATE", "CACHE"].map((name) => [`XDG_${name}_HOME`, home.path]));
    const ask = (text: string): Promise<{ stdout: string }> =>
      home.run([...call, `message=${text}`, "--", ...gate, "--", process.execPath, SERVER, "stdio"], {
        env: { ...xdg, PEERAGE_HOME: undefined },
      });
    const alone = await ask("alone");
    expect(alone.stdout).toContain("peerage approvals show");
    await using console = peerage("console", "--listen", "0", "--state", join(home.path, "peerage"));
    const url = await console.match(/console +(http:\/\/127\.0\.0\.1:\d+)\n/);
    expect((await ask("beside")).stdout).toContain(`${url}/approvals/`);
  });
});

const browser = terminal === undefined ? undefined : await launchBrowser();
afterAll(async () => browser?.close());

describe.skipIf(!browser)("peerage console pair", () => {
  it("makes a browser's key an approver once a person has seen the same six words here and there", async () => {
    await using console = peerage("console", "--listen", "0");
    const url = await console.match(/console +(http:\/\/127\.0\.0\.1:\d+)\n/);
    const code = await console.match(/#code=([A-Za-z0-9_-]{22})/);
    const context = await browser!.newContext();
    const page = await context.newPage();
    await page.goto(`${url}/approver#code=${code}`);
    await page.getByRole("button", { name: "Make a key in this browser" }).click();
    const did = (await page.locator("peerage-approver .did").innerText()) as Did;
    const pair = (): Running =>
      start(terminal!, [
        "-qefc",
        `stty cols 100 rows 40; '${process.execPath}' '${BIN}' console pair --policy policy.yaml`,
        "/dev/null",
      ]);
    const plain = (text: string): string => text.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, "");
    const policy = (): Promise<string> => readFile(join(home.path, "policy.yaml"), "utf8");

    for (const [answer, said, isIn] of [
      ["n", "The terminal said no", false],
      ["y", "Added: this key may approve now", true],
    ] as const) {
      await using at = pair();
      await expect.poll(() => plain(at.written()), { timeout: 30_000 }).toMatch(/code +[0-9A-Z]{8}/);
      const [, word = ""] = /code +([0-9A-Z]{8})/.exec(plain(at.written()))!;
      await page.getByLabel("Pairing code").fill(word.toLowerCase());
      await page.getByRole("button", { name: "Pair", exact: true }).click();
      await page.locator(".words").waitFor();
      const words = pairingWords(word, did).join(" ");
      expect(await page.locator(".words").innerText()).toBe(words);
      await expect.poll(() => plain(at.written()), { timeout: 30_000 }).toContain(words);
      await expect.poll(() => plain(at.written()), { timeout: 30_000 }).toContain("same six words");
      at.child.stdin!.write(answer);
      // A second question shows the change itself.
      if (answer === "y") {
        await page.waitForTimeout(300);
        at.child.stdin!.write("y");
      }
      await page.getByText(said).waitFor();
      expect((await policy()).includes(did)).toBe(isIn);
    }
    await context.close();
  });
});
