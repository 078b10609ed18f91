import { also, audit, dryRun, passphraseFile, policy, state } from "./flags.ts";
import type { CommandSpec } from "./spec.ts";

const group = "mcp";

/** Commands about policies. */
export const policyCommands: readonly CommandSpec[] = [
  {
    path: "policy check",
    args: "[path]",
    text: "load a policy as a guard would: warnings, digest, what strangers could do",
    group,
    flags: [also],
    examples: ["peerage policy check policy.yaml", "peerage policy check policy.yaml --json"],
    load: () => import("../commands/policy/check.ts"),
  },
  {
    path: "policy init",
    args: "[template]",
    text: "write a commented policy to start from: laptop, server or approvals",
    group,
    wraps: true,
    flags: [
      ["--out <file>", "where to write it (policy.yaml)"],
      ["--from <url>", "ask a server for its tools, or name its command after --"],
      ["--header <line>", "a header for that server (repeatable)", { many: true }],
      passphraseFile,
      dryRun,
    ],
    examples: ["peerage policy init laptop", "peerage policy init server --out server.yaml -- npx some-mcp-server"],
    load: () => import("../commands/policy/init.ts"),
  },
  {
    path: "policy test",
    args: "[path]",
    text: "play the cases of *.test.yaml, or recorded calls; exit 1 if one fails",
    group,
    flags: [also, ["--calls", "play what this guard has recorded: each call must end as it did"], audit, state],
    examples: ["peerage policy test policy.yaml", "peerage policy test policy/ --calls"],
    load: () => import("../commands/policy/test.ts"),
  },
  {
    path: "policy explain",
    args: "<call|file>",
    text: "every condition over one call, and the smallest change that would admit it",
    group,
    flags: [policy, audit, state],
    examples: ["peerage policy explain call.json --policy policy.yaml", "peerage policy explain 17"],
    load: () => import("../commands/policy/explain.ts"),
  },
  {
    path: "policy diff",
    args: "<old> <new>",
    text: "what differs, and which recorded calls would end otherwise",
    group,
    flags: [
      ["--calls <file>", "an audit log, or inputs as NDJSON (this guard's log)"],
      ["--max-newly-allowed <n>", "exit 3 if more recorded calls would be allowed"],
      audit,
      state,
    ],
    examples: [
      "peerage policy diff policy.yaml new.yaml",
      "peerage policy diff origin/main policy/ --calls last-week.ndjson --max-newly-allowed 0",
    ],
    load: () => import("../commands/policy/diff.ts"),
  },
  {
    path: "policy grant",
    args: "<agent> <tool...>",
    text: "add a rule for one agent; a running guard takes it up",
    group,
    flags: [
      policy,
      ["--trust <score>", "only while its score is at least this, 0 to 1"],
      ["--until <time>", "for so long: 7d, or until a time in UTC"],
      ["--spiffe <pattern>", "only with this SPIFFE ID as well"],
      dryRun,
    ],
    examples: [
      "peerage policy grant brisk-lantern crm.lookup --until 7d",
      "peerage policy grant brisk-lantern crm.lookup crm.export --trust 0.5 --dry-run",
    ],
    load: () => import("../commands/policy/grants.ts").then(({ grant }) => ({ run: grant })),
  },
  {
    path: "policy revoke",
    args: "<agent|rule>",
    text: "take grants away; deny the agent if another rule lets it in",
    group,
    flags: [policy, dryRun],
    examples: ["peerage policy revoke brisk-lantern", "peerage policy revoke grant-1"],
    load: () => import("../commands/policy/grants.ts").then(({ revoke }) => ({ run: revoke })),
  },
  {
    path: "policy deny-all",
    text: "admit nothing from the next message on, whatever the policy says",
    group,
    flags: [
      ["--for <duration>", "for so long: 30s, 15m, 24h, 7d"],
      ["--because <text>", "why, for people"],
      ["--off", "let the policy decide again"],
      state,
      dryRun,
    ],
    examples: ["peerage policy deny-all --for 1h --because incident", "peerage policy deny-all --off"],
    load: () => import("../commands/policy/deny-all.ts"),
  },
  {
    path: "policy input",
    args: "[call|file]",
    text: "the document that a policy sees, of one call or of all that were recorded",
    group,
    flags: [["--dump", "all recorded calls, one a line"], audit, state],
    examples: ["peerage policy input call.json", "peerage policy input --dump"],
    load: () => import("../commands/policy/input.ts"),
  },
];
