import {
  checkCallAudienceAndTime,
  checkCallMessage,
  contentDigest,
  digest,
  entryFacts,
  fromUtf8,
  identityFromSeed,
  issueReceipt,
  type JsonObject,
  type JsonValue,
  jwkThumbprint,
  keyIdOf,
  parseCallProof,
  parseCarriedEntry,
  parseEntry,
  parseJson,
  publicKeyOf,
  requestDigest,
  signCall,
  signCompactJws,
  signHttpRequest,
  type SignedMessage,
  signNoteErasure,
  tokenDigest,
  utf8,
  verifyCompactJws,
  verifyForeignHttpSignature,
  verifyHistory,
  verifyHttpSignature,
  verifyNoteErasure,
  verifyReceipt,
} from "@peerage/core";
import type { Target } from "./_fuzz.ts";
import { mutateClaims } from "./_fuzz-mutations.ts";
import type { Random } from "./_fuzz-random.ts";
import { people, TestRun } from "./_history.ts";

const alice = identityFromSeed(new Uint8Array(32).fill(3));
const guard = identityFromSeed(new Uint8Array(32).fill(4));
const at = 1_795_200_000;
const now = new Date(at * 1_000);
const message = { method: "tools/call", params: { name: "echo", arguments: { message: "é", n: 1 } } };
const token = await signCall(alice, { audience: guard.did, message, now });
const call = parseCallProof(token);
const run = new TestRun();
await run.add(alice, "lookup", "found", at);
await run.add(guard, "check", "passed", at + 1, { sub: { amount: 5, currency: "EUR" } });
await run.approve(people.bob, alice.did, requestDigest("tools/call", message.params), at + 2);
const approval = run.tokens[2]!;
const policy = digest({ a: 1 });
const response: JsonObject = { content: [{ type: "text", text: "hi" }] };
const receipt = await issueReceipt(guard, {
  call,
  result: "executed",
  response,
  policy,
  tips: run.digests.slice(-1),
  run: run.run,
  now,
});
const erasure = await signNoteErasure(alice, { audience: "log.test/x", note: digest({}) });

const claimsOf = (jws: string): JsonObject => parseJson(Buffer.from(jws.split(".")[1]!, "base64url")) as JsonObject;

/** A token with changed claims, signed by who signed the genuine one. */
function signedAgain(typ: string, genuine: readonly string[], signer = alice): (random: Random) => Promise<string> {
  return async (random) => signCompactJws(signer, typ, mutateClaims(claimsOf(random.pick(genuine)), random));
}

/** A history of which any entry has other claims, under tips that fit. */
async function historyAgain(random: Random): Promise<string> {
  const tokens: string[] = [];
  for (const one of run.tokens) {
    const claims = { ...claimsOf(one), prev: tokens.slice(-1).map(tokenDigest) };
    const changed = random.oneIn(3) ? mutateClaims(claims, random) : claims;
    tokens.push(await signCompactJws(random.pick([alice, guard]), "peerage-entry+jwt", changed));
  }
  return JSON.stringify({ history: tokens, head: tokens.slice(-1).map(tokenDigest) });
}

