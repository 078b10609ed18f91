import { dryRun, maxAge, passphraseFile } from "./flags.ts";
import type { CommandSpec, Flag } from "./spec.ts";

const witness: Flag = ["--witness <url>", "a witness of the log to compare with (repeatable)", { many: true }];
const mirror: Flag = ["--mirror <url>", "a mirror of the log to compare with (repeatable)", { many: true }];
const witnessPolicy: Flag = ["--witness-policy <file>", "a C2SP tlog-policy: what must have cosigned"];
const evidence: Flag = ["--evidence <folder>", "where proofs of a fork are kept"];

const proxies = "allow an address off loopback: TLS ends before it; whose word on addresses counts";
const logLines: readonly Flag[] = [
  ["--log <format>", "a line on stderr for every event: json or text"],
  ["--log-level <level>", "debug, info, warn or error (info)"],
];

/** Commands for operators. */
export const operateCommands: readonly CommandSpec[] = [
  {
    path: "registry serve",
    text: "run a registry and its observatory",
    group: "operate",
    flags: [
      ["--listen <addr>", "port or host:port (127.0.0.1:7075)"],
      ["--data <folder>", "where the log and its keys are kept"],
      ["--public-url <url>", "the address by which others know it"],
      ["--root <agent>", "a root that the registry suggests (repeatable)", { many: true }],
      ["--witness-policy <file>", "a C2SP tlog-policy: whose cosignatures a head needs before it is shown"],
      ["--witness-for <vkey>", "cosign another log as its witness (repeatable)", { many: true }],
      ["--mirror <url>", "a mirror of this log, to heal from after a restore (repeatable)", { many: true }],
      ["--mirror-of <url>", "copy and serve another registry's log as well (repeatable)", { many: true }],
      ["--member <agent>", "log statements of these alone (repeatable)", { many: true }],
      ["--database <url>", "postgres://… instead of a file; a password goes into PEERAGE_DATABASE"],
      ["--behind-proxy [addresses]", proxies],
      ["--metrics", "show /metrics to other machines too"],
      ...logLines,
    ],
    examples: ["peerage registry serve", "peerage registry serve --listen 7080 --data ./registry"],
    load: () => import("../commands/registry.ts"),
  },
  {
    path: "registry mirror",
    args: "<url>",
    text: "keep, serve and cosign a verified copy of another registry's log",
    group: "operate",
    flags: [
      ["--listen <addr>", "port or host:port (127.0.0.1:7077)"],
      ["--data <folder>", "where the copy and its key are kept"],
      ["--name <name>", "the name under which it cosigns"],
      ["--every <seconds>", "how often it looks for more (10)"],
      witnessPolicy,
      ["--once", "copy what there is and end"],
      evidence,
      ["--behind-proxy", "allow an address off loopback: TLS ends before it"],
      ...logLines,
    ],
    examples: [
      "peerage registry mirror https://observatory.example",
      "peerage registry mirror https://observatory.example --once",
    ],
    load: () => import("../commands/registry-mirror.ts"),
  },
  {
    path: "log head",
    text: "the newest checkpoint of the log, checked",
    group: "operate",
    byDefault: true,
    flags: [maxAge],
    examples: ["peerage log head", "peerage log head --json"],
    load: () => import("../commands/log.ts").then(({ head }) => ({ run: head })),
  },
  {
    path: "log entry",
    args: "<index|id>",
    text: "an entry of the log with its proof, checked",
    group: "operate",
    flags: [["--out <file>", "keep the log proof in a file"]],
    examples: ["peerage log entry 0", "peerage log entry 17 --out entry-17.proof"],
    load: () => import("../commands/log.ts").then(({ entry }) => ({ run: entry })),
  },
  {
    path: "log audit",
    text: "verify all of the log from entry 0 on, and compare what others saw",
    group: "operate",
    flags: [["--full", "every entry from 0 on, as it does anyway"], witness, mirror, witnessPolicy, evidence, maxAge],
    examples: ["peerage log audit --full", "peerage log audit --mirror https://mirror.example"],
    load: () => import("../commands/log-audit.ts").then(({ audit }) => ({ run: audit })),
  },
  {
    path: "log watch",
    text: "go on auditing until Ctrl-C; ends with 6 once a fork is proven",
    group: "operate",
    flags: [["--every <seconds>", "how often to look (60)"], witness, mirror, witnessPolicy, evidence, maxAge],
    examples: ["peerage log watch", "peerage log watch --every 10 --json"],
    load: () => import("../commands/log-audit.ts").then(({ watch }) => ({ run: watch })),
  },
  {
    path: "log report",
    args: "<file|url>",
    text: "report a forked log by its proof, or one that ended by its address, to a registry",
    group: "operate",
    flags: [passphraseFile],
    examples: [
      "peerage log report fork-1f2e3d4c.json",
      "peerage log report https://old.example --registry https://new.example",
    ],
    load: () => import("../commands/log-report.ts"),
  },
  {
    path: "log witness",
    text: "cosign the heads of logs, each only if it extends the one before",
    group: "operate",
    flags: [
      ["--log <vkey>", "the key of a log to watch (repeatable)", { many: true }],
      ["--name <name>", "the name under which it cosigns (host:port)"],
      ["--listen <addr>", "port or host:port (127.0.0.1:7078)"],
      ["--data <folder>", "where its memory and key are kept"],
      ["--behind-proxy", "allow an address off loopback: TLS ends before it"],
      ["--log-format <format>", "a line on stderr for every event: json or text"],
      ["--log-level <level>", "debug, info, warn or error (info)"],
    ],
    examples: [
      "peerage log witness --log local/z6Mk+1f2e3d4c+AQID",
      "peerage log witness --log local/z6Mk+1f2e3d4c+AQID --listen 7079",
    ],
    load: () => import("../commands/log-witness.ts"),
  },
  {
    path: "config get",
    args: "[key]",
    text: "what is configured",
    group: "operate",
    byDefault: true,
    flags: [["--origin", "say where a value comes from"]],
    examples: ["peerage config get --origin", "peerage config get registry"],
    load: () => import("../commands/config.ts").then(({ get }) => ({ run: get })),
  },
  {
    path: "config set",
    args: "<key> [value]",
    text: "configure; without a value: forget",
    group: "operate",
    flags: [dryRun],
    examples: ["peerage config set registry https://observatory.example", "peerage config set scope code"],
    load: () => import("../commands/config.ts").then(({ set }) => ({ run: set })),
  },
  {
    path: "config path",
    text: "where everything is kept",
    group: "operate",
    examples: ["peerage config path", "peerage config path --json"],
    load: () => import("../commands/config.ts").then(({ path }) => ({ run: path })),
  },
  {
    path: "completion",
    args: "<shell>",
    text: "the script with which bash, zsh, fish or powershell completes",
    group: "operate",
    examples: ["peerage completion bash", "peerage completion zsh"],
    load: () => import("../commands/completion.ts"),
  },
  {
    path: "help",
    args: "[command...]",
    text: "what there is, or how one command works",
    group: "operate",
    flags: [["--all", "every command"]],
    examples: ["peerage help trust", "peerage help --all"],
    load: () => import("../commands/help.ts"),
  },
  {
    path: "version",
    text: "the version",
    group: "operate",
    examples: ["peerage version", "peerage version --json"],
    load: () => import("../commands/version.ts"),
  },
];
