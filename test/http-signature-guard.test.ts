import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CALL_META,
  contentDigest,
  type Did,
  generateIdentity,
  HISTORY_META,
  type Identity,
  jwkThumbprint,
  type JsonObject,
  publicKeyOf,
  sha256,
  signHttpRequest,
  toBase64,
  toBase64url,
  utf8,
} from "@peerage/core";
import { createGuard } from "@peerage/mcp-middleware";
import { describe, expect, it } from "vitest";
import { AuditLog } from "../mcp-middleware/src/audit/audit-log.ts";
import { AuditReader } from "../mcp-middleware/src/audit/reader.ts";
import { verifyAudit } from "../mcp-middleware/src/audit/verify.ts";
import { GuardCore } from "../mcp-middleware/src/guard/guard.ts";
import { MemoryReplayStore } from "../mcp-middleware/src/guard/replay.ts";
import type { Admission } from "../mcp-middleware/src/guard/types.ts";
import { startHttpGuard } from "../mcp-middleware/src/proxy/index.ts";
import { http, policyOf, signed, verdict } from "./_guard.ts";
import { goldenCases, vectorJson, vectorsPresent } from "./_vectors.ts";
import { ENDPOINT, Journal, wirings } from "./_wirings.ts";

type Headers = Record<string, string>;

/** Any agent may use any tool whose binding is at least this. */
const takes = (binding: string): ReturnType<typeof policyOf> =>
  policyOf([{ tools: "*", agents: "*", binding }], { open: true });

const call = (id: number, args: JsonObject = {}): string =>
  JSON.stringify({ jsonrpc: "2.0", id, method: "tools/call", params: { name: "echo", arguments: args } });

/** Signs the components given, as any library of RFC 9421 would. */
function httpSignature(
  who: Identity,
  headers: Headers,
  covered: readonly string[],
  parameters: string,
  url: string = ENDPOINT,
): Headers {
  const { host, pathname } = new URL(url);
  const derived: Headers = { "@method": "POST", "@target-uri": url, "@authority": host, "@path": pathname };
  const names = `(${covered.map((name) => `"${name}"`).join(" ")})${parameters}`;
  const lines = covered.map((name) => `"${name}": ${derived[name] ?? headers[name] ?? ""}\n`).join("");
  const signature = who.sign(utf8(`${lines}"@signature-params": ${names}`));
  return { ...headers, "signature-input": `sig=${names}`, signature: `sig=:${toBase64(signature)}:` };
}

const seconds = (): number => Math.floor(Date.now() / 1000);

/** Web Bot Auth; the key is the caller's DID's, which a thumbprint names only to who knows it. */
function webBotAuth(who: Identity, body: string, covered: readonly string[], keyid: string = who.did): Headers {
  const created = seconds();
  const headers = { "content-type": "application/json", "content-digest": contentDigest(utf8(body)) };
  const nonce = toBase64(sha256(crypto.randomUUID()));
  const parameters = `;created=${created};keyid="${keyid}";expires=${created + 60};nonce="${nonce}";tag="web-bot-auth"`;
  return httpSignature(who, headers, covered, parameters);
}

/** AAuth with the key in the header. */
function aauth(who: Identity, body: string, covered: readonly string[] = []): Headers {
  const x = toBase64url(publicKeyOf(who.did).bytes);
  const headers = {
    "content-digest": contentDigest(utf8(body)),
    "signature-key": `sig=hwk;kty="OKP";crv="Ed25519";x="${x}"`,
  };
  const all = ["@method", "@authority", "@path", "signature-key", ...covered];
  return httpSignature(who, headers, all, `;created=${seconds()}`);
}

async function ours(who: Identity, body: string, url: string = ENDPOINT, more: Headers = {}): Promise<Headers> {
  const headers = { "content-type": "application/json", ...more };
  const message = {
    method: "POST",
    targetUri: url,
    header: (name: string) => (headers as Headers)[name],
    body: utf8(body),
  };
  return { ...headers, ...(await signHttpRequest(who, message)) };
}

function guardOf(policy: ReturnType<typeof policyOf>): GuardCore {
  const replay = new MemoryReplayStore({ startedAt: new Date(Date.now() - 400_000) });
  return new GuardCore({ identity: generateIdentity(), policy, audiences: [ENDPOINT], replay });
}

