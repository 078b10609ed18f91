import { lstat } from "node:fs/promises";
import { type Did, isPeerageError, type View } from "@peerage/core";
import { readVersion } from "./version.ts";
import { Context, type Options } from "../context.ts";
import { type Fix, fixFacts } from "../doctor/fix.ts";
import { clientServers, shownWord } from "../doctor/mends.ts";
import { CliError, describeError, usage } from "../errors.ts";
import { identityNames, openIdentity } from "../files/identities.ts";
import { tilde } from "../files/paths.ts";
import { codeOf } from "../files/safe-file.ts";
import { openSnapshot, type Snapshot } from "../network.ts";
import type { Result } from "../output.ts";
import type { Args } from "../tree.ts";
import type { Fact } from "../ui/terminal.ts";
import { count, span } from "../ui/time.ts";
import { visible } from "../ui/visible.ts";
import { logLabel } from "../viewpoint.ts";

/** One thing that was looked at. `skip` is neither fine nor a problem: it could not be looked at. */
export interface Check {
  readonly name: string;
  readonly state: "ok" | "warn" | "problem" | "skip";
  readonly text: string;
  readonly fix?: string | undefined;
}

/**
 * `peerage doctor`: looks at everything that calls depend on, and at the way to a guard, where `--via` names it. Changes
 * nothing without `--fix`, which shows and asks before each change; exit 1 with a problem.
 */
export async function run(context: Context, { options }: Args): Promise<Result> {
  const fix = options["fix"] === true;
  if (options["dryRun"] === true && !fix) throw usage("--dry-run is of --fix", "peerage doctor --fix --dry-run");
  const fixes = fix ? await (await import("../doctor/fix.ts")).fixAll(context, options["dryRun"] === true) : [];
  // What was mended is read anew.
  const after = fixes.length === 0 ? context : new Context(context.io, context.globals);
  return report(after, fixes, options, fix);
}

async function report(context: Context, fixes: readonly Fix[], options: Options, fix: boolean): Promise<Result> {
  const via = (options["via"] as string[] | undefined) ?? [];
  const checks: Check[] = [
    { name: "node", state: "ok", text: process.versions.node },
    { name: "peerage", state: "ok", text: await readVersion() },
    await checkSettings(context),
    await checkFolder(context),
    await checkKey(context),
    ...(await checkRegistry(context)),
    await checkRoots(context),
    ...(await checkSpiffe(context)),
    ...(await checkClients(context)),
    ...(via.length === 0 ? [] : await (await import("../guard/hops.ts")).checkHops(context, via, options)),
  ];
  const tally = (state: Check["state"]): number => checks.filter((check) => check.state === state).length;
  const problems = tally("problem");
  const { ui } = context;
  const marks = { ok: "ok", warn: "warn", problem: "no", skip: "none" } as const;
  const facts = checks.flatMap(({ name, state, text, fix }): Fact[] => [
    { mark: marks[state], label: name, value: text },
    ...(fix === undefined ? [] : [{ label: "fix", value: fix }]),
  ]);
  const summary = [
    `${tally("ok")} fine`,
    ...(tally("warn") ? [count(tally("warn"), "warning")] : []),
    ...(problems ? [count(problems, "problem")] : []),
  ];
  return {
    exit: problems > 0 ? 1 : 0,
    data: { checks, fine: tally("ok"), warnings: tally("warn"), problems, ...(fix ? { fixes } : {}) },
    text: [
      ...(fixes.length > 0 ? [...ui.facts(fixFacts(fixes)), ""] : []),
      ...ui.facts(facts),
      `  ${problems > 0 ? ui.bad(summary.join(", ")) : summary.join(", ")}   ${ui.dim(`exit ${problems > 0 ? 1 : 0}`)}`,
    ],
    plain: checks.map(({ name, state, text, fix }) => [name, state, text, fix ?? ""]),
  };
}

async function checkSettings(context: Context): Promise<Check> {
  return attempt("config", async () => {
    const settings = await context.settings();
    const where = tilde(context.paths, context.paths.config);
    return { state: "ok", text: `${where}, identity ${settings.value("identity") ?? "not chosen"}` };
  });
}

