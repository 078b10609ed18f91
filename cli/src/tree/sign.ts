import { dryRun, passphraseFile } from "./flags.ts";
import type { CommandSpec } from "./spec.ts";

/** Commands that sign and check. */
export const signCommands: readonly CommandSpec[] = [
  {
    path: "sign",
    args: "<file|folder>",
    text: "sign a file, or a folder and everything in it: a release, a skill",
    group: "sign and check",
    flags: [
      ["--exclude <path>", "leave out a path of the folder, and say so (repeatable)", { many: true }],
      ["--out <file>", "the manifest's name (<file>.peerage.json, peerage.manifest.json)"],
      passphraseFile,
      dryRun,
    ],
    examples: ["peerage sign ./my-skill --exclude .git", "peerage sign release.tgz"],
    load: () => import("../commands/sign.ts"),
  },
  {
    path: "verify",
    args: "<file|folder>",
    text: "every check of a signed thing, offline if it can",
    group: "sign and check",
    flags: [
      ["--server <did>", "who must have signed a receipt"],
      ["--call <file>", "the call proof that a receipt answers"],
      ["--result <file>", "the result that a receipt covers"],
      ["--message <file>", "the message that a call proof covers"],
      ["--audience <did|url>", "for whom a call proof must be"],
      ["--key <file>", "the signer's public key, for what carries none: PEM or JWK"],
      ["--log-key <vkey>", "the log key that a checkpoint must carry"],
      ["--origin <name>", "the origin that a checkpoint must carry"],
      ["--statement <file>", "the statement that a log proof covers"],
      ["--at <time>", "the time to judge by (now)"],
    ],
    examples: ["peerage verify vouch.json", "peerage verify receipt.jws --call call.jws --result result.json"],
    load: () => import("../commands/verify.ts"),
  },
  {
    path: "history show",
    args: "<file>",
    text: "the signed steps of a run, in order",
    group: "sign and check",
    flags: [["--full", "with digests, requests and facts"]],
    examples: ["peerage history show run.json", "peerage history show run.json --full"],
    load: () => import("../commands/history/show.ts").then(({ show }) => ({ run: show })),
  },
  {
    path: "history verify",
    args: "<file>",
    text: "a whole history or nothing: signatures, order, one run",
    group: "sign and check",
    examples: ["peerage history verify run.json", "peerage history verify run.json --json"],
    load: () => import("../commands/history/show.ts").then(({ verify }) => ({ run: verify })),
  },
  {
    path: "history append",
    args: "<file>",
    text: "sign a step over the steps before it; without the file a run begins",
    group: "sign and check",
    flags: [
      ["--step <word>", "what was done: fraud_check, request_received"],
      ["--result <word>", "how it ended: passed, accepted, failed"],
      ["--sub <name=value>", "a small fact, a whole number or text (repeatable)", { many: true }],
      ["--tool <name>", "the tool that it speaks of"],
      ["--req <digest>", "the request that it speaks of"],
      ["--aud <did|url>", "whom it is for"],
      ["--for <duration>", "how long it may be relied on: 15m, 24h"],
      passphraseFile,
      dryRun,
    ],
    examples: [
      "peerage history append run.json --step request_received --result accepted",
      "peerage history append run.json --step fraud_check --result passed --sub risk=12",
    ],
    load: () => import("../commands/history/append.ts").then(({ append }) => ({ run: append })),
  },
];
