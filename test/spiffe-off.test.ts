import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { Home } from "./_cli.ts";
import { authority, pem } from "./_spiffe.ts";

const LOADED = fileURLToPath(new URL("./fixtures/cli-loaded.ts", import.meta.url));
/** What of SPIFFE is loaded: not counted is what asks whether it is wanted. */
const isSpiffe = (url: string): boolean =>
  /\/src\/(?:commands\/)?spiffe(?!\/load|\/switches)|@grpc|protobufjs/.test(url);

/** Modules that a process has loaded after importing the middleware, and after `loadSpiffe`. */
function loadedModules(code: string): string[] {
  const hook = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load: (url, context, next) => { loaded.push(url); return next(url, context); } });
    ${code}
    console.log(JSON.stringify(loaded));`;
  const cwd = resolve(import.meta.dirname, "../mcp-middleware");
  return JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "-e", hook], { cwd }).toString(),
  ) as string[];
}

describe("with SPIFFE off", () => {
  it("nothing of it is loaded by the middleware: neither validators nor gRPC", () => {
    const off = loadedModules(`await import("./src/index.ts"); await import("./src/spiffe/load.ts");`);
    expect(off.length).toBeGreaterThan(20);
    const names = /mcp-middleware\/src\/spiffe\/(?!load)|@grpc|protobufjs/;
    expect(off.filter((url) => names.test(url))).toEqual([]);
    const on = loadedModules(`const { loadSpiffe } = await import("./src/spiffe/load.ts"); await loadSpiffe();`);
    expect(on.filter((url) => names.test(url)).length).toBeGreaterThan(20);
    expect(on.some((url) => url.includes("@grpc"))).toBe(false);
  });

  it("nothing of it is loaded by a guard and a caller on the command line, though the agent's socket is named", async () => {
    await using home = await Home.make();
    const at = (name: string): string => join(home.path, name);
    await writeFile(at("policy.yaml"), "apiVersion: peerage.dev/v1\nkind: Policy\nallow: []\n");
    await writeFile(at("a.pem"), pem(await authority("a.test")));
    for (const name of ["gate", "scout"]) expect((await home.call(["init", name])).code).toBe(0);
    const env = { SPIFFE_ENDPOINT_SOCKET: "unix:///nowhere/agent.sock" };
    const of = async (name: string, ...argv: string[]): Promise<string[]> => {
      const rest = ["--", process.execPath, "-e", "process.exit(0)"];
      const ran = await home.run(["--identity", name, ...argv, ...rest], { node: ["--import", LOADED], env });
      expect(ran.code, ran.stderr).toBe(0);
      return ran.stderr.split("\n").filter((url) => url.startsWith("file:"));
    };
    const guard = ["guard", "--policy", at("policy.yaml")];
    const [plain, caller, verifying] = await Promise.all([
      of("gate", ...guard),
      of("scout", "proxy"),
      of("gate", ...guard, "--state", at("other"), "--spiffe-bundle", `a.test=${at("a.pem")}`),
    ]);
    expect(plain.length).toBeGreaterThan(100);
    expect(plain.filter(isSpiffe).filter((url) => !url.includes("/core/"))).toEqual([]);
    expect(caller.filter(isSpiffe).filter((url) => !url.includes("/core/"))).toEqual([]);
    expect(verifying.filter(isSpiffe).length).toBeGreaterThan(20);
    expect(verifying.filter((url) => url.includes("@grpc/grpc-js")).length).toBe(0);
  });
});
