export { type BridgeOptions, runBridge, type ServerUrl } from "./bridge.ts";
export { type ExitStatus, exitCodeOf, type ServerCommand } from "./child.ts";
export { type HttpGuard, type HttpGuardOptions, startHttpGuard } from "./http-guard.ts";
export { runStdioGuard, type StdioGuardOptions } from "./stdio-guard.ts";
export { startStdioHost, type StdioHost, type StdioHostOptions } from "./stdio-host.ts";
