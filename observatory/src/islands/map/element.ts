import type { NamedStar } from "../../map-columns.ts";
import { button, element } from "../dom.ts";
import { MapCanvas } from "./canvas.ts";
import { scoreText } from "../../ui/format.ts";
import { fetchMap, fetchNames, type Star, type StarMap } from "./data.ts";
import type { OrbitLook } from "./orbit.ts";
import { step, walks } from "./walk.ts";

const SVG = "http://www.w3.org/2000/svg";
/** A pointer that has been over a star for so long means it. */
const RESTS_MS = 80;

/** The map: it takes the place of the server's still picture, and the list below it stays its twin. */
export class MapElement extends HTMLElement {
  #canvas: MapCanvas | undefined;
  #map: StarMap | undefined;
  #panel: HTMLElement | undefined;
  #said: HTMLElement | undefined;
  readonly #asking = new Map<number, Promise<void>>();
  #hovered: number | undefined;
  #resting: ReturnType<typeof setTimeout> | undefined;

  async connectedCallback(): Promise<void> {
    if (this.#map || this.dataset["map"] === undefined) return;
    this.setAttribute("aria-busy", "true");
    try {
      this.#map = await fetchMap(this.dataset["map"], Math.min(1.5, Math.max(0.8, this.clientWidth / 700)));
    } catch {
      // The still picture and the list stay.
    } finally {
      this.removeAttribute("aria-busy");
    }
    if (this.#map) this.#draw(this.#map);
    // The positions came after the page: now it can show what it could not.
    else if (this.dataset["map"].includes("community")) location.reload();
  }

  #draw(map: StarMap): void {
    const stage = element("div", {
      class: "stage",
      tabindex: "0",
      role: "application",
      "aria-label": `${map.orbit ? "Orbit" : "Map"} of ${map.stars.length} agents. Arrow keys walk from agent to agent, Enter opens one, plus and minus zoom.`,
      "aria-describedby": this.dataset["labelledBy"] ?? "",
    });
    this.#panel = element("div", { class: "starcard", hidden: "" });
    this.#said = element("p", { class: "said", "aria-live": "polite" });
    const tools = element(
      "div",
      { class: "maptools" },
      labelled(
        button("+", () => this.#canvas?.zoomBy(1.6)),
        "Zoom in",
      ),
      labelled(
        button("−", () => this.#canvas?.zoomBy(1 / 1.6)),
        "Zoom out",
      ),
      labelled(
        button("⤢", () => this.#canvas?.fit()),
        "Show all",
      ),
    );
    this.replaceChildren(stage, tools, this.#panel, this.#said);
    this.#canvas = new MapCanvas(stage, map, this.dataset["lens"] ?? "community", (wanted) => void this.#name(wanted));
    this.#listen(stage, map);
    new ResizeObserver(() => this.#canvas?.resize()).observe(stage);
    const recolour = (): void => this.#canvas?.recolour();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
    new MutationObserver(recolour).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    if (map.selected !== undefined) void this.#choose(map.selected, true);
  }

  #listen(stage: HTMLElement, map: StarMap): void {
    const at = (event: PointerEvent): number | undefined => {
      const box = stage.getBoundingClientRect();
      const reach = event.pointerType === "mouse" ? 6 : 20;
      return this.#canvas?.at(event.clientX - box.left, event.clientY - box.top, reach);
    };
    let pressed: { x: number; y: number } | undefined;
    stage.addEventListener("pointerdown", (event) => (pressed = { x: event.clientX, y: event.clientY }), true);
    stage.addEventListener("pointermove", (event) => {
      if (event.buttons > 0 || event.pointerType !== "mouse") return;
      const over = at(event);
      stage.classList.toggle("over", over !== undefined);
      this.#hover(over);
    });
    stage.addEventListener("pointerleave", () => this.#hover(undefined));
    stage.addEventListener(
      "pointerup",
      (event) => {
        const moved = pressed ? Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) : Infinity;
        if (moved < 5) void this.#choose(at(event));
      },
      true,
    );
    stage.addEventListener("keydown", (event) => {
      const chosen = this.#canvas?.chosen;
      if (walks(event.key)) {
        const next = chosen === undefined ? map.order[0] : step(map, chosen, event.key);
        if (next !== undefined) void this.#choose(next);
      } else if (event.key === "Enter" && chosen !== undefined) void this.#open(chosen);
      else if (event.key === "Escape") void this.#choose(undefined);
      else if (event.key === "+" || event.key === "=") this.#canvas?.zoomBy(1.6);
      else if (event.key === "-") this.#canvas?.zoomBy(1 / 1.6);
      else if (event.key === "0") this.#canvas?.fit();
      else return;
      event.preventDefault();
    });
  }

  /** What the pointer is over gets its name; in an orbit also its score and the way there, unless a star is chosen. */
  #hover(i: number | undefined): void {
    if (i === this.#hovered) return;
    this.#hovered = i;
    this.#canvas?.hover(i);
    clearTimeout(this.#resting);
    const tells = this.#map?.orbit !== undefined && this.#canvas?.chosen === undefined;
    if (i === undefined && tells) void this.#tell(undefined);
    if (i === undefined) return;
    // On its way over many it asks for no names: a registry answers so many requests a minute.
    this.#resting = setTimeout(() => void (tells ? this.#tell(i) : this.#name([i])), RESTS_MS);
  }

  async #choose(i: number | undefined, near = false): Promise<void> {
    this.#canvas?.choose(i, near);
    const told = await this.#tell(i);
    if (told !== undefined && this.#said) this.#said.textContent = told;
  }

  /** Opens an agent's page once the card is its own: that of the one before stands until a name has come. */
  async #open(i: number): Promise<void> {
    if ((await this.#tell(i)) !== undefined) this.#panel?.querySelector("a")?.click();
  }

  /** Fills the card; gives what is to be said aloud. */
  async #tell(i: number | undefined): Promise<string | undefined> {
    const panel = this.#panel;
    if (!panel || !this.#map) return undefined;
    panel.hidden = i === undefined;
    if (i === undefined) return undefined;
    const { orbit, names, stars } = this.#map;
    await this.#name(orbit?.wayTo(i) ?? [i]);
    const named = names.get(i);
    const star = stars[i];
    if (!named || !star || (this.#canvas?.chosen ?? this.#hovered) !== i) return undefined;
    if (orbit) return this.#tellOfOrbit(panel, orbit, star, named);
    const score = star.root ? "a root" : star.score === undefined ? "unknown from here" : star.score.toFixed(2);
    const count = `${star.received} ${star.received === 1 ? "vouch" : "vouches"} received`;
    panel.replaceChildren(
      who(named, address(`/a/${named.did}`)),
      element("p", { class: "muted small" }, this.#map.unseen ? count : `${score} · ${count}`),
      element(
        "p",
        { class: "small row" },
        element("a", { href: address("/explain", { to: named.did }) }, "Why?"),
        element("a", { href: address("/map", { as: named.did }) }, "Look as this agent"),
        element("a", { href: address(`/a/${named.did}/orbit`) }, "Orbit"),
      ),
    );
    return `${spoken(named)}, ${score}, ${count}`;
  }

  #tellOfOrbit(panel: HTMLElement, orbit: OrbitLook, star: Star, named: NamedStar): string {
    const way = orbit.wayTo(star.i).map((i) => this.#map?.names.get(i));
    const score = star.score === undefined ? "the one who looks" : `${scoreText(star.score)} from here`;
    const steps = way.flatMap((one, n) => [
      n > 0 ? " → " : "",
      one === undefined ? "…" : element("bdi", {}, one.name ?? `${one.did.slice(12, 17)}…${one.did.slice(-4)}`),
    ]);
    const why = { to: named.did, as: orbit.centre.did };
    panel.replaceChildren(
      who(named, address(`/a/${named.did}`)),
      element("p", { class: "muted small" }, score),
      ...(way.length > 1 ? [element("p", { class: "small chain" }, ...steps)] : []),
      element(
        "p",
        { class: "small row" },
        ...(way.length > 1 ? [element("a", { href: address("/explain", why) }, "Why?")] : []),
        element("a", { href: address(`/a/${named.did}/orbit`) }, "Its own orbit"),
      ),
    );
    const by = way.slice(1, -1).map((one) => (one ? spoken(one) : "another"));
    return `${spoken(named)}, ${score}${by.length > 0 ? `, by way of ${by.join(" and ")}` : ""}`;
  }

  /** Fetches the names that are wanted and not known, in one request; those that are on their way are waited for. */
  async #name(wanted: readonly number[]): Promise<void> {
    const { names } = this.#map ?? {};
    if (!names) return;
    const unknown = wanted.filter((i) => !names.has(i));
    const missing = unknown.filter((i) => !this.#asking.has(i)).slice(0, 100);
    if (missing.length > 0) {
      const asked = this.#ask(names, missing);
      for (const i of missing) this.#asking.set(i, asked);
    }
    await Promise.all(unknown.flatMap((i) => this.#asking.get(i) ?? []));
  }

  async #ask(names: StarMap["names"], missing: readonly number[]): Promise<void> {
    const found = await fetchNames(this.dataset["map"] ?? "", missing, this.#map?.orbit?.version).catch(() => []);
    // Another map has taken its place meanwhile, whose agents have other numbers.
    if (this.#map?.names !== names) return;
    for (const i of missing) this.#asking.delete(i);
    if (found === undefined) {
      this.#map = undefined;
      this.#asking.clear();
      return this.connectedCallback();
    }
    for (const star of found) names.set(star.i, star);
    this.#canvas?.redraw();
  }
}

function labelled(node: HTMLButtonElement, label: string): HTMLButtonElement {
  node.setAttribute("aria-label", label);
  node.title = label;
  return node;
}

function spoken({ did, name }: NamedStar): string {
  return `${name ?? ""} ${did.slice(12, 17)} ${did.slice(-4)}`;
}

/** Keeps viewpoint and scope. */
function address(path: string, more: Readonly<Record<string, string>> = {}): string {
  const here = new URLSearchParams(location.search);
  const query = new URLSearchParams();
  for (const name of ["as", "scope"]) if (here.get(name)) query.set(name, here.get(name) ?? "");
  for (const [name, value] of Object.entries(more)) query.set(name, value);
  const text = query.toString().replaceAll("%3A", ":");
  return text === "" ? path : `${path}?${text}`;
}

/** Sigil, name and fingerprint, from text nodes and attributes. */
function who({ did, name, sigil }: NamedStar, href: string): HTMLElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "sigil");
  svg.setAttribute("viewBox", "0 0 64 64");
  svg.setAttribute("aria-hidden", "true");
  const shape = (tag: string, attributes: Readonly<Record<string, string>>): void => {
    const node = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    svg.append(node);
  };
  const stroke = (d: string, colour: string, width: string): void =>
    shape("path", { d, stroke: colour, "stroke-width": width, fill: "none", "stroke-linecap": "round" });
  shape("circle", { cx: "32", cy: "32", r: "32", fill: sigil.disc });
  stroke(sigil.lines, sigil.line, "2");
  stroke(sigil.smallStars, sigil.small, "8");
  stroke(sigil.largeStars, sigil.large, "10.5");
  const print = element(
    "span",
    { class: "fp", title: did },
    element("i", {}, "z6Mk"),
    did.slice(12, 17),
    element("i", {}, "…"),
    did.slice(-4),
  );
  const text = element("span", { class: "who" });
  if (name !== undefined) text.append(element("bdi", { class: "name" }, name), " ");
  text.append(print);
  const link = element("a", { class: "agent", href });
  link.append(svg, text);
  return link;
}

customElements.define("peerage-map", MapElement);