async function admit(guard: GuardCore, body: string, headers: Headers): Promise<Admission> {
  return guard.admitText(utf8(body), http(headers));
}

describe.skipIf(!vectorsPresent)("golden HTTP signatures through the guard", () => {
  const cases = vectorsPresent ? goldenCases("http", { valid: 2, invalid: 11 }) : [];

  // Not here: two whose defect the guard sees as another one. With another body Mcp-Name no longer fits it; a signature
  // under the tag of Web Bot Auth is one of Web Bot Auth. The URL of "target" is the guard's own to know.
  const elsewhere = new Set(["http/body-swapped", "http/tag", "http/target"]);
  const ofGuard = cases.filter(({ id }) => !elsewhere.has(id));

  it.each(ofGuard.map((test) => ({ title: `${test.attack ?? "admits"} ${test.id}`, test })))(
    "$title",
    async ({ test }) => {
      const { now } = vectorJson("peerage-golden/golden.json") as { now: number };
      const did = test["key"] as Did;
      const guard = new GuardCore({
        identity: generateIdentity(),
        policy: policyOf([{ tools: "*", agents: did, binding: "body" }]),
        audiences: [test["targetUri"] as string],
        replay: new MemoryReplayStore({ startedAt: new Date((now - 400) * 1000) }),
        now: () => new Date(now * 1000),
      });
      const admission = await guard.admitText(test["body"] as string, http(test["headers"] as Headers));
      if (test.valid) expect(admission).toMatchObject({ admitted: true, caller: { did, binding: "body" } });
      else expect(test["expect"].codes).toContain(await verdict(admission));
    },
  );
});

