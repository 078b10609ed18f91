import {
  buildTrustGraph,
  checkCallAudienceAndTime,
  checkCallMessage,
  type Did,
  explainTrust,
  isPeerageError,
  issueVouch,
  type JsonObject,
  parseCallProof,
  signCall,
  verifyStatement,
} from "@peerage/core";
import { button, element } from "../dom.ts";
import { isKept, makeTabKey } from "./tab-key.ts";

type Child = Node | string;

/** Runs the five steps of the page, one after another, in this tab. */
export class TryElement extends HTMLElement {
  connectedCallback(): void {
    if (this.childElementCount > 0) return;
    const start = button("Start", () => {
      start.disabled = true;
      void this.#run().finally(() => {
        start.disabled = false;
        start.textContent = "Once more";
      });
    });
    start.className = "verify";
    this.append(start);
  }

  async #run(): Promise<void> {
    const outcomes = Array.from(document.querySelectorAll<HTMLElement>("#steps .outcome"));
    for (const outcome of outcomes) outcome.replaceChildren();
    const say = (step: number, sign: "✓" | "✕", ...what: readonly Child[]): void => {
      const mark = element("b", { class: sign === "✓" ? "status ok" : "status bad" }, sign);
      outcomes[step]?.append(element("p", { class: "small" }, mark, " ", ...what));
    };
    const show = (step: number, text: string): void => {
      outcomes[step]?.append(element("pre", { class: "wrap" }, element("code", {}, text)));
    };

    let you, agent;
    try {
      [you, agent] = [await makeTabKey(), await makeTabKey()];
    } catch {
      say(
        0,
        "✕",
        "This browser makes no Ed25519 keys, so none is made here. ",
        element("code", {}, "npm run demo"),
        " shows the same.",
      );
      return;
    }
    const kept = (await isKept(you)) && (await isKept(agent));
    show(0, `you    ${you.signer.did}\nagent  ${agent.signer.did}`);
    say(
      0,
      kept ? "✓" : "✕",
      kept ? "The browser refused to hand either private key out." : "The browser handed a key out.",
    );

    const audience = you.signer.did;
    const message = { method: "tools/call", params: { name: "search", arguments: { query: "weather in Berne" } } };
    const token = await signCall(agent.signer, { audience, message });
    const admit = (proof: string, called: { method: string; params: JsonObject }): string => {
      const checked = parseCallProof(proof);
      checkCallAudienceAndTime(checked, { audiences: new Set([audience]), now: new Date() });
      checkCallMessage(checked, called);
      return checked.issuer;
    };
    show(1, `${token.slice(0, 160)}…`);
    say(1, "✓", `It holds: signed by ${short(admit(token, message))}, for this call and no other.`);

    const tampered = { ...message, params: { name: "search", arguments: { query: "weather in Berlin" } } };
    show(2, JSON.stringify(tampered.params));
    const refusals = [refusal(() => admit(token, tampered)), refusal(() => admit(flipped(token), message))];
    const refused = refusals.every((code) => code !== undefined);
    const [other, broken] = refusals;
    say(
      2,
      refused ? "✓" : "✕",
      refused ? `Refused: ${other ?? ""}. With one bit of the signature changed: ${broken ?? ""}.` : "It was admitted.",
    );

    const before = scoreOf([], you.signer.did, agent.signer.did);
    const vouch = await issueVouch(you.signer, { subject: agent.signer.did, scope: ["tools"], confidence: 80 });
    const verified = await verifyStatement(vouch.bytes);
    show(3, JSON.stringify(vouch.document, null, 2));
    say(3, "✓", `${vouch.bytes.length} bytes, and the signature holds. A registry would log it; this tab keeps it.`);

    const edges = verified.kind === "Vouch" ? [verified] : [];
    const after = scoreOf(edges, you.signer.did, agent.signer.did);
    say(
      4,
      "✓",
      "As seen by you, in ",
      element("b", {}, "tools"),
      ": ",
      element("b", {}, before),
      " before, ",
      element("b", {}, after),
      " now.",
    );
  }
}

function scoreOf(vouches: Parameters<typeof buildTrustGraph>[0], root: string, target: string): string {
  const { score } = explainTrust(buildTrustGraph(vouches, { scope: "tools" }), {
    roots: [root as Did],
    target: target,
  });
  return score === "unknown" ? "unknown" : score.toFixed(2);
}

/** The code of a refusal. */
function refusal(admit: () => unknown): string | undefined {
  try {
    admit();
    return undefined;
  } catch (error) {
    if (isPeerageError(error)) return error.code;
    throw error;
  }
}

/** Another character early in the signature, where every bit counts. */
function flipped(token: string): string {
  const at = token.lastIndexOf(".") + 5;
  return token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
}

function short(did: string): string {
  return `z6Mk${did.slice(12, 17)}…${did.slice(-4)}`;
}

customElements.define("peerage-try", TryElement);
