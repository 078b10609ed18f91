import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Home, masked, openTestRegistry } from "./_cli.ts";

describe("what people see at 80 columns", () => {
  let home: Home;
  let registry: Awaited<ReturnType<typeof openTestRegistry>>;
  let friend: string;
  beforeAll(async () => {
    home = await Home.make();
    registry = await openTestRegistry();
    await home.ok(["init", "build-bot"]);
    await home.ok(["init", "friend", "--registry", registry.url]);
    await home.ok(["init", "build-bot"]);
    friend = await home.did("friend");
    await home.ok(["roots", "add", "friend"]);
    await home.ok(["--identity", "friend", "vouch", "build-bot", "--confidence", "69", "--scope", "code"]);
    await registry.registry.published(4);
  });
  afterAll(async () => {
    await registry[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  const see = async (...argv: string[]): Promise<string> => {
    const { stdout, stderr } = await home.run(argv);
    for (const line of (stdout + stderr).split("\n")) {
      // A DID, a digest or a key is never broken; a line that has none of them fits.
      if (!/did:key:|sha256:|\+[0-9a-f]{8}\+/.test(line)) expect(line.length, line).toBeLessThanOrEqual(80);
    }
    return masked(stdout + stderr, home);
  };

  it("init", async () => {
    await using other = await Home.make();
    expect(masked(await other.ok(["init", "build-bot"]), other)).toBe(
      `  ✓  made a key  did:key:z6Mk<44 characters of a key, in base58btc........>
     kept at     ~/peerage/keys/build-bot.key (0600, no passphrase)
  ✓  recovery    ~/peerage/keys/build-bot.recovery (move it away)
  !  roots       none yet: everyone is unknown to you (peerage roots add)

  Nobody vouches for you yet, so most servers will refuse you.
  Next  peerage whoami --share                  a message to ask for a vouch
        peerage proxy -- npx some-mcp-server    sign every call of this client
        peerage call <url> <tool>               one signed call, to try a server
`,
    );
  });

  it("trust", async () => {
    expect(await see("trust", "build-bot", "--scope", "code", "--min", "0.6")).toBe(
      `  build-bot  z6Mk12345…6789
  0.69  ━━━━━━━━━━━━━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌  trusted  (you asked for 0.60)
  as seen by your 1 root · scope code · 1 chain

  +0.69  friend ─69→ you

  holds it up  the vouch of friend (#4). Without it: unknown
  checked      5 entries, checkpoint 1 s old, unwitnessed
  http://127.0.0.1:7075/a/did:key:z6Mk<44 characters of a key, in base58btc........>
`,
    );
  });

  it("trust in a stranger, who is unknown and not 0", async () => {
    expect(await see("trust", "build-bot", "--scope", "payments")).toBe(
      `  build-bot  z6Mk12345…6789
  ○  unknown: no chain leads from there to it
  as seen by your 1 root · scope payments · 0 chains

  left out  1: expired, revoked, or for another scope
  checked   5 entries, checkpoint 1 s old, unwitnessed
`,
    );
  });

  it("whoami", async () => {
    expect(await see("whoami")).toBe(
      `  ✓  build-bot  did:key:z6Mk<44 characters of a key, in base58btc........>
     key        ~/peerage/keys/build-bot.key (no passphrase)
     roots      1 root
     registry   http://127.0.0.1:7075, since entry #2
  ✓  vouches    1 vouch in force
                friend  z6Mk12345…6789  69  code  until 2026-01-02 (#4)
`.replace("2026-01-02", new Date(Date.now() + 90 * 86_400_000).toISOString().slice(0, 10)),
    );
  });

  it("doctor", async () => {
    expect((await see("doctor")).replace(/(✓ {2}(node|peerage) +)\S+/g, "$1n")).toBe(
      `  ✓  node      n
  ✓  peerage   n
  ✓  config    ~/peerage/config.json, identity build-bot
  ✓  folder    ~/peerage/keys, 0700
  ✓  key       build-bot, 0600, opens without a passphrase
  ✓  clock     less than 1 s off the registry (limit 30 s)
  ✓  registry  127.0.0.1:7075, 5 entries, checkpoint 1 s old, unwitnessed
  ✓  log       every statement verifies; consistent with what you saw before
  !  vouches   from a single agent: losing it makes you unknown
     fix       peerage whoami --share
  ✓  roots     1 root
  9 fine, 1 warning   exit 0
`,
    );
  });

  it("verify, of a vouch that was altered", async () => {
    const path = join(home.path, "vouch.json");
    const bytes = await home.ok(["show", "4", "--raw"]);
    await writeFile(path, bytes);
    expect(await see("verify", path)).toBe(
      `  ✓  form       a Vouch in its one form, 846 bytes
  ✓  signature  z6Mk12345…6789 signed these bytes
  ✓  time       in force until 2026-01-02T03:04:05Z
  ✓  log        entry #4, published 2026-01-02T03:04:05Z
  ✓  status     in force, checkpoint 1 s old
  Authentic.   Vouch · exit 0 · checked in 9 ms
`.replace("846", String(bytes.length - 1)),
    );
    await writeFile(path, bytes.replace('"confidence":69', '"confidence":96'));
    expect(await see("verify", path)).toBe(
      `  ✕  statement  the signature does not hold
  Not authentic.   statement · exit 6 · checked in 9 ms
`,
    );
  });

  it("an unknown name, with the nearest one and its fingerprint", async () => {
    await home.ok(["names", "set", "lantern", friend]);
    expect(await see("trust", "lantren")).toBe(`  ✕  no agent is called lantren
     fix  did you mean lantern (z6Mk12345…6789)?
`);
    await home.ok(["names", "remove", "lantern"]);
  });
});
