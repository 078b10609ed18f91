import { fileURLToPath } from "node:url";

/** How this very command line is started: by its own Node and file, so that no `PATH` decides what runs. */
export const ownCommand: readonly [node: string, script: string] = [
  process.execPath,
  fileURLToPath(new URL("../bin/peerage.js", import.meta.url)),
];

/** A word as a POSIX shell reads it back. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
