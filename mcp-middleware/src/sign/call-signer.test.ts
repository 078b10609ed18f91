import {
  CALL_META,
  type Did,
  type Digest,
  digest,
  generateIdentity,
  generateSeed,
  HISTORY_META,
  type Identity,
  identityFromSeed,
  issueReceipt,
  type JsonObject,
  type JsonValue,
  multibaseOf,
  type MultibaseKey,
  parseCallProof,
  type PeerageError,
  RECEIPT_META,
  verifyHistory,
} from "@peerage/core";
import { describe, expect, it } from "vitest";
import { type CallSigner, type CallSignerOptions, createCallSigner } from "./call-signer.ts";
import { commandEndpoint, MemoryPinStore } from "./pins.ts";
import { MemoryReceiptStore } from "./receipts.ts";

const alice = generateIdentity();
const server = generateIdentity();
const command = { command: "server", args: ["--x"] };
const endpoint = commandEndpoint(command.command, command.args);

function make(options: Partial<CallSignerOptions> = {}): {
  signer: CallSigner;
  reports: PeerageError[];
  receipts: MemoryReceiptStore;
  pins: MemoryPinStore;
} {
  const reports: PeerageError[] = [];
  const receipts = new MemoryReceiptStore();
  const pins = new MemoryPinStore();
  const onReport = (error: PeerageError): void => void reports.push(error);
  const signer = createCallSigner({ signer: alice, endpoint: command, receipts, pins, onReport, ...options });
  return { signer, reports, receipts, pins: (options.pins as MemoryPinStore | undefined) ?? pins };
}

const initialize = { jsonrpc: "2.0", id: 0, method: "initialize", params: {} };
const advertised = (...aud: string[]): JsonObject => ({
  jsonrpc: "2.0",
  id: 0,
  result: { capabilities: { extensions: { [CALL_META]: { v: 1, aud } } } },
});
const call = (id: number, args: JsonObject = {}): JsonObject => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name: "echo", arguments: args },
});
const metaOf = (message: JsonObject): JsonObject => (message["params"] as JsonObject)["_meta"] as JsonObject;
const proofOf = (message: JsonObject): ReturnType<typeof parseCallProof> => parseCallProof(metaOf(message)[CALL_META]);

async function meet(signer: CallSigner, ...aud: string[]): Promise<void> {
  await signer.sign(initialize);
  signer.received(advertised(...aud));
}

/** What a guard answers to a signed message. */
async function answered(
  message: JsonObject,
  by: Identity = server,
  result: JsonObject = { content: [] },
): Promise<JsonObject> {
  const keysOf = (): MultibaseKey[] => [by.kid.slice(by.kid.indexOf("#") + 1) as MultibaseKey];
  const history = verifyHistory(metaOf(message)[HISTORY_META], proofOf(message).head, { now: new Date(), keysOf });
  const receipt = await issueReceipt(by, {
    call: proofOf(message),
    result: "executed",
    response: result,
    policy: digest(null),
    tips: history?.tips ?? [],
    run: history?.run,
  });
  return { jsonrpc: "2.0", id: message["id"] as JsonValue, result: { ...result, _meta: { [RECEIPT_META]: receipt } } };
}

describe("a receipt by a rotated key", () => {
  const seed = generateSeed();
  const own = identityFromSeed(seed);
  const rotated = identityFromSeed(generateSeed(), { did: own.did });
  const keys = [multibaseOf(own.did), rotated.kid.slice(rotated.kid.indexOf("#") + 1) as MultibaseKey];

  it("is kept once the log names the key, and is in the next call's history", async () => {
    const asked: Did[] = [];
    const keysOf = (did: Did): Promise<MultibaseKey[]> => Promise.resolve((asked.push(did), keys));
    const { signer, reports, receipts } = make({ server: own.did, keysOf, history: "chain" });
    for (const id of [1, 2]) signer.received(await answered(await signer.sign(call(id)), rotated));
    const next = metaOf(await signer.sign(call(3)))[HISTORY_META] as string[];
    await signer.settled();
    expect(reports).toEqual([]);
    expect(receipts.receipts).toHaveLength(2);
    expect(next).toEqual(expect.arrayContaining(receipts.receipts.map(({ token }) => token)));
    expect(asked).toEqual([own.did]);
  });

  it("is refused by a key that the log does not name, without the log, and by a stranger's", async () => {
    const strange = identityFromSeed(generateSeed(), { did: own.did });
    for (const [by, keysOf] of [
      [strange, () => Promise.resolve(keys)],
      [generateIdentity(), () => Promise.resolve(keys)],
      [rotated, () => Promise.reject(new Error("no way there"))],
      [rotated, undefined],
    ] as const) {
      const { signer, reports, receipts } = make({ server: own.did, keysOf });
      signer.received(await answered(await signer.sign(call(1)), by));
      await signer.settled();
      expect(receipts.receipts).toEqual([]);
      expect(reports.map(({ code }) => code)).toEqual(["ERR_RECEIPT_INVALID"]);
    }
  });

  it("holds up the next call while its key is asked for only where that carries a history", async () => {
    for (const history of ["none", "chain"] as const) {
      const { promise, resolve } = Promise.withResolvers<MultibaseKey[]>();
      const { signer, receipts } = make({ server: own.did, keysOf: () => promise, history });
      signer.received(await answered(await signer.sign(call(1)), rotated));
      let isSigned = false;
      const next = signer.sign(call(2)).then(() => (isSigned = true));
      for (let i = 0; i < 20; i++) await new Promise((done) => setImmediate(done));
      expect(isSigned).toBe(history === "none");
      resolve(keys);
      await Promise.all([next, signer.settled()]);
      expect(receipts.receipts).toHaveLength(1);
    }
  });
});

