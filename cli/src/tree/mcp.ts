import { audit, dryRun, maxAge, passphraseFile, policy, root, state } from "./flags.ts";
import { callerSpiffeFlags, guardSpiffeFlags } from "./spiffe.ts";
import type { CommandSpec } from "./spec.ts";

/** Commands for calls over MCP. */
export const mcpCommands: readonly CommandSpec[] = [
  {
    path: "proxy",
    args: "[url]",
    text: "sign everything that this MCP client sends",
    group: "mcp",
    front: 5,
    wraps: true,
    flags: [
      ["--audience <did>", "the server to sign for, instead of the one it names"],
      ["--header <line>", "a header for the server, such as a bearer token (repeatable)", { many: true }],
      passphraseFile,
      ...callerSpiffeFlags,
    ],
    examples: ["peerage proxy -- npx some-mcp-server", "peerage proxy https://tools.example/mcp"],
    load: () => import("../commands/proxy.ts"),
  },
  {
    path: "guard",
    text: "the gate before any MCP server",
    group: "mcp",
    front: 6,
    wraps: true,
    flags: [
      policy,
      root,
      maxAge,
      ["--http [addr]", "guard over HTTP, at a port or host:port (127.0.0.1:7070)"],
      ["--upstream <url>", "the server behind an HTTP guard"],
      ["--public-url <url>", "the address that callers sign for"],
      ["--behind-proxy", "allow an address off loopback: TLS ends before it"],
      ["--console [addr]", "serve the console beside an HTTP guard, at a port or host:port (127.0.0.1:7071)"],
      ["--refresh <seconds>", "how often the log is looked at (5)"],
      audit,
      ["--audit-args <how>", "of arguments record: digest, redacted (what rules read) or full"],
      ["--approval-wait <s>", "how long a call waits for a person before it is told to retry (20)"],
      ["--webhook <url>", "where to post that a request waits for a person (as Slack takes it)"],
      ["--webhook-secret <file>", "the key that signs those posts (or PEERAGE_WEBHOOK_SECRET)"],
      state,
      passphraseFile,
      ...guardSpiffeFlags,
    ],
    examples: [
      "peerage guard --policy policy.yaml -- npx some-mcp-server",
      "peerage guard --http 7070 --upstream http://127.0.0.1:9000/mcp --policy policy.yaml",
    ],
    load: () => import("../commands/guard.ts"),
  },
  {
    path: "call",
    args: "<server|tool> [tool]",
    text: "one signed call to a server",
    group: "mcp",
    wraps: true,
    flags: [
      ["--arg <name=value>", "an argument, JSON or text (repeatable)", { many: true }],
      ["--args <file>", "all arguments as a JSON file, - for stdin"],
      ["--audience <did>", "the server to sign for, instead of the one it names"],
      ["--header <line>", "a header for the server (repeatable)", { many: true }],
      ["--timeout <seconds>", "how long to wait for an answer (60)"],
      ["--history <file>", "present the steps of a run, and add the receipt to them"],
      ["--receipt <file>", "keep the call proof, the result and the receipt"],
      passphraseFile,
      ...callerSpiffeFlags,
      dryRun,
    ],
    examples: [
      "peerage call https://tools.example/mcp echo --arg message=hello",
      "peerage call echo --arg message=hello -- peerage guard -- npx some-mcp-server",
    ],
    load: () => import("../commands/call.ts"),
  },
];
