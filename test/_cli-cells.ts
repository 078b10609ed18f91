import { readFileSync } from "node:fs";
import { commands } from "../cli/src/tree.ts";
import type { Row } from "./_cli-rows-usage.ts";

/** The columns of the table of commands: what can happen to each. Unknown flags and help are tried by themselves. */
export const columns = [
  "done",
  "wrong usage",
  "no key",
  "locked key",
  "registry down",
  "not found",
  "tampered",
  "no",
  "waiting",
] as const;
export type Column = (typeof columns)[number];

/** The column of a row, by how it ends. Exit 1 is told by `doctor` and tests alone, and has none. */
export function columnOf([, exit, code]: Row): Column | undefined {
  if (exit === 4) return code === "ERR_KEY_LOCKED" ? "locked key" : "no key";
  return (
    { 0: "done", 2: "wrong usage", 3: "no", 5: "not found", 6: "tampered", 7: "registry down", 8: "waiting" } as const
  )[exit as 0 | 2 | 3 | 5 | 6 | 7 | 8];
}

/** The command that a line is of: its two words, its one word, or what its word does without a further one. */
export function covered(line: string): string | undefined {
  const [one = "", two = ""] = line.split(" ");
  const isPath = (path: string): boolean => commands.some((spec) => spec.path === path);
  if (isPath(`${one} ${two}`)) return `${one} ${two}`;
  if (isPath(one)) return one;
  return commands.find(({ path, byDefault }) => byDefault === true && path.startsWith(`${one} `))?.path;
}

/**
 * Why commands have no row in a column, `file.test.ts#part of a title` being the test that shows it elsewhere. The
 * commands after it, with commas between; `word *` are all with this first word.
 */
type Reasons = readonly (readonly [reason: string, commands: string])[];

const local = `hook *, roots list, roots remove, names *, import *, history show, history verify, history append, inbox remove, calls *, audit *, approvals *,
  approvers *, console *, policy *, key list, key new, key lock, key unlock, key export, key import, key store, config *,
  completion, help, version`;
const offline = "pack verify, pack import, sign, proxy install, spiffe *, registry serve, registry backup, log witness";
const keyless = `demo, hook settings, trust, watch, note show, find, show, roots *, names *, pack *, import *, verify, history show, history verify,
  proxy install, calls *, audit *, approvals list, approvals show, approvals watch, approvers *, console *, policy *,
  key list, key import, spiffe show, spiffe verify, registry *, log head, log entry, log audit, log watch, log witness,
  config *, completion, help, version`;
const servers = "demo, proxy, guard, agent run, console serve, registry serve, registry mirror, log witness";