describe("the audience", () => {
  it("of a stdio server is learned from its answer to initialize, pinned, and used from then on", async () => {
    const { signer, pins } = make();
    expect(await signer.sign(initialize)).toEqual(initialize);
    expect(signer.audience).toBeUndefined();
    signer.received(advertised(server.did, "http://127.0.0.1/mcp"));
    expect(proofOf(await signer.sign(call(1))).audience).toBe(server.did);
    expect(pins.get(endpoint)?.did).toBe(server.did);
    const next = make({ pins });
    expect(proofOf(await next.signer.sign(initialize)).audience).toBe(server.did);
  });

  it("A-CALL-15 over HTTP is the URL that was dialled, whatever the server says", async () => {
    const { signer } = make({ endpoint: { url: "HTTP://Example.org:80/mcp?x#y" } });
    await meet(signer, server.did, "http://other.example/mcp");
    expect(proofOf(await signer.sign(call(1))).audience).toBe("http://example.org/mcp");
  });

  it("A-CALL-15 that changes stops all signing", async () => {
    const { signer, reports, pins } = make();
    await meet(signer, server.did);
    await meet(signer, generateIdentity().did);
    for (const message of [call(1), initialize, { jsonrpc: "2.0", method: "notifications/cancelled" }]) {
      await expect(signer.sign(message)).rejects.toMatchObject({ code: "ERR_AUDIENCE_CHANGED" });
    }
    await expect(signer.signHeader({ method: "http/get" })).rejects.toMatchObject({ code: "ERR_AUDIENCE_CHANGED" });
    expect(reports.map(({ code }) => code)).toEqual(["ERR_AUDIENCE_CHANGED"]);
    expect(pins.get(endpoint)?.did).toBe(server.did);
  });

  it("A-CALL-15 of a server that names another server's DID is not accepted: nothing is signed", async () => {
    const pins = new MemoryPinStore();
    pins.put({ endpoint: commandEndpoint("honest", []), did: server.did, at: "2026-01-01T00:00:00Z" });
    const { signer } = make({ pins });
    await meet(signer, server.did);
    await expect(signer.sign(call(1))).rejects.toMatchObject({ code: "ERR_AUDIENCE_CHANGED" });
    expect(pins.get(endpoint)).toBeUndefined();
  });

  it("A-CALL-15 is not taught by a refusal, by another answer or by two DIDs", async () => {
    const { signer } = make();
    await signer.sign(call(1));
    signer.received({ ...advertised(server.did), id: 1 });
    await signer.sign(initialize);
    signer.received({ jsonrpc: "2.0", id: 0, error: { code: -31401, message: "", data: { aud: [server.did] } } });
    await meet(signer, server.did, generateIdentity().did);
    signer.received(advertised(server.did));
    expect(signer.audience).toBeUndefined();
    await meet(signer, server.did);
    expect(signer.audience).toBe(server.did);
  });
});

describe("signing", () => {
  const known: Did = server.did;

  it("gives every request and notification a fresh proof and leaves all else alone", async () => {
    const { signer } = make({ server: known });
    const message = { jsonrpc: "2.0", id: 1, method: "tools/list", params: { _meta: { progressToken: 7 } } };
    const [one, two] = [await signer.sign(message), await signer.sign(message)];
    expect(metaOf(one)["progressToken"]).toBe(7);
    expect(proofOf(one).jti).not.toBe(proofOf(two).jti);
    const response = { jsonrpc: "2.0", id: 1, result: {} };
    expect(await signer.sign(response)).toBe(response);
    expect(await signer.sign(one)).toBe(one);
    expect(proofOf(await signer.sign({ jsonrpc: "2.0", method: "notifications/initialized" })).method).toBe(
      "notifications/initialized",
    );
  });
});

