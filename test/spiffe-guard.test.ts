import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BINDING_META,
  generateIdentity,
  generateRun,
  type Identity,
  type JsonObject,
  type JsonValue,
  loadCel,
  multibaseOf,
  type MultibaseKey,
  parseEntry,
  parsePolicy,
  type Policy,
  signCall,
  signEntry,
  signHttpRequest,
  tokenDigest,
  utf8,
} from "@peerage/core";
import { afterEach, describe, expect, it } from "vitest";
import { ApprovalStore } from "../mcp-middleware/src/approval/approval-store.ts";
import { signAnswer } from "../mcp-middleware/src/approval/item.ts";
import { AuditLog } from "../mcp-middleware/src/audit/audit-log.ts";
import { AuditReader } from "../mcp-middleware/src/audit/reader.ts";
import type { DecisionBody } from "../mcp-middleware/src/audit/record.ts";
import type { GuardCore, GuardOptions } from "../mcp-middleware/src/guard/guard.ts";
import type { TrustSource } from "../mcp-middleware/src/guard/trust.ts";
import { createBundle, parseBundle } from "../mcp-middleware/src/spiffe/bundle.ts";
import { BundleStore } from "../mcp-middleware/src/spiffe/bundle-store.ts";
import { bindingAudience } from "../mcp-middleware/src/spiffe/binding-token.ts";
import { GuardSpiffe, type GuardSpiffeOptions } from "../mcp-middleware/src/spiffe/guard-spiffe.ts";
import { bindToken, bindX509 } from "../mcp-middleware/src/spiffe/issue-binding.ts";
import { signJws } from "../mcp-middleware/src/spiffe/jws.ts";
import { HISTORY_META, http, policyOf, scene, signed, stdio } from "./_guard.ts";
import { authority, bundleOf, identityOf, leaf, newKey, NOW } from "./_spiffe.ts";

const compileWhen = await loadCel();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp();
});

const AGENT = "spiffe://a.test/ns/payments/sa/agent";
const CHECKER = "spiffe://a.test/ns/fraud/sa/checker";
const root = await authority("a.test");
const issuer = newKey();
const jwk = { ...(issuer.publicKey.export({ format: "jwk" }) as JsonObject), kid: "j" };
const bundle = createBundle({ x509: bundleOf(root).x509Authorities, jwt: new Map([["j", jwk]]) });
const caller = generateIdentity();
const own = identityOf(await leaf(root, AGENT));
const mutual = (await bindX509(caller, own, { now: NOW })).value;

interface Scene {
  readonly guard: GuardCore;
  readonly store: BundleStore;
  readonly path: string;
  /** The verdict on a call of a tool, and what is known of its caller. */
  readonly call: (binding?: JsonValue, more?: { tool?: string; history?: string[]; by?: Identity }) => Promise<string>;
  readonly decisions: () => DecisionBody[];
}

