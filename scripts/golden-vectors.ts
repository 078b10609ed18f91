/**
 * Writes `test/vectors/protocol.json`: cases of every format of docs/protocol.md, valid and invalid, made from public
 * seeds without any randomness, so that the same script gives the same file. For implementers in other languages.
 */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Point } from "@noble/ed25519";
import { base58btc } from "multiformats/bases/base58";
import {
  addProof,
  canonicalize,
  digest,
  formatTime,
  identityFromSeed,
  type Identity,
  type JsonObject,
  type JsonValue,
  leafHash,
  publicKeyOf,
  requestDigest,
  resultDigest,
  STATEMENT_CONTEXT,
  toBase64url,
  toHex,
  tokenDigest,
  utf8,
} from "@peerage/core";
import { type Case, logCases } from "./golden-log.ts";

const NOW = 1_795_200_010;
const agent = identityFromSeed(new Uint8Array(32).fill(1));
const server = identityFromSeed(new Uint8Array(32).fill(2));
const voucher = identityFromSeed(new Uint8Array(32).fill(3));
const intruder = identityFromSeed(new Uint8Array(32).fill(4));

/** A compact JWS over these very claims. */
function token(signer: Identity, typ: string, claims: JsonObject, header: JsonObject = {}): string {
  const head = canonicalize({ alg: "EdDSA", kid: signer.kid, typ, ...header });
  const signed = `${toBase64url(utf8(head))}.${toBase64url(utf8(canonicalize(claims)))}`;
  return `${signed}.${toBase64url(signer.sign(utf8(signed)))}`;
}

const jti = (n: number): string => toBase64url(new Uint8Array(16).fill(n));

function dids(): Case[] {
  const bytes = (identity: Identity): Uint8Array => publicKeyOf(identity.did).bytes;
  const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
  const did = (key: Uint8Array): string => `did:key:${base58btc.encode(Uint8Array.of(0xed, 0x01, ...key))}`;
  const torsion = Point.fromBytes(hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), false);
  const mixed = Point.fromBytes(bytes(agent), false).add(torsion).toBytes();
  const plain = agent.did;
  const invalid: Record<string, string> = {
    "identity point: signs anything": did(hex(`01${"00".repeat(31)}`)),
    "order 8": did(torsion.toBytes()),
    "order 4": did(new Uint8Array(32)),
    "y of the identity plus p: a second encoding": did(hex(`ee${"ff".repeat(30)}7f`)),
    "agent's key plus a point of order 8": did(mixed),
    "not on the curve": did(hex(`02${"00".repeat(31)}`)),
    "another method": "did:web:example.com",
    "a DID URL": agent.kid,
    "upper-case method": plain.replace("did:key", "did:KEY"),
    "trailing newline": `${plain}\n`,
    "leading space": ` ${plain}`,
    "a character outside base58": `${plain.slice(0, -1)}0`,
    "an X25519 key": "did:key:z6LSbysY2xFMRpGMhb7tFTLMpeuPRaqaWM1yECx2AtzE3KCc",
    empty: "did:key:",
  };
  return [
    ...[agent, server, voucher].map((one) => ({
      id: `did/${one.did.slice(-4)}`,
      valid: true,
      did: one.did,
      publicKey: toHex(bytes(one)),
    })),
    ...Object.entries(invalid).map(([name, text]) => ({
      id: `did/${name}`,
      valid: false,
      did: text,
      code: "ERR_DID_INVALID",
    })),
  ];
}

function json(): Case[] {
  const valid = [
    '{"b":1,"a":[true,null,"\\u00e9"]}',
    " [ 1e2 , -0.5 , 9007199254740991, 1E-7, 1e-6, 0.00001, 5e-324 ] ",
    '{"\\ud83c\\udf89":1,"\\ue000":2}',
    '"\\u0007\\n/"',
    "{}",
  ];
  const invalid: Record<string, [text: string, code: string]> = {
    "repeated name": ['{"a":1,"a":1}', "ERR_JSON_DUPLICATE_KEY"],
    "repeated after unescaping": ['{"a":1,"\\u0061":2}', "ERR_JSON_DUPLICATE_KEY"],
    "beyond 2^53": ["9007199254740993", "ERR_JSON_NUMBER"],
    overflows: ["1e400", "ERR_JSON_NUMBER"],
    "lone surrogate": ['"\\ud800"', "ERR_JSON_STRING"],
    "text after the value": ["{} {}", "ERR_JSON_SYNTAX"],
    "trailing comma": ["[1,]", "ERR_JSON_SYNTAX"],
    "control character": ['"\u0001"', "ERR_JSON_SYNTAX"],
    "nested 65 deep": ["[".repeat(65) + "]".repeat(65), "ERR_JSON_DEPTH"],
    "not a number": ["NaN", "ERR_JSON_SYNTAX"],
    "minus zero": ["-0", "ERR_JSON_NUMBER"],
    "whole and beyond 2^53": ["1e21", "ERR_JSON_NUMBER"],
  };
  return [
    ...valid.map((text, i) => ({
      id: `json/valid-${i}`,
      valid: true,
      text,
      canonical: canonicalize(JSON.parse(text) as JsonValue),
    })),
    ...Object.entries(invalid).map(([name, [text, code]]) => ({ id: `json/${name}`, valid: false, text, code })),
  ];
}

