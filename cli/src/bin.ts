#!/usr/bin/env node
// The check stands before every import: what follows would crash an older Node instead of explaining itself.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 18)) {
  process.stderr.write(
    `peerage needs Node 22.18 or newer; this is ${process.version}. Install it from https://nodejs.org\n`,
  );
  process.exit(1);
}
const { runProcess } = await import("./process.ts");
await runProcess();

export {};
