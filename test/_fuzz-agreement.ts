import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import {
  canonicalize,
  checkCallAudienceAndTime,
  checkCallMessage,
  checkStatementTime,
  fromUtf8,
  identityFromSeed,
  isPeerageError,
  parseCallProof,
  type PeerageError,
  parseDid,
  parseJson,
  parseVerifierKey,
  publicKeyDefect,
  publicKeyOf,
  signatureDefect,
  toHex,
  verifyCheckpoint,
  verifyStatement,
} from "@peerage/core";
import { type Ed25519Backend, nobleBackend, nodeBackend, sodiumBackend } from "../core/src/ed25519/backends.ts";
import { splitCertificates } from "../mcp-middleware/src/spiffe/workload-api.ts";
import { verifyX509Svid } from "../mcp-middleware/src/spiffe/x509-svid.ts";
import { Disagreement, type Target } from "./_fuzz.ts";
import type { Random } from "./_fuzz-random.ts";
import {
  authority,
  bundleOf,
  type CertificateOptions,
  extension,
  type Issued,
  leaf,
  lookup,
  newKey,
  NOW,
  pem,
  usage,
} from "./_spiffe.ts";

const folder = mkdtempSync(join(tmpdir(), "peerage-agree-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

// Ed25519: key, signature and message in a row.
const alice = identityFromSeed(new Uint8Array(32).fill(3));
const message = Buffer.from("peerage");
const honest = Buffer.concat([publicKeyOf(alice.did).bytes, alice.sign(message), message]);
const backends = [nobleBackend, nodeBackend(), sodiumBackend()].filter((one) => one !== undefined);

function verdictOf(backend: Ed25519Backend, key: Uint8Array, text: Uint8Array, signature: Uint8Array): boolean {
  if (publicKeyDefect(key) !== undefined || signatureDefect(signature) !== undefined) return false;
  return backend.verify(backend.importKey(key), text, signature);
}

function agreeOnSignature(bytes: Uint8Array): void {
  const [key, signature, text] = [bytes.subarray(0, 32), bytes.subarray(32, 96), bytes.subarray(96)];
  if (key.length < 32 || signature.length < 64) return;
  const verdicts = backends.map((backend) => verdictOf(backend, key, text, signature));
  if (new Set(verdicts).size > 1) throw new Disagreement(`noble, node and sodium say ${verdicts.join(", ")}`);
}

// X.509: whatever openssl refuses, we refuse; we alone refuse what is no SVID.
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;
if (!hasOpenssl) console.warn("SKIPPED: openssl not on PATH, certificate paths not compared with it");
const ID = "spiffe://a.test/agent";
const root = await authority("a.test");
const genuine = await authority("a.test", { issuer: root });
const end = await leaf(genuine, ID);
const keys = [newKey(), newKey("P-384"), newKey("Ed25519"), newKey("RSA", "fuzz")];
const joined = (chain: readonly Issued[]): Uint8Array => Uint8Array.from(chain.flatMap(({ der }) => [...der]));

function anyOptions(random: Random): CertificateOptions {
  // Never the very second of the question: RFC 5280 counts it in, as we do, and openssl does not.
  const hours = (n: number): Date => new Date(NOW.getTime() + (n + 0.5) * 3_600_000);
  return {
    key: random.pick(keys),
    ...(random.oneIn(6) ? { notAfter: hours(random.below(4) - 2) } : {}),
    ...(random.oneIn(6) ? { notBefore: hours(random.below(4) - 2) } : {}),
    ...(random.oneIn(4) ? { pathLength: random.below(2) } : {}),
    ...(random.oneIn(8) ? { keyUsage: random.pick([usage.ca, usage.leaf, undefined]) } : {}),
    ...(random.oneIn(10) ? { ca: random.oneIn(2) } : {}),
    ...(random.oneIn(8) ? { signWith: random.pick(keys) } : {}),
    ...(random.oneIn(6) ? { noKeyIds: true } : {}),
    ...(random.oneIn(8)
      ? {
          extensions: [
            extension(
              "2.5.29.30",
              random.oneIn(2),
              random.pick([
                "300ca00a30088606612e74657374",
                "300ca00a30088606622e74657374",
                "300ca10a30088606612e74657374",
              ]),
            ),
          ],
        }
      : {}),
  };
}

async function anyChain(random: Random): Promise<Uint8Array> {
  const chain: Issued[] = [];
  for (let depth = random.below(4); depth > 0; depth--)
    chain.unshift(await authority("a.test", { issuer: chain[0] ?? root, ...anyOptions(random) }));
  chain.unshift(await leaf(chain[0] ?? root, random.oneIn(10) ? "spiffe://b.test/x" : ID, anyOptions(random)));
  if (random.oneIn(4)) chain.push(root);
  if (random.oneIn(6)) chain.splice(random.below(chain.length), 1);
  return joined(chain);
}

function agreeOnChain(bytes: Uint8Array): void {
  const chain = splitCertificates(bytes);
  verifyX509Svid(
    chain.map(({ der }) => der),
    lookup({ "a.test": bundleOf(root) }),
    NOW,
  );
  const [first, ...others] = chain.map(({ der }) => ({ der }) as Issued);
  writeFileSync(join(folder, "leaf.pem"), pem(first!));
  writeFileSync(join(folder, "others.pem"), pem(...others));
  writeFileSync(join(folder, "root.pem"), pem(root));
  const between = others.length > 0 ? ["-untrusted", join(folder, "others.pem")] : [];
  const level = ["-partial_chain", "-auth_level", "0", "-attime", String(NOW.getTime() / 1_000)];
  const args = ["verify", ...level, "-trusted", join(folder, "root.pem"), ...between, join(folder, "leaf.pem")];
  const { status, stderr } = spawnSync("openssl", args, { encoding: "utf8" });
  if (status !== 0) throw new Disagreement(`we accept a chain that openssl refuses: ${stderr}`);
}

// The verifier in Python, as a process that is asked line by line.
const hasPython = spawnSync("python3", ["-c", "import cryptography"]).status === 0;
if (!hasPython)
  console.warn("SKIPPED: python3 with the package cryptography is not here, so its verifier is not asked");
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each section has its own form
type Vectors = Record<string, any>;
const vectors = JSON.parse(readFileSync(join(import.meta.dirname, "vectors/protocol.json"), "utf8")) as Vectors;
const ASKED = `
import json, sys
sys.path.insert(0, sys.argv[1])
import peerage_verify as own
vectors = json.load(open(sys.argv[2], encoding="utf-8"))
for line in sys.stdin:
    question = json.loads(line)
    try:
        own.check(question["section"], question["one"], vectors)
        print("yes", flush=True)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        print("no", repr(error), flush=True)
`;

let python: { readonly child: ChildProcess; readonly lines: AsyncIterator<string> } | undefined;

async function pythonSays(section: string, one: object): Promise<string> {
  if (!python) {
    const here = [join(import.meta.dirname, "../examples/python"), join(import.meta.dirname, "vectors/protocol.json")];
    const child = spawn("python3", ["-c", ASKED, ...here], { stdio: ["pipe", "pipe", "inherit"] });
    process.once("exit", () => child.kill("SIGKILL"));
    python = { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() };
    child.unref();
  }
  python.child.stdin!.write(`${JSON.stringify({ section, one })}\n`);
  const { value } = (await python.lines.next()) as { value: string | undefined };
  if (value === undefined) {
    // The next question goes to a new one, so that a smaller input that ends it can be looked for.
    python = undefined;
    throw new Error("the verifier in Python has ended");
  }
  return value;
}

/** Both say yes, or both say no. */
async function agree(section: string, one: object, ours: () => unknown): Promise<void> {
  let refusal: PeerageError | undefined;
  try {
    await ours();
  } catch (error) {
    if (!isPeerageError(error)) throw error;
    refusal = error;
  }
  const theirs = await pythonSays(section, one);
  if ((refusal === undefined) !== (theirs === "yes"))
    throw new Disagreement(
      refusal === undefined ? `Python refuses what we accept: ${theirs}` : `Python accepts what we refuse`,
    );
  if (refusal !== undefined) throw refusal;
}

const validOf = (section: string, member: string): string[] =>
  (vectors[section] as Record<string, unknown>[])
    .filter(({ valid }) => valid === true)
    .map((one) => one[member] as string);
const call = (
  vectors["call"] as { valid: boolean; token: string; audience: string; now: number; message: never }[]
).find(({ valid }) => valid)!;
const now = new Date((vectors["now"] as number) * 1_000);
const { origin, vkey, witness } = (vectors["keys"] as { log: Record<string, string> }).log as Record<
  "origin" | "vkey" | "witness",
  string
>;
const policy = { origin, logKey: parseVerifierKey(vkey), operatorWitness: parseVerifierKey(witness) };

const besidePython: readonly Target[] = [
  {
    name: "strict JSON beside Python",
    samples: validOf("json", "text"),
    shapes: ["json"],
    read: async (x) => {
      const text = fromUtf8(x);
      let canonical = "";
      try {
        canonical = canonicalize(parseJson(text));
      } catch {
        // Then the other must refuse it as well, whatever its form would be.
      }
      await agree("json", { text, canonical }, () => parseJson(text));
    },
  },
  {
    name: "did:key beside Python",
    samples: validOf("did", "did"),
    read: async (x) => {
      const did = fromUtf8(x);
      let publicKey = "";
      try {
        publicKey = toHex(publicKeyOf(parseDid(did)).bytes);
      } catch {
        // As above.
      }
      await agree("did", { did, publicKey }, () => parseDid(did));
    },
  },
  {
    name: "a call proof beside Python",
    samples: [call.token],
    shapes: ["jws"],
    read: async (x) => {
      const token = fromUtf8(x);
      await agree("call", { ...call, token }, () => {
        const proof = parseCallProof(token);
        checkCallAudienceAndTime(proof, { audiences: new Set([call.audience]), now: new Date(call.now * 1_000) });
        checkCallMessage(proof, call.message);
      });
    },
  },
  {
    name: "a vouch beside Python",
    samples: validOf("vouch", "text"),
    shapes: ["json"],
    read: async (x) => {
      const text = fromUtf8(x);
      await agree("vouch", { text }, async () => checkStatementTime(await verifyStatement(text), now));
    },
  },
  {
    name: "a checkpoint beside Python",
    samples: validOf("checkpoint", "note"),
    shapes: ["lines"],
    read: async (x) => {
      const note = fromUtf8(x);
      let [size, root] = [0, ""];
      const ours = async (): Promise<void> => {
        const checkpoint = await verifyCheckpoint(note, policy, { now });
        [size, root] = [checkpoint.size, toHex(checkpoint.root)];
      };
      await ours().catch(() => undefined);
      await agree("checkpoint", { note, size, root }, ours);
    },
  },
];

/** What a second implementation judges as well: both must say the same. */
export const agreementTargets: readonly Target[] = [
  { name: "an Ed25519 signature by noble, node and sodium", samples: [honest], read: agreeOnSignature, weight: 3 },
  ...(hasOpenssl
    ? [
        {
          name: "a chain of certificates beside openssl",
          samples: [joined([end, genuine])],
          shapes: ["der" as const],
          read: agreeOnChain,
          forge: anyChain,
          weight: 3,
          mostMs: 1_000,
        },
      ]
    : []),
  ...(hasPython ? besidePython : []),
];
