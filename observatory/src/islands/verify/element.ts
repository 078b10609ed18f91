import { formatTilePath, parseCheckpoint, type ReadTile } from "@peerage/core";
import type { ProofBundle } from "../../proof-bundle.ts";
import { button, element } from "../dom.ts";
import type { AskedEntry } from "./entry-checks.ts";
import { attempt } from "./log-checks.ts";
import { forget, recall, remember } from "./memory.ts";
import { type Check, type Report, type Verdict, worst } from "./report.ts";
import { verifyBundle } from "./verify.ts";

const signs: Readonly<Record<Verdict, string>> = { holds: "✓", fails: "✕", open: "–" };
const words: Readonly<Record<Verdict, string>> = { holds: "holds", fails: "does not hold", open: "not checked" };

/**
 * Checks what a page shows in the visitor's own browser. `data-entries` names entries as `index:id`; rows of the same
 * panel with `data-entry` get their own button and their own result.
 */
export class VerifyElement extends HTMLElement {
  #output: HTMLElement | undefined;

  /** Checks some of the entries, or all, and the log in any case. */
  async verify(indexes?: readonly number[]): Promise<void> {
    const asked = this.#asked.filter(({ index }) => indexes?.includes(index) ?? true);
    this.#show(element("p", { class: "muted" }, "checking…"));
    try {
      const seen = recall();
      const bundle = await fetchBundle(asked, seen && sizeOf(seen.note));
      const report = await verifyBundle(bundle, asked, { seen, readTile });
      if (report.remember) remember(report.remember);
      this.#report(asked, report);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#show(element("p", { class: "note bad" }, `Nothing was checked: ${why}`));
    }
  }

  get #asked(): AskedEntry[] {
    return (this.dataset["entries"] ?? "").split(" ").flatMap((text) => {
      const at = text.indexOf(":");
      return at < 0 ? [] : [{ index: Number(text.slice(0, at)), id: text.slice(at + 1) }];
    });
  }

  #report(asked: readonly AskedEntry[], report: Report): void {
    const blocks: Node[] = [];
    let rows = 0;
    for (const { index } of asked) {
      const checks = report.entries.get(index) ?? [];
      if (this.#showInRow(index, checks, asked.length === 1)) rows++;
      else blocks.push(element("h3", {}, `Entry ${index}`), list(checks));
    }
    const all = [...report.log, ...[...report.entries.values()].flat()];
    const failed = [...report.entries.values()].filter((checks) => worst(checks) === "fails").length;
    const held = asked.length - failed;
    const verdict = worst(all);
    const what =
      asked.length === 0
        ? `The log ${words[verdict]}`
        : asked.length === 1
          ? `This entry ${words[worst(report.entries.get(asked[0]?.index ?? 0) ?? [])]}`
          : `${held} of ${asked.length} entries hold`;
    this.#show(
      element(
        "p",
        { class: `summary ${verdict}`, role: "status" },
        `${signs[verdict]} ${what}, checked in this browser`,
      ),
      ...(rows > 1
        ? [element("p", { class: "muted small" }, "Press a line’s result to see its checks one by one.")]
        : []),
      ...blocks,
      element("h3", {}, "The log"),
      list(report.log),
      ...evidence(report),
      ...(report.remember ? [] : [button("Take this log as it is from now on", () => void this.#accept())]),
      element(
        "p",
        { class: "muted small" },
        "The code that checked this came from the site it checked. ",
        element("code", {}, "peerage"),
        " checks the same on your machine, with its own code.",
      ),
    );
  }

  async #accept(): Promise<void> {
    forget();
    await this.verify();
  }

  /** Puts a result into the row of its entry, if the panel has one, and its checks below, open where something fails. */
  #showInRow(index: number, checks: readonly Check[], alone: boolean): boolean {
    const row = this.closest(".panel")?.querySelector(`tr[data-entry="${index}"]`);
    const press = row?.querySelector("button.check");
    if (!row || !press) return false;
    if (row.nextElementSibling?.classList.contains("checked")) row.nextElementSibling.remove();
    const verdict = worst(checks);
    const below = element(
      "tr",
      { class: "checked" },
      element("td", { colspan: String(row.children.length) }, list(checks)),
    );
    below.hidden = !alone && verdict !== "fails";
    row.after(below);
    // From now on the button shows and hides what it found.
    const toggle = button(`${signs[verdict]} ${words[verdict]}`, () => {
      below.hidden = !below.hidden;
      toggle.setAttribute("aria-expanded", below.hidden ? "false" : "true");
    });
    toggle.className = `quiet check ${verdict}`;
    toggle.setAttribute("aria-expanded", below.hidden ? "false" : "true");
    press.replaceWith(toggle);
    return true;
  }

  #show(...nodes: readonly Node[]): void {
    this.#output ??= this.appendChild(element("div", { class: "report" }));
    this.#output.replaceChildren(...nodes);
  }
}

function list(checks: readonly Check[]): HTMLElement {
  const lines = checks.map(({ name, verdict, text }) =>
    element(
      "li",
      { class: verdict, "data-check": name, "data-verdict": verdict },
      element("span", { class: "sign", "aria-label": words[verdict], role: "img" }, signs[verdict]),
      element("b", {}, name),
      element("span", {}, text),
    ),
  );
  return element("ul", { class: "checks" }, ...lines);
}

/** Two signed heads that contradict each other are worth keeping: anyone can check them without this site. */
function evidence({ evidence: found }: Report): Node[] {
  if (!found) return [];
  const text = JSON.stringify(found, null, 2);
  return [
    element(
      "p",
      { class: "note bad" },
      "Keep this. It proves, to anybody who knows the log’s key, that the log signed two histories.",
    ),
    element("pre", { class: "wrap" }, element("code", {}, text)),
  ];
}

async function fetchBundle(asked: readonly AskedEntry[], seen: number | undefined): Promise<ProofBundle> {
  const query = `entries=${asked.map(({ index }) => index).join(",")}${seen === undefined ? "" : `&seen=${seen}`}`;
  const answer = await fetch(`/proofs.json?${query}`, { headers: { accept: "application/json" }, cache: "no-store" });
  if (!answer.ok) throw new Error(`the registry answered ${answer.status}`);
  return (await answer.json()) as ProofBundle;
}

function sizeOf(note: string): number | undefined {
  return attempt(() => parseCheckpoint(note.slice(0, note.lastIndexOf("\n\n") + 1)).size);
}

const readTile: ReadTile = async (level, n, width) => {
  const answer = await fetch(`/${formatTilePath({ level, n, width })}`);
  if (!answer.ok) throw new Error(`the registry answered ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
};

customElements.define("peerage-verify", VerifyElement);