const echo = { method: "tools/call", params: { name: "echo", arguments: { message: "hi" } } };

function digests(): Case[] {
  const messages: { method: string; params?: JsonValue }[] = [
    echo,
    { method: "tools/call", params: { name: "echo", arguments: {} } },
    { method: "tools/call", params: { name: "echo", _meta: { progressToken: 1 } } },
    { method: "tools/list" },
    { method: "resources/read", params: { uri: "file:///a", _meta: {} } },
  ];
  return messages.map((message, i) => ({
    id: `digest/${i}`,
    valid: true,
    message,
    req: requestDigest(message.method, message.params),
  }));
}

const audience = server.did;
const call: JsonObject = {
  iss: agent.did,
  aud: audience,
  iat: NOW - 10,
  exp: NOW + 50,
  jti: jti(9),
  method: echo.method,
  tool: "echo",
  req: requestDigest(echo.method, echo.params),
};

function calls(): Case[] {
  const typ = "peerage-call+jwt";
  const made = (claims: JsonObject = {}, header: JsonObject = {}): string =>
    token(agent, typ, { ...call, ...claims }, header);
  const good = made();
  const other = { ...echo, params: { ...echo.params, arguments: { message: "ho" } } };
  const { req: _, ...withoutReq } = call;
  const bad: Record<string, [token: string, code: string, more?: object]> = {
    "one bit of the signature": [flipped(good), "ERR_PROOF_INVALID"],
    "signed by another key": [token(intruder, typ, call, { kid: agent.kid }), "ERR_PROOF_INVALID"],
    "another's name": [made({ iss: intruder.did }), "ERR_PROOF_MALFORMED"],
    "alg none": [
      `${token(agent, typ, call, { alg: "none" }).split(".").slice(0, 2).join(".")}.`,
      "ERR_PROOF_MALFORMED",
    ],
    "alg HS256": [made({}, { alg: "HS256" }), "ERR_PROOF_MALFORMED"],
    "a key in the header": [made({}, { jwk: { kty: "OKP" } }), "ERR_PROOF_MALFORMED"],
    "an entry for a call": [made({}, { typ: "peerage-entry+jwt" }), "ERR_PROOF_MALFORMED"],
    "an unknown claim": [made({ admin: true }), "ERR_PROOF_MALFORMED"],
    "no request digest": [token(agent, typ, withoutReq), "ERR_PROOF_MALFORMED"],
    "a list of audiences": [made({ aud: [audience] }), "ERR_PROOF_MALFORMED"],
    "lives 301 seconds": [made({ exp: NOW + 291 }), "ERR_PROOF_MALFORMED"],
    "a short jti": [made({ jti: "abc" }), "ERR_PROOF_MALFORMED"],
    "padded base64": [`${good}=`, "ERR_PROOF_MALFORMED"],
    "four parts": [`${good}.x`, "ERR_PROOF_MALFORMED"],
    "for another server": [made({ aud: intruder.did }), "ERR_PROOF_AUDIENCE"],
    expired: [made({ iat: NOW - 200, exp: NOW - 100 }), "ERR_PROOF_EXPIRED"],
    "from the future": [made({ iat: NOW + 100, exp: NOW + 130 }), "ERR_PROOF_NOT_YET_VALID"],
    "other arguments": [good, "ERR_PROOF_MISMATCH", { message: other }],
    "another tool": [good, "ERR_PROOF_MISMATCH", { message: { ...echo, params: { ...echo.params, name: "rm" } } }],
    "another method": [good, "ERR_PROOF_MISMATCH", { message: { method: "prompts/get", params: echo.params } }],
  };
  const common = { audience, now: NOW, message: echo };
  return [
    { id: "call/plain", valid: true, ...common, token: good },
    { id: "call/29 s after its end", valid: true, ...common, token: made({ iat: NOW - 89, exp: NOW - 29 }) },
    { id: "call/with a head", valid: true, ...common, token: made({ head: [tokenDigest("x")] }) },
    { id: "call/alg Ed25519", valid: true, ...common, token: made({}, { alg: "Ed25519" }) },
    ...Object.entries(bad).map(([name, [text, code, more]]) => ({
      id: `call/${name}`,
      valid: false,
      ...common,
      ...more,
      token: text,
      code,
    })),
  ];
}