const inapplicable: Readonly<Record<Column, Reasons>> = {
  done: [
    ["cli-demo.test.ts#plays the whole story as expected", "demo"],
    ["cli-note.test.ts#erased by its author alone", "note erase"],
    ["cli-hook.test.ts#signs each tool call before and after", "hook run"],
    ["cli-guard.test.ts#passes the exit code of the wrapped command on", "proxy, guard"],
    ["cli-agent.test.ts#locks when nobody needs it and when asked", "agent *"],
    ["cli-approvals.test.ts#tells what begins to wait as it comes", "approvals watch"],
    ["console-cli.test.ts#hands a browser in by a one-time code", "console serve, console open"],
    ["slow/console-pair.test.ts#the same six words", "console pair"],
    ["cli-keys-sealed.test.ts#takes an identity to another machine", "key import"],
    ["spiffe-cli.test.ts#does what the steps of docs/spiffe.md say", "spiffe show"],
    ["spiffe-cli.test.ts#writes a binding that anybody verifies", "spiffe bind, spiffe verify"],
    ["cli-registry.test.ts#tells when it stops", "registry serve"],
    ["cli-log.test.ts#keep a copy that goes on without it", "registry mirror, log witness"],
    ["cli-log.test.ts#ends with 6 once a fork is proven", "log watch"],
    ["cli-registry.test.ts#shows the proof of a fork to another registry", "log report"],
    ["messages-cli.test.ts#is sent to a key, opened by it alone", "inbox read, inbox remove"],
  ],
  "wrong usage": [],
  "no key": [
    ["exit 1 tells a host, and blocks nothing: cli-hook.test.ts#says what is wrong and blocks nothing", "hook run"],
    ["makes the key", "init, key new"],
    ["asks the Workload API first, which says whose key: spiffe-cli.test.ts#says what is missing", "spiffe bind"],
    ["tells of it and goes on: all else is still to be checked", "doctor"],
    ["signs nothing, and asks for no key", keyless],
    ["asks the signing agent, which has the key", "agent status, agent lock, agent unlock"],
  ],
  "locked key": [
    ["exit 1 tells a host, and blocks nothing: cli-hook.test.ts#says what is wrong and blocks nothing", "hook run"],
    ["shows what is public in a key file, sealed or not", "doctor, whoami, key status"],
    ["seals what is open; a sealed key is sealed already", "key lock"],
    ["takes a file away, and opens no key", "inbox remove"],
    ["makes another key", "key new"],
    ["signs nothing, and asks for no key", keyless],
    ["asks the signing agent, which has the key", "agent status, agent lock, agent unlock"],
    ["opens its key after it has asked the Workload API: spiffe-cli.test.ts#writes a binding", "spiffe bind"],
    ["opens its key after the evidence has held: cli-registry.test.ts#shows the proof of a fork", "log report"],
  ],
  "registry down": [
    ["reads files of this machine alone", local],
    ["asks a registry for more where it can, and says so where it could not", offline],
    ["brings its own registry", "demo"],
    ["tells of it with the rest that it found, and ends with 1", "doctor"],
    ["cli-guard.test.ts#with its registry gone decides nothing that needs trust", "guard"],
    ["messages-cli.test.ts#without its registry, ends with 7", "inbox read"],
    ["signs for a server that it was given, and asks no registry", "proxy, agent run"],
  ],
  "not found": [
    [
      "names nothing that could be missing",
      `${servers}, doctor, roots list, names list, approvals list, key list, key new,
      policy init, policy deny-all, pack export, log head, log audit, log watch, config set, config path, completion, version, prove *, hook *`,
    ],
    ["begins what is not there", "init, history append, names set"],
    [
      "an identity that is not there has no key: exit 4",
      "whoami, key status, key rotate, key revoke, key recover, key lock, key unlock, key export, key store, spiffe *",
    ],
    [
      "a policy that is not there is a wrong configuration: exit 2",
      "approvers list, approvers add, policy check, policy diff, policy grant, console pair",
    ],
    ["an agent that does not run, or a server, is unreachable: exit 7", "agent *, call"],
    ["a note that is not there is nobody's to erase: exit 3", "note erase"],
    ["an unknown command is wrong usage: exit 2", "help"],
  ],
  tampered: [
    ["cli-hook.test.ts#adds to no history of another agent", "hook run"],
    ["cli-log.test.ts#one that contradicts itself forked", "log head, log entry, log watch, log audit"],
    [
      "reads a view that log audit checks: cli-log.test.ts#one that contradicts itself forked",
      "whoami, trust, vouch, unvouch, report, export *, send, find, show, watch, pack export, note show, note erase, registry mirror, roots *",
    ],
    [
      "shows what was recorded; calls verify says whether it still is: cli-approvals.test.ts#A-HIST-07",
      "calls list, calls show, calls replay, audit export, audit disclose, audit erase, audit rotate, policy suggest, policy explain, policy diff, policy test, policy input",
    ],
    ["messages-cli.test.ts#are refused with their own codes", "inbox list, inbox read"],
    ["cli-approvals.test.ts#an item whose kept request is another than was asked about", "approvals *"],
    [
      "a damaged key file is no key: exit 4, cli-keys.test.ts#A-CLI-04",
      "init, doctor, sign, prove *, proxy, guard, call, agent *, key *, spiffe bind",
    ],
    [
      "reads nothing that somebody signed",
      "demo, hook settings, names *, inbox remove, proxy install, approvers *, console *, policy check, policy init, policy grant, policy revoke, policy deny-all, spiffe show, registry serve, registry backup, log witness, config *, completion, help, version",
    ],
  ],
  no: [
    ["cli-guard.test.ts#refuses a stranger with exit 3 and the reason", "call"],
    ["messages-cli.test.ts#is not sent to who lost its key", "send, inbox read"],
    ["cli-log.test.ts#says 3 of a log that is too old", "log head, log audit, log watch, log entry"],
    ['_key-crash.ts#toBe(change === "revoke" ? 3 : 0)', "key status"],
    [
      "does it or fails; it answers no question",
      `${servers}, init, hook *, watch, vouch, unvouch, report, export *, sign, prove *, roots *, names *, pack export,
      history append, inbox remove, proxy install, agent status, agent lock, agent unlock, audit export, audit disclose, audit erase,
      audit rotate, approvals watch, approvers *, console *, policy init, policy grant, policy revoke, policy deny-all,
      policy suggest, policy input, key list, key new, key rotate, key revoke, key recover, key lock, key unlock,
      key export, key import, key store, spiffe bind, registry backup, log report, config *`,
    ],
    [
      "shows what there is",
      "doctor, whoami, note show, import *, inbox list, find, show, policy diff, calls list, calls show, approvals list, approvals show, spiffe show, completion, help, version",
    ],
    [
      "holds or does not: exit 6",
      "pack verify, pack import, history show, history verify, calls verify, audit verify, spiffe verify",
    ],
    ["a case that fails is a problem: exit 1", "policy check, policy test"],
  ],
  waiting: [
    ["cli-approvals.test.ts#lets one person approve one call once", "call"],
    ["is what a person waits or answers with", "approvals *"],
    [
      "asks no person for anything",
      `init, hook *, demo, doctor, whoami, trust, watch, vouch, unvouch, report, note *, export *, import *, find, show, roots *,
      names *, pack *, sign, verify, send, inbox *, prove *, history *, proxy, proxy install, guard, agent *, calls *, audit *, approvers *, console *,
      policy check, policy init, policy test, policy diff, policy grant, policy revoke, policy deny-all, policy suggest,
      policy input, key *, spiffe *, registry *, log *, config *, completion, help, version`,
    ],
  ],
};

