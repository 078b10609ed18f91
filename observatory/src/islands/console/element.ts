import type { InboxData } from "../../console/item-data.ts";
import { ApproveElement } from "./approve.ts";
import { ApproverElement } from "./approver.ts";
import { LiveElement } from "./live.ts";
import { onNews } from "./news.ts";

/** What every page of the console does beside showing itself. */
function start(): void {
  letIn();
  countDown();
  setInterval(countDown, 1_000);
  if (!document.querySelector("[data-login]")) watchApprovals();
}

/** A one-time code comes in the fragment, which no server and no log ever sees; it is taken out of the address at once. */
function letIn(): void {
  const code = /^#code=([A-Za-z0-9_-]+)$/.exec(location.hash)?.[1];
  if (code === undefined) return;
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.querySelector<HTMLFormElement>("form[data-login]");
  const field = form?.elements.namedItem("code");
  if (!form || !(field instanceof HTMLInputElement)) return;
  field.value = code;
  form.requestSubmit();
}

/** How long a request can still be answered, by this browser's clock. */
function countDown(): void {
  for (const time of document.querySelectorAll<HTMLTimeElement>("time[data-expires]")) {
    const left = Math.floor((Date.parse(time.dateTime) - Date.now()) / 1000);
    time.title ||= time.textContent;
    const [hours, rest] = [Math.floor(left / 3600), left % 3600];
    const clock = `${Math.floor(rest / 60)}:${String(rest % 60).padStart(2, "0")}`;
    time.textContent = left <= 0 ? "now" : `in ${hours > 0 ? `${hours} h ${Math.floor(rest / 60)} min` : clock}`;
  }
}

/** Title and icon count what waits; on the inbox a new request is announced, and moves nothing that is there. */
function watchApprovals(): void {
  const base = document.title.replace(/^\(\d+\) /, "");
  const shown = new Set(
    Array.from(document.querySelectorAll<HTMLElement>("[data-item]"), ({ dataset }) => dataset["item"]),
  );
  let isAsking = false;
  const look = async (): Promise<void> => {
    if (isAsking) return;
    isAsking = true;
    try {
      const answer = await fetch("/approvals.json", { headers: { accept: "application/json" }, cache: "no-store" });
      if (!answer.ok) return;
      const { open } = (await answer.json()) as InboxData;
      document.title = open.length === 0 ? base : `(${open.length}) ${base}`;
      countInIcon(open.length);
      for (const badge of document.querySelectorAll(".top .count")) badge.textContent = String(open.length);
      const arrived = document.querySelector<HTMLElement>(".arrived");
      if (arrived) arrived.hidden = open.every(({ id }) => shown.has(id));
    } finally {
      isAsking = false;
    }
  };
  onNews(({ kind }) => {
    if (kind !== "approval") return;
    document.dispatchEvent(new Event("peerage-approvals"));
    void look();
  });
}

/** A dot on the icon while something waits. */
function countInIcon(n: number): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (!link) return;
  link.dataset["plain"] ??= link.href;
  const dot =
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><circle cx="16" cy="16" r="15" fill="#b36b00"/>' +
    `<text x="16" y="22" text-anchor="middle" font-family="sans-serif" font-size="18" font-weight="700" fill="#fff">${Math.min(n, 99)}</text></svg>`;
  link.href = n === 0 ? (link.dataset["plain"] ?? "") : `data:image/svg+xml,${encodeURIComponent(dot)}`;
}

customElements.define("peerage-live", LiveElement);
customElements.define("peerage-approve", ApproveElement);
customElements.define("peerage-approver", ApproverElement);
start();
