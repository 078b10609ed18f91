import { describe, expect, it } from "vitest";
import { type Did, generateIdentity } from "@peerage/core";
import { Sigils } from "../ui/sigils.ts";
import { h, sigil } from "./node.ts";
import { pairingWords } from "./pairing-words.ts";
import { render } from "./render.ts";

describe("a piece of a page", () => {
  it("escapes every text and every attribute value", async () => {
    const hostile = `"><script>alert(1)</script>'&`;
    const text = String(await render(h("a", { href: "/x", title: hostile }, hostile, h("br")), new Sigils()));
    expect(text).not.toContain("<script>");
    expect(text).toContain('title="&quot;&gt;&lt;script&gt;');
    expect(text).toContain("&lt;script&gt;alert(1)&lt;/script&gt;&#39;&amp;");
    expect(text).toContain("<br");
  });

  it("leaves out what is undefined or false, and draws an agent's sigil once", async () => {
    const { did } = generateIdentity();
    const sigils = new Sigils();
    const text = String(
      await render(h("p", { hidden: false, id: undefined, open: true }, sigil(did), sigil(did)), sigils),
    );
    expect(text).not.toMatch(/ hidden=| id=/);
    expect(text).toContain('open=""');
    expect(text.match(/href="#s0"/g)).toHaveLength(2);
    expect(String(await sigils.symbols()).match(/<symbol/g)).toHaveLength(1);
  });
});

describe("pairing words", () => {
  it("are six, always the same for a code and a key, and others for another code or key", () => {
    const did = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK" as Did;
    expect(pairingWords("ABCD1234", did)).toHaveLength(6);
    expect(pairingWords("ABCD1234", did)).toEqual(pairingWords("ABCD1234", did));
    expect(pairingWords("ABCD1235", did)).not.toEqual(pairingWords("ABCD1234", did));
    expect(pairingWords("ABCD1234", generateIdentity().did)).not.toEqual(pairingWords("ABCD1234", did));
    for (const word of pairingWords("ABCD1234", did)) expect(word).toMatch(/^[a-z]{4,10}$/);
  });
});