/** The commands of a list, in which `word *` are all of a first word that have no row of their own. */
function named(list: string, hasRow: (path: string) => boolean): string[] {
  return list.split(/,\s+/).flatMap((name) => {
    if (!name.endsWith(" *")) return [name];
    const start = name.slice(0, -1);
    return commands.flatMap(({ path }) => (path.startsWith(start) && !hasRow(path) ? [path] : []));
  });
}

/** What is missing in the table, or said twice: a line each, with what to do about it. */
export function holes(rows: readonly Row[]): string[] {
  const filled = new Set(rows.map((row) => `${covered(row[0]) ?? ""} × ${columnOf(row) ?? ""}`));
  const problems: string[] = [];
  for (const column of columns) {
    const hasRow = (path: string): boolean => filled.has(`${path} × ${column}`);
    const reasons = new Map<string, string>();
    for (const [why, list] of inapplicable[column])
      for (const path of named(list, hasRow)) if (!reasons.has(path)) reasons.set(path, why);
    for (const { path } of commands) {
      const cell = `${path} × ${column}`;
      const why = reasons.get(path);
      if (filled.has(cell) && why !== undefined)
        problems.push(`${cell}: has a row; its reason in _cli-cells.ts can go`);
      if (!hasRow(path) && why === undefined)
        problems.push(`${cell}: add a row to test/_cli-rows.ts, or to test/_cli-cells.ts why there can be none`);
      reasons.delete(path);
    }
    for (const path of reasons.keys()) problems.push(`${path} × ${column}: _cli-cells.ts names no command`);
    for (const [why] of inapplicable[column]) {
      const [, file, title = ""] = /([\w/.-]+\.ts)#(.*)$/.exec(why) ?? [];
      if (file === undefined) continue;
      if (!readFileSync(new URL(file, import.meta.url), "utf8").includes(title))
        problems.push(`${column}: ${why} is no test`);
    }
  }
  return problems;
}
