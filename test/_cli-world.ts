import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Did, type Identity, identityFromSeed, type JsonObject } from "@peerage/core";
import { Context, type Io } from "../cli/src/context.ts";
import { keyPaths } from "../cli/src/files/identities.ts";
import { createKeyFile } from "../cli/src/files/key-file.ts";
import { buildGuard } from "../cli/src/guard/build.ts";
import { Home, openTestRegistry, type Ran } from "./_cli.ts";
import { signed, stdio } from "./_guard.ts";

/** Somebody of whom nothing is known but the DID; `lantern` in the world's names. */
export const STRANGER = "did:key:z6MkwSD8dBdqcXQzKJZQFPy2hh2izzxskndKCjdmC2dBpfME";
/** Where nothing listens. */
export const DEAD = "http://127.0.0.1:9";
export const PHRASE = "correct horse battery";

const people = ["bot", "friend", "gate", "alice", "vault", "strongbox"] as const;
type Person = (typeof people)[number];

/** Everything that a command can be asked about, on one machine: agents, a registry, a guard's log, and files of each kind. */
export interface World extends AsyncDisposable {
  readonly home: Home;
  /** A machine on which nobody has an identity. */
  readonly empty: Home;
  readonly registry: Awaited<ReturnType<typeof openTestRegistry>>;
  readonly dids: Readonly<Record<Person, Did>>;
  /** The digest of the note to bot's profile. */
  readonly note: string;
  /** Three more calls through the guard: one admitted, one refused, one put to a person. */
  callThroughGuard(calls?: Calls): Promise<void>;
  /** What must never be printed: seeds and passphrases. */
  readonly secrets: readonly string[];
}

const seedOf = (name: Person): Uint8Array => new Uint8Array(32).fill(people.indexOf(name) + 1);

/**
 * Builds the world and makes its folder the current one, so that files are named as people name them. Keys are the same
 * each time, so that what is printed is.
 */
export async function openWorld(): Promise<World> {
  const [home, empty, registry] = await Promise.all([Home.make(), Home.make(), openTestRegistry()]);
  const before = process.cwd();
  process.chdir(home.path);
  const ok = async (...argv: string[]): Promise<Ran> => {
    const ran = await home.call(argv);
    if (ran.code !== 0) throw new Error(`peerage ${argv.join(" ")}: ${ran.stdout}${ran.stderr}`);
    return ran;
  };
  await mkdir(home.at("keys"), { recursive: true, mode: 0o700 });
  const identities = new Map<Person, Identity>();
  for (const name of people) {
    const seed = seedOf(name);
    identities.set(name, identityFromSeed(seed));
    const paths = keyPaths(contextOf(home).paths, name);
    await createKeyFile(paths.current, seed);
    // What would be made at the first use: the same keys in each world.
    await createKeyFile(paths.next, seed.with(0, 100));
    await createKeyFile(paths.recovery, seed.with(0, 101));
  }
  const did = (name: Person): Did => (identities.get(name) as Identity).did;
  await writeFile(join(home.path, "phrase"), `${PHRASE}\n`);
  await ok("init", "bot", "--registry", registry.url);
  await ok("init", "friend");
  await ok("roots", "add", "friend");
  await ok("names", "set", "lantern", STRANGER);
  await ok("--identity", "friend", "vouch", "bot");
  await ok("init", "vault");
  await ok("--identity", "vault", "vouch", "friend");
  await registry.registry.published(7);
  // One sealed identity that has joined the registry, and one that has not.
  for (const name of ["vault", "strongbox"] as const)
    for (const [i, kind] of (["current", "next", "recovery"] as const).entries()) {
      const own = identityFromSeed(i === 0 ? seedOf(name) : seedOf(name).with(0, 99 + i)).did;
      await writeFile(keyPaths(contextOf(home).paths, name)[kind], sealedForm(own));
    }
  const note = await files(home, ok, did);
  await guardedCalls(home, identities);
  // A second log, for what changes one.
  await cp(home.at("state"), join(home.path, "spare"), { recursive: true });
  return {
    home,
    empty,
    registry,
    note,
    callThroughGuard: (calls) => guardedCalls(home, identities, calls),
    dids: Object.fromEntries(people.map((name) => [name, did(name)])) as Record<Person, Did>,
    secrets: [PHRASE, ...people.map((name) => Buffer.from(seedOf(name)).toString("base64url"))],
    [Symbol.asyncDispose]: async () => {
      process.chdir(before);
      await registry[Symbol.asyncDispose]();
      await Promise.all([home[Symbol.asyncDispose](), empty[Symbol.asyncDispose]()]);
    },
  };
}

