import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  generateIdentity,
  generateRun,
  generateSeed,
  HttpRegistryReader,
  type Identity,
  identityFromSeed,
  issueKeyInit,
  issueKeyRevoke,
  issueKeyRotate,
  issueRevocation,
  type KeyEvent,
  keyDigest,
  multibaseOf,
  Network,
  signEntry,
  tokenDigest,
  type Verified,
} from "@peerage/core";
import {
  ApprovalStore,
  AuditLog,
  createGuard,
  type Guard,
  signAnswer,
  trustFromNetwork,
} from "@peerage/mcp-middleware";
import { afterAll, beforeAll, expect, it } from "vitest";
import { HISTORY_META, policyOf, signed, stdio, verdict } from "./_guard.ts";
import { startRegistry, type TestRegistry } from "./_registry.ts";

const folder = mkdtempSync(join(tmpdir(), "peerage-history-keys-"));
let registry: TestRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(async () => {
  await registry[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** An agent whose key changes. */
class Rotating {
  readonly #seeds = [generateSeed(), generateSeed(), generateSeed(), generateSeed()];
  readonly did = identityFromSeed(this.#seeds[0]!).did;
  #last: Verified<KeyEvent> | undefined;
  #place = 0;

  /** The n-th key, standing behind the DID. */
  key(n: number): Identity {
    return identityFromSeed(this.#seeds[n]!, { did: this.did });
  }

  async begin(): Promise<this> {
    await this.#publish(await issueKeyInit(this.key(0), { next: this.#commit(1) }));
    return this;
  }

  async rotate(compromisedSince?: Date): Promise<void> {
    const n = ++this.#place;
    const options = { prev: this.#last!, next: this.#commit(n + 1), compromisedSince };
    await this.#publish(await issueKeyRotate(this.key(n), options));
  }

  async suspend(): Promise<void> {
    await this.#publish(await issueKeyRevoke(this.key(this.#place), { prev: this.#last! }));
  }

  #commit(n: number) {
    return keyDigest(multibaseOf(identityFromSeed(this.#seeds[n]!).did));
  }

  async #publish(event: Verified<KeyEvent>): Promise<void> {
    this.#last = event;
    await registry.publish(event.bytes);
  }
}

interface Scene extends AsyncDisposable {
  readonly guard: Guard;
  readonly network: Network;
  readonly store: () => ApprovalStore;
  readonly caller: Identity;
  /** Guard's time: so many seconds beside the real one. */
  readonly at: (seconds: number) => void;
  readonly time: (seconds: number) => Date;
  /** A call of a tool with this history, at the guard's time. */
  readonly call: (tool: string, history?: readonly string[]) => Promise<string>;
}

let files = 0;

async function scene(by: readonly Rotating[]): Promise<Scene> {
  const started = Date.now();
  let offset = -3_000;
  const time = (seconds: number): Date => new Date(started + seconds * 1000);
  const now = (): Date => time(offset);
  const identity = generateIdentity();
  const path = join(folder, `${++files}.db`);
  const network = await Network.open({ reader: await HttpRegistryReader.connect({ url: registry.url }) });
  const dids = by.map(({ did }) => did);
  const policy = policyOf([
    { tools: "read", agents: "*" },
    { tools: "pay", agents: "*", require: [{ step: "fraud_check", by: dids, within: "2h" }] },
    { tools: "wire", agents: "*", approval: { by: dids, within: "2h", timeout: "2h" } },
  ]);
  const guard = await createGuard({
    identity,
    policy,
    trust: trustFromNetwork(network, { roots: [], maxAgeSeconds: 86_400, now }),
    audit: new AuditLog({ path, identity, now }),
    approvals: { waitSeconds: 0 },
    now,
  });
  const caller = generateIdentity();
  let opened: ApprovalStore | undefined;
  return {
    guard,
    network,
    caller,
    time,
    at: (seconds) => (offset = seconds),
    store: () => (opened ??= new ApprovalStore(path, { now, keysOf: (did) => network.view.keysOf(did) })),
    call: async (tool, history = []) => {
      const more = { meta: { [HISTORY_META]: [...history] }, head: [tokenDigest(history.at(-1) ?? "")] };
      const params = { name: tool, arguments: {} };
      const options = { now: now(), ...(history.length > 0 ? more : {}) };
      return verdict(guard.admit(await signed(caller, guard.did, "tools/call", params, options), stdio()));
    },
    [Symbol.asyncDispose]: async () => {
      opened?.[Symbol.dispose]();
      await guard[Symbol.asyncDispose]();
    },
  };
}

/** A run of the caller's, with a passed fraud check by some key at some time. */
async function checked(caller: Identity, checker: Identity, now: Date): Promise<string[]> {
  const run = generateRun();
  const first = await signEntry(caller, { run, prev: [], step: "request_received", result: "accepted", now });
  const prev = [tokenDigest(first)];
  return [first, await signEntry(checker, { run, prev, step: "fraud_check", result: "passed", now })];
}

it("A-HIST-03 a rotation makes no history worthless: each entry is judged by the key that stood when it was signed", async () => {
  const fraud = await new Rotating().begin();
  await using made = await scene([fraud]);
  const { call, caller, at, time, network } = made;
  const before = await checked(caller, fraud.key(0), time(-100));
  at(0);
  expect(await call("pay", before)).toBe("admitted");
  await fraud.rotate();
  await network.refresh();
  at(600);
  expect(await call("pay", before)).toBe("admitted");
  // A guard that had never seen it says the same: what a retired key signed is judged by its time.
  await using fresh = await scene([fraud]);
  fresh.at(600);
  expect(await fresh.call("pay", await checked(fresh.caller, fraud.key(0), time(-100)))).toBe("admitted");
  expect(await call("pay", await checked(caller, fraud.key(1), time(500)))).toBe("admitted");
  expect(await call("pay", await checked(caller, fraud.key(0), time(500)))).toBe("ERR_HISTORY_INVALID");
  expect(await call("pay", await checked(caller, fraud.key(1), time(-100)))).toBe("ERR_HISTORY_INVALID");
  expect(await call("pay", await checked(caller, fraud.key(2), time(500)))).toBe("ERR_HISTORY_INVALID");
});

it("A-HIST-03 a stolen key counts for what this guard had verified before the theft, and for nothing dated back", async () => {
  const fraud = await new Rotating().begin();
  await using made = await scene([fraud]);
  const { call, caller, at, time, network } = made;
  const seen = await checked(caller, fraud.key(0), time(-3_010));
  const unseen = await checked(caller, fraud.key(0), time(-3_010));
  expect(await call("read", seen)).toBe("admitted");
  const late = await checked(caller, fraud.key(0), time(-100));
  at(-50);
  expect(await call("pay", late)).toBe("admitted");
  await fraud.rotate(time(-1_000));
  await network.refresh();
  at(600);
  expect(await call("pay", seen)).toBe("admitted");
  expect(await call("pay", unseen)).toBe("ERR_HISTORY_INVALID");
  expect(await call("pay", late)).toBe("ERR_HISTORY_INVALID");
  expect(await call("pay", await checked(caller, fraud.key(1), time(500)))).toBe("admitted");
});

it.each(["burnt", "suspended"] as const)(
  "A-HIST-03 nothing new counts of who %s their identity; what this guard knew before does",
  async (how) => {
    const fraud = await new Rotating().begin();
    await using made = await scene([fraud]);
    const { call, caller, at, time, network } = made;
    const seen = await checked(caller, fraud.key(0), time(-3_010));
    expect(await call("read", seen)).toBe("admitted");
    const unseen = await checked(caller, fraud.key(0), time(-3_010));
    if (how === "suspended") await fraud.suspend();
    else await registry.publish((await issueRevocation(fraud.key(0), { revokes: "self" })).bytes);
    await network.refresh();
    at(600);
    expect(await call("pay", seen)).toBe("admitted");
    expect(await call("pay", unseen)).toBe("ERR_HISTORY_INVALID");
  },
);

/** Approves what waits, by a key, at the guard's time. */
async function approveFirst({ store, time }: Scene, key: Identity, seconds: number): Promise<void> {
  const item = store().show(store().list()[0]!.id);
  store().submit(item.id, await signAnswer(key, item, "approved", { now: time(seconds), lifetimeSeconds: 7_200 }));
}

it("A-APPR-05 an approval outlives its signer's rotation, and not the loss of the key", async () => {
  const alice = await new Rotating().begin();
  await using made = await scene([alice]);
  const { call, at, time, network } = made;
  const approve = (n: number, seconds: number): Promise<void> => approveFirst(made, alice.key(n), seconds);
  at(-100);
  expect(await call("wire")).toBe("ERR_APPROVAL_REQUIRED");
  await approve(0, -100);
  await alice.rotate();
  await network.refresh();
  at(600);
  expect(await call("wire")).toBe("admitted");

  expect(await call("wire")).toBe("ERR_APPROVAL_REQUIRED");
  await approve(1, 600);
  await alice.rotate(time(-10));
  await network.refresh();
  expect(await call("wire")).toBe("ERR_APPROVAL_INVALID");
  await approve(2, 600);
  expect(await call("wire")).toBe("admitted");
});

it("A-APPR-05 an approval of a key that is lost later counts no more, though the guard had it before the loss", async () => {
  const alice = await new Rotating().begin();
  await using made = await scene([alice]);
  const { call, at, time, network } = made;
  const approve = (n: number, seconds: number): Promise<void> => approveFirst(made, alice.key(n), seconds);
  at(-100);
  expect(await call("wire")).toBe("ERR_APPROVAL_REQUIRED");
  await approve(0, -100);
  await alice.rotate(time(-50));
  await network.refresh();
  expect(await call("wire")).toBe("ERR_APPROVAL_INVALID");
  at(600);
  expect(await call("wire")).toBe("ERR_APPROVAL_INVALID");
  await approve(1, 600);
  expect(await call("wire")).toBe("admitted");
});

it("A-APPR-05 asks for younger registry data where a person's approval decides", async () => {
  const alice = generateIdentity();
  const identity = generateIdentity();
  let age = 3_600;
  const keyState = (): "active" => "active";
  const trust = { score: () => 1, keyState, ageSeconds: () => age, maxAgeSeconds: 86_400 };
  const policy = policyOf([
    { tools: "read", agents: "*" },
    { tools: "wire", agents: "*", approval: { by: alice.did } },
  ]);
  const audit = new AuditLog({ path: join(folder, `${++files}.db`), identity });
  await using guard = await createGuard({ identity, policy, trust, audit, approvals: { waitSeconds: 0 } });
  const caller = generateIdentity();
  const call = async (name: string): Promise<string> =>
    verdict(guard.admit(await signed(caller, guard.did, "tools/call", { name, arguments: {} }), stdio()));
  expect([await call("read"), await call("wire")]).toEqual(["admitted", "ERR_APPROVAL_REQUIRED"]);
  age = 3_601;
  expect([await call("read"), await call("wire")]).toEqual(["admitted", "ERR_REGISTRY_STALE"]);
});
