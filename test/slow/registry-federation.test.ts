import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { federationCommands, runFederation } from "../../examples/federation/run.ts";

describe("docs/operating.md", () => {
  it("A-LOG-06 gives a registry with a mirror and three witnesses, word for word, and heals it from a backup", async () => {
    const commands = await federationCommands();
    expect(spawnSync("bash", ["-n"], { input: commands }).status).toBe(0);
    let shown = "";
    const code = await runFederation((text) => (shown += text));
    expect(code, shown).toBe(0);
    expect(shown).toMatch(/log {8}1 entry, 2 of 3 witnesses|log {8}0 entries, 2 of 3 witnesses/);
    // Audited before the disk was lost and after it was restored: three witnesses and the mirror see the same log.
    const audits = shown.split("$ peerage log audit").slice(1);
    expect(audits).toHaveLength(2);
    for (const [i, audit] of audits.entries()) {
      expect(audit).toContain(`${i === 0 ? 5 : 7} leaves hash to the signed root`);
      expect(audit.match(/witness http:\/\/127\.0\.0\.1:1708\d\/witness sees the same log/g)).toHaveLength(3);
      expect(audit).toContain("mirror http://127.0.0.1:17077 sees the same log");
      expect(audit).toMatch(/witnessed/);
    }
    expect(shown.split("$ peerage find carol")[1]).toContain("carol");
  }, 240_000);
});
