import { interrupted } from "./interrupt.ts";
import { main } from "./main.ts";

/** Runs the command line of this process and ends it with the exit code of cli.md section 3. */
export async function runProcess(): Promise<void> {
  // A reader that goes away (`peerage find | head`) is no fault to report.
  process.stdout.on("error", endQuietly);
  process.stderr.on("error", endQuietly);
  // Ctrl-C stops at once. Commands that own a child or a server put their own listener in its place.
  process.once("SIGINT", interrupted);
  const exit = await main(process.argv.slice(2), {
    env: process.env,
    cwd: process.cwd(),
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    now: () => new Date(),
  });
  process.exitCode = exit;
  // What was written must leave the process; what some library still holds open must not keep it.
  process.stdout.write("", () => process.stderr.write("", () => process.exit(exit)));
}

function endQuietly(): void {
  process.exit(process.exitCode ?? 1);
}
