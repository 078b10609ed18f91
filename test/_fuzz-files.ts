import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  decodePack,
  encodePack,
  fromUtf8,
  generateIdentity,
  identityFromSeed,
  issueVouch,
  leafHash,
  noteSignerFromSeed,
  parseJson,
  signCheckpoint,
} from "@peerage/core";
import { disclose } from "../mcp-middleware/src/audit/disclosure.ts";
import {
  AuditLog,
  AuditReader,
  createGuard,
  exportLines,
  FilePinStore,
  parseWebhookSecret,
  verifyDisclosure,
  verifyExport,
  verifyWebhook,
} from "@peerage/mcp-middleware";
import { parseAddress } from "../cli/src/address.ts";
import { CliError } from "../cli/src/errors.ts";
import { readNames, readRoots } from "../cli/src/files/book.ts";
import { Settings } from "../cli/src/files/config.ts";
import { checkKeyForm, createKeyFile, openKeyFile } from "../cli/src/files/key-file.ts";
import type { Paths } from "../cli/src/files/paths.ts";
import { readTokens } from "../cli/src/history-file.ts";
import { clients } from "../cli/src/install/clients.ts";
import { changeFor } from "../cli/src/install/entry.ts";
import { edited, serversIn } from "../cli/src/install/settings.ts";
import { readBundle } from "../cli/src/keys/bundle.ts";
import { signManifest, verifyManifest } from "../cli/src/manifest/manifest.ts";
import { parseCommandLine } from "../cli/src/parse.ts";
import { readVouchLink, writeVouchLink } from "../cli/src/vouch-link.ts";
import { readDenyAll } from "../mcp-middleware/src/guard/deny-all.ts";
import { createKeyFile as createLogKey, readKeyFile as readLogKey } from "../registry/src/keys/key-file.ts";
import type { Target } from "./_fuzz.ts";
import { permissive, signedEcho, stdio } from "./_guard.ts";

