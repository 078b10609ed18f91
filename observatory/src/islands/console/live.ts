import type { LiveData } from "../../console/live-data.ts";
import { liveView } from "../../console/live-view.ts";
import { element } from "../dom.ts";
import { draw } from "./draw.ts";
import { onNews } from "./news.ts";

/** Soonest and latest time between two looks, in milliseconds. */
const SOONEST_MS = 150;
const LATEST_MS = 10_000;

/** Keeps the live page live: the same data, drawn by the same code as on the server, whenever something was decided. */
export class LiveElement extends HTMLElement {
  #missed = 0;
  #isPaused = false;
  #isHeld = false;
  #isOpen = false;
  #isAsking = false;
  #isStale = false;
  #lastAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #pulse = element("span", { class: "pulse off" });
  readonly #state = element("span", { role: "status" }, "connecting");
  readonly #pause = element("button", { class: "quiet", type: "button", "aria-pressed": "false" }, "Pause");

  connectedCallback(): void {
    if (this.querySelector(".livebar")) return;
    this.prepend(element("p", { class: "livebar" }, this.#pulse, this.#state, this.#pause));
    this.#pause.addEventListener("click", () => {
      this.#isPaused = !this.#isPaused;
      this.#pause.setAttribute("aria-pressed", String(this.#isPaused));
      this.#pause.textContent = this.#isPaused ? "Resume" : "Pause";
      this.#changed();
    });
    const view = this.#view;
    const hold = (on: boolean) => (): void => {
      this.#isHeld = on;
      this.#changed();
    };
    // What somebody is about to press must not move away.
    view.addEventListener("focusin", hold(true));
    view.addEventListener("focusout", hold(false));
    view.addEventListener("pointerover", ({ target }) => {
      const isOver = target instanceof Element && target.closest("table, .topology a, .tally") !== null;
      if (isOver !== this.#isHeld && !view.contains(document.activeElement)) hold(isOver)();
    });
    view.addEventListener("pointerleave", () => {
      if (!view.contains(document.activeElement)) hold(false)();
    });
    view.addEventListener("input", ({ target }) => this.#scrub(target));
    onNews(
      () => {
        this.#missed++;
        this.#isStale = true;
        this.#changed();
      },
      (isOpen) => {
        // Whatever was decided while nobody told is fetched now.
        if (isOpen && !this.#isOpen) this.#isStale = true;
        this.#isOpen = isOpen;
        this.#changed();
      },
    );
    setInterval(() => {
      this.#isStale ||= document.visibilityState === "visible";
      this.#changed();
    }, LATEST_MS);
  }

  get #view(): HTMLElement {
    return this.querySelector(".liveview") ?? this;
  }

  /** A page of the past stays as it is. */
  get #isPast(): boolean {
    return new URLSearchParams(location.search).has("at");
  }

  #changed(): void {
    const isWaiting = this.#isPaused || this.#isHeld || this.#isPast;
    if (this.#isStale && !isWaiting && !this.#isAsking) {
      const wait = Math.max(0, this.#lastAt + SOONEST_MS - Date.now());
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        void this.#refresh();
      }, wait);
    }
    this.#pulse.classList.toggle("off", !this.#isOpen || isWaiting);
    const word = this.#isPast ? "replay" : this.#isPaused ? "paused" : this.#isOpen ? "live" : "reconnecting";
    const text = isWaiting && this.#missed > 0 ? `${word}, ${this.#missed} new` : word;
    if (this.#state.textContent !== text) this.#state.textContent = text;
    this.#pause.hidden = this.#isPast;
  }

  async #refresh(): Promise<void> {
    this.#isAsking = true;
    this.#isStale = false;
    this.#lastAt = Date.now();
    try {
      const data = await fetchLive(location.search);
      // Held or paused meanwhile: it is drawn later, with what comes until then.
      if (this.#isHeld || this.#isPaused || this.#isPast) this.#isStale = true;
      else {
        this.#missed = 0;
        this.#view.replaceChildren(...liveView(data).map((node) => draw(node)));
      }
    } catch {
      this.#isStale = true;
      this.#lastAt = Date.now() + 1_000;
    } finally {
      this.#isAsking = false;
      this.#changed();
    }
  }

  #scrubbed: string | undefined;

  /** The slider: everything but itself is drawn anew while it is dragged, and the address keeps the moment. */
  #scrub(target: EventTarget | null): void {
    if (!(target instanceof HTMLInputElement) || !("replay" in target.dataset)) return;
    const query = new URLSearchParams(location.search);
    if (target.value === target.max) query.delete("at");
    else query.set("at", target.value);
    const search = query.size === 0 ? "" : `?${query}`;
    history.replaceState(null, "", `/${search}`);
    const isFirst = this.#scrubbed === undefined;
    this.#scrubbed = search;
    if (isFirst) void this.#follow();
    this.#changed();
  }

  async #follow(): Promise<void> {
    while (this.#scrubbed !== undefined) {
      const search = this.#scrubbed;
      try {
        const fresh = liveView(await fetchLive(search)).map((node) => draw(node) as Element);
        const old = [...this.#view.children];
        for (const [i, node] of fresh.entries()) {
          const place = old[i];
          if (!place) continue;
          if (!place.classList.contains("replay")) place.replaceWith(node);
          else
            for (const part of ["h2", ".bars"]) place.querySelector(part)?.replaceWith(node.querySelector(part) ?? "");
        }
      } catch {
        // The next move of the slider asks again.
      }
      if (this.#scrubbed === search) this.#scrubbed = undefined;
    }
  }
}

async function fetchLive(search: string): Promise<LiveData> {
  const answer = await fetch(`/index.json${search}`, { headers: { accept: "application/json" }, cache: "no-store" });
  if (!answer.ok) throw new Error(`the console answered ${answer.status}`);
  return (await answer.json()) as LiveData;
}