function open(
  allow: readonly JsonObject[],
  { spiffe = {}, more = {}, options = {} }: { spiffe?: Partial<GuardSpiffeOptions>; more?: JsonObject; options?: Partial<GuardOptions> } = {}, // prettier-ignore
): Scene {
  const folder = mkdtempSync(join(tmpdir(), "peerage-spiffe-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "audit.db");
  const store = new BundleStore({ trustDomains: ["a.test"] });
  store.set("a.test", bundle, NOW);
  const identity = generateIdentity();
  const now = (): Date => NOW;
  const audit = new AuditLog({ path, identity, now });
  const verifier = new GuardSpiffe({ bundles: store, ...spiffe });
  const policy = policyOf(allow, { open: true, ...more });
  const { guard } = scene({
    identity,
    policy,
    audit,
    now,
    spiffe: verifier,
    approvals: { waitSeconds: 0 },
    ...options,
  });
  cleanups.push(() => guard[Symbol.asyncDispose]());
  const call: Scene["call"] = async (binding, { tool = "pay", history = [], by = caller } = {}) => {
    const meta = {
      ...(binding === undefined ? {} : { [BINDING_META]: binding }),
      ...(history.length === 0 ? {} : { [HISTORY_META]: history }),
    };
    const tips = history.slice(-1).map(tokenDigest);
    const message = await signed(by, guard.did, "tools/call", { name: tool, arguments: {} }, { meta, now: NOW, ...(tips.length === 0 ? {} : { head: tips }) }); // prettier-ignore
    const admission = await guard.admit(message, stdio());
    if (!admission.admitted) return admission.reason;
    expect(JSON.stringify(admission.message)).not.toContain("dev.peerage/");
    guard.abandon(admission.decision, "errored");
    return `admitted ${admission.caller?.spiffeId ?? "without"}`;
  };
  const decisions = (): DecisionBody[] => {
    using reader = new AuditReader(path);
    return [...reader.calls({})].map(({ decision }) => decision);
  };
  return { guard, store, path, call, decisions };
}

const payments = { id: "pay", tools: "pay", spiffe: "spiffe://a.test/ns/payments/**" };

describe("a guard that verifies SPIFFE IDs", () => {
  it("admits by a bound SPIFFE ID, and by DID and SPIFFE ID together", async () => {
    const { call } = open([payments, { tools: "both", agents: caller.did, spiffe: payments.spiffe }]);
    expect(await call(mutual)).toBe(`admitted ${AGENT}`);
    expect(await call(mutual, { tool: "both" })).toBe(`admitted ${AGENT}`);
    const other = generateIdentity();
    const theirs = (await bindX509(other, own, { now: NOW })).value;
    expect(await call(theirs, { by: other })).toBe(`admitted ${AGENT}`);
    expect(await call(theirs, { by: other, tool: "both" })).toBe("ERR_POLICY_DENIED");
    const fraud = (await bindX509(caller, identityOf(await leaf(root, CHECKER)), { now: NOW })).value;
    expect(await call(fraud)).toBe("ERR_SPIFFE_REQUIRED");
  });

  it("A-SPIFFE-04 refuses a one-sided binding, and any SVID that fails, also where no rule asks for one", async () => {
    const { call, decisions } = open([{ tools: "*", agents: "*" }]);
    expect(await call()).toBe("admitted without");
    expect(await call(mutual)).toBe(`admitted ${AGENT}`);
    // A thief shows the workload's side with its own DID, and a workload the victim's DID.
    expect(await call(mutual, { by: generateIdentity() })).toBe("ERR_SPIFFE_BINDING");
    const { did: _, ...oneSided } = mutual;
    expect(await call(oneSided)).toBe("ERR_SPIFFE_BINDING");
    const b = identityOf(await leaf(await authority("b.test"), "spiffe://b.test/x"));
    expect(await call((await bindX509(caller, b, { now: NOW })).value)).toBe("ERR_SVID_INVALID");
    expect(decisions().map(({ step, detail }) => [step, detail])).toContainEqual(["spiffe", "td-unknown"]);
  });

  it("A-SPIFFE-03 does not let an unbound SPIFFE ID admit, and lets it be denied", async () => {
    const token = signJws(
      { alg: "ES256", kid: "j" },
      { sub: AGENT, aud: bindingAudience(caller.did), exp: NOW.getTime() / 1000 + 300 },
      issuer.privateKey,
    );
    const weak = (await bindToken(caller, token, { now: NOW })).value;
    const deny = [{ tools: "closed", spiffe: payments.spiffe }];
    const rules = [payments, { tools: ["closed", "open"], agents: "*" }];
    const { call, decisions } = open(rules, { spiffe: { accept: ["same-key", "mutual"] }, more: { deny } });
    expect(await call(weak)).toBe("ERR_SPIFFE_REQUIRED");
    expect(await call(weak, { tool: "open" })).toBe("admitted without");
    expect(await call(weak, { tool: "closed" })).toBe("ERR_POLICY_DENIED");
    expect(await call(undefined, { tool: "closed" })).toBe("admitted without");
    expect(decisions().map(({ caller: who }) => who?.spiffe?.proof)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(await open(rules, { more: { deny } }).call(weak)).toBe(`admitted ${AGENT}`);
  });

  it("lets `when` ask how an ID is bound", async () => {
    const when = (proof: string): Policy =>
      parsePolicy(
        JSON.stringify({ apiVersion: "peerage.dev/v1", kind: "Policy", allow: [{ ...payments, when: `caller.spiffe_proof == "${proof}"` }] }), // prettier-ignore
        undefined,
        { compileWhen },
      );
    expect(await open([], { options: { policy: when("mutual") } }).call(mutual)).toBe(`admitted ${AGENT}`);
    expect(await open([], { options: { policy: when("same-key") } }).call(mutual)).toBe("ERR_POLICY_DENIED");
  });

  it("asks everybody for a bound ID where it is required, but for messages that have no place for one", async () => {
    const { call, guard } = open([{ tools: "*", agents: "*" }], { spiffe: { required: true } });
    expect(await call()).toBe("ERR_SPIFFE_REQUIRED");
    expect(await call(mutual)).toBe(`admitted ${AGENT}`);
    const synthetic = { method: "http/get", params: {} } as const;
    const token = await signCall(caller, { audience: guard.did, message: synthetic, now: NOW });
    const admission = await guard.admitSynthetic(synthetic, http({ "peerage-call": token }));
    expect(admission.admitted).toBe(true);
  });

  it("records ID, digests and sequence, and no certificate and no token anywhere", async () => {
    const { call, decisions, path, store } = open([payments]);
    store.set("a.test", createBundle({ x509: bundle.x509Authorities, sequence: 7n }), NOW);
    await call(mutual);
    await call(undefined);
    const [last, first] = decisions().sort(
      (a, b) => Number(a.verdict === "admitted") - Number(b.verdict === "admitted"),
    );
    expect(first?.caller?.spiffe).toMatchObject({ id: AGENT, proof: "mutual", sequence: "7" });
    expect(first?.caller?.spiffe?.svid).toMatch(/^sha256:/);
    expect(last?.caller?.spiffe).toBeUndefined();
    const file = [path, `${path}-wal`].map((name) => readFileSync(name).toString("latin1")).join("");
    expect(file).toContain(AGENT);
    const leafText = Buffer.from(own.chain[0]!).toString("base64").slice(0, 40);
    for (const secret of [mutual["svid"], mutual["did"], leafText]) expect(file).not.toContain(secret);
  });

  it("A-SPIFFE-01 refuses with the next call once the bundle is emptied, cached or not", async () => {
    const { call, store } = open([payments]);
    expect([await call(mutual), await call(mutual)]).toEqual([`admitted ${AGENT}`, `admitted ${AGENT}`]);
    store.set("a.test", parseBundle('{"keys": []}'), NOW);
    expect(await call(mutual)).toBe("ERR_SVID_INVALID");
    store.set("a.test", bundle, NOW);
    expect(await call(mutual)).toBe(`admitted ${AGENT}`);
  });

  it("A-SPIFFE-04 keeps a binding over a rotation of the DID's key, and voids one by a key that was lost", async () => {
    const lost = new Set<MultibaseKey>();
    const next = generateIdentity();
    const keys = [multibaseOf(caller.did), multibaseOf(next.did)];
    const trust: TrustSource = {
      score: () => "unknown",
      keyState: () => "active",
      currentKey: (did) => (did === caller.did ? multibaseOf(next.did) : multibaseOf(did)),
      keysOf: (did) => (did === caller.did ? keys : []),
      keyLostSince: (_, key) => (lost.has(key) ? 1 : undefined),
      ageSeconds: () => 0,
      maxAgeSeconds: 60,
    };
    const kid = `${caller.did}#${multibaseOf(next.did)}` as const;
    const rotated: Identity = { ...next, did: caller.did, kid };
    const { call } = open([payments], { options: { trust } });
    expect(await call(mutual, { by: rotated })).toBe(`admitted ${AGENT}`);
    lost.add(multibaseOf(caller.did));
    expect(await call(mutual, { by: rotated })).toBe("ERR_SPIFFE_BINDING");
    const anew = (await bindX509(rotated, own, { now: NOW })).value;
    expect(await call(anew, { by: rotated })).toBe(`admitted ${AGENT}`);
  });

  it("judges the binding anew after a person has approved", async () => {
    const alice = generateIdentity();
    const { call, store, path } = open([{ ...payments, approval: { by: alice.did } }]);
    expect(await call(mutual)).toBe("ERR_APPROVAL_REQUIRED");
    using approvals = new ApprovalStore(path, { now: () => NOW });
    const item = approvals.list()[0]!;
    approvals.submit(item.id, await signAnswer(alice, item, "approved", { now: NOW }));
    store.set("a.test", parseBundle('{"keys": []}'), NOW);
    expect(await call(mutual)).toBe("ERR_SVID_INVALID");
    store.set("a.test", bundle, NOW);
    expect(await call(mutual)).toBe(`admitted ${AGENT}`);
  });
});

describe("SPIFFE IDs of signers in a history", () => {
  const checker = generateIdentity();
  const rule = { ...payments, require: [{ step: "fraud_check", by: "spiffe://a.test/ns/fraud/**" }] };

  /** A run that the caller began and somebody checked, and the binding of the checker. */
  async function checked(
    result: string,
    { run = generateRun(), by = checker }: { run?: string; by?: Identity } = {},
  ): Promise<{ tokens: string[]; binding: JsonObject }> {
    const bound = await bindX509(checker, identityOf(await leaf(root, CHECKER)), { now: NOW });
    const start = await signEntry(caller, { run, prev: [], step: "task", result: "passed", now: NOW });
    const sub = { binding: parseEntry(bound.value["did"]).digest };
    const prev = [tokenDigest(start)];
    return {
      tokens: [start, await signEntry(by, { run, prev, step: "fraud_check", result, sub, now: NOW })],
      binding: bound.value,
    };
  }

  it("meet `by`, where the binding of the signer comes with the call", async () => {
    const { call } = open([rule]);
    const { tokens, binding } = await checked("passed");
    expect(await call([mutual, binding], { history: tokens })).toBe(`admitted ${AGENT}`);
    expect(await call(mutual, { history: tokens })).toBe("ERR_POLICY_DENIED");
    const foreign = await checked("passed", { by: generateIdentity() });
    expect(await call([mutual, foreign.binding], { history: foreign.tokens })).toBe("ERR_POLICY_DENIED");
  });

  it("stand against a call also when the caller leaves the binding, or the entry, out next time", async () => {
    const { call } = open([rule]);
    const run = generateRun();
    const [failed, passed] = [await checked("failed", { run }), await checked("passed", { run })];
    expect(await call([mutual, failed.binding], { history: failed.tokens })).toBe("ERR_POLICY_DENIED");
    expect(await call([mutual, passed.binding], { history: passed.tokens })).toBe("ERR_POLICY_DENIED");
    const elsewhere = await checked("passed");
    expect(await call([mutual, elsewhere.binding], { history: elsewhere.tokens })).toBe(`admitted ${AGENT}`);
  });

  it("come back out of the audit log, so that a policy is tried on what was", async () => {
    const { call, path } = open([rule]);
    const { tokens, binding } = await checked("passed");
    await call([mutual, binding], { history: tokens });
    using reader = new AuditReader(path);
    const [audited] = [...reader.calls({})];
    expect(reader.recorded(audited!.decision)?.input).toMatchObject({
      caller: { did: caller.did, spiffe: AGENT, spiffe_proof: "mutual" },
      history: [{ agent: caller.did }, { agent: checker.did, spiffe: CHECKER }],
    });
  });
});

it("takes nothing less than a call proof where SPIFFE IDs are bound to proofs", async () => {
  const url = "https://mcp.example.com/mcp";
  const policy = policyOf([{ tools: "echo", agents: "*", binding: "head" }]);
  const body = utf8(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "echo" } }));
  const verdicts: unknown[] = [];
  for (const options of [{}, { spiffe: new GuardSpiffe({ bundles: { get: () => undefined } }) }]) {
    const { guard } = scene({ policy, audiences: [url], ...options });
    const headers: Record<string, string> = { "content-type": "application/json" };
    const message = { method: "POST", targetUri: url, header: (name: string) => headers[name], body };
    Object.assign(headers, await signHttpRequest(caller, message));
    const admission = await guard.admitText(body, http(headers));
    verdicts.push(admission.admitted || admission.reason);
  }
  expect(verdicts).toEqual([true, "ERR_PROOF_MISSING"]);
});