describe("a guard that takes HTTP signatures", () => {
  it("takes our profile as body, and only where the policy says so", async () => {
    const caller = generateIdentity();
    const body = call(1);
    const headers = await ours(caller, body);
    expect(await admit(guardOf(takes("body")), body, headers)).toMatchObject({
      admitted: true,
      caller: { did: caller.did, binding: "body" },
      decision: { method: "tools/call" },
    });
    // Where some rule takes less, but not the one for this tool.
    const mixed = policyOf([
      { tools: "other", agents: caller.did, binding: "head" },
      { tools: "echo", agents: caller.did },
    ]);
    expect(await verdict(admit(guardOf(mixed), body, headers))).toBe("ERR_POLICY_DENIED");
  });

  it("A-CALL-16 never takes a foreign scheme for a proof where every rule wants one", async () => {
    const caller = generateIdentity();
    const body = call(1);
    for (const headers of [await ours(caller, body), webBotAuth(caller, body, ["@authority"]), aauth(caller, body)]) {
      expect(await verdict(admit(guardOf(takes("message")), body, headers))).toBe("ERR_PROOF_MISSING");
    }
    const bearer = { authorization: "Bearer secret" };
    expect(await verdict(admit(guardOf(takes("head")), body, bearer))).toBe("ERR_PROOF_MISSING");
    const proven = JSON.stringify(await signed(caller, ENDPOINT, "tools/call", { name: "echo", arguments: {} }));
    expect(await admit(guardOf(takes("message")), proven, {})).toMatchObject({ caller: { binding: "message" } });
  });

  it("takes Web Bot Auth as head, and as body where it covers method, target and a digest that fits", async () => {
    const caller = generateIdentity();
    const body = call(1);
    const head = webBotAuth(caller, body, ["@authority"]);
    expect(await admit(guardOf(takes("head")), body, head)).toMatchObject({
      caller: { did: caller.did, binding: "head" },
    });
    expect(await verdict(admit(guardOf(takes("body")), body, head))).toBe("ERR_POLICY_DENIED");
    const whole = webBotAuth(caller, body, ["@method", "@target-uri", "content-digest"]);
    expect(await admit(guardOf(takes("body")), body, whole)).toMatchObject({
      caller: { did: caller.did, binding: "body" },
    });
    // Everything but the method, or but the path: not the whole message.
    for (const part of [
      ["@target-uri", "content-digest"],
      ["@method", "@authority", "content-digest"],
    ]) {
      const headers = webBotAuth(caller, body, part);
      expect(await admit(guardOf(takes("head")), body, headers)).toMatchObject({ caller: { binding: "head" } });
    }
  });

  it("takes AAuth with its key in the header as head, and as body with a digest", async () => {
    const caller = generateIdentity();
    const body = call(1);
    expect(await admit(guardOf(takes("head")), body, aauth(caller, body))).toMatchObject({
      caller: { did: caller.did, binding: "head" },
    });
    expect(await admit(guardOf(takes("body")), body, aauth(caller, body, ["content-digest"]))).toMatchObject({
      caller: { did: caller.did, binding: "body" },
    });
    // The key is in the header, so the header must be signed: otherwise it could be anybody's.
    const other = toBase64url(publicKeyOf(generateIdentity().did).bytes);
    const mine = aauth(caller, body);
    const taken = { ...mine, "signature-key": mine["signature-key"]!.replace(/x="[^"]*"/, `x="${other}"`) };
    expect(await verdict(admit(guardOf(takes("head")), body, taken))).toBe("ERR_PROOF_INVALID");
    const headers = { "signature-key": mine["signature-key"]! };
    const open = httpSignature(caller, headers, ["@method", "@authority", "@path"], `;created=${seconds()}`);
    expect(await verdict(admit(guardOf(takes("head")), body, open))).toBe("ERR_PROOF_INVALID");
  });

  it("knows a thumbprint only of agents that its policy names", async () => {
    const caller = generateIdentity();
    const body = call(1);
    const headers = webBotAuth(caller, body, ["@authority"], jwkThumbprint(publicKeyOf(caller.did)));
    const named = policyOf([{ tools: "*", agents: caller.did, binding: "head" }]);
    expect(await admit(guardOf(named), body, headers)).toMatchObject({ caller: { did: caller.did } });
    expect(await verdict(admit(guardOf(takes("head")), body, headers))).toBe("ERR_DID_UNRESOLVED");
  });

  it("A-HTTP-08 refuses a swapped body, two labels, a missing component, the future and a foreign host", async () => {
    const caller = generateIdentity();
    const body = call(1);
    const swapped = call(1, { to: "mallory" });
    const guard = guardOf(takes("head"));
    const digested = webBotAuth(caller, body, ["@method", "@target-uri", "content-digest"]);
    expect(await verdict(admit(guard, swapped, digested))).toBe("ERR_PROOF_INVALID");
    expect(await verdict(admit(guard, swapped, await ours(caller, body)))).toBe("ERR_PROOF_INVALID");
    // A digest that fits the other body is not the one that was signed.
    const refitted = { ...digested, "content-digest": contentDigest(utf8(swapped)) };
    expect(await verdict(admit(guard, swapped, refitted))).toBe("ERR_PROOF_INVALID");

    const weak = webBotAuth(caller, body, ["@authority"]);
    const strong = webBotAuth(caller, body, ["@method", "@target-uri", "content-digest"]);
    const both = {
      ...strong,
      "signature-input": `${strong["signature-input"]}, ${weak["signature-input"]!.replace("sig=", "weak=")}`,
      signature: `${strong["signature"]}, ${weak["signature"]!.replace("sig=", "weak=")}`,
    };
    expect(await verdict(admit(guard, body, both))).toBe("ERR_PROOF_INVALID");

    const open = webBotAuth(caller, body, ["@method"]);
    expect(await verdict(admit(guard, body, open))).toBe("ERR_PROOF_INVALID");

    const created = seconds() + 60;
    const future = `;created=${created};keyid="${caller.did}";expires=${created + 60};tag="web-bot-auth"`;
    const early = httpSignature(caller, {}, ["@authority"], future);
    expect(await verdict(admit(guard, body, early))).toBe("ERR_PROOF_NOT_YET_VALID");

    // For another host, which then also stands in Host.
    const elsewhere = { ...(await ours(caller, body, "https://other.example/mcp")), host: "other.example" };
    expect(await verdict(admit(guard, body, elsewhere))).toBe("ERR_PROOF_INVALID");

    expect(await verdict(admit(guard, body, await ours(caller, body)))).toBe("admitted");
  });

  it("A-HTTP-08 remembers a signature, also where it would fit another body", async () => {
    const caller = generateIdentity();
    const guard = guardOf(takes("head"));
    for (const make of [ours, aauth, (who: Identity, body: string) => webBotAuth(who, body, ["@authority"])]) {
      const headers = await make(caller, call(1));
      expect(await verdict(admit(guard, call(1), headers))).toBe("admitted");
      expect(await verdict(admit(guard, call(1), headers))).not.toBe("admitted");
      const again = await verdict(admit(guard, call(2, { to: "mallory" }), headers));
      expect(["ERR_PROOF_REPLAYED", "ERR_PROOF_INVALID"]).toContain(again);
    }
  });

  it("goes by the proof where there is one, whatever is signed around it: levels never add up", async () => {
    const caller = generateIdentity();
    const proven = JSON.stringify(await signed(caller, ENDPOINT, "tools/call", { name: "echo", arguments: {} }));
    const around = await ours(generateIdentity(), proven);
    expect(await admit(guardOf(takes("message")), proven, around)).toMatchObject({
      caller: { did: caller.did, binding: "message" },
    });
    expect(await admit(guardOf(takes("head")), proven, around)).toMatchObject({
      caller: { did: caller.did, binding: "message" },
    });
    // A proof that does not hold is not made good by a signature that does.
    const broken = proven.replace('"echo"', '"delete_all"');
    expect(await verdict(admit(guardOf(takes("head")), broken, await ours(caller, broken)))).toBe("ERR_PROOF_MISMATCH");
    const misplaced = JSON.stringify({ ...JSON.parse(call(1)), [CALL_META]: "x" });
    expect(await verdict(admit(guardOf(takes("head")), misplaced, await ours(caller, misplaced)))).toBe(
      "ERR_PROOF_MISSING",
    );
  });

  it("records by what the caller was bound, signs no receipt for what was no proof, and asks no person by it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "peerage-http-signature-"));
    try {
      const identity = generateIdentity();
      const path = join(folder, "audit.db");
      const policy = policyOf([
        { tools: "echo", agents: "*", binding: "head" },
        { tools: "pay", agents: "*", binding: "head", approval: { by: generateIdentity().did } },
      ]);
      const guard = new GuardCore({ identity, policy, audiences: [ENDPOINT], audit: new AuditLog({ path, identity }) });
      const caller = generateIdentity();
      const admission = await admit(guard, call(1), webBotAuth(caller, call(1), ["@authority"]));
      if (!admission.admitted) throw new Error(admission.reason);
      const result = { jsonrpc: "2.0", id: 1, result: { content: [] } };
      expect(await guard.settle(admission.decision, result)).toEqual(result);
      const pay = call(2).replace("echo", "pay");
      expect(await verdict(admit(guard, pay, webBotAuth(caller, pay, ["@authority"])))).toBe("ERR_APPROVAL_REQUIRED");
      await guard[Symbol.asyncDispose]();
      expect(await verifyAudit(path, { guard: guard.did })).toMatchObject({ open: 0 });
      using reader = new AuditReader(path);
      const decisions = [...reader.records()].filter(({ kind }) => kind === "decision");
      const bound = { caller: { did: caller.did, binding: "head" } };
      expect(decisions).toMatchObject([
        { verdict: "admitted", ...bound },
        { verdict: "refused", reason: "ERR_APPROVAL_REQUIRED", ...bound },
      ]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("takes our profile alone for what no rule is asked about, over the session that is meant", async () => {
    const caller = generateIdentity();
    const guard = guardOf(takes("head"));
    const session = { "mcp-session-id": "s-1" };
    const get = { method: "GET", targetUri: ENDPOINT, header: (name: string) => (session as Headers)[name] };
    const asked = { method: "http/get", params: { session: "s-1" } } as const;
    const headers = { ...session, ...(await signHttpRequest(caller, { ...get, body: new Uint8Array() })) };
    const other = http({ ...headers, "mcp-session-id": "s-2" });
    const meant = { method: "http/get", params: { session: "s-2" } } as const;
    expect(await verdict(guard.admitSynthetic(meant, other))).toBe("ERR_PROOF_INVALID");
    expect(await guard.admitSynthetic(asked, http(headers))).toMatchObject({
      caller: { did: caller.did, binding: "body" },
    });
    const answer = '{"jsonrpc":"2.0","id":1,"result":{}}';
    const foreign = webBotAuth(caller, answer, ["@method", "@target-uri", "content-digest"]);
    expect(await verdict(admit(guard, answer, foreign))).toBe("ERR_PROOF_MISSING");
    expect(await verdict(admit(guard, answer, await ours(caller, answer)))).toBe("admitted");
  });

  it("verifies a signature on a message that could have come unsigned, and takes no history by it", async () => {
    const caller = generateIdentity();
    const guard = guardOf(takes("head"));
    const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
    expect(await admit(guard, ping, {})).toMatchObject({ admitted: true });
    expect(await admit(guard, ping, await ours(caller, ping))).toMatchObject({ caller: { did: caller.did } });
    expect(await verdict(admit(guard, ping, await ours(caller, `${ping} `)))).toBe("ERR_PROOF_INVALID");
    const message = JSON.parse(call(1)) as { params: JsonObject };
    const withHistory = JSON.stringify({
      ...message,
      params: { ...message.params, _meta: { [HISTORY_META]: ["a.b.c"] } },
    });
    const step = await admit(guard, withHistory, await ours(caller, withHistory));
    expect(step).toMatchObject({ admitted: false, step: "history" });
  });
});

describe("HTTP signatures on their way to a server", () => {
  const accept = { accept: "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25" };

  it("A-HTTP-08 guardFetch lets a signed request through to the tool, and nothing of a swapped one", async () => {
    const journal = new Journal();
    const caller = generateIdentity();
    const guard = await createGuard({ identity: generateIdentity(), policy: takes("body"), audiences: [ENDPOINT] });
    const wired = await wirings.find(({ name }) => name === "SDK 2 createMcpHandler")!.start(guard, journal);
    if (wired.kind !== "http") throw new Error("not over HTTP");
    const post = async (body: string, headers: Headers): Promise<string> =>
      (await wired.fetch(ENDPOINT, { method: "POST", headers, body })).text();
    const body = call(7, { message: "hello" });
    const swapped = await post(call(7, { message: "mallory" }), await ours(caller, body, ENDPOINT, accept));
    expect(swapped).toContain("ERR_PROOF_INVALID");
    expect(journal.ran).toEqual([]);
    await post(body, await ours(caller, body, ENDPOINT, accept));
    expect(journal.ran).toEqual(["echo"]);
  });

  it("A-HTTP-08 the HTTP guard judges the bytes that came, for the URL that it has", async () => {
    const reached: string[] = [];
    const upstream = createServer((request, response) => {
      void request.toArray().then((chunks: Buffer[]) => {
        reached.push(Buffer.concat(chunks).toString());
        const answer = { jsonrpc: "2.0", id: 7, result: { content: [] } };
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((resolve) => void upstream.listen(0, "127.0.0.1", resolve));
    const { port } = upstream.address() as AddressInfo;
    const guard = await createGuard({ identity: generateIdentity(), policy: takes("head") });
    try {
      await using proxy = await startHttpGuard({ guard, upstream: `http://127.0.0.1:${port}/mcp` });
      const caller = generateIdentity();
      const body = call(7);
      const post = async (sent: string, headers: Headers): Promise<string> =>
        (await fetch(proxy.url, { method: "POST", headers: { ...accept, ...headers }, body: sent })).text();
      expect(await post(call(7, { to: "mallory" }), await ours(caller, body, proxy.url, accept))).toContain(
        "ERR_PROOF_INVALID",
      );
      expect(await post(body, await ours(caller, body, ENDPOINT, accept))).toContain("ERR_PROOF_INVALID");
      expect(reached).toEqual([]);
      // Written otherwise than JSON.stringify would: the digest is of the bytes.
      const spaced = body.replaceAll(",", " , ");
      expect(await post(spaced, await ours(caller, spaced, proxy.url, accept))).toContain("result");
      expect(reached).toEqual([body]);
    } finally {
      await new Promise((resolve) => upstream.close(resolve));
    }
  });
});
