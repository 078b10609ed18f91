import {
  APPROVAL_STEP,
  canonicalize,
  type Digest,
  isJsonObject,
  type JsonValue,
  parseJson,
  requestDigest,
  signEntry,
  unixSeconds,
} from "@peerage/core";
import { requestFields } from "../../console/fields.ts";
import { type ItemData, itemIdentity } from "../../console/item-data.ts";
import { willDo } from "../../console/item-view.ts";
import { element } from "../dom.ts";
import { draw } from "./draw.ts";
import { type ApproverKey, openKey } from "./key.ts";

/** How long the request must be in sight before it can be answered. */
const DWELL_MS = 400;
/** How long an approval may be relied on. */
const APPROVAL_SECONDS = 900;
const MOST_NOTE = 280;

/**
 * One request that waits for this person. What it will do is drawn here, from the bytes whose digest the signature is
 * over; a button works only while those bytes, the request and the policy are the ones that stand on the page.
 */
export class ApproveElement extends HTMLElement {
  #item: ItemData | undefined;
  #digest: Digest | undefined;
  #key: ApproverKey | undefined;
  #isSeen = false;
  #isBusy = false;
  readonly #approve = element("button", { type: "button", class: "approve" }, "Approve and sign");
  readonly #deny = element("button", { type: "button", class: "deny" }, "Deny");
  readonly #note = element("input", {
    type: "text",
    maxlength: String(MOST_NOTE),
    placeholder: "optional",
    autocomplete: "off",
  });
  readonly #says = element("p", { class: "says", role: "status" });

  connectedCallback(): void {
    const facts = this.dataset["facts"];
    if (facts === undefined || this.#item) return;
    this.#item = JSON.parse(facts) as ItemData;
    this.#drawRequest(this.#item);
    const place = this.querySelector("[data-answer]");
    const label = element("label", { class: "signednote" }, "Note, signed with your decision", this.#note);
    place?.replaceChildren(
      element("div", { class: "answer" }, label, element("div", { class: "two" }, this.#deny, this.#approve)),
      this.#says,
    );
    this.#approve.addEventListener("click", () => void this.#answer("approved"));
    this.#deny.addEventListener("click", () => void this.#answer("denied"));
    this.#dwell();
    document.addEventListener("peerage-approvals", () => void this.#look().catch(() => undefined));
    setInterval(() => this.#enable(), 1_000);
    this.#enable();
    void openKey().then(
      (key) => {
        this.#key = key;
        this.#enable();
      },
      () => this.#enable(),
    );
  }

  /** Draws the request from its own bytes, if they are the ones that were asked about. */
  #drawRequest({ jcs, method, req }: ItemData): void {
    if (jcs === undefined) return;
    const parsed: JsonValue = parseJson(jcs);
    if (!isJsonObject(parsed) || canonicalize(parsed) !== jcs) return;
    const { method: asked, params } = parsed;
    if (typeof asked !== "string" || asked !== method || params === undefined) return;
    const digest = requestDigest(asked, params);
    if (digest !== req) return;
    this.#digest = digest;
    const heading = this.querySelector("h1") ? "h2" : "h3";
    const drawn = willDo(requestFields(params), asked, digest, heading).map((node) => draw(node));
    this.querySelector(".willdo")?.replaceChildren(...drawn);
  }

  /** In sight, on a page that somebody looks at, for a moment. */
  #dwell(): void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const watch = new IntersectionObserver((entries) => {
      const isVisible = entries.some(({ isIntersecting }) => isIntersecting);
      clearTimeout(timer);
      this.#isSeen = false;
      if (isVisible) {
        timer = setTimeout(() => {
          this.#isSeen = document.visibilityState === "visible";
          this.#enable();
        }, DWELL_MS);
      }
      this.#enable();
    });
    watch.observe(this.#approve);
    document.addEventListener("visibilitychange", () => {
      watch.unobserve(this.#approve);
      watch.observe(this.#approve);
    });
  }

  /** Why nothing can be signed, in words; undefined if all is well. */
  #obstacle(item: ItemData): string | undefined {
    if (item.state !== "open") return "This request is no longer open.";
    if (Date.parse(item.expiresAt) <= Date.now()) return "Nobody answered in time: the request has expired.";
    if (this.#digest === undefined)
      return "✕ The bytes on this page are not the ones that were asked about. Nothing can be signed.";
    if (!this.#key) return "This browser has no approver’s key yet. “Your key” makes one.";
    const { did } = this.#key.signer;
    if (did === item.caller && !item.self) return "Nobody approves a request of their own.";
    if (!item.approvers.includes(did) && !item.approvers.includes("*"))
      return `This browser’s key is none of those that may answer. To add it: peerage approvers add ${did}`;
    if (item.policyMoved) return "The policy has changed since: the call will be asked about anew.";
    return undefined;
  }

  #enable(): void {
    const item = this.#item;
    if (!item) return;
    const obstacle = this.#obstacle(item);
    const isReady = obstacle === undefined && this.#isSeen && !this.#isBusy;
    this.#approve.disabled = !isReady;
    this.#deny.disabled = !isReady;
    if (obstacle !== undefined && !this.#isBusy) this.#say(obstacle, "");
    else if (this.#says.classList.contains("obstacle")) this.#say("", "");
  }

  /** Looks whether the request still is what stands here. */
  async #look(): Promise<ItemData | undefined> {
    const item = this.#item;
    if (!item || this.#isBusy || item.state !== "open") return undefined;
    const answer = await fetch(`/approvals/${encodeURIComponent(item.id)}.json`, {
      headers: { accept: "application/json" },
      cache: "no-store",
    });
    if (!answer.ok) {
      // What is kept is not what was asked about, or there is no such request: nothing may be signed any more.
      if (answer.status === 400 || answer.status === 404) this.#digest = undefined;
      else this.#say("✕ The console does not answer just now. Nothing was signed.", "bad");
      this.#enable();
      return undefined;
    }
    const current = (await answer.json()) as ItemData;
    if (itemIdentity(current) !== itemIdentity(item)) {
      this.#digest = undefined;
      this.#enable();
      return undefined;
    }
    this.#item = { ...item, state: current.state, policyMoved: current.policyMoved, answers: current.answers };
    this.#enable();
    if (current.state !== "open") this.#done(current.state, "It was answered elsewhere.");
    return current;
  }

  async #answer(result: "approved" | "denied"): Promise<void> {
    const current = await this.#look().catch(() => {
      this.#say("✕ The console cannot be reached. Nothing was signed.", "bad");
      return undefined;
    });
    const item = this.#item;
    if (!current || !item || !this.#key || this.#digest === undefined || this.#obstacle(item) !== undefined) return;
    this.#isBusy = true;
    this.#enable();
    try {
      const token = await signEntry(this.#key.signer, {
        run: item.run,
        prev: item.prev,
        step: APPROVAL_STEP,
        result,
        // What this browser has hashed, not what it was told.
        req: this.#digest,
        aud: item.guard,
        ...(item.target.length > 0 && item.target.length <= 256 ? { tool: item.target } : {}),
        sub: { caller: item.caller, policy: item.policy, ...this.#signedNote() },
        ...(result === "approved" ? { exp: unixSeconds(new Date()) + APPROVAL_SECONDS } : {}),
      });
      const answer = await fetch(`/approvals/${encodeURIComponent(item.id)}`, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json" },
        body: JSON.stringify({ token }),
      });
      const said = (await answer.json()) as ItemData & { title?: string; code?: string };
      if (!answer.ok) throw new Error(`${said.title ?? "the console refused"} (${said.code ?? answer.status})`);
      this.#item = { ...item, state: said.state, answers: said.answers };
      this.#done(said.state, "");
    } catch (error) {
      this.#isBusy = false;
      this.#enable();
      this.#say(`✕ Not answered: ${error instanceof Error ? error.message : String(error)}`, "bad");
    }
  }

  #signedNote(): { readonly note?: string } {
    const note = this.#note.value.trim().slice(0, MOST_NOTE);
    return note === "" ? {} : { note };
  }

  /** The answer is given: controls go, what came of it stays. */
  #done(state: ItemData["state"], more: string): void {
    const missing = (this.#item?.count ?? 1) - (this.#item?.answers.length ?? 0);
    const words: Partial<Record<ItemData["state"], readonly [string, string]>> = {
      open: [`✓ Signed. ${missing} more ${missing === 1 ? "person" : "people"} must approve.`, "ok"],
      approved: ["✓ Approved and signed. The caller may now repeat the same call, once.", "ok"],
      denied: ["✕ Denied and signed. The call is refused, and the denial recorded.", "bad"],
    };
    const [text, tone] = words[state] ?? [`This request is ${state}.`, ""];
    this.querySelector(".answer")?.remove();
    this.#say([text, more].filter((part) => part !== "").join(" "), tone);
    this.#says.tabIndex = -1;
    this.#says.focus();
  }

  #say(text: string, tone: string): void {
    if (this.#says.textContent !== text) this.#says.textContent = text;
    this.#says.className = `says ${tone === "" && text !== "" ? "obstacle" : tone}`.trim();
  }
}
