import { dryRun, maxAge, passphraseFile } from "./flags.ts";
import type { CommandSpec, Flag } from "./spec.ts";
import { initFlags } from "./start.ts";

const group = "operate";
const compromised: Flag = ["--compromised-since <t>", "the old key was stolen then: what it gave since is void"];

/** Commands about the keys of an identity. */
export const keyCommands: readonly CommandSpec[] = [
  {
    path: "key list",
    text: "the identities of this machine, and what of their keys is here",
    group,
    byDefault: true,
    examples: ["peerage key list", "peerage key list --json"],
    load: () => import("../commands/key/list.ts"),
  },
  {
    path: "key new",
    args: "[name]",
    text: "make an identity, as init does",
    group,
    flags: initFlags,
    examples: ["peerage key new build-bot", "peerage key new alice --role person --passphrase"],
    load: () => import("../commands/init.ts"),
  },
  {
    path: "key status",
    text: "what the log says of this identity's keys, and whether those here are they",
    group,
    flags: [maxAge],
    examples: ["peerage key status", "peerage key status --identity build-bot --json"],
    load: () => import("../commands/key/status.ts"),
  },
  {
    path: "key rotate",
    text: "change to the key that was committed before; the DID and its vouches stay",
    group,
    flags: [compromised, maxAge, passphraseFile, dryRun],
    examples: ["peerage key rotate", "peerage key rotate --compromised-since 2h"],
    load: () => import("../commands/key/rotate.ts"),
  },
  {
    path: "key revoke",
    text: "suspend the identity: nothing of it counts until a rotate or recover",
    group,
    flags: [
      ["--with <key>", "sign by current, next or recovery (current)"],
      compromised,
      maxAge,
      passphraseFile,
      dryRun,
    ],
    examples: ["peerage key revoke --compromised-since 2h", "peerage key revoke --with recovery"],
    load: () => import("../commands/key/revoke.ts"),
  },
  {
    path: "key recover",
    text: "take the identity back by its recovery keys, with a new key",
    group,
    flags: [
      ["--recovery-key <path>", "a recovery key's file (repeatable; the one beside the key)", { many: true }],
      ["--did <did>", "whose, where its own key file is lost"],
      compromised,
      maxAge,
      passphraseFile,
      dryRun,
    ],
    examples: [
      "peerage key recover --recovery-key /media/stick/build-bot.recovery",
      "peerage key recover --compromised-since 3d",
    ],
    load: () => import("../commands/key/recover.ts"),
  },
  {
    path: "key lock",
    text: "seal the identity's key files with a passphrase",
    group,
    flags: [passphraseFile, ["--dry-run", "say which files, change nothing"]],
    examples: ["peerage key lock", "peerage key lock --passphrase-file ~/phrase"],
    load: () => import("../commands/key/lock.ts"),
  },
  {
    path: "key unlock",
    text: "take the passphrase off again, so that the key signs unattended",
    group,
    flags: [passphraseFile, ["--dry-run", "say which files, change nothing"]],
    examples: ["peerage key unlock", "peerage key unlock --yes --passphrase-file ~/phrase"],
    load: () => import("../commands/key/unlock.ts"),
  },
  {
    path: "key export",
    text: "the identity's keys as one file for another machine, sealed",
    group,
    flags: [
      ["--out <file>", "the file to make; never over another"],
      ["--with-recovery", "the recovery key too; better kept apart"],
      passphraseFile,
      ["--plaintext", "in clear; asks for a yes"],
      ["--dry-run", "say what it would hold, write nothing"],
    ],
    examples: [
      "peerage key export --out bot.keys",
      "peerage key export --out bot.keys --with-recovery --passphrase-file ~/phrase",
    ],
    load: () => import("../commands/key/export.ts"),
  },
  {
    path: "key import",
    args: "<file> [name]",
    text: "put an exported identity in its place, never over another",
    group,
    flags: [
      passphraseFile,
      ["--plaintext", "keep the keys in clear; asks for a yes"],
      ["--dry-run", "say what it would make, write nothing"],
    ],
    examples: ["peerage key import bot.keys", "peerage key import bot.keys bot-2 --dry-run"],
    load: () => import("../commands/key/import.ts"),
  },
  {
    path: "key store",
    args: "<where>",
    text: "keychain: open the key by the system's keychain; file: in clear again",
    group,
    flags: [passphraseFile, ["--dry-run", "say which files, change nothing"]],
    examples: ["peerage key store keychain", "peerage key store file --yes"],
    load: () => import("../commands/key/store.ts"),
  },
];
