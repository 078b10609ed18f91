/** Signing and verifying: how far a checked call proof is from the bare signature of the same bytes, and from rivals. */
import { createHash, sign as nodeSign, verify as nodeVerify } from "node:crypto";
import {
  type CallSubject,
  checkCallAudienceAndTime,
  checkCallMessage,
  ed25519Backend,
  fromBase64url,
  generateRun,
  generateSeed,
  issueVouch,
  parseCallProof,
  parseEntry,
  publicKeyOf,
  requestDigest,
  signCall,
  signEntry,
  signHttpRequest,
  type SignedMessage,
  utf8,
  verifyHttpSignature,
  verifyStatement,
} from "@peerage/core";
import { benchIdentity, nodeKeyOf, nodeSecretOf } from "./keys.ts";
import type { Measurement } from "./lib/figures.ts";
import { measureRates, rateOptions, type Repeated, type Scale } from "./lib/measure.ts";
import { hmacRival, joseRivals } from "./rivals.ts";

const caller = benchIdentity("caller");
const server = benchIdentity("server");
const message: CallSubject = {
  method: "tools/call",
  params: { name: "echo", arguments: { message: "hello", n: 7 } },
};
const verifyReference = "proofs/raw-verify";
const signReference = "proofs/raw-sign";

export async function benchProofs(scale: Scale): Promise<Measurement[]> {
  const options = rateOptions(scale);
  const rivals = [...(await joseRivals(server.did)), hmacRival(JSON.stringify(message))];
  const verifying = [
    ...(await ownVerifying()),
    ...rivals.map(({ name, label, verify }) => {
      return { id: `proofs/verify-${name}`, what: `verify: ${label}`, beside: verifyReference, run: verify };
    }),
  ];
  const signing = [
    ...(await ownSigning()),
    ...rivals
      // The two of EdDSA sign alike.
      .filter(({ name }) => name !== "jose-compact")
      .map(({ name, label, sign }) => {
        return { id: `proofs/sign-${name}`, what: `sign: ${label}`, beside: signReference, run: sign };
      }),
  ];
  return [
    ...(await measureRates(verifying, options)),
    ...(await measureRates(signing, options)),
    ...(await measureRates(digests(), options)),
  ];
}

async function ownVerifying(): Promise<Repeated[]> {
  const token = await signCall(caller, { audience: server.did, message, lifetimeSeconds: 300 });
  const audiences = new Set<string>([server.did]);
  const [header = "", claims = "", signaturePart = ""] = token.split(".");
  const signed = utf8(`${header}.${claims}`);
  const signature = fromBase64url(signaturePart);
  const key = nodeKeyOf(caller.did);
  const backend = ed25519Backend();
  const imported = backend.importKey(publicKeyOf(caller.did).bytes);
  const request = httpRequest();
  const headers = { ...request.headers, ...(await signHttpRequest(caller, request.message)) };
  const received = { ...request.message, header: (name: string) => (headers as Record<string, string>)[name] };
  const entry = await unknownEntries();
  const { bytes } = await issueVouch(caller, { subject: server.did, scope: ["tools"], confidence: 80 });
  const beside = verifyReference;
  return [
    {
      id: verifyReference,
      what: "raw crypto.verify of the token's bytes",
      run: () => mustHold(nodeVerify(null, signed, key, signature)),
      note: "OpenSSL",
    },
    {
      id: "proofs/backend-verify",
      what: "the same by the backend in use",
      beside,
      run: () => mustHold(backend.verify(imported, signed, signature)),
      note: backend.name,
    },
    {
      id: "proofs/call-proof",
      what: "call proof: profile, key, signature, claims, audience, time, message",
      beside,
      goal: { of: "ratio", atLeast: 0.8 },
      run: () => {
        const proof = parseCallProof(token);
        checkCallAudienceAndTime(proof, { audiences, now: new Date() });
        checkCallMessage(proof, message);
      },
    },
    {
      id: "proofs/http-signature",
      what: "HTTP message signature, body digest recomputed",
      beside,
      run: () => verifyHttpSignature(received, { now: new Date() }),
    },
    { id: "proofs/entry", what: "entry of a history, first sight", beside, run: () => parseEntry(entry()) },
    {
      id: "proofs/vouch",
      what: "vouch: strict JSON, one form, schema, DIDs, eddsa-jcs-2022",
      beside,
      run: () => verifyStatement(bytes),
    },
  ];
}

async function ownSigning(): Promise<Repeated[]> {
  const seed = generateSeed();
  const secret = nodeSecretOf(seed);
  const [header = "", claims = ""] = (await signCall(caller, { audience: server.did, message })).split(".");
  const signed = utf8(`${header}.${claims}`);
  const run = generateRun();
  const request = httpRequest();
  const beside = signReference;
  return [
    {
      id: signReference,
      what: "raw crypto.sign of the token's bytes",
      run: () => nodeSign(null, signed, secret),
      note: "OpenSSL",
    },
    {
      id: "proofs/sign-call",
      what: "sign a call proof",
      beside,
      run: () => signCall(caller, { audience: server.did, message }),
    },
    {
      id: "proofs/sign-entry",
      what: "sign an entry of a history",
      beside,
      run: () => signEntry(caller, { run, prev: [], step: "step", result: "passed" }),
    },
    {
      id: "proofs/sign-http",
      what: "sign an HTTP message",
      beside,
      run: () => signHttpRequest(caller, request.message),
    },
    {
      id: "proofs/sign-vouch",
      what: "issue a vouch",
      beside,
      run: () => issueVouch(caller, { subject: server.did, scope: ["tools"], confidence: 80 }),
    },
  ];
}

/** More entries than are remembered when they were verified, so that each is met as if for the first time. */
async function unknownEntries(): Promise<() => string> {
  const run = generateRun();
  const sign = (): Promise<string> => signEntry(caller, { run, prev: [], step: "step", result: "passed" });
  const tokens = await Promise.all(Array.from({ length: 20_000 }, sign));
  let next = 0;
  return () => tokens[next++ % tokens.length]!;
}

/** How the digest of a request grows with its arguments, beside SHA-256 alone of as many bytes. */
function digests(): Repeated[] {
  return [1, 16, 256].flatMap((kib): Repeated[] => {
    const lines = Array.from({ length: kib * 8 }, (_, i) => `${String(i).padStart(8, "0")}${"a".repeat(106)}`);
    const params = { name: "write", arguments: { path: "notes.txt", lines } };
    const bytes = utf8(JSON.stringify({ method: "tools/call", params }));
    return [
      {
        id: `proofs/sha256-${kib}k`,
        what: `SHA-256 alone of ${kib} KiB`,
        run: () => createHash("sha256").update(bytes).digest(),
      },
      {
        id: `proofs/digest-${kib}k`,
        what: `digest of a request of ${kib} KiB: canonical form and SHA-256`,
        beside: `proofs/sha256-${kib}k`,
        run: () => requestDigest("tools/call", params),
      },
    ];
  });
}

function httpRequest(): {
  headers: Readonly<Record<string, string>>;
  message: SignedMessage & { readonly body: Uint8Array };
} {
  const headers: Readonly<Record<string, string>> = { "content-type": "application/json" };
  const body = utf8(JSON.stringify({ jsonrpc: "2.0", id: 1, ...message }));
  const targetUri = "https://mcp.example.com/mcp";
  return { headers, message: { method: "POST", targetUri, header: (name) => headers[name], body } };
}

function mustHold(holds: boolean): void {
  if (!holds) throw new Error("the signature does not hold");
}
