import type { ConsolePage } from "../ask.ts";
import { h } from "../node.ts";
import { paths } from "../paths.ts";

/** The approver's key of this browser: made here, kept here, never handed out. */
export const approver: ConsolePage<{ readonly pairing: boolean }> = {
  load: ({ options }) => ({ pairing: options.pairing !== undefined }),
  title: () => "Your key",
  view: ({ pairing }) => [
    h(
      "div",
      { class: "head" },
      h("h1", {}, "Your key"),
      h(
        "p",
        { class: "muted" },
        "Whoever approves calls here signs with a key of this browser. It is made in it, stays in it, and cannot be copied out of it, not even by this page. A lost key is replaced: make a new one, and have the old DID removed.",
      ),
    ),
    h(
      "section",
      { class: "panel", "aria-labelledby": "key" },
      h("h2", { id: "key" }, "In this browser"),
      h(
        "peerage-approver",
        { "data-pairing": pairing ? "1" : undefined },
        h(
          "p",
          { class: "muted" },
          "Making a key needs scripts and a browser with Ed25519. Without them, approve in a terminal: ",
          h("code", {}, "peerage approvals"),
          ".",
        ),
      ),
    ),
    h(
      "section",
      { class: "panel", "aria-labelledby": "how" },
      h("h2", { id: "how" }, "How a key comes to count"),
      h(
        "ol",
        { class: "numbered" },
        h("li", {}, "Make a key above. It has a DID of its own."),
        h(
          "li",
          {},
          "In the terminal of the guard’s machine run ",
          h("code", {}, "peerage console pair"),
          ". It shows a code; enter it above. Both then show the same six words.",
        ),
        h(
          "li",
          {},
          "Say yes in the terminal if the words are the same. Only that puts the DID into the policy’s approvers.",
        ),
        h("li", {}, "Or do it by hand: ", h("code", {}, "peerage approvers add <the DID>"), "."),
      ),
      h(
        "p",
        { class: "muted small" },
        "Where other people use this machine, whoever takes this console’s port while it is down could use your key, though not copy it. There, approve in a terminal with a key that has a passphrase. ",
        h("a", { href: paths.approvals() }, "What waits for you"),
      ),
    ),
  ],
  text: () => "Run this page in a browser; in a terminal: peerage approvals\n",
};
