import type { CommandSpec } from "./spec.ts";

/** Commands that sign and check. */
export const signCommands: readonly CommandSpec[] = [
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
    load: () => import("../commands/verify.ts"),
  },
];
