// Runs the lines of docs/operating.md, "With a mirror and three witnesses, on one machine", as they stand there.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = new URL("../../", import.meta.url);

/** The commands of the document's blocks that are marked `sh federation`, in order. */
export async function federationCommands(): Promise<string> {
  const text = await readFile(new URL("docs/operating.md", root), "utf8");
  return [...text.matchAll(/^```sh federation\n([\s\S]*?)^```$/gm)].map(([, block = ""]) => block).join("\n");
}

/**
 * Runs them in an empty folder with an empty home, as on a fresh machine; `peerage` is the one of this repository.
 * @returns the exit code of the first line that failed, or 0
 */
export async function runFederation(show: (text: string) => void): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "peerage-federation-"));
  const bin = fileURLToPath(new URL("cli/bin/peerage.js", root));
  await writeFile(join(folder, "peerage"), `#!/bin/sh\nexec "${process.execPath}" "${bin}" "$@"\n`, { mode: 0o755 });
  // A line that fails ends the run. Each is shown before it is run, and whatever it started is stopped at the end.
  const script = `set -euo pipefail\nPS4='$ '\nset -x\n${await federationCommands()}`;
  const child = spawn("bash", ["-c", script], {
    cwd: folder,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: `${folder}${delimiter}${process.env["PATH"] ?? ""}`,
      HOME: folder,
      LANG: "C.UTF-8",
      PEERAGE_HOME: join(folder, "home"),
      NODE_COMPILE_CACHE: join(folder, "compiled"),
    },
  });
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", show);
  const code = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (status) => resolve(status ?? 1));
  });
  stopGroup(child.pid);
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  return code;
}

/** What the script left running, if it ended early. */
function stopGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch {
    // Nothing was left.
  }
}

if (import.meta.main) process.exitCode = await runFederation((text) => process.stdout.write(text));
