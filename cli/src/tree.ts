import type { Context, Options } from "./context.ts";
import type { Result } from "./output.ts";

/** What the parser made of a command's words. */
export interface Args {
  /** Words before `--`, in order. */
  readonly words: readonly string[];
  /** What stands after `--`: a command to wrap, never parsed by us. */
  readonly rest: readonly string[];
  readonly options: Options;
}

/** A command's body: a result to print, or an exit code if it wrote its own output. */
export type Run = (context: Context, args: Args) => Promise<Result | number>;

/** One flag: as commander reads it, and what it is for. */
export type Flag = readonly [flags: string, text: string, options?: { readonly many?: true }];

/** A command as data: help needs nothing else, and its code is imported when it runs. */
export interface CommandSpec {
  /** One or two words: `trust`, `roots add`. */
  readonly path: string;
  /** Its arguments, in commander's notation. */
  readonly args?: string;
  readonly text: string;
  readonly group: Group;
  /** Shown at the top of the help, in this order. */
  readonly front?: number;
  /** What its parent does without a further word. */
  readonly byDefault?: true;
  /** Takes a command after `--`. */
  readonly wraps?: true;
  readonly flags?: readonly Flag[];
  readonly examples: readonly [string, string];
  readonly load: () => Promise<{ readonly run: Run }>;
}

export const groups = ["start", "trust", "sign and check", "mcp", "operate"] as const;
export type Group = (typeof groups)[number];

const scope: Flag = ["-s, --scope <word>", "what the trust is for (tools)"];
const dryRun: Flag = ["--dry-run", "print the exact bytes, change nothing"];
const passphraseFile: Flag = ["--passphrase-file <path>", "read the key's passphrase from a file or /dev/fd/N"];
const root: Flag = ["--root <agent>", "start trust from here instead (repeatable)", { many: true }];
const maxAge: Flag = ["--max-age <seconds>", "how old the log may be (86400)"];
const policy: Flag = ["--policy <file>", "the deny-by-default policy"];

/** Flags that every command takes. */
export const globalFlags: readonly Flag[] = [
  ["--json", "one line of JSON"],
  ["--plain", "tab-separated lines"],
  ["--registry <url>", "the registry to use"],
  ["--identity <name>", "the identity to use"],
  ["--as <agent>", "see trust with another's eyes"],
  ["--no-input", "never ask, fail instead"],
  ["-y, --yes", "answer questions with yes"],
  ["-q, --quiet", "no messages"],
  ["-v, --verbose", "say more"],
];