const folder = mkdtempSync(join(tmpdir(), "peerage-fuzz-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
const alice = identityFromSeed(new Uint8Array(32).fill(3));
const bob = identityFromSeed(new Uint8Array(32).fill(4));
const now = new Date(1_795_200_000_000);
const isCliError = (error: unknown): boolean => error instanceof CliError;

const paths: Paths = {
  config: join(folder, "config.json"),
  keys: join(folder, "keys"),
  data: folder,
  state: folder,
  cache: folder,
  home: folder,
};

/** A reader of a file, given what is to stand in it. */
function inFile<T>(name: string, read: (path: string) => T): (bytes: Uint8Array) => T {
  const path = join(folder, name);
  return (bytes) => {
    writeFileSync(path, bytes, { mode: 0o600 });
    return read(path);
  };
}

async function contentOf(name: string, create: (path: string) => unknown): Promise<Uint8Array> {
  const { readFileSync } = await import("node:fs");
  await create(join(folder, name));
  return new Uint8Array(readFileSync(join(folder, name)));
}

/** An audit log with a call in it, as an export and as a disclosure. */
async function audited(): Promise<{ exported: string; disclosed: string }> {
  const path = join(folder, "audit.db");
  const guard = await createGuard({
    identity: alice,
    policy: permissive(),
    audit: new AuditLog({ path, identity: alice, args: "sealed" }),
  });
  const admission = await guard.admit(await signedEcho(generateIdentity(), alice.did, { n: 1 }), stdio());
  if (!admission.admitted) throw new Error(admission.reason);
  await guard.settle(admission.decision, { jsonrpc: "2.0", id: 1, result: { content: [] } });
  await guard[Symbol.asyncDispose]();
  using reader = new AuditReader(path);
  return { exported: [...exportLines(reader)].join("\n"), disclosed: disclose(reader, 1) };
}

const { exported, disclosed } = await audited();
const plainKey = await contentOf("plain.key", (path) => createKeyFile(path, new Uint8Array(32).fill(3)));
const sealedKey = await contentOf("sealed.key", (path) =>
  createKeyFile(path, new Uint8Array(32).fill(3), "correct horse"),
);
const logKey = await contentOf("log.key", (path) => createLogKey(path, "log"));
const manifest = await signManifest(
  alice,
  { covers: "folder", exclude: [], files: [{ path: "a/b.txt", size: 3, digest: `sha256:${"0".repeat(64)}` }] },
  now,
);
const log = noteSignerFromSeed("log.test/x", 1, new Uint8Array(32).fill(1));
const witness = noteSignerFromSeed("log.test/x", 4, new Uint8Array(32).fill(2));
const vouch = await issueVouch(alice, { subject: bob.did, scope: ["tools"], confidence: 50 });
const head = await signCheckpoint(
  { origin: "log.test/x", size: 1, root: leafHash(vouch.bytes) },
  { log, witness, now },
);
const pack = encodePack({ logKey: log.key, witnessKey: witness.key, head, checkpoints: [head], leaves: [vouch.bytes] });
const settings = (member: string): string =>
  JSON.stringify({ [member]: { files: { command: "npx", args: ["some-mcp-server"] } }, other: [1] }, null, 2);
const toml = '# mine\n[mcp_servers.files]\ncommand = "npx"\nargs = ["some-mcp-server"]\n\n[other]\nx = 1\n';

const denied = inFile("deny-all", (path) => readDenyAll(path, now));

/** A client's settings are read, changed and changed back: what is no settings file of that client is refused. */
function installed(bytes: Uint8Array): void {
  const text = fromUtf8(bytes);
  for (const client of clients) {
    try {
      const servers = serversIn(client, text, "settings");
      for (const [name, entry] of Object.entries(servers).slice(0, 3))
        edited(client, text, "settings", name, changeFor(client, name, entry, ["peerage", "proxy", "--"]));
    } catch (error) {
      if (!isCliError(error)) throw error;
    }
  }
}

/** What people and programs keep in files: settings, keys, packs, manifests, links, exports. */
export const fileTargets: readonly Target[] = [
  {
    name: "the user's settings",
    samples: ['{"registry":"https://observatory.example","identity":"me","scope":"code"}'],
    shapes: ["json"],
    read: inFile("config.json", () => Settings.load(paths, folder, {}, {})),
    documented: isCliError,
  },
  {
    name: "a project's settings",
    samples: ['{"scope":"code","policy":"policy.yaml"}'],
    shapes: ["json"],
    read: inFile(".peerage.json", () => Settings.load({ ...paths, config: join(folder, "none.json") }, folder, {}, {})),
    documented: isCliError,
  },
  {
    name: "roots and names",
    samples: [JSON.stringify({ v: 1, roots: [alice.did] })],
    shapes: ["json"],
    read: inFile("roots.json", () => readRoots(paths)),
    documented: isCliError,
  },
  {
    name: "names of agents",
    samples: [JSON.stringify({ v: 1, names: { bob: bob.did } })],
    shapes: ["json"],
    read: inFile("names.json", () => readNames(paths)),
    documented: isCliError,
  },
  {
    name: "a key file",
    samples: [plainKey],
    shapes: ["json"],
    read: inFile("a.key", (path) => openKeyFile(path, () => Promise.resolve("correct horse"))),
    documented: isCliError,
    // A changed file may name other costs of scrypt, which are bounded, and are to be high.
    mostMs: 3_000,
  },
  {
    name: "the form of a sealed key file",
    samples: [sealedKey],
    shapes: ["json"],
    read: (x) => checkKeyForm(parseJson(x), "a.key"),
    documented: isCliError,
  },
  {
    name: "a key bundle",
    samples: [JSON.stringify({ v: 1, type: "peerage-keys", name: "me", keys: { key: parseJson(sealedKey) } })],
    shapes: ["json"],
    read: inFile("bundle.json", (path) => readBundle(path)),
    documented: isCliError,
  },
  {
    name: "the key file of a log",
    samples: [logKey],
    shapes: ["json"],
    read: inFile("b.key", (path) => readLogKey(path, "log")),
  },
  {
    name: "pinned identities of servers",
    samples: [
      JSON.stringify({ version: 1, pins: [{ endpoint: "https://a.test/mcp", did: alice.did, at: now.toISOString() }] }),
    ],
    shapes: ["json"],
    read: inFile("pins.json", (path) => new FilePinStore(path).get("https://a.test/mcp")),
  },
  {
    name: "a history in a file",
    samples: ['["a.b.c"]'],
    shapes: ["json"],
    read: inFile("history.json", (path) => readTokens(path)),
    documented: isCliError,
  },
  {
    name: "a signed manifest",
    samples: [JSON.stringify(manifest)],
    shapes: ["json"],
    read: (x) => verifyManifest(parseJson(x)),
  },
  { name: "a trust pack", samples: [pack], shapes: ["lines"], rewrite: (x) => encodePack(decodePack(x)), weight: 2 },
  {
    name: "an audit export",
    samples: [exported],
    // Documents of a policy that have no digest: half a character, and nesting without an end.
    found: ['{"":"\\ud800"}', `${"[".repeat(20_000)}${"]".repeat(20_000)}`].map(
      (document) => `${exported}{"kind":"policy","digest":"sha256:${"0".repeat(64)}","document":${document}}\n`,
    ),
    shapes: ["lines", "json"],
    read: (x) => verifyExport(fromUtf8(x)),
    weight: 2,
  },
  {
    name: "a disclosure of the audit log",
    samples: [disclosed],
    found: [
      disclosed.replace(/"text":"(?:[^"\\]|\\.)*"/, '"text":"{"'),
      disclosed.replace(/"text":"(?:[^"\\]|\\.)*"/, '"text":"null"'),
      disclosed.replace(/"proof":\["..../, '"proof":["xyz"],"x":["'),
    ],
    shapes: ["json"],
    read: (x) => verifyDisclosure(fromUtf8(x)),
    weight: 2,
  },
  {
    name: "the settings of MCP clients",
    samples: [settings("mcpServers"), settings("servers"), toml],
    found: ['{"mcpServers":0,"mcpServers":{"":{"command":"x","":[]}},"":[]}'],
    shapes: ["json", "lines"],
    read: installed,
    weight: 2,
  },
  {
    name: "the link with which somebody asks for a vouch",
    samples: [writeVouchLink({ did: alice.did, registry: "https://observatory.example", scope: "code" })],
    found: ["https://o/a/%", `https://o/a/${alice.did}%ff`],
    read: (x) => readVouchLink(fromUtf8(x)),
    documented: isCliError,
  },
  {
    name: "an address to listen on",
    samples: ["7070", "127.0.0.1:7070", "[::1]:7070"],
    read: (x) => parseAddress(fromUtf8(x), 1, false),
    documented: isCliError,
  },
  {
    name: "a command line",
    samples: ["trust\nbob\n--scope\ncode\n--json", "guard\n--policy\np.yaml\n--\nnpx\nx", "help\nkey\nrotate"],
    shapes: ["lines"],
    read: (x) => parseCommandLine(fromUtf8(x).split("\n")),
    documented: isCliError,
  },
  {
    name: "the marker that denies everything",
    samples: ['{"because":"stop","until":"2027-11-20T12:00:00Z"}'],
    shapes: ["json"],
    read: (x) => {
      // One that cannot be read denies like any other: only one whose time has passed is as if there were none.
      if (denied(x) === undefined && !fromUtf8(x).includes("until")) throw new Error("it denies nothing");
    },
  },
  {
    name: "a delivery of a webhook",
    samples: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nmsg_1\n1795200000\nv1,AAEC\n{}"],
    shapes: ["lines"],
    read: (x) => {
      const [secret = "", id, timestamp, signature, body = ""] = fromUtf8(x).split("\n");
      const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature };
      if (verifyWebhook(parseWebhookSecret(secret), headers, body, now)) throw new Error("a made-up signature holds");
    },
  },
];
