// What the finished page cannot know: the reader's theme and clock, and what happens after it was made. Everything is
// built from text nodes and attributes; nothing here turns a string into markup.
(() => {
  "use strict";
  const root = document.documentElement;
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    // Storage may be closed to us; the system's theme it is.
  }

  const SVG = "http://www.w3.org/2000/svg";

  function element(name, properties = {}, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }

  function drawing(name, properties = {}, ...children) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(properties)) node.setAttribute(key, String(value));
    node.append(...children);
    return node;
  }

  function themeButton() {
    const button = element("button", { class: "theme", type: "button", "aria-label": "Light or dark" });
    button.append(
      drawing(
        "svg",
        { viewBox: "0 0 24 24", "aria-hidden": "true" },
        drawing("path", { d: "M12 3a9 9 0 1 0 0 18V3zm0-2a11 11 0 1 1 0 22 11 11 0 0 1 0-22z" }),
      ),
    );
    button.addEventListener("click", () => {
      const dark = root.dataset.theme
        ? root.dataset.theme === "dark"
        : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      try {
        localStorage.setItem("theme", root.dataset.theme);
      } catch {
        // Then only for this page.
      }
    });
    document.querySelector(".top")?.append(button);
  }

  function copyButtons() {
    if (!navigator.clipboard) return;
    for (const line of document.querySelectorAll("[data-copy]")) {
      const button = element("button", { class: "quiet", type: "button" }, "Copy");
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(line.dataset.copy);
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), 1500);
      });
      line.append(button);
    }
  }

  const units = [
    [86400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ];
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

  function ages() {
    for (const time of document.querySelectorAll("time[data-ago]")) {
      const seconds = Math.round((Date.parse(time.dateTime) - Date.now()) / 1000);
      const [size, unit] = units.find(([least]) => Math.abs(seconds) >= least) ?? [1, "second"];
      time.title ||= time.textContent;
      time.textContent = relative.format(Math.trunc(seconds / size), unit);
    }
  }

  // ---- islands: loaded when they are asked for

  function verifiers() {
    for (const place of document.querySelectorAll("peerage-verify")) {
      const check = async (press, indexes) => {
        press.disabled = true;
        try {
          await import(place.dataset.src);
          await place.verify(indexes);
        } catch {
          press.textContent = "It could not be loaded: try again";
        } finally {
          press.disabled = false;
        }
      };
      const all = element(
        "button",
        { type: "button", class: "verify" },
        `Verify ${place.dataset.what} in this browser`,
      );
      all.addEventListener("click", () => check(all));
      place.prepend(all);
      const table = place.closest(".panel")?.querySelector("table");
      if (!table || !table.querySelector("tr[data-entry]")) continue;
      table.querySelector("thead tr").append(element("th", {}, "Check"));
      for (const row of table.querySelectorAll("tr[data-entry]")) {
        const press = element("button", { type: "button", class: "quiet check" }, "Verify");
        press.addEventListener("click", () => check(press, [Number(row.dataset.entry)]));
        row.append(element("td", { "data-label": "Check" }, press));
      }
    }
  }

  function sliders() {
    for (const input of document.querySelectorAll("input[data-output]")) {
      const value = element("output", {}, input.value);
      input.after(value);
      input.addEventListener("input", () => (value.textContent = input.value));
      input.addEventListener("change", () => input.form.requestSubmit());
    }
  }

  function maps() {
    for (const place of document.querySelectorAll("peerage-map, peerage-try, peerage-simulate"))
      void import(place.dataset.src);
  }

  // ---- live feed

  function agentNode(agent, sigil) {
    const svg = drawing("svg", { class: "sigil", viewBox: "0 0 64 64", "aria-hidden": "true" });
    const stroke = (d, color, width) =>
      drawing("path", { d, stroke: color, "stroke-width": width, fill: "none", "stroke-linecap": "round" });
    if (sigil) {
      svg.append(
        drawing("circle", { cx: 32, cy: 32, r: 32, fill: sigil.disc }),
        stroke(sigil.lines, sigil.line, 2),
        stroke(sigil.smallStars, sigil.small, 8),
        stroke(sigil.largeStars, sigil.large, 10.5),
      );
    }
    const rest = agent.did.slice("did:key:z6Mk".length);
    const print = element(
      "span",
      { class: "fp", title: agent.did },
      element("i", {}, "z6Mk"),
      rest.slice(0, 5),
      element("i", {}, "…"),
      rest.slice(-4),
    );
    const who = element("span", { class: "who" });
    if (agent.name !== undefined) who.append(element("bdi", { class: "name" }, agent.name), " ");
    who.append(print);
    return element("a", { class: "agent", href: address(`/a/${agent.did}`) }, svg, who);
  }

  /** Keeps the viewpoint and the scope of this page. */
  function address(path, more = {}) {
    const here = new URLSearchParams(location.search);
    const query = new URLSearchParams();
    for (const name of ["as", "scope"]) if (here.get(name)) query.set(name, here.get(name));
    for (const [name, value] of Object.entries(more)) {
      if (value === "") query.delete(name);
      else query.set(name, value);
    }
    return query.size === 0 ? path : `${path}?${query}`;
  }

  function line(entry) {
    const bad = entry.kind === "Revocation" || entry.kind === "invalid" || entry.kind === "Report";
    const what = element("span", { class: "what" });
    const add = (node) => what.append(node, " ");
    if (entry.from) add(agentNode(entry.from, entry.sigils[entry.from.did]));
    add(element("span", { class: bad ? "verb bad" : "verb" }, entry.verb));
    if (entry.to) add(agentNode(entry.to, entry.sigils[entry.to.did]));
    if (entry.scope) {
      const given = element("span", { class: "given" });
      given.append(element("span", { class: "conf" }, String(entry.confidence)));
      for (const scope of entry.scope)
        given.append(" ", element("a", { class: "tag", href: address(`/scopes/${scope}`, { scope: "" }) }, scope));
      add(given);
    }
    const at = new Date(entry.at * 1000).toISOString();
    const when = element(
      "span",
      { class: "when" },
      element(
        "a",
        { href: address(`/log/${entry.index}`), "aria-label": `log entry ${entry.index}` },
        `#${entry.index}`,
      ),
      " ",
      element("time", { datetime: at }, at.slice(5, 16).replace("T", " ")),
    );
    return element("li", { class: "new", "data-index": String(entry.index) }, what, when);
  }

  function follow() {
    const list = document.querySelector("[data-feed]");
    if (!list || !("EventSource" in window)) return;
    const panel = list.closest(".panel");
    const bar = panel.querySelector("[data-live]") ?? element("p", { class: "livebar" });
    if (!bar.isConnected) list.before(bar);
    const pulse = element("span", { class: "pulse off" });
    const state = element("span", { "aria-live": "polite" }, "connecting");
    const pause = element("button", { class: "quiet", type: "button", "aria-pressed": "false" }, "Pause");
    bar.append(pulse, state, pause);

    const limit = Number(list.dataset.limit) || 60;
    const { kind, agent, in: wanted } = list.dataset;
    let last = Number(list.dataset.from);
    const newest = () => last;
    const isWanted = (entry) =>
      (!kind || entry.kind === kind) &&
      (!agent || entry.from?.did === agent || entry.to?.did === agent) &&
      (!wanted || entry.scope?.includes(wanted));
    const waiting = [];
    let paused = false;
    let held = false;
    let open = false;
    const show = () => {
      if (!paused && !held) {
        for (const entry of waiting.splice(0)) {
          if (entry.index <= newest()) continue;
          last = entry.index;
          list.prepend(line(entry));
          while (list.children.length > limit) list.lastElementChild.remove();
        }
      }
      pulse.classList.toggle("off", !open || paused);
      state.textContent =
        waiting.length > 0 ? `${waiting.length} new` : paused ? "paused" : open ? "live" : "reconnecting";
    };
    pause.addEventListener("click", () => {
      paused = !paused;
      pause.setAttribute("aria-pressed", String(paused));
      pause.textContent = paused ? "Resume" : "Pause";
      show();
    });
    const hold = (on) => () => {
      held = on;
      show();
    };
    list.addEventListener("pointerenter", hold(true));
    list.addEventListener("pointerleave", hold(false));
    list.addEventListener("focusin", hold(true));
    list.addEventListener("focusout", hold(false));

    const source = new EventSource(newest() < 0 ? "/feed.sse" : `/feed.sse?after=${newest()}`);
    source.addEventListener("open", () => {
      open = true;
      show();
    });
    source.addEventListener("error", () => {
      open = false;
      show();
    });
    source.addEventListener("message", (event) => {
      const entry = JSON.parse(event.data);
      if (isWanted(entry)) waiting.push(entry);
      if (waiting.length > 500) waiting.shift();
      show();
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    themeButton();
    copyButtons();
    verifiers();
    maps();
    sliders();
    ages();
    setInterval(ages, 10_000);
    follow();
    const search = document.querySelector(".lookup input, .search input");
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select"))
        return;
      event.preventDefault();
      search?.focus();
    });
  });
})();