/** Every command, in the order of the help. */
export const commands: readonly CommandSpec[] = [
  {
    path: "init",
    args: "[name]",
    text: "make an identity; join a registry if one is named",
    group: "start",
    front: 1,
    flags: [
      ["--role <word>", "agent, server, person or organization (agent)"],
      ["--roots <registry>", "take the roots that the registry publishes: --roots registry"],
      ["--passphrase", "seal the key with a passphrase, and ask for it"],
      passphraseFile,
      dryRun,
    ],
    examples: ["peerage init build-bot", "peerage init build-bot --registry https://observatory.example"],
    load: () => import("./commands/init.ts"),
  },
  {
    path: "demo",
    text: "a whole network on this machine in half a minute",
    group: "start",
    front: 2,
    examples: ["peerage demo", "peerage demo --json"],
    load: () => import("./commands/demo.ts"),
  },
  {
    path: "doctor",
    text: "check Node, key, clock, registry, log and vouches",
    group: "start",
    front: 7,
    examples: ["peerage doctor", "peerage doctor --json"],
    load: () => import("./commands/doctor.ts"),
  },
  {
    path: "whoami",
    text: "who am I, and who vouches for me",
    group: "start",
    flags: [["--share", "a message with which to ask for a vouch"]],
    examples: ["peerage whoami", "peerage whoami --share"],
    load: () => import("./commands/whoami.ts"),
  },
  {
    path: "trust",
    args: "<agent>",
    text: "should I? score, chains, and what holds it up",
    group: "trust",
    front: 3,
    flags: [
      scope,
      ["--min <score>", "exit 3 below this score, 0 to 1"],
      root,
      maxAge,
      ["--explain", "every vouch that was looked at"],
    ],
    examples: ["peerage trust brisk-lantern", "peerage trust brisk-lantern --scope code --min 0.6 && ./deploy"],
    load: () => import("./commands/trust.ts"),
  },
  {
    path: "vouch",
    args: "<agent>",
    text: "sign a vouch for an agent; public for ever",
    group: "trust",
    front: 4,
    flags: [
      ["-s, --scope <word>", "what it holds for (repeatable; tools)", { many: true }],
      ["--confidence <1..100>", "how sure you are (80)"],
      ["--days <1..180>", "how long it holds (90)"],
      ["--until <time>", "until when it holds, RFC 3339 in UTC"],
      ["--evidence <digest>", "digest of a receipt (repeatable)", { many: true }],
      ["--out <file>", "write the signed vouch to a file as well"],
      passphraseFile,
      dryRun,
    ],
    examples: ["peerage vouch brisk-lantern --scope code --confidence 80", "peerage vouch brisk-lantern --dry-run"],
    load: () => import("./commands/vouch.ts"),
  },
  {
    path: "unvouch",
    args: "<agent|vouch>",
    text: "withdraw one vouch, or all of yours for an agent",
    group: "trust",
    flags: [["--out <file>", "write the signed revocation to a file as well"], passphraseFile, dryRun],
    examples: ["peerage unvouch brisk-lantern", "peerage unvouch brisk-lantern --dry-run"],
    load: () => import("./commands/unvouch.ts"),
  },
  {
    path: "find",
    args: "[words...]",
    text: "search agents",
    group: "trust",
    flags: [scope, ["--limit <n>", "how many at most (20)"], root, maxAge],
    examples: ["peerage find lantern", "peerage find --limit 50"],
    load: () => import("./commands/find.ts"),
  },
  {
    path: "show",
    args: "<thing>",
    text: "an agent, a vouch or a log entry in full",
    group: "trust",
    flags: [["--raw", "the exact bytes of a statement"], scope, root, maxAge],
    examples: ["peerage show brisk-lantern", "peerage show 17"],
    load: () => import("./commands/show.ts"),
  },
  {
    path: "roots list",
    text: "from whom I start to trust",
    group: "trust",
    byDefault: true,
    examples: ["peerage roots list", "peerage roots list --json"],
    load: () => import("./commands/roots.ts").then(({ list }) => ({ run: list })),
  },
  {
    path: "roots add",
    args: "[agent]",
    text: "start to trust from an agent",
    group: "trust",
    flags: [["--from <registry>", "take those that the registry publishes: --from registry"], dryRun],
    examples: ["peerage roots add brisk-lantern", "peerage roots add --from registry"],
    load: () => import("./commands/roots.ts").then(({ add }) => ({ run: add })),
  },
  {
    path: "roots remove",
    args: "<agent>",
    text: "no longer start from an agent",
    group: "trust",
    flags: [dryRun],
    examples: ["peerage roots remove brisk-lantern", "peerage roots remove brisk-lantern --dry-run"],
    load: () => import("./commands/roots.ts").then(({ remove }) => ({ run: remove })),
  },
  {
    path: "names list",
    text: "my own names for agents",
    group: "trust",
    byDefault: true,
    examples: ["peerage names list", "peerage names list --plain"],
    load: () => import("./commands/names.ts").then(({ list }) => ({ run: list })),
  },
  {
    path: "names set",
    args: "<name> <did>",
    text: "name an agent",
    group: "trust",
    flags: [dryRun],
    examples: [
      "peerage names set lantern did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME",
      "peerage names set lantern did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME --dry-run",
    ],
    load: () => import("./commands/names.ts").then(({ set }) => ({ run: set })),
  },
  {
    path: "names remove",
    args: "<name>",
    text: "forget a name",
    group: "trust",
    flags: [dryRun],
    examples: ["peerage names remove lantern", "peerage names remove lantern --dry-run"],
    load: () => import("./commands/names.ts").then(({ remove }) => ({ run: remove })),
  },
  {
    path: "verify",
    args: "<file>",
    text: "every check of a signed thing, offline if it can",
    group: "sign and check",
    flags: [
      ["--server <did>", "who must have signed a receipt"],
      ["--call <file>", "the call proof that a receipt answers"],
      ["--result <file>", "the result that a receipt covers"],
      ["--message <file>", "the message that a call proof covers"],
      ["--audience <did|url>", "for whom a call proof must be"],
      ["--log-key <vkey>", "the log key that a checkpoint must carry"],
      ["--origin <name>", "the origin that a checkpoint must carry"],
      ["--statement <file>", "the statement that a log proof covers"],
      ["--at <time>", "the time to judge by (now)"],
    ],
    examples: ["peerage verify vouch.json", "peerage verify receipt.jws --call call.jws --result result.json"],
    load: () => import("./commands/verify.ts"),
  },
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
    ],
    examples: ["peerage proxy -- npx some-mcp-server", "peerage proxy https://tools.example/mcp"],
    load: () => import("./commands/proxy.ts"),
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
      ["--refresh <seconds>", "how often the log is looked at (5)"],
      passphraseFile,
    ],
    examples: [
      "peerage guard --policy policy.yaml -- npx some-mcp-server",
      "peerage guard --http 7070 --upstream http://127.0.0.1:9000/mcp --policy policy.yaml",
    ],
    load: () => import("./commands/guard.ts"),
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
      ["--receipt <file>", "keep the call proof, the result and the receipt"],
      passphraseFile,
      dryRun,
    ],
    examples: [
      "peerage call https://tools.example/mcp echo --arg message=hello",
      "peerage call echo --arg message=hello -- peerage guard -- npx some-mcp-server",
    ],
    load: () => import("./commands/call.ts"),
  },
  {
    path: "registry serve",
    text: "run a registry and its observatory",
    group: "operate",
    flags: [
      ["--listen <addr>", "port or host:port (127.0.0.1:7075)"],
      ["--data <folder>", "where the log and its keys are kept"],
      ["--public-url <url>", "the address by which others know it"],
      ["--root <agent>", "a root that the registry suggests (repeatable)", { many: true }],
      ["--behind-proxy", "allow an address off loopback: TLS ends before it"],
    ],
    examples: ["peerage registry serve", "peerage registry serve --listen 7080 --data ./registry"],
    load: () => import("./commands/registry.ts"),
  },
  {
    path: "log head",
    text: "the newest checkpoint of the log, checked",
    group: "operate",
    byDefault: true,
    flags: [maxAge],
    examples: ["peerage log head", "peerage log head --json"],
    load: () => import("./commands/log.ts").then(({ head }) => ({ run: head })),
  },
  {
    path: "log entry",
    args: "<index|id>",
    text: "an entry of the log with its proof, checked",
    group: "operate",
    flags: [["--out <file>", "keep the log proof in a file"]],
    examples: ["peerage log entry 0", "peerage log entry 17 --out entry-17.proof"],
    load: () => import("./commands/log.ts").then(({ entry }) => ({ run: entry })),
  },
  {
    path: "config get",
    args: "[key]",
    text: "what is configured",
    group: "operate",
    byDefault: true,
    flags: [["--origin", "say where a value comes from"]],
    examples: ["peerage config get --origin", "peerage config get registry"],
    load: () => import("./commands/config.ts").then(({ get }) => ({ run: get })),
  },
  {
    path: "config set",
    args: "<key> [value]",
    text: "configure; without a value: forget",
    group: "operate",
    flags: [dryRun],
    examples: ["peerage config set registry https://observatory.example", "peerage config set scope code"],
    load: () => import("./commands/config.ts").then(({ set }) => ({ run: set })),
  },
  {
    path: "config path",
    text: "where everything is kept",
    group: "operate",
    examples: ["peerage config path", "peerage config path --json"],
    load: () => import("./commands/config.ts").then(({ path }) => ({ run: path })),
  },
  {
    path: "help",
    args: "[command...]",
    text: "what there is, or how one command works",
    group: "operate",
    flags: [["--all", "every command"]],
    examples: ["peerage help trust", "peerage help --all"],
    load: () => import("./commands/help.ts"),
  },
  {
    path: "version",
    text: "the version",
    group: "operate",
    examples: ["peerage version", "peerage version --json"],
    load: () => import("./commands/version.ts"),
  },
];

/** What the two-word commands have in common. */
export const parents: Readonly<Record<string, string>> = {
  roots: "from whom I start to trust",
  names: "my own names for agents",
  registry: "run a registry",
  log: "the transparency log",
  config: "settings",
};
