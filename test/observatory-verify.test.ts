import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  formatVerifierKey,
  generateIdentity,
  generateSeed,
  type Identity,
  identityFromSeed,
  issueKeyInit,
  issueKeyRotate,
  issueRevocation,
  issueVouch,
  keyDigest,
  type MultibaseKey,
  sha256,
  signCheckpoint,
  verifyForkEvidence,
  type Vouch,
} from "../core/src/index.ts";
import type { ProofBundle } from "../observatory/src/proof-bundle.ts";
import { openLogKeys } from "../registry/src/keys/log-keys.ts";
import { launchBrowser } from "./_browser.ts";
import { startObservatory, type TestObservatory } from "./_observatory.ts";

const browser: Browser | undefined = await launchBrowser();
afterAll(async () => browser?.close());

type Writable<T> = T extends object ? { -readonly [K in keyof T]: Writable<T[K]> } : T;
type Tamper = (bundle: Writable<ProofBundle>) => void | Promise<void>;

/** Another character of the same alphabet at one place. */
function flip(text: string, at: number): string {
  const old = text[at]!;
  const other = /\d/.test(old)
    ? // No 0, which base58 has not.
      String((Number(old) % 9) + 1)
    : old === "a"
      ? "b"
      : old === "A"
        ? "B"
        : /[A-Z]/.test(old)
          ? "A"
          : "a";
  return text.slice(0, at) + other + text.slice(at + 1);
}