/** The last character changed so that the signature is another one of the same length. */
function flipped(text: string): string {
  const at = text.lastIndexOf(".") + 5;
  return `${text.slice(0, at)}${text[at] === "A" ? "B" : "A"}${text.slice(at + 1)}`;
}

const run = toBase64url(new Uint8Array(16).fill(7));

function entry(
  signer: Identity,
  n: number,
  prev: readonly string[],
  more: JsonObject = {},
  header: JsonObject = {},
): string {
  const claims = {
    iss: signer.did,
    iat: NOW - 100 + n,
    jti: jti(n),
    run,
    prev: prev.map(tokenDigest),
    step: `step_${n}`,
    result: "done",
  };
  return token(signer, "peerage-entry+jwt", { ...claims, ...more }, header);
}

function histories(): Case[] {
  const a = entry(agent, 1, []);
  const b = entry(server, 2, [a]);
  const c = entry(voucher, 3, [a]);
  const d = entry(agent, 4, [b, c]);
  const at = (entries: readonly string[], ...tips: string[]) => ({ entries, head: tips.map(tokenDigest), now: NOW });
  const code = "ERR_HISTORY_INVALID";
  return [
    { id: "history/one", valid: true, ...at([a], a) },
    { id: "history/chain", valid: true, ...at([a, b], b) },
    { id: "history/two tips", valid: true, ...at([a, b, c], b, c) },
    { id: "history/join", valid: true, ...at([a, b, c, d], d) },
    { id: "history/an entry is missing", valid: false, ...at([a, b, d], d), code },
    { id: "history/out of order", valid: false, ...at([b, a], b), code },
    { id: "history/cut", valid: false, ...at([a, b], a, b), code },
    { id: "history/another tip", valid: false, ...at([a, b], c), code },
    { id: "history/twice", valid: false, ...at([a, b, b], b), code },
    { id: "history/two roots", valid: false, ...at([a, entry(server, 5, [])], a, entry(server, 5, [])), code },
    {
      id: "history/another run",
      valid: false,
      ...at([a, entry(server, 2, [a], { run: jti(8) })], entry(server, 2, [a], { run: jti(8) })),
      code,
    },
    {
      id: "history/from the future",
      valid: false,
      ...at([a, entry(server, 2, [a], { iat: NOW + 60 })], entry(server, 2, [a], { iat: NOW + 60 })),
      code,
    },
    { id: "history/a signature does not hold", valid: false, ...at([a, flipped(b)], flipped(b)), code },
    {
      id: "history/signed by another",
      valid: false,
      ...at([a, entry(intruder, 2, [a], { iss: server.did })], entry(intruder, 2, [a], { iss: server.did })),
      code,
    },
  ];
}

function receipts(): Case[] {
  const result = { content: [{ type: "text", text: "Echo: hi" }] };
  const tip = entry(agent, 1, []);
  const claims: JsonObject = {
    step: "tool_call",
    result: "executed",
    req: call["req"] as string,
    call: call["jti"] as string,
    tool: "echo",
    aud: agent.did,
    sub: { policy: tokenDigest("policy"), res: resultDigest(result) },
  };
  const made = (more: JsonObject = {}, signer = server): string => entry(signer, 2, [tip], { ...claims, ...more });
  const context = {
    server: server.did,
    call: { jti: call["jti"], req: call["req"], tool: "echo" },
    prev: [tokenDigest(tip)],
    result,
  };
  const bad: Record<string, [receipt: string, more?: object]> = {
    "another server's": [made({}, intruder)],
    "of another call": [made({ call: jti(11) })],
    "of another request": [made({ req: tokenDigest("other") })],
    "of another tool": [made({ tool: "rm" })],
    "another result": [made(), { result: { content: [] } }],
    "no result": [made(), { result: null }],
    "another history": [made(), { prev: [] }],
    "another step": [made({ step: "approval_request" })],
    altered: [flipped(made())],
  };
  return [
    { id: "receipt/executed", valid: true, receipt: made(), context },
    {
      id: "receipt/result with _meta",
      valid: true,
      receipt: made(),
      context: { ...context, result: { ...result, _meta: { a: 1 } } },
    },
    ...Object.entries(bad).map(([name, [receipt, more]]) => ({
      id: `receipt/${name}`,
      valid: false,
      receipt,
      context: { ...context, ...more },
      code: "ERR_RECEIPT_INVALID",
    })),
  ];
}