interface Http {
  readonly method: string;
  readonly targetUri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const body = JSON.stringify(message);
const plain: Http = {
  method: "POST",
  targetUri: "https://tools.example/mcp?x=1",
  headers: { "content-type": "application/json", "mcp-method": "tools/call", "mcp-name": "echo" },
  body,
};
const ours = JSON.stringify({
  ...plain,
  headers: { ...plain.headers, ...(await signHttpRequest(alice, messageOf(plain), { now })) },
});

function messageOf({ method, targetUri, headers, body: text }: Http): SignedMessage & { readonly body: Uint8Array } {
  return { method, targetUri, header: (name) => headers[name], body: utf8(text) };
}

/** A request of which every part but the address, which the reader takes from its settings, comes from outside. */
function readHttp(bytes: Uint8Array): SignedMessage {
  const value = parseJson(bytes) as JsonObject | null;
  const headers = (value?.["headers"] ?? {}) as Record<string, JsonValue>;
  const text = (name: string): string => (typeof value?.[name] === "string" ? value[name] : "");
  const header = (name: string): string | undefined => {
    const one = typeof headers === "object" && Object.hasOwn(headers, name) ? headers[name] : undefined;
    return typeof one === "string" ? one : undefined;
  };
  return { method: text("method"), targetUri: plain.targetUri, header, body: utf8(text("body")) };
}

/** A Web Bot Auth signature by the base of RFC 9421, over any of our headers. */
function botAuth(random?: Random): string {
  const thumbprint = jwkThumbprint(publicKeyOf(alice.did));
  const wanted = random
    ? ["@method", "@authority", "@path", "content-digest", "mcp-name"].filter(() => !random.oneIn(4))
    : ["@method", "@authority"];
  const created = random?.oneIn(3) ? at - random.below(1_000) : at;
  const parameters = `(${wanted.map((name) => `"${name}"`).join(" ")});created=${created};expires=${created + 60};keyid="${thumbprint}";tag="web-bot-auth"`;
  const values: Record<string, string> = {
    "@method": "POST",
    "@authority": "tools.example",
    "@path": "/mcp",
    "content-digest": contentDigest(utf8(body)),
    "mcp-name": "echo",
  };
  const base = [...wanted.map((name) => `"${name}": ${values[name]!}`), `"@signature-params": ${parameters}`].join(
    "\n",
  );
  const signature = Buffer.from(alice.sign(utf8(base))).toString("base64");
  const headers = {
    ...plain.headers,
    "content-digest": contentDigest(utf8(body)),
    "signature-input": `sig1=${parameters}`,
    signature: `sig1=:${signature}:`,
  };
  return JSON.stringify({ ...plain, headers });
}

const keyOf = (thumbprint: string): ReturnType<typeof keyIdOf> | undefined =>
  thumbprint === jwkThumbprint(publicKeyOf(alice.did)) ? keyIdOf(alice.did) : undefined;

/** What calls carry: proofs, histories, receipts, signatures of HTTP requests. */
export const proofTargets: readonly Target[] = [
  {
    name: "a compact JWS",
    samples: [token],
    shapes: ["jws"],
    read: (x) => verifyCompactJws(fromUtf8(x), "peerage-call+jwt"),
    weight: 2,
  },
  {
    name: "a call proof",
    samples: [token],
    shapes: ["jws"],
    read: (x) => {
      const proof = parseCallProof(fromUtf8(x));
      checkCallAudienceAndTime(proof, { audiences: new Set([guard.did]), now });
      checkCallMessage(proof, message);
    },
    forge: signedAgain("peerage-call+jwt", [token]),
    weight: 3,
  },
  {
    name: "an entry of a history",
    samples: [...run.tokens, receipt],
    shapes: ["jws"],
    read: (x) => {
      const entry = parseEntry(fromUtf8(x));
      entryFacts(entry, undefined);
      if (parseCarriedEntry(entry.token).digest !== entry.digest) throw new Error("another digest");
    },
    forge: signedAgain("peerage-entry+jwt", run.tokens),
    weight: 2,
  },
  {
    name: "a presented history with its tips",
    samples: [JSON.stringify({ history: run.tokens, head: run.digests.slice(-1) })],
    shapes: ["json", "jws"],
    read: (x) => {
      const { history, head } = (parseJson(x) ?? {}) as Record<string, JsonValue>;
      verifyHistory(history, Array.isArray(head) ? (head as never) : undefined, { now });
    },
    forge: historyAgain,
    weight: 2,
  },
  {
    name: "a receipt",
    samples: [receipt],
    shapes: ["jws"],
    read: (x) => verifyReceipt(fromUtf8(x), { call, server: guard.did, prev: run.digests.slice(-1), result: response }),
    forge: signedAgain("peerage-entry+jwt", [receipt], guard),
  },
  {
    name: "an approval",
    samples: [approval],
    shapes: ["jws"],
    read: (x) => parseEntry(fromUtf8(x)),
    forge: signedAgain("peerage-entry+jwt", [approval], people.bob),
  },
  {
    name: "a request to erase a note",
    samples: [erasure],
    shapes: ["jws"],
    read: (x) => verifyNoteErasure(fromUtf8(x), "log.test/x"),
    forge: signedAgain("peerage-note-erasure+jwt", [erasure]),
  },
  {
    name: "an HTTP request signed by our profile",
    samples: [ours],
    shapes: ["json"],
    read: (x) => verifyHttpSignature(readHttp(x), { now, keyOf }),
    weight: 2,
  },
  {
    name: "an HTTP request signed by Web Bot Auth or AAuth",
    samples: [botAuth()],
    shapes: ["json"],
    read: (x) => verifyForeignHttpSignature(readHttp(x), { now, keyOf }),
    forge: botAuth,
    weight: 2,
  },
];