/** A file of each kind that a command reads. */
async function files(home: Home, ok: (...argv: string[]) => Promise<Ran>, did: (name: Person) => Did): Promise<string> {
  const write = (name: string, text: string): Promise<void> => writeFile(join(home.path, name), text);
  const vouch = (await ok("show", "4", "--raw")).stdout;
  await write("vouch.json", vouch);
  await write("tampered.json", vouch.replace('"confidence":80', '"confidence":81'));
  await write("call.json", `{"tool":"search","caller":{"did":"${did("bot")}"}}`);
  await write("policy.yaml", "apiVersion: peerage.dev/v1\nkind: Policy\nallow: []\n");
  await write(
    "guard.yaml",
    `apiVersion: peerage.dev/v1
kind: Policy
groups:
  approvers: ["${did("alice")}", "${did("vault")}"]
allow:
  - { id: search, tools: search, agents: "${did("bot")}" }
  - { id: pay, tools: transfer_funds, agents: "${did("bot")}", approval: { by: "@approvers" } }
`,
  );
  const aip = JSON.parse(await readFile(new URL("./fixtures/aip-samples.json", import.meta.url), "utf8")) as JsonObject;
  await write("aip.json", JSON.stringify([aip["identity"], aip["certificate"]]));
  await write("aip-named.json", JSON.stringify({ ...(aip["beta"] as JsonObject), username: "beta" }));
  await write("aip-tampered.json", JSON.stringify({ ...(aip["certificate"] as JsonObject), scope: "FINANCIAL" }));
  await write(
    "guard.test.yaml",
    "tests:\n  - { name: a stranger finds nothing, input: { tool: search }, expect: deny }\n",
  );
  await ok("history", "append", "run.json", "--step", "fraud_check", "--result", "passed");
  const run = JSON.parse(await readFile(join(home.path, "run.json"), "utf8")) as [string];
  await write(
    "run-tampered.json",
    JSON.stringify([run[0].replace(/(\..{40})(.)/, (_, start, found) => `${start}${found === "A" ? "B" : "A"}`)]),
  );
  await mkdir(join(home.path, "skill"));
  await write("skill/SKILL.md", "# A skill\n");
  await write("release.txt", "a release\n");
  await write("altered.txt", "a release\n");
  await ok("sign", "release.txt");
  await ok("sign", "altered.txt");
  await write("altered.txt", "another release\n");
  await ok("pack", "export", "--out", "log.pack");
  await write("release-2.txt", "a second release\n");
  const profile = JSON.parse((await ok("show", "1", "--raw")).stdout) as {
    credentialSubject?: { noteDigest?: string };
  };
  return /sha256:[0-9a-f]{64}/.exec(JSON.stringify(profile))?.[0] ?? "";
}

/** A key file that is sealed, and that no passphrase opens: nobody gets as far as to try. */
function sealedForm(did: Did): string {
  const kdf = { name: "scrypt", n: 2 ** 15, r: 8, p: 1, salt: "A".repeat(22) };
  const rest = { cipher: "aes-256-gcm", nonce: "A".repeat(16), sealed: "A".repeat(64) };
  return `${JSON.stringify({ v: 1, did, kdf, ...rest })}\n`;
}

/** Tools with their arguments. */
type Calls = readonly (readonly [tool: string, args: JsonObject])[];

const someCalls: Calls = [
  ["search", { query: "weather" }],
  ["write_file", { path: "notes.txt" }],
  ["transfer_funds", { amount_cents: 1_000_000, to: "DE89 3704 0044 0532 0130 00" }],
];

/** A guard decides these calls of bot: the first is admitted, the second refused, the third put to a person. */
async function guardedCalls(
  home: Home,
  identities: ReadonlyMap<Person, Identity>,
  calls: Calls = someCalls,
): Promise<void> {
  const options = { policy: "guard.yaml", approvalWait: "0" };
  await using parts = await buildGuard(contextOf(home, { identity: "gate" }), options);
  const bot = identities.get("bot") as Identity;
  for (const [name, args] of calls) {
    const message = await signed(bot, parts.guard.did, "tools/call", { name, arguments: args });
    const admission = await parts.guard.admit(message, stdio());
    if (!admission.admitted) continue;
    const result = { content: [{ type: "text", text: "sunny" }] };
    await parts.guard.settle(admission.decision, { jsonrpc: "2.0", id: message["id"] as number, result });
  }
}

/** What a command of this machine works with. */
export function contextOf(home: Home, globals: ConstructorParameters<typeof Context>[1] = {}): Context {
  const nothing = { write: () => true } as unknown as NodeJS.WritableStream;
  const io: Io = {
    env: { PEERAGE_HOME: home.at(), HOME: home.path, LANG: "C.UTF-8" },
    cwd: home.path,
    stdin: process.stdin,
    stdout: nothing,
    stderr: nothing,
    now: () => new Date(),
  };
  return new Context(io, globals);
}
