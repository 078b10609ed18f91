/** Signing and verifying: how far a checked call proof is from the bare signature of the same bytes. */
import { createPublicKey, verify as nodeVerify } from "node:crypto";
import {
  checkCallAudienceAndTime,
  checkCallMessage,
  concat,
  ed25519Backend,
  fromBase64url,
  fromHex,
  generateIdentity,
  issueVouch,
  parseCallProof,
  publicKeyOf,
  requestDigest,
  signCall,
  signEntry,
  generateRun,
  parseEntry,
  utf8,
  verifyStatement,
} from "@peerage/core";
import { median, perSecond, rate, type Row, type Section } from "./report.ts";

export async function benchProofs(): Promise<Section> {
  const caller = generateIdentity();
  const server = generateIdentity();
  const message = { method: "tools/call", params: { name: "echo", arguments: { message: "hello", n: 7 } } };
  const token = await signCall(caller, { audience: server.did, message });
  const audiences = new Set<string>([server.did]);

  const [header = "", claims = "", signaturePart = ""] = token.split(".");
  const signed = utf8(`${header}.${claims}`);
  const signature = fromBase64url(signaturePart);
  const raw = publicKeyOf(caller.did).bytes;
  const spki = concat(fromHex("302a300506032b6570032100"), raw);
  const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });

  const rawVerify = rate(() => {
    if (!nodeVerify(null, signed, key, signature)) throw new Error("the signature does not hold");
  });
  const checked = rate(() => {
    const proof = parseCallProof(token);
    checkCallAudienceAndTime(proof, { audiences, now: new Date() });
    checkCallMessage(proof, message);
  });
  const backend = ed25519Backend();
  const imported = backend.importKey(raw);
  const bare = rate(() => {
    if (!backend.verify(imported, signed, signature)) throw new Error("the signature does not hold");
  });
  const digest = rate(() => void requestDigest(message.method, message.params));
  const sign = await asyncRate(() => signCall(caller, { audience: server.did, message }));
  const vouch = await issueVouch(caller, { subject: server.did, scope: ["tools"], confidence: 80 });
  const statement = await asyncRate(() => verifyStatement(vouch.bytes));
  const fresh = await freshEntries(caller, 2_000);
  const start = performance.now();
  for (const entry of fresh) parseEntry(entry);
  const entries = (fresh.length * 1000) / (performance.now() - start);

  const rows: Row[] = [
    { what: "raw crypto.verify of the token's bytes", value: perSecond(rawVerify), ratio: "reference" },
    {
      what: `the same by the backend in use (${backend.name})`,
      value: perSecond(bare),
      ratio: `${(bare.perSecond / rawVerify.perSecond).toFixed(2)} × raw`,
    },
    {
      what: "call proof: profile, key, signature, claims, audience, time, message",
      value: perSecond(checked),
      ratio: `${(checked.perSecond / rawVerify.perSecond).toFixed(2)} × raw`,
      goal: "≥ 0.80 × raw",
    },
    { what: "sign a call proof", value: `${Math.round(sign).toLocaleString("en-US")}/s` },
    { what: "request digest (JCS and SHA-256)", value: perSecond(digest) },
    {
      what: "verify a history entry, first sight",
      value: `${Math.round(entries).toLocaleString("en-US")}/s`,
      ratio: `${(entries / rawVerify.perSecond).toFixed(2)} × raw`,
    },
    {
      what: "verify a vouch: strict JSON, one form, schema, DIDs, eddsa-jcs-2022",
      value: `${Math.round(statement).toLocaleString("en-US")}/s`,
      ratio: `${(statement / rawVerify.perSecond).toFixed(2)} × raw`,
    },
  ];
  return { title: "Proofs, one core", rows };
}

async function asyncRate(action: () => Promise<unknown>, ms = 300): Promise<number> {
  const rates: number[] = [];
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    let calls = 0;
    for (; performance.now() - start < ms; calls++) await action();
    rates.push((calls * 1000) / (performance.now() - start));
  }
  return median(rates);
}

async function freshEntries(signer: Parameters<typeof signEntry>[0], count: number): Promise<string[]> {
  const run = generateRun();
  const tokens: string[] = [];
  for (let i = 0; i < count; i++)
    tokens.push(await signEntry(signer, { run, prev: [], step: "step", result: "passed" }));
  return tokens;
}
