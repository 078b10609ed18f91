import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { answerEnvelope, dataSchemas } from "../cli/src/schemas.ts";
import { BIN, Home } from "./_cli.ts";
import { type Running, startProcess } from "./_running.ts";

const SERVER = fileURLToPath(new URL("./fixtures/modern-server.ts", import.meta.url));

let home: Home;
const peerage = (...argv: string[]): Running => startProcess(home, process.execPath, [BIN, ...argv]);

beforeAll(async () => {
  home = await Home.make();
  for (const name of ["gate", "yard", "bot"]) await home.call(["init", name]);
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
      ...["--http", "0", "--console", "0", "--", process.execPath, SERVER, "stdio"],
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
    const yard = [
      process.execPath,
      BIN,
      "--identity",
      "yard",
      "guard",
      "--policy",
      "policy.yaml",
      "--approval-wait",
      "0",
    ];
    // No PEERAGE_* variable reaches a wrapped command, so the guard finds its files by these.
    const xdg = Object.fromEntries(["DATA", "CONFIG", "STATE", "CACHE"].map((name) => [`XDG_${name}_HOME`, home.path]));
    const ask = (text: string): Promise<{ stdout: string }> =>
      home.run([...call, `message=${text}`, "--", ...yard, "--", process.execPath, SERVER, "stdio"], {
        env: { ...xdg, PEERAGE_HOME: undefined },
      });
    const alone = await ask("alone");
    expect(alone.stdout).toContain("peerage approvals show");
    await using console = peerage("console", "--listen", "0", "--state", join(home.path, "peerage"));
    const url = await console.match(/console +(http:\/\/127\.0\.0\.1:\d+)\n/);
    expect((await ask("beside")).stdout).toContain(`${url}/approvals/`);
  });
});
