import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Did } from "@peerage/core";
import { pairingWords } from "@peerage/observatory";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { launchBrowser } from "../_browser.ts";
import { BIN, Home } from "../_cli.ts";
import { type Running, startProcess } from "../_running.ts";

const terminal = ["/usr/bin/script", "/bin/script"].find((path) => existsSync(path));
if (terminal === undefined) console.warn("SKIPPED: no `script` here, so pairing is not tried on a terminal");

const browser = terminal === undefined ? undefined : await launchBrowser();
afterAll(async () => browser?.close());

describe.skipIf(!browser)("peerage console pair", () => {
  let home: Home;
  beforeAll(async () => {
    home = await Home.make();
    for (const name of ["gate", "alice"]) await home.call(["init", name]);
    const alice = JSON.parse((await home.call(["whoami", "--identity", "alice", "--json"])).stdout).data.did as string;
    const rule = `{ id: echo, tools: echo, agents: "${alice}", approval: { by: "@approvers" } }`;
    const head = `apiVersion: peerage.dev/v1\nkind: Policy\ngroups:\n  approvers: ["${alice}"]\n`;
    await writeFile(join(home.path, "policy.yaml"), `${head}allow:\n  - ${rule}\n`);
  });
  afterAll(() => home[Symbol.asyncDispose]());

  it("makes a browser's key an approver once a person has seen the same six words here and there", async () => {
    await using console = startProcess(home, process.execPath, [BIN, "console", "--listen", "0"]);
    const url = await console.match(/console +(http:\/\/127\.0\.0\.1:\d+)\n/);
    const code = await console.match(/#code=([A-Za-z0-9_-]{22})/);
    const context = await browser!.newContext();
    const page = await context.newPage();
    await page.goto(`${url}/approver#code=${code}`);
    await page.getByRole("button", { name: "Make a key in this browser" }).click();
    const did = (await page.locator("peerage-approver .did").innerText()) as Did;
    const pair = (): Running =>
      startProcess(home, terminal!, [
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
      await expect.poll(() => plain(at.written()), { timeout: 60_000 }).toMatch(/code +[0-9A-Z]{8}/);
      const [, word = ""] = /code +([0-9A-Z]{8})/.exec(plain(at.written()))!;
      await page.getByLabel("Pairing code").fill(word.toLowerCase());
      await page.getByRole("button", { name: "Pair", exact: true }).click();
      await page.locator(".words").waitFor();
      const words = pairingWords(word, did).join(" ");
      expect(await page.locator(".words").innerText()).toBe(words);
      await expect.poll(() => plain(at.written()), { timeout: 60_000 }).toContain(words);
      await expect.poll(() => plain(at.written()), { timeout: 60_000 }).toContain("same six words");
      at.child.stdin!.write(answer);
      await page.getByText(said).waitFor();
      expect((await policy()).includes(did)).toBe(isIn);
    }
    await context.close();
  });
});
