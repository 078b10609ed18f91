import {
  checkHttpSignature,
  contentDigest,
  type Did,
  generateIdentity,
  keyIdOf,
  jwkThumbprint,
  httpSignatureBase,
  isPeerageError,
  PublicKey,
  publicKeyOf,
  readHttpSignatures,
  signHttpRequest,
  type SignedMessage,
  toBase64,
  utf8,
  verifyForeignHttpSignature,
  verifyHttpSignature,
} from "@peerage/core";
import { describe, expect, it } from "vitest";
import { goldenCases, vectorJson, vectorsPresent } from "./_vectors.ts";

const now = new Date(1_795_200_010_000);

function messageOf(
  method: string,
  targetUri: string,
  headers: Readonly<Record<string, string>>,
  body: string,
): SignedMessage & { body: Uint8Array } {
  const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return { method, targetUri, header: (name) => lower.get(name), body: utf8(body) };
}

/** The code of the refusal, or `ok`. */
function codeOf(look: () => unknown): string {
  try {
    look();
    return "ok";
  } catch (error) {
    return isPeerageError(error) ? error.code : String(error);
  }
}

describe.skipIf(!vectorsPresent)("golden HTTP signatures", () => {
  const cases = vectorsPresent ? goldenCases("http", { valid: 2, invalid: 11 }) : [];

  // That the headers equal the body is the guard's own step: test/http-signature-guard.test.ts.
  it.each(
    cases
      .filter(({ id }) => id !== "http/name-header")
      .map((test) => ({ title: `${test.attack ?? "accepts"} ${test.id}`, test })),
  )("$title", ({ test }) => {
    const message = messageOf(test["method"], test["targetUri"], test["headers"], test["body"]);
    const did = test["key"] as Did;
    const thumbprint = jwkThumbprint(publicKeyOf(did));
    const keyOf = (keyid: string): ReturnType<typeof keyIdOf> | undefined =>
      keyid === thumbprint ? keyIdOf(did) : undefined;
    const verify = (): unknown => verifyHttpSignature(message, { now, keyOf });
    if (!test.valid) {
      expect(test["expect"].codes).toContain(codeOf(verify));
      return;
    }
    expect(verify()).toMatchObject({ issuer: did, binding: "body", scheme: "peerage-http" });
    expect(thumbprint).toBe(test["expect"].keyid);
    expect(httpSignatureBase(message, readHttpSignatures(message)[0]!)).toBe(test["expect"].signatureBase);
  });
});

describe.skipIf(!vectorsPresent)("RFC 9421 B.2.6", () => {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the shape is the suite's own
  const suite = vectorsPresent ? vectorJson("rfc9421-b26/b26.json") : ({ cases: [] } as any);

  it("has all cases", () => {
    expect(suite.cases).toHaveLength(12);
  });

  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above
  it.each(suite.cases as any[])("$verdict $id: $comment", ({ request, verdict, signatureBase }) => {
    const message = messageOf(request.method, request.url, request.headers, request.body);
    const key = PublicKey.import(Buffer.from(suite.key.publicKey, "hex"));
    expect(jwkThumbprint(key)).toBe(suite.key.jwkThumbprint);
    const verify = (): void => {
      for (const signature of readHttpSignatures(message)) checkHttpSignature(message, signature, key);
    };
    expect(codeOf(verify)).toBe(verdict === "accept" ? "ok" : "ERR_PROOF_INVALID");
    if (signatureBase) expect(httpSignatureBase(message, readHttpSignatures(message)[0]!)).toBe(signatureBase);
    // As a signature of our profile none of them is one.
    expect(codeOf(() => verifyHttpSignature(message, { now }))).not.toBe("ok");
  });
});

