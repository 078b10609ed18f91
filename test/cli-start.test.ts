import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Home } from "./_cli.ts";

const START = fileURLToPath(new URL("../scripts/start.ts", import.meta.url));

/** Starts it in a folder and waits for what it prints, or for its end. */
async function start(home: Home): Promise<{ printed: string; stop: () => Promise<void> }> {
  const child = spawn(process.execPath, [START], {
    cwd: home.path,
    env: { PATH: process.env["PATH"], HOME: home.path, PEERAGE_HOME: home.at() },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = new Promise((resolve) => child.once("close", resolve));
  const printed = await new Promise<string>((resolve) => {
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (text.includes("Ctrl-C stops it")) resolve(text);
    });
    void closed.then(() => resolve(text));
  });
  const stop = async (): Promise<void> => {
    child.kill("SIGINT");
    await closed;
  };
  return { printed, stop };
}

describe("npm start", () => {
  it("brings up registry, observatory and a guarded server, and a newcomer gets in by following what it prints", async () => {
    await using home = await Home.make();
    const { printed, stop } = await start(home);
    try {
      const registry = /registry and observatory +(http:\/\/127\.0\.0\.1:\d+)/.exec(printed)?.[1] ?? "";
      const guard = /example MCP server +(http:\/\/127\.0\.0\.1:\d+\/mcp)/.exec(printed)?.[1] ?? "";
      expect(printed).toContain("connect an agent");
      const page = await fetch(registry, { headers: { accept: "text/html" } });
      expect(page.headers.get("content-type")).toContain("text/html");
      expect(await (await fetch(`${registry}/v1/nothing`)).json()).toMatchObject({ code: "ERR_NOT_FOUND" });

      // Word for word what is printed, but for `npx`.
      const lines = [...printed.matchAll(/^ {4}npx peerage (.+)$/gm)].map(([, line]) => line!.split(" "));
      const [init, refused, vouch, admitted] = lines as [string[], string[], string[], string[]];
      await home.ok(init);
      expect(await home.run(refused)).toMatchObject({
        code: 3,
        stdout: expect.stringContaining("ERR_TRUST_INSUFFICIENT"),
      });
      await home.ok(vouch);
      let last = await home.run(admitted);
      for (let i = 0; i < 20 && last.code === 3; i++) {
        await new Promise((resolve) => setTimeout(resolve, 250));
        last = await home.run(admitted);
      }
      expect(last).toMatchObject({ code: 0, stdout: expect.stringContaining("Echo: hello") });
      expect(last.stdout).toContain("receipt");
      // Another identity that nobody stands for stays outside.
      await home.ok(["init", "other"]);
      expect((await home.run(["--identity", "other", "call", guard, "echo", "--arg", "message=hello"])).code).toBe(3);
      // Nothing is invented: the log knows the operator, the gate and the two of us.
      const { agents } = await home.data(["find"]);
      expect(agents).toHaveLength(4);
    } finally {
      await stop();
    }
    // The next day: the same folder, the same identities, and who was vouched for is still let in.
    const again = await start(home);
    try {
      const lines = [...again.printed.matchAll(/^ {4}npx peerage (.+)$/gm)].map(([, line]) => line!.split(" "));
      await home.ok(lines[0]!);
      expect(await home.run(lines[3]!)).toMatchObject({ code: 0, stdout: expect.stringContaining("Echo: hello") });
      const { agents } = await home.data(["find"]);
      expect(agents).toHaveLength(4);
    } finally {
      await again.stop();
    }
  });
});
