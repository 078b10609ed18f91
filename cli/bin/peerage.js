#!/usr/bin/env node
// Plain JavaScript without any import, so that an old Node reads it and ends with one clear line instead of a crash.
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `peerage needs Node 22.18 or newer; this is ${process.version}. Install it from https://nodejs.org\n`,
  );
  process.exitCode = 1;
} else {
  import("../src/bin.ts");
}
