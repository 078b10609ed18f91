export { type ExitStatus, exitCodeOf, type ServerCommand } from "./child.ts";
export { runStdioGuard, type StdioGuardOptions } from "./stdio-guard.ts";
