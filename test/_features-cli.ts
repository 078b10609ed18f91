import type { Feature } from "./_features.ts";

const table = "test/cli-exit-codes.test.ts";

/** The features of the command line, each with the tests that prove what it is accepted by. */
export const commandLine: readonly Feature[] = [
  {
    id: "C1",
    stage: 1,
    accepts: "reviewed output of every command; a newcomer gets from init to an admitted call by following hints alone",
    tests: [
      `${table}#as it was reviewed`,
      "test/cli-newcomer.test.ts#C1 gets from init to an admitted call by what is printed alone",
      "test/cli-start.test.ts#a newcomer gets in by following what it prints",
      "test/cli-help.test.ts#ends with two examples that parse",
    ],
  },
  {
    id: "C2",
    stage: 1,
    accepts: "the table of commands has no hole: exit code, stream and schema of each in whatever can happen to it",
    tests: [`${table}#C2 the table of commands has no hole`, `${table}#ends with $exit`, `${table}#tells of a hole`],
  },
  {
    id: "C3",
    stage: 1,
    accepts: "an Inspector round trip through proxy and guard, on stdio and HTTP; their stdout is frames only",
    tests: [
      "test/proxy-clients.test.ts#lists and calls through bridge and guard as it does directly",
      "test/cli-foreign-text.test.ts#stdout of guard and proxy is frames from the first byte to the last",
      "test/cli-guard.test.ts#guards a server over HTTP",
      "test/cli-approvals.test.ts#lets one person approve one call once",
    ],
  },
  {
    id: "C4",
    stage: 1,
    accepts: "key files that no other reads, no crash loses, that tell nothing, and that are whose they say",
    tests: ["A-CLI-01", "A-CLI-02", "A-CLI-03", "A-CLI-04"],
  },
  {
    id: "C5",
    stage: 1,
    accepts: "completion in each shell that is there, and no hostile name in any",
    tests: [
      "test/cli-completion.test.ts#completes commands and flags, a DID after its colons, and files",
      "test/cli-completion.test.ts#A-CLI-07 is silent, with exit 0",
      "test/cli-completion.test.ts#prints one script a shell",
    ],
  },
  {
    id: "C6",
    stage: 2,
    accepts: "proxy install shows its change, asks, backs up; a broken or linked file is left alone",
    tests: [
      "test/cli-proxy-install.test.ts#takes it back byte for byte",
      "test/cli-proxy-install.test.ts#A-CLI-08 leaves a broken and a linked file alone",
    ],
  },
  {
    id: "C7",
    stage: 2,
    accepts: "live screens follow a resize, filter, leave by q, and tell what NDJSON tells",
    tests: [
      "test/cli-live.test.ts#calls --follow: every call that --json tells",
      "test/cli-live.test.ts#approvals watch: what waits",
      "test/cli-live.test.ts#log watch: the log as it was found",
      "test/cli-live.test.ts#guard: each decision, counted in the footer",
      "test/cli-live.test.ts#writes lines alone where nobody is at the keyboard",
    ],
  },
  {
    id: "C8",
    stage: 2,
    accepts: "each fix is shown before and undone by the printed command; keychain, signing agent, hook",
    tests: [
      "test/cli-doctor-fix.test.ts#the printed commands take it back byte for byte",
      "test/cli-keys-keychain.test.ts#seals by the system's keychain",
      "test/cli-agent.test.ts#signs a call that a real guard admits",
      "test/cli-hook.test.ts#signs each tool call before and after",
      "test/cli-hook.test.ts#says what is wrong and blocks nothing",
    ],
  },
];