async function secured(signer: Identity, document: JsonObject, method = signer.kid): Promise<string> {
  const proof = await addProof(signer, document, { verificationMethod: method, created: formatTime(NOW - 1000) });
  return canonicalize({ ...document, proof });
}

const vouch = (subject: JsonObject = {}, more: JsonObject = {}): JsonObject => ({
  "@context": STATEMENT_CONTEXT,
  type: ["VerifiableCredential", "Vouch"],
  issuer: voucher.did,
  validFrom: formatTime(NOW - 1000),
  validUntil: formatTime(NOW - 1000 + 90 * 86_400),
  credentialSubject: { id: agent.did, scope: ["code", "tools"], confidence: 80, ...subject },
  ...more,
});

async function vouches(): Promise<Case[]> {
  const good = await secured(voucher, vouch());
  const document = JSON.parse(good) as JsonObject;
  const { proof, ...open } = document;
  const id = digest(open);
  const edit = (subject: JsonObject): string =>
    canonicalize({ ...document, credentialSubject: { ...(open["credentialSubject"] as JsonObject), ...subject } });
  const rewritten = (value: (proof: JsonObject) => JsonValue): string =>
    canonicalize({ ...document, proof: { ...(proof as JsonObject), proofValue: value(proof as JsonObject) } });
  const context = { ...(proof as JsonObject) };
  delete (context as Record<string, unknown>)["@context"];
  const bad: Record<string, [text: string, code?: string]> = {
    "raised after signing": [edit({ confidence: 100 })],
    "another subject after signing": [edit({ id: intruder.did })],
    "evidence unsorted": [
      await secured(voucher, vouch({ evidence: [tokenDigest("a"), tokenDigest("b")].sort().reverse() })),
    ],
    "evidence in clear": [await secured(voucher, vouch({ evidence: ["it was good"] }))],
    "for itself": [await secured(voucher, vouch({ id: voucher.did }))],
    "confidence 0": [await secured(voucher, vouch({ confidence: 0 }))],
    "confidence 101": [await secured(voucher, vouch({ confidence: 101 }))],
    "confidence 1.5": [await secured(voucher, vouch({ confidence: 1.5 }))],
    "no scope": [await secured(voucher, vouch({ scope: [] }))],
    "scopes unsorted": [await secured(voucher, vouch({ scope: ["tools", "code"] }))],
    "a member too many": [await secured(voucher, vouch({}, { name: "x" }))],
    "lives 181 days": [await secured(voucher, vouch({}, { validUntil: formatTime(NOW - 1000 + 181 * 86_400) }))],
    "signed by another": [await secured(intruder, vouch(), voucher.kid)],
    "another's key": [await secured(intruder, vouch()), "ERR_STATEMENT_INVALID"],
    "other spaces": [good.replace(":", ": ")],
    "a proofValue with a zero before it": [rewritten(({ proofValue }) => `z1${(proofValue as string).slice(1)}`)],
    "a proofValue in pieces": [rewritten(({ proofValue }) => Array.from(proofValue as string))],
    "a proof without context": [canonicalize({ ...open, proof: context })],
    "a DID that signs anything": [
      await secured(voucher, vouch({ id: dids().find(({ id }) => id.includes("identity point"))!["did"] as string })),
      "ERR_DID_INVALID",
    ],
  };
  return [
    { id: "vouch/plain", valid: true, text: good, statementId: id, leafHash: toHex(leafHash(utf8(good))) },
    {
      id: "vouch/evidence",
      valid: true,
      text: await secured(voucher, vouch({ evidence: [tokenDigest("a receipt")] })),
    },
    ...Object.entries(bad).map(([name, [text, code]]) => ({
      id: `vouch/${name}`,
      valid: false,
      text,
      code: code ?? "ERR_STATEMENT_INVALID",
    })),
  ];
}

const made = await logCases(NOW);
const vectors = {
  comment:
    "Cases of every format of docs/protocol.md, made by scripts/golden-vectors.ts from public seeds (32 equal bytes: agent 1, server 2, voucher 3, intruder 4; log 21, witness 22): never for production. `code` is what this implementation refuses with.",
  now: NOW,
  skewSeconds: 30,
  keys: { agent: agent.did, server: server.did, voucher: voucher.did, intruder: intruder.did, log: made.keys },
  did: dids(),
  json: json(),
  digest: digests(),
  call: calls(),
  history: histories(),
  receipt: receipts(),
  vouch: await vouches(),
  checkpoint: made.checkpoint,
  inclusion: made.inclusion,
  consistency: made.consistency,
};
const path = process.argv[2] ?? fileURLToPath(new URL("../test/vectors/protocol.json", import.meta.url));
await writeFile(path, `${JSON.stringify(vectors, null, 1)}\n`);
