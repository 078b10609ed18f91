import { h, type Node } from "../node.ts";

/** What whoever is not let in gets, whatever was asked for: the way in, and nothing else. */
export function door(path: string, problem?: string): Node[] {
  return [
    h(
      "section",
      { class: "panel door" },
      h("h1", {}, "Let this browser in"),
      ...(problem === undefined ? [] : [h("p", { class: "note bad", role: "alert" }, problem)]),
      h(
        "p",
        {},
        "This console shows what a guard on this machine admits and refuses. It opens to whoever can use the machine’s terminal.",
      ),
      h(
        "ol",
        { class: "numbered" },
        h("li", {}, "Run ", h("code", {}, "peerage console open"), " in a terminal."),
        h("li", {}, "Open the address that it prints, or paste its code here. A code works once."),
      ),
      h(
        "form",
        { action: "/login", method: "post", class: "lookup", "data-login": true },
        h("input", { type: "hidden", name: "to", value: path }),
        h("input", {
          name: "code",
          "aria-label": "One-time code",
          placeholder: "one-time code",
          autocomplete: "off",
          autocapitalize: "off",
          spellcheck: "false",
          required: true,
        }),
        h("button", { type: "submit" }, "Open"),
      ),
      h(
        "p",
        { class: "muted small" },
        "Let in before, and came from another page? ",
        h("a", { href: path }, "Continue"),
        ".",
      ),
    ),
  ];
}
