import { Point } from "@noble/ed25519";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Did,
  formatMultibaseKey,
  fromHex,
  generateIdentity,
  generateRun,
  isPeerageError,
  issueRevocation,
  issueVouch,
  type KeyId,
  parseCallProof,
  parseDid,
  parseEntry,
  parseMultibaseKey,
  parsePolicy,
  publicKeyOf,
  resolveDid,
  signCall,
  signEntry,
  type Signer,
} from "@peerage/core";
import { createCallSigner } from "@peerage/mcp-middleware";
import { Home } from "./_cli.ts";
import { startObservatory, type TestObservatory } from "./_observatory.ts";

const order8 = Point.fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", true);
const withTorsion = Point.fromBytes(publicKeyOf(generateIdentity().did).bytes, true).add(order8).toBytes();
const didOf = (key: Uint8Array): Did => `did:key:${formatMultibaseKey(key)}`;

/** Keys that must be nobody's. */
const weak: readonly (readonly [string, Did])[] = [
  ["the identity point", "did:key:z6MkeXATEjyXENzBXBxgC5EHk2JE5aqd7qMGGtDpLUH1e2Sj"],
  ["a key of order 4", didOf(new Uint8Array(32))],
  ["a key of order 8", didOf(order8.toBytes())],
  ["a key with a torsion part", didOf(withTorsion)],
  ["a second encoding of a key", didOf(fromHex(`f0${"ff".repeat(30)}7f`))],
];

const honest = generateIdentity();
let site: TestObservatory;
let home: Home;
beforeAll(async () => {
  site = await startObservatory();
  home = await Home.make();
  await home.ok(["init", "me", "--no-input"]);
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
  await home[Symbol.asyncDispose]();
});

/** Signs as a weak DID; what the signature is does not matter, the key is looked at first. */
const signerOf = (did: Did): Signer => ({
  did,
  kid: `${did}#${did.slice(8)}` as KeyId,
  sign: (bytes) => honest.sign(bytes),
});

/** Every door through which a DID comes into a library call; resolves if it was let in. */
const doors: readonly (readonly [string, (did: Did) => unknown])[] = [
  ["parseDid", (did) => parseDid(did)],
  ["parseMultibaseKey", (did) => parseMultibaseKey(did.slice(8))],
  ["resolveDid", (did) => resolveDid(did)],
  [
    "a call proof",
    async (did) => {
      const signer = did === honest.did ? honest : signerOf(did);
      return parseCallProof(await signCall(signer, { audience: honest.did, message: { method: "ping" } }));
    },
  ],
  [
    "an entry of a history",
    async (did) => {
      const signer = did === honest.did ? honest : signerOf(did);
      return parseEntry(await signEntry(signer, { run: generateRun(), prev: [], step: "build", result: "passed" }));
    },
  ],
  ["a vouch for it", (did) => issueVouch(generateIdentity(), { subject: did, scope: ["tools"], confidence: 50 })],
  [
    "a vouch by it",
    (did) => {
      const signer = did === honest.did ? honest : signerOf(did);
      return issueVouch(signer, { subject: generateIdentity().did, scope: ["tools"], confidence: 50 });
    },
  ],
  ["a revocation of it", (did) => issueRevocation(generateIdentity(), { revokes: "subject", target: did })],
  [
    "a policy's agents",
    (did) =>
      parsePolicy(
        JSON.stringify({ apiVersion: "peerage.dev/v1", kind: "Policy", allow: [{ tools: "x", agents: did }] }),
      ),
  ],
  [
    "a signer's server",
    (did) => createCallSigner({ signer: honest, endpoint: { command: "x", args: [] }, server: did }),
  ],
];

describe.each(doors)("%s", (_door, open) => {
  it.each(weak)("A-DID-01 A-DID-02 refuses %s and takes an honest one", async (_name, did) => {
    const opened = (async () => open(did))();
    await expect(opened).rejects.toSatisfy(
      (error) =>
        isPeerageError(error) &&
        ["ERR_DID_INVALID", "ERR_STATEMENT_INVALID", "ERR_POLICY_INVALID"].includes(error.code),
    );
    await expect((async () => open(honest.did))()).resolves.toBeDefined();
  });
});

describe("over HTTP", () => {
  const paths = [
    "/v1/agents/@",
    "/1.0/identifiers/@",
    "/v1/score?to=@",
    "/v1/score?from=@&to=ME",
    "/v1/explain?to=@",
    "/v1/statements?issuer=@",
    "/v1/statements?subject=@",
    "/a/@",
    "/explain?to=@",
    "/agents?as=@",
  ];
  it.each(paths)("A-DID-01 A-DID-02 %s refuses every weak key", async (path) => {
    const at = (did: string) => path.replace("ME", honest.did).replace("@", did);
    for (const [name, did] of weak) {
      const { status } = await site.get(at(did), { accept: "application/json" });
      expect([400, 404], `${name}: ${status}`).toContain(status);
    }
    const { status } = await site.get(at(honest.did), { accept: "application/json" });
    expect([200, 404]).toContain(status);
    if (path.includes("/v1/s") || path.startsWith("/v1/e")) expect(status).toBe(200);
  });
});

describe("on the command line", () => {
  const commands = [["trust"], ["vouch", "--dry-run"], ["roots", "add"], ["names", "set", "weak"], ["show"]];
  it.each(commands)("A-DID-01 A-DID-02 peerage %s refuses every weak key", async (...command) => {
    for (const [name, did] of weak) {
      const ran = await home.call([...command, did, "--no-input", "--yes", "--registry", site.url]);
      expect([2, 3, 5], `${name}: ${ran.stderr}`).toContain(ran.code);
      expect(ran.stderr + ran.stdout, name).not.toContain("✓");
    }
  });
});