describe("receipts", () => {
  it("A-HTTP-07 that cannot be kept, like a pin that cannot, are reported; the answer is not", async () => {
    const broken = (): never => {
      throw new Error("disk full");
    };
    const stores = { pins: new MemoryPinStore(), receipts: new MemoryReceiptStore() };
    stores.pins.put = broken;
    stores.receipts.append = broken;
    const { signer, reports } = make(stores);
    await meet(signer, server.did);
    expect(signer.audience).toBe(server.did);
    signer.received(await answered(await signer.sign(call(1))));
    expect(reports.map(({ code, message }) => [code, message.includes("disk full")])).toEqual([
      ["ERR_INTERNAL", true],
      ["ERR_INTERNAL", true],
    ]);
  });

  it("A-HIST-06 over a result that no two readers digest alike are reported, and nothing is thrown", async () => {
    const { signer, reports } = make();
    await meet(signer, server.did);
    const answer = await answered(await signer.sign(call(1)));
    const result = { ...(answer["result"] as JsonObject), ...(JSON.parse('{"x":1e400,"y":"\\ud800"}') as JsonObject) };
    signer.received({ ...answer, result });
    expect(reports.map(({ code }) => code)).toEqual(["ERR_RECEIPT_INVALID"]);
  });

  it("that verify are kept, and with a chain become the history of the next call", async () => {
    const { signer, receipts, reports } = make({ server: server.did, history: "chain" });
    let tips: readonly Digest[] = [];
    for (let id = 1; id <= 3; id++) {
      const signed = await signer.sign(call(id));
      expect(proofOf(signed).head ?? []).toEqual(tips);
      const history = verifyHistory(metaOf(signed)[HISTORY_META], proofOf(signed).head, { now: new Date() });
      expect(history?.entries.length ?? 0).toBe(id - 1);
      signer.received(await answered(signed));
      const next = await signer.sign(call(10 + id));
      tips = proofOf(next).head ?? [];
    }
    expect(receipts.receipts).toHaveLength(3);
    expect(reports).toEqual([]);
  });

  it("of parallel calls become branches of one history, and never more tips than an entry may refer to", async () => {
    const { signer } = make({ server: server.did, history: "chain" });
    signer.received(await answered(await signer.sign(call(0))));
    const parallel = await Promise.all(Array.from({ length: 20 }, (_, i) => signer.sign(call(i + 1))));
    for (const message of parallel) signer.received(await answered(message));
    const joined = await signer.sign(call(99));
    const history = verifyHistory(metaOf(joined)[HISTORY_META], proofOf(joined).head, { now: new Date() });
    expect(history?.tips.length).toBeLessThanOrEqual(16);
    expect(history?.entries.filter(({ step }) => step === "join")).toHaveLength(1);
    await expect(answered(joined)).resolves.toBeDefined();
  });

  it("are not presented unless asked for", async () => {
    const { signer } = make({ server: server.did });
    signer.received(await answered(await signer.sign(call(1))));
    const next = await signer.sign(call(2));
    expect(proofOf(next).head).toBeUndefined();
    expect(metaOf(next)).not.toHaveProperty([HISTORY_META]);
  });

  it("A-HIST-06 of another issuer, call or result are reported, neither kept nor chained", async () => {
    const { signer, receipts, reports } = make({ server: server.did, history: "chain" });
    const one = await signer.sign(call(1));
    signer.received(await answered(one, generateIdentity()));
    const two = await signer.sign(call(2));
    const three = await signer.sign(call(3));
    signer.received({ ...(await answered(three)), id: 2 });
    const good = await answered(three);
    signer.received({ ...good, result: { ...(good["result"] as JsonObject), content: ["changed"] } });
    expect(reports.map(({ code }) => code)).toEqual([
      "ERR_RECEIPT_INVALID",
      "ERR_RECEIPT_INVALID",
      "ERR_RECEIPT_INVALID",
    ]);
    expect(reports.map(({ detail }) => detail)).toEqual(["issuer", "call", "result"]);
    expect(receipts.receipts).toEqual([]);
    expect(proofOf(await signer.sign(call(4))).head).toBeUndefined();
    expect(two).toBeDefined();
  });
});
