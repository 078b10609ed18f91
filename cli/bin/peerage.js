#!/usr/bin/env node
// Plain JavaScript without any import, so that an old Node reads it and ends with one clear line instead of a crash.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `peerage needs Node 22.18 or newer; this is ${process.version}. Install it from https://nodejs.org\n`,
  );
  process.exitCode = 1;
} else {
  keepCompiledCode();
  import("../src/bin.ts");
}

/**
 * Keeps compiled code in the user's own cache folder, the one of `peerage config path`: the next start is three times as
 * fast. Never in the shared temporary folder, where another user could plant code. Without such a folder: no cache.
 */
function keepCompiledCode() {
  const { isAbsolute, join } = process.getBuiltinModule("node:path");
  const { env } = process;
  const given = (name) => (isAbsolute(env[name] ?? "") ? env[name] : undefined);
  const root = given("PEERAGE_HOME");
  if (!root && env.PEERAGE_HOME) return;
  const home = given("HOME") ?? process.getBuiltinModule("node:os").homedir();
  const local = given("LOCALAPPDATA") ?? join(home, "AppData", "Local");
  const base = process.platform === "win32" ? local : (given("XDG_CACHE_HOME") ?? join(home, ".cache"));
  const folder = root ? join(root, "cache") : join(base, "peerage", ...(process.platform === "win32" ? ["cache"] : []));
  try {
    process.getBuiltinModule("node:fs").mkdirSync(folder, { recursive: true, mode: 0o700 });
    process.getBuiltinModule("node:module").enableCompileCache(join(folder, "code"));
  } catch {
    // A home that cannot be written to makes the start slower, nothing else.
  }
}