async function checkFolder(context: Context): Promise<Check> {
  return attempt("folder", async () => {
    const { keys } = context.paths;
    if (process.platform === "win32")
      return { state: "ok", text: "Windows has no file modes: the profile's access list protects the keys" };
    try {
      const stat = await lstat(keys);
      const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
      if (!stat.isDirectory())
        return { state: "problem", text: `${tilde(context.paths, keys)} is not a folder`, fix: `move it away` };
      if ((stat.mode & 0o022) !== 0)
        return {
          state: "problem",
          text: `others can write to ${tilde(context.paths, keys)}`,
          fix: `chmod 700 ${keys}`,
        };
      if ((stat.mode & 0o077) !== 0)
        return { state: "warn", text: `${tilde(context.paths, keys)} is ${mode}`, fix: `chmod 700 ${keys}` };
      return { state: "ok", text: `${tilde(context.paths, keys)}, ${mode}` };
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
      return { state: "skip", text: "no keys yet" };
    }
  });
}

async function checkKey(context: Context): Promise<Check> {
  const agent = await context
    .settings()
    .then((settings) => settings.value("agent"))
    .catch(() => undefined);
  if (agent !== undefined) return checkAgent(context, agent);
  return attempt("key", async () => {
    if ((await identityNames(context.paths)).length === 0 && !context.io.env["PEERAGE_KEY_FILE"]) {
      return { state: "problem", text: "there is no identity on this machine yet", fix: "peerage init <name>" };
    }
    const file = await context.identityFile();
    if (file.keychain !== undefined) {
      await openIdentity(file, () => Promise.reject(new CliError("ERR_KEY_LOCKED", "the key is locked")));
      return { state: "ok", text: `${file.name}, opens by the system's keychain` };
    }
    if (file.locked) return { state: "ok", text: `${file.name}, sealed by a passphrase` };
    await openIdentity(file, () => Promise.reject(new CliError("ERR_KEY_LOCKED", "the key is locked")));
    return { state: "ok", text: `${file.name}, 0600, opens without a passphrase` };
  });
}

/** Where a signing agent is named, it is what signs, whatever keys are here. */
async function checkAgent(context: Context, socket: string): Promise<Check> {
  return attempt("agent", async () => {
    const [{ signerAt, statusOf }, { checkSocketPath }] = await Promise.all([
      import("../agent/client.ts"),
      import("../agent/socket.ts"),
    ]);
    const { locked, kinds } = await statusOf(checkSocketPath(socket));
    await signerAt(context, socket);
    const signs = kinds.map((kind) => visible(kind, 40)).join(", ");
    if (locked) return { state: "warn", text: `locked; it signs ${signs}`, fix: "peerage agent unlock" };
    return { state: "ok", text: `${tilde(context.paths, socket)} signs ${signs}` };
  });
}

async function checkRegistry(context: Context): Promise<Check[]> {
  let url: string | undefined;
  try {
    url = await context.registry();
  } catch {
    return []; // the settings check has told why
  }
  if (url === undefined) {
    return [
      {
        name: "registry",
        state: "skip",
        text: "none named: trust and vouches need one",
        fix: "peerage config set registry <url>",
      },
    ];
  }
  let snapshot: Snapshot;
  try {
    snapshot = await openSnapshot(context);
  } catch (error) {
    const { code, message } = describeError(error);
    const name = code === "ERR_REGISTRY_UNREACHABLE" ? "registry" : "log";
    const fix =
      code === "ERR_REGISTRY_UNREACHABLE"
        ? "is it running? peerage config get registry --origin"
        : "ask its operator; keep the message";
    return [{ name, state: "problem", text: visible(message, 300), fix }];
  }
  const { view, age, network } = snapshot;
  const checks: Check[] = [
    await checkClock(context, url),
    snapshot.from === "pack"
      ? { name: "registry", state: "problem", text: `${new URL(url).host} cannot be reached; a trust pack is used` }
      : {
          name: "registry",
          state: age > 86_400 ? "problem" : "ok",
          text: `${new URL(url).host}, ${logLabel(snapshot)}`,
        },
  ];
  const { rejected } = network;
  checks.push(
    rejected.length === 0
      ? { name: "log", state: "ok", text: "every statement verifies; consistent with what you saw before" }
      : {
          name: "log",
          state: "warn",
          text: `${count(rejected.length, "statement")} in it do not verify and count for nothing`,
        },
  );
  const me = await context.identityFile().catch(() => undefined);
  if (me) checks.push(checkVouches(view, me.did));
  return checks;
}