describe("our profile of HTTP signatures", () => {
  const caller = generateIdentity();
  const url = "https://mcp.example.com/mcp";
  const body = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';
  const plain = { "content-type": "application/json", "mcp-method": "tools/list" };

  async function signed(headers: Record<string, string> = plain, options = {}): Promise<Record<string, string>> {
    return {
      ...headers,
      ...(await signHttpRequest(caller, messageOf("POST", url, headers, body), { now, ...options })),
    };
  }

  it("verifies what it signs, by the DID of the key", async () => {
    const message = messageOf("POST", url, await signed(), body);
    expect(verifyHttpSignature(message, { now })).toMatchObject({ issuer: caller.did, kid: caller.kid, audience: url });
  });

  it("covers Authorization where it is sent, so that none is added on the way", async () => {
    const bearer = { ...plain, authorization: "Bearer x" };
    expect(codeOf(() => verifyHttpSignature(messageOf("POST", url, { ...plain }, body), { now }))).toBe(
      "ERR_PROOF_MISSING",
    );
    expect(verifyHttpSignature(messageOf("POST", url, await signed(bearer), body), { now }).issuer).toBe(caller.did);
    const added = { ...(await signed()), authorization: "Bearer y" };
    expect(codeOf(() => verifyHttpSignature(messageOf("POST", url, added, body), { now }))).toBe("ERR_PROOF_INVALID");
    const named = { ...(await signed()), "mcp-name": "delete_all" };
    expect(codeOf(() => verifyHttpSignature(messageOf("POST", url, named, body), { now }))).toBe("ERR_PROOF_INVALID");
  });

  it("A-HTTP-08 takes two signatures for none, even where both hold", async () => {
    const one = await signed();
    const two = await signed();
    const both = {
      ...one,
      "signature-input": `${one["signature-input"]}, ${two["signature-input"]!.replace("peerage=", "second=")}`,
      signature: `${one["signature"]}, ${two["signature"]!.replace("peerage=", "second=")}`,
    };
    expect(codeOf(() => verifyHttpSignature(messageOf("POST", url, both, body), { now }))).toBe("ERR_PROOF_INVALID");
    // A hop's own signature under another tag is its own affair.
    const hop = { ...both, "signature-input": both["signature-input"].replace(/tag="peerage"$/, 'tag="hop"') };
    expect(codeOf(() => verifyHttpSignature(messageOf("POST", url, hop, body), { now }))).toBe("ok");
  });

  it("A-HTTP-08 recomputes every digest that it knows, and asks for one", async () => {
    const headers = { ...(await signed()) };
    const swapped = `${body} `;
    expect(codeOf(() => verifyHttpSignature(messageOf("POST", url, headers, swapped), { now }))).toBe(
      "ERR_PROOF_INVALID",
    );
    const unread = { ...messageOf("POST", url, headers, body), body: undefined };
    expect(codeOf(() => verifyHttpSignature(unread, { now }))).toBe("ERR_PROOF_INVALID");
    const fitted = { ...headers, "content-digest": contentDigest(utf8(swapped)) };
    expect(codeOf(() => verifyHttpSignature(messageOf("POST", url, fitted, swapped), { now }))).toBe(
      "ERR_PROOF_INVALID",
    );
    expect(codeOf(() => verifyHttpSignature(messageOf("POST", url, headers, body), { now }))).toBe("ok");
  });

  it("A-HTTP-08 lives for five minutes at most, and is not from the future", async () => {
    const at = (seconds: number): string =>
      codeOf(() => verifyHttpSignature(message, { now: new Date(now.getTime() + seconds * 1000) }));
    const message = messageOf("POST", url, await signed(), body);
    expect([at(0), at(89), at(91), at(-29), at(-31)]).toEqual([
      "ok",
      "ok",
      "ERR_PROOF_EXPIRED",
      "ok",
      "ERR_PROOF_NOT_YET_VALID",
    ]);
    await expect(signed(plain, { lifetimeSeconds: 301 })).rejects.toThrow(RangeError);
  });

  it("refuses a thumbprint that nobody knows, and the name of another's key", async () => {
    const thumbprint = jwkThumbprint(publicKeyOf(caller.did));
    const message = messageOf("POST", url, await signed(plain, { keyid: thumbprint }), body);
    expect(codeOf(() => verifyHttpSignature(message, { now }))).toBe("ERR_DID_UNRESOLVED");
    const keyOf = (): typeof caller.kid => caller.kid;
    expect(verifyHttpSignature(message, { now, keyOf }).issuer).toBe(caller.did);
    const other = generateIdentity();
    const claimed = messageOf("POST", url, await signed(plain, { keyid: other.did }), body);
    expect(codeOf(() => verifyHttpSignature(claimed, { now }))).toBe("ERR_PROOF_INVALID");
    const grafted = `${other.did}#${caller.did.slice(8)}`;
    const graft = messageOf("POST", url, await signed(plain, { keyid: grafted }), body);
    expect(codeOf(() => verifyHttpSignature(graft, { now }))).toBe("ERR_PROOF_MALFORMED");
  });

  const digested: Readonly<Record<string, string>> = { ...plain, "content-digest": contentDigest(utf8(body)) };
  const wholeRequest = ["@method", "@target-uri", "content-digest", "content-type", "mcp-method"].map(
    (name) => `"${name}"`,
  );

  /** Signs these components under these parameters, whatever the profile's own signer would say to it. */
  function crafted(
    parameters: string,
    { covered = wholeRequest, headers = digested, target = url } = {},
  ): SignedMessage {
    const { host, pathname, search } = new URL(target);
    const values: Record<string, string> = {
      '"@method"': "POST",
      '"@target-uri"': target,
      '"@authority"': host,
      '"@path"': pathname,
      '"@query"': search,
      '"content-digest";key="sha-256"': /sha-256=(:.*?:)/.exec(headers["content-digest"] ?? "")?.[1] ?? "",
    };
    const valueOf = (component: string): string => values[component] ?? headers[component.slice(1, -1)] ?? "";
    const input = `(${covered.join(" ")})${parameters}`;
    const lines = covered.map((component) => `${component}: ${valueOf(component)}\n`).join("");
    const signature = toBase64(caller.sign(utf8(`${lines}"@signature-params": ${input}`)));
    const signed = { ...headers, "signature-input": `s=${input}`, signature: `s=:${signature}:` };
    return messageOf("POST", target, signed, body);
  }

  const created = now.getTime() / 1000;
  const ours = ({ expires = created + 60, nonce = "n".repeat(22) } = {}): string =>
    `;created=${created};expires=${expires};keyid="${caller.did}";nonce="${nonce}";tag="peerage"`;
  const verdictOf = (message: SignedMessage): string => codeOf(() => verifyHttpSignature(message, { now }));

  it("A-HTTP-08 refuses one that says it lives longer than five minutes, or whose nonce could be guessed", () => {
    expect(verdictOf(crafted(ours({ expires: created + 300 })))).toBe("ok");
    expect(verdictOf(crafted(ours({ expires: created + 301 })))).toBe("ERR_PROOF_INVALID");
    expect(verdictOf(crafted(ours({ expires: created })))).toBe("ERR_PROOF_INVALID");
    expect(verdictOf(crafted(ours({ nonce: "n".repeat(21) })))).toBe("ERR_PROOF_INVALID");
    expect(verdictOf(crafted(ours({ nonce: "1" })))).toBe("ERR_PROOF_INVALID");
  });

  it("A-HTTP-08 refuses a digest of no algorithm that is computed here, and a part of a header signed for all of it", () => {
    const unknown = { ...digested, "content-digest": "md5=:AAAAAAAAAAAAAAAAAAAAAA==:" };
    expect(verdictOf(crafted(ours(), { headers: unknown }))).toBe("ERR_PROOF_INVALID");
    const part = wholeRequest.map((name) => (name === '"content-digest"' ? `${name};key="sha-256"` : name));
    const message = crafted(ours(), { covered: part });
    // The equation holds: what is refused is that it says nothing of the rest of the header.
    checkHttpSignature(message, readHttpSignatures(message)[0]!, publicKeyOf(caller.did));
    expect(verdictOf(message)).toBe("ERR_PROOF_INVALID");
    expect(verdictOf(crafted(ours()))).toBe("ok");
  });

  it("A-HTTP-08 counts a foreign signature as old after five minutes, and as one of the head where the query is open", () => {
    const foreign = (expires: number): string =>
      `;created=${created};expires=${expires};keyid="${caller.did}";tag="web-bot-auth"`;
    const at = (message: SignedMessage, seconds: number): string =>
      codeOf(() => verifyForeignHttpSignature(message, { now: new Date(now.getTime() + seconds * 1000) }));
    const long = crafted(foreign(created + 86_400 * 365), { covered: ['"@authority"'] });
    expect([at(long, 330), at(long, 331)]).toEqual(["ok", "ERR_PROOF_EXPIRED"]);
    const bindingOf = (covered: string[]): string =>
      verifyForeignHttpSignature(crafted(foreign(created + 60), { covered, target: `${url}?tenant=1` }), { now })
        .binding;
    const path = ['"@method"', '"@authority"', '"@path"', '"content-digest"'];
    expect([bindingOf(path), bindingOf([...path, '"@query"'])]).toEqual(["head", "body"]);
  });

  it.each([
    ["a label twice", 'a=("@method"), a=("@method")'],
    ["a component twice", 'peerage=("@method" "@method")'],
    ["no list", 'peerage="@method"'],
    ["an open list", 'peerage=("@method"'],
    ["a trailing comma", 'peerage=("@method"),'],
  ])("refuses %s in Signature-Input", (_, input) => {
    const headers = { "signature-input": input, signature: "peerage=:AAAA:" };
    const code = codeOf(() => readHttpSignatures(messageOf("POST", url, headers, body)));
    expect(["ERR_PROOF_MALFORMED", "ERR_PROOF_INVALID"]).toContain(code);
  });
});