describe.skipIf(!browser)("verification in the browser", () => {
  let site: TestObservatory;
  let alice: Identity;
  let bob: Identity;
  let vouch: Vouch;
  let index: number;
  let revoked: Vouch;

  beforeAll(async () => {
    [alice, bob] = [generateIdentity(), generateIdentity()];
    site = await startObservatory({ roots: [alice.did] });
    const others = Array.from({ length: 9 }, () => generateIdentity());
    for (const other of others) {
      await site.publish(await issueVouch(other, { subject: bob.did, scope: ["tools"], confidence: 50 }));
    }
    vouch = await issueVouch(alice, { subject: bob.did, scope: ["tools"], confidence: 61 });
    revoked = await issueVouch(alice, { subject: others[0]!.did, scope: ["tools"], confidence: 40 });
    await site.publish(vouch, revoked);
    await site.publish(await issueRevocation(alice, { revokes: "statement", target: revoked.id }));
    index = site.registry.view.vouch(vouch.id)!.index;
  });
  afterAll(async () => site[Symbol.asyncDispose]());

  /** Opens a page, lets somebody alter what the registry proves, verifies, and reads the lines. */
  async function verdicts(
    path: string,
    options: { tamper?: Tamper; context?: BrowserContext; at?: TestObservatory } = {},
  ): Promise<{ lines: Record<string, string>; texts: Record<string, string>; page: Page; complaints: string[] }> {
    const context = options.context ?? (await browser!.newContext());
    const page = await context.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", (event) =>
        console.error(`policy: ${event.violatedDirective}`),
      );
    });
    await page.route("**/proofs.json*", async (route) => {
      const answer = await route.fetch();
      const bundle = (await answer.json()) as Writable<ProofBundle>;
      await options.tamper?.(bundle);
      await route.fulfill({ response: answer, json: bundle });
    });
    await page.goto((options.at ?? site).url + path);
    await page.locator("button.verify").first().click();
    await page.locator("peerage-verify .summary").first().waitFor();
    const lines = await page
      .locator("[data-check]")
      .evaluateAll((nodes) =>
        Object.fromEntries(nodes.map((node) => [node.getAttribute("data-check"), node.getAttribute("data-verdict")])),
      );
    const texts = await page
      .locator("[data-check]")
      .evaluateAll((nodes) =>
        Object.fromEntries(nodes.map((node) => [node.getAttribute("data-check"), node.lastElementChild?.textContent])),
      );
    return { lines, texts, page, complaints };
  }

  const allHold = {
    bytes: "holds",
    signature: "holds",
    key: "holds",
    "not revoked": "open",
    "in the log": "holds",
    "logged by": "holds",
    checkpoint: "holds",
    history: "open",
    "time stamp": "holds",
    witnesses: "open",
  };

  it("holds for what was logged, on the pages of the vouch and of its entry, and says what it did not check", async () => {
    for (const path of [`/v/${vouch.id}`, `/log/${index}`]) {
      const { lines, texts, page, complaints } = await verdicts(path);
      expect(lines).toEqual(allHold);
      expect(texts["not revoked"]).toBe("none shown");
      expect(texts["witnesses"]).toBe("none configured");
      expect(complaints).toEqual([]);
      await page.context().close();
    }
  });

  /** The bundle's entry of the vouch. */
  const entryOf = (bundle: Writable<ProofBundle>): Writable<ProofBundle["entries"][number]> =>
    bundle.entries.find((entry) => entry.index === index)!;

  const flips: readonly (readonly [string, keyof typeof allHold, Tamper])[] = [
    ["body", "bytes", (b) => void (entryOf(b).leaf = entryOf(b).leaf.replace('"confidence":61', '"confidence":91'))],
    [
      "signature",
      "signature",
      (b) => {
        const at = entryOf(b).leaf.indexOf('"proofValue":"') + 40;
        entryOf(b).leaf = flip(entryOf(b).leaf, at);
      },
    ],
    ["inclusion proof", "in the log", (b) => void (entryOf(b).inclusion[1] = flip(entryOf(b).inclusion[1]!, 3))],
    ["leaf hash", "in the log", (b) => void (entryOf(b).leafHash = flip(entryOf(b).leafHash, 10))],
    ["root", "in the log", (b) => void (b.root = flip(b.root, 5))],
    [
      "checkpoint",
      "checkpoint",
      (b) =>
        void (b.checkpoint = flip(b.checkpoint, b.checkpoint.indexOf("\n\n— ") + b.logKey.split("+")[0]!.length + 30)),
    ],
    ["cosignature", "time stamp", (b) => void (b.checkpoint = flip(b.checkpoint, b.checkpoint.length - 30))],
    [
      "head that says when",
      "logged by",
      (b) => void (b.heads[entryOf(b).head!]!.note = flip(b.heads[entryOf(b).head!]!.note, 90)),
    ],
  ];
  for (const [what, line, tamper] of flips) {
    it(`U4 A-WEB-05 marks a byte flipped in the ${what} with its own cross and leaves the other lines`, async () => {
      const { lines, page } = await verdicts(`/v/${vouch.id}`, { tamper });
      expect(lines[line]).toBe("fails");
      const others = Object.entries(lines).filter(([name, verdict]) => name !== line && verdict === "fails");
      // A head whose root was altered proves nothing about when, either.
      expect(others.map(([name]) => name).filter((name) => !(what === "root" && name === "logged by"))).toEqual([]);
      const mine = Object.entries(lines).filter(
        ([name]) => name !== line && !(what === "root" && name === "logged by"),
      );
      for (const [name, verdict] of mine)
        expect([name, verdict]).toEqual([name, allHold[name as keyof typeof allHold]]);
      expect(await page.locator("peerage-verify .summary").first().getAttribute("class")).toContain("fails");
      await page.context().close();
    });
  }

  it("A-WEB-05 refuses another genuine statement in place of the one shown, and a path of another entry", async () => {
    const other: ProofBundle = await site.json("/proofs.json?entries=0");
    const [stranger] = other.entries;
    const swapped = await verdicts(`/v/${vouch.id}`, {
      tamper: (b) => void Object.assign(entryOf(b), { leaf: stranger!.leaf, id: stranger!.id }),
    });
    expect(swapped.lines["bytes"]).toBe("fails");
    await swapped.page.context().close();
    const moved = await verdicts(`/v/${vouch.id}`, {
      tamper: (b) => void Object.assign(entryOf(b), { leafHash: stranger!.leafHash, inclusion: stranger!.inclusion }),
    });
    expect(moved.lines).toMatchObject({ bytes: "holds", signature: "holds", "in the log": "fails" });
    await moved.page.context().close();
  });

  it("A-WEB-05 shows a cross, never a tick, for a registry that answers with nonsense", async () => {
    for (const tamper of [
      (b: Writable<ProofBundle>) => void (b.entries = []),
      (b: Writable<ProofBundle>) => void (entryOf(b).leaf = "{"),
      (b: Writable<ProofBundle>) => void (b.logKey = "nothing"),
      (b: Writable<ProofBundle>) => void (b.checkpoint = ""),
    ]) {
      const { page } = await verdicts(`/v/${vouch.id}`, { tamper });
      expect(await page.locator("peerage-verify .summary").first().getAttribute("class")).toContain("fails");
      await page.context().close();
    }
    const context = await browser!.newContext();
    const page = await context.newPage();
    await page.route("**/proofs.json*", (route) =>
      route.fulfill({ status: 200, contentType: "application/json", body: "[]" }),
    );
    await page.goto(`${site.url}/v/${vouch.id}`);
    await page.locator("button.verify").click();
    await page
      .getByText(/Nothing was checked|does not hold/)
      .first()
      .waitFor();
    expect(await page.locator(".summary.holds").count()).toBe(0);
    await context.close();
  });

  it("marks a revoked vouch, and a revocation by somebody else as nothing", async () => {
    const { lines, texts, page } = await verdicts(`/v/${revoked.id}`);
    expect(lines["not revoked"]).toBe("fails");
    expect(texts["not revoked"]).toMatch(/^revoked by entry \d+$/);
    await page.context().close();
  });

  it("judges a key by its issuer's key events at the logged time", async () => {
    let now = new Date("2026-03-01T00:00:00Z");
    await using at = await startObservatory({ now: () => now });
    const [seed, nextSeed] = [generateSeed(), generateSeed()];
    const first = identityFromSeed(seed);
    const second = identityFromSeed(nextSeed, { did: first.did });
    const vouching = (signer: Identity): Promise<Vouch> =>
      issueVouch(signer, { subject: bob.did, scope: ["research"], confidence: 70, validFrom: now });
    const init = await issueKeyInit(first, { next: keyDigest(keyOf(second)), now });
    const before = await vouching(first);
    await at.publish(init, before);
    now = new Date("2026-03-02T00:00:00Z");
    await at.publish(await issueKeyRotate(second, { prev: init, next: keyDigest(keyOf(generateIdentity())), now }));
    now = new Date("2026-03-03T00:00:00Z");
    const after = await vouching(second);
    await at.publish(after);
    for (const { id } of [before, after]) {
      const { lines, texts, page } = await verdicts(`/v/${id}`, { at });
      expect(lines).toMatchObject({ bytes: "holds", signature: "holds", key: "holds", "logged by": "holds" });
      expect(texts["key"]).toContain("2 key events");
      await page.context().close();
    }
    // Of events that are altered or held back nothing is concluded in the key's favour.
    const altered: Tamper = (b) => {
      const event = b.entries.find((entry) => entry.leaf.includes('"rotate"'))!;
      event.leaf = event.leaf.replace('"seq":1', '"seq":2');
    };
    const withheld: Tamper = (b) => {
      for (const entry of b.entries) entry.keys = [];
    };
    for (const tamper of [altered, withheld]) {
      const { lines, page } = await verdicts(`/v/${after.id}`, { at, tamper });
      expect(lines["key"]).toBe("fails");
      await page.context().close();
    }
  });

  it("remembers the log: growth holds, another key is red, and a fork leaves its evidence", async () => {
    const context = await browser!.newContext();
    const first = await verdicts("/log", { context });
    expect(first.lines).toEqual({ checkpoint: "holds", history: "open", "time stamp": "holds", witnesses: "open" });
    await site.publish(await issueVouch(bob, { subject: alice.did, scope: ["tools"], confidence: 20 }));
    const grown = await verdicts("/log", { context });
    expect(grown.lines["history"]).toBe("holds");
    expect(grown.texts["history"]).toMatch(/^grew out of the \d+ entries seen last$/);

    await site.publish(await issueVouch(bob, { subject: alice.did, scope: ["tools"], confidence: 21 }));
    const altered = await verdicts("/log", {
      context,
      tamper: (b) => void (b.since = { size: b.since!.size, proof: b.since!.proof.map((hash) => flip(hash, 0)) }),
    });
    expect(altered.lines).toMatchObject({ checkpoint: "holds", history: "fails" });
    await context.close();
  });

  it("U8 turns red over a log that has forked, keeps the evidence, and over another log key than the first seen", async () => {
    const { log, witness, origin } = await openLogKeys(site.keysDir, { mayCreate: false });
    const logKey = formatVerifierKey(log.key);
    const { size } = site.registry.view;
    for (const seen of [size, size - 1]) {
      const note = await signCheckpoint(
        { origin, size: seen, root: sha256("another history") },
        { log, witness, now: new Date() },
      );
      const context = await remembering({ note, logKey });
      const { lines, page } = await verdicts("/log", { context });
      expect(lines).toMatchObject({ checkpoint: "holds", history: "fails" });
      const evidence: unknown = JSON.parse((await page.locator("peerage-verify pre").textContent()) ?? "");
      await verifyForkEvidence(evidence, { origin, logKey: log.key });
      // What contradicts the past is not remembered in its place.
      const kept = await page.evaluate(() => localStorage.getItem("peerage.head"));
      expect(JSON.parse(kept!).note).toBe(note);
      await context.close();
    }
    const other = await startObservatory();
    const theirs = await openLogKeys(other.keysDir, { mayCreate: false });
    const { note } = other.registry.view;
    const context = await remembering({ note, logKey: formatVerifierKey(theirs.log.key) });
    await other[Symbol.asyncDispose]();
    const { lines, page } = await verdicts("/log", { context });
    expect(lines).toMatchObject({ checkpoint: "fails", history: "fails" });
    // The visitor may decide to begin anew.
    await page.getByRole("button", { name: "Take this log as it is from now on" }).click();
    await page.locator('[data-check="checkpoint"][data-verdict="holds"]').waitFor();
    await context.close();
  });

  it("checks all vouches of an agent in one request, and one by one", async () => {
    const context = await browser!.newContext();
    const page = await context.newPage();
    const asked: string[] = [];
    page.on("request", (request) => asked.push(new URL(request.url()).pathname));
    await page.goto(`${site.url}/a/${bob.did}`);
    const panel = page.locator(".panel", { hasText: "Vouches received" });
    const count = await panel.locator("tr[data-entry]").count();
    await panel.locator("button.verify").click();
    await panel.getByText(`${count} of ${count} entries hold`).waitFor();
    expect(asked.filter((path) => path === "/proofs.json")).toHaveLength(1);
    expect(await panel.locator("button.check.holds").count()).toBe(count);
    await page.reload();
    await panel.locator("button.check").nth(1).click();
    await panel.locator("tr.checked").waitFor();
    expect(await panel.locator("tr.checked [data-check]").count()).toBe(6);
    expect(await panel.locator("tr.checked").count()).toBe(1);
    await context.close();
  });
});

/** A context whose visitor has seen a head before. */
async function remembering(head: { note: string; logKey: string }): Promise<BrowserContext> {
  const context = await browser!.newContext();
  await context.addInitScript((kept) => {
    if (sessionStorage.getItem("set") === null) localStorage.setItem("peerage.head", kept);
    sessionStorage.setItem("set", "1");
  }, JSON.stringify(head));
  return context;
}

function keyOf({ kid }: Identity): MultibaseKey {
  return kid.slice(kid.indexOf("#") + 1) as MultibaseKey;
}