/** The registry's clock is read from the `Date` of its answer, to the second. */
async function checkClock(context: Context, url: string): Promise<Check> {
  return attempt("clock", async () => {
    const before = context.io.now().getTime();
    const response = await fetch(`${url}/checkpoint`, { redirect: "error", signal: AbortSignal.timeout(10_000) });
    await response.arrayBuffer();
    const date = response.headers.get("date");
    if (date === null) return { state: "skip", text: "the registry does not say its time" };
    const middle = (before + context.io.now().getTime()) / 2;
    const off = Math.max(0, Math.abs(Date.parse(date) + 500 - middle) - 500) / 1000;
    if (off > 30)
      return {
        state: "problem",
        text: `${span(off)} off the registry (limit 30 s)`,
        fix: "set this machine's clock; proofs live 60 s",
      };
    return {
      state: off > 5 ? "warn" : "ok",
      text: `${off < 1 ? "less than 1 s" : span(off)} off the registry (limit 30 s)`,
    };
  });
}

function checkVouches(view: View, me: Did): Check {
  const record = view.agent(me);
  if (!record) return { name: "vouches", state: "warn", text: "this registry does not know you", fix: "peerage init" };
  if (record.key.status !== "active")
    return { name: "vouches", state: "problem", text: `your key is ${record.key.status}: nothing counts` };
  const vouchers = new Set(
    record.received.filter(({ status }) => status === "in-force").map(({ statement }) => statement.issuer),
  ).size;
  if (vouchers === 0)
    return {
      name: "vouches",
      state: "warn",
      text: "nobody vouches for you: most servers will refuse you",
      fix: "peerage whoami --share",
    };
  if (vouchers === 1)
    return {
      name: "vouches",
      state: "warn",
      text: "from a single agent: losing it makes you unknown",
      fix: "peerage whoami --share",
    };
  return { name: "vouches", state: "ok", text: `from ${vouchers} agents` };
}

async function checkRoots(context: Context): Promise<Check> {
  return attempt("roots", async () => {
    const { length } = await context.roots();
    if (length === 0)
      return { state: "warn", text: "none: everyone is unknown to you", fix: "peerage roots add <agent>" };
    return { state: "ok", text: count(length, "root") };
  });
}

/** Where the environment names a Workload API: the SPIFFE ID that it gives, and for how long. */
async function checkSpiffe(context: Context): Promise<Check[]> {
  if (context.io.env["SPIFFE_ENDPOINT_SOCKET"] === undefined) return [];
  const check = await attempt("spiffe", async () => {
    const { openSpiffe } = await import("../spiffe/open.ts");
    await using opened = await openSpiffe(context, {}, { log: () => undefined, own: true, startTimeoutMs: 3_000 });
    const now = context.io.now();
    const own = opened.spiffe.x509?.current(now);
    if (!own) return { state: "warn", text: "the Workload API gives no X.509-SVID", fix: "peerage spiffe show" };
    return { state: "ok", text: `${own.spiffeId}, for ${span(own.expiresAt - now.getTime() / 1000)}` };
  });
  return [check];
}

/** MCP servers that the known clients of this machine start without the bridge. */
async function checkClients(context: Context): Promise<Check[]> {
  const servers = await clientServers(context);
  const [first, ...more] = servers.filter(({ signed }) => !signed);
  if (servers.length === 0) return [];
  if (!first) return [{ name: "mcp", state: "ok", text: `calls of ${count(servers.length, "MCP server")} are signed` }];
  const others = more.length === 0 ? "" : `, and ${more.length} more`;
  const text = `${first.client} starts ${visible(first.server, 40)} without the proxy${others}: calls go unsigned`;
  const fix =
    more.length === 0 ? `peerage proxy install ${first.client} ${shownWord(first.server)}` : "peerage doctor --fix";
  return [{ name: "mcp", state: "warn", text, fix }];
}

async function attempt(name: string, look: () => Promise<Omit<Check, "name">>): Promise<Check> {
  try {
    return { name, ...(await look()) };
  } catch (error) {
    const { message, hint } = describeError(error);
    const text = isPeerageError(error) || error instanceof CliError ? message : `cannot be looked at: ${message}`;
    return { name, state: "problem", text: visible(text, 300), ...(hint === undefined ? {} : { fix: hint }) };
  }
}
