import { expect, it } from "vitest";
import { Home, masked } from "./_cli.ts";

// What all commands print where everything is as it should be stands in fixtures/golden, see _cli-rows.ts. This is the one
// that people see first.
it("init of somebody who has nothing yet, at 80 columns", async () => {
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
