import type { CompileWhen, Did } from "@peerage/core";
import { complaint, simulate, simulationView, type ScoresOf, type Typed } from "../../simulation.ts";
import { draw } from "../console/draw.ts";
import { element } from "../dom.ts";

const fields = ["policy", "caller", "tool", "args", "facts"] as const;

/**
 * Decides in this browser what the form of the page would have decided by the server. What was typed goes into the
 * fragment of the address, which browsers never send; the server is asked for the caller's scores alone.
 */
export class SimulateElement extends HTMLElement {
  connectedCallback(): void {
    const form = document.querySelector<HTMLFormElement>("#simulate");
    if (!form) return;
    const kept = readFragment();
    if (kept) fill(form, kept);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#decide(form);
    });
    if (kept) void this.#decide(form);
    this.dataset["ready"] = "1";
  }

  async #loadWhen(): Promise<CompileWhen> {
    const { loadCel } = (await import(this.dataset["cel"] ?? "")) as { loadCel: () => Promise<CompileWhen> };
    return loadCel();
  }

  async #decide(form: HTMLFormElement): Promise<void> {
    const typed = typedOf(form);
    history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify(typed))}`);
    const outcome = document.querySelector("#outcome");
    const roots = (this.dataset["roots"] ?? "").split(" ").filter((did) => did !== "") as Did[];
    try {
      const simulated = await simulate(typed, { roots, now: new Date(), scoresOf, loadWhen: () => this.#loadWhen() });
      outcome?.replaceChildren(draw(simulationView(simulated)));
    } catch (error) {
      const problem = complaint(error) ?? "The scores could not be fetched: try again.";
      const note = element(
        "p",
        { class: "note bad", role: "alert" },
        element("b", {}, "✕ It cannot be decided. "),
        problem,
      );
      outcome?.replaceChildren(element("section", { class: "panel" }, note));
    }
  }
}

/** Asks this site for the scores of an agent from the viewpoint of this page. */
const scoresOf: ScoresOf = async (caller, scopes) => {
  if (scopes.length === 0) return {};
  const query = new URLSearchParams({ caller, scopes: scopes.join() });
  const here = new URLSearchParams(location.search);
  for (const name of ["as", "at"]) if (here.has(name)) query.set(name, here.get(name) ?? "");
  const answer = await fetch(`/simulate.json?${query}`);
  if (!answer.ok) throw new Error("no scores");
  return ((await answer.json()) as { trust: Record<string, number> }).trust;
};

function typedOf(form: HTMLFormElement): Typed {
  const data = new FormData(form);
  const text = (name: (typeof fields)[number]): string => {
    const value = data.get(name);
    return typeof value === "string" ? value : "";
  };
  return {
    policy: text("policy"),
    caller: text("caller"),
    tool: text("tool"),
    args: text("args"),
    facts: text("facts"),
  };
}

function fill(form: HTMLFormElement, typed: Partial<Record<string, unknown>>): void {
  for (const name of fields) {
    const field = form.elements.namedItem(name);
    const value = typed[name];
    if (typeof value !== "string") continue;
    if (field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement) field.value = value;
  }
}

/** What was typed earlier, by the fragment of the address; undefined if there is nothing of the kind. */
function readFragment(): Partial<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

customElements.define("peerage-simulate", SimulateElement);
