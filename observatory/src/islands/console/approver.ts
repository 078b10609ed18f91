import { pairingWords } from "../../console/pairing-words.ts";
import { button, element } from "../dom.ts";
import { type ApproverKey, forgetKey, isKept, makeKey, openKey } from "./key.ts";

/** Makes, shows and forgets the approver's key of this browser, and hands its DID to a terminal that asked for one. */
export class ApproverElement extends HTMLElement {
  connectedCallback(): void {
    void this.#start();
  }

  async #start(): Promise<void> {
    try {
      const key = await openKey();
      if (key) await this.#show(key);
      else this.#offer();
    } catch {
      this.#refuse();
    }
  }

  #offer(): void {
    const make = button("Make a key in this browser", () => {
      make.disabled = true;
      makeKey().then(
        (key) => this.#show(key),
        () => this.#refuse(),
      );
    });
    make.className = "verify";
    this.replaceChildren(element("p", {}, "There is none yet."), make);
  }

  #refuse(): void {
    this.replaceChildren(
      element(
        "p",
        { class: "note warn" },
        "This browser makes no Ed25519 keys, or keeps none, so none is made here. Approve in a terminal: ",
        element("code", {}, "peerage approvals"),
        ".",
      ),
    );
  }

  async #show(key: ApproverKey): Promise<void> {
    const { did } = key.signer;
    const kept = await isKept(key);
    const copy = button("Copy", () => {
      void navigator.clipboard.writeText(did).then(() => (copy.textContent = "Copied"));
    });
    const forget = button("Forget this key", () => {
      if (forget.dataset["sure"] === undefined) {
        forget.dataset["sure"] = "1";
        forget.textContent = "Press again: it cannot be brought back";
        return;
      }
      void forgetKey().then(() => this.#offer());
    });
    this.replaceChildren(
      element("p", { class: "didline" }, element("code", { class: "did" }, did), copy),
      element(
        "p",
        { class: kept ? "status ok" : "status bad" },
        kept
          ? "✓ The browser refused to hand the private key out."
          : "✕ The browser handed the key out: do not use it.",
      ),
      element("p", { class: "muted small" }, `Made ${key.made.toISOString().slice(0, 16).replace("T", " ")} UTC.`),
      ...(this.dataset["pairing"] === undefined ? [] : [this.#pairing(did)]),
      element("p", { class: "row" }, forget),
    );
  }

  #pairing(did: ApproverKey["signer"]["did"]): HTMLElement {
    const code = element("input", {
      name: "code",
      placeholder: "code from the terminal",
      autocomplete: "off",
      spellcheck: "false",
      "aria-label": "Pairing code",
    });
    const says = element("div", { class: "paired", role: "status" });
    const form = element("form", { class: "lookup pair" }, code, element("button", { type: "submit" }, "Pair"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const word = code.value.trim().toUpperCase();
      void this.#pair(word, did, says);
    });
    return element("div", {}, element("h3", { class: "label" }, "Pair it with a guard"), form, says);
  }

  async #pair(code: string, did: ApproverKey["signer"]["did"], says: HTMLElement): Promise<void> {
    const path = `/pairing/${encodeURIComponent(code)}`;
    const answer = await fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ did }),
    });
    if (!answer.ok) {
      says.replaceChildren(element("p", { class: "note bad" }, "✕ No pairing waits under that code."));
      return;
    }
    const words = element("p", { class: "words" }, pairingWords(code, did).join(" "));
    says.replaceChildren(
      element("p", {}, "The terminal must show the same six words. Say yes there only if it does."),
      words,
    );
    for (;;) {
      await new Promise((done) => setTimeout(done, 500));
      const { state } = (await (await fetch(path, { cache: "no-store" })).json()) as { state: string };
      if (state === "waiting") continue;
      const said: Record<string, readonly [string, string]> = {
        added: ["✓ Added: this key may approve now.", "ok"],
        refused: ["✕ The terminal said no.", "bad"],
      };
      const [text, tone] = said[state] ?? ["The terminal waits no longer.", "bad"];
      says.replaceChildren(element("p", { class: `summary ${tone === "ok" ? "holds" : "fails"}` }, text));
      return;
    }
  }
}
