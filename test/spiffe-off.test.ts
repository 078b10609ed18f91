import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";

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
  it("nothing of it is loaded: neither validators nor gRPC", () => {
    const isSpiffe = (url: string): boolean => /mcp-middleware\/src\/spiffe\/(?!load)|@grpc|protobufjs/.test(url);
    const off = loadedModules(`await import("./src/index.ts"); await import("./src/spiffe/load.ts");`);
    expect(off.length).toBeGreaterThan(20);
    expect(off.filter(isSpiffe)).toEqual([]);
    const on = loadedModules(`const { loadSpiffe } = await import("./src/spiffe/load.ts"); await loadSpiffe();`);
    expect(on.filter(isSpiffe).length).toBeGreaterThan(20);
    expect(on.some((url) => url.includes("@grpc"))).toBe(false);
  });
});
