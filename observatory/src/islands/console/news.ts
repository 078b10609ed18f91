import type { News } from "../../console/row.ts";

let source: EventSource | undefined;

/** Tells of each record as guards write it, and whether the line to the console stands. One stream a page. */
export function onNews(tell: (news: News) => void, line: (isOpen: boolean) => void = () => undefined): void {
  source ??= new EventSource("/live.sse");
  source.addEventListener("message", ({ data }) => tell(JSON.parse(String(data)) as News));
  source.addEventListener("open", () => line(true));
  source.addEventListener("error", () => line(false));
}
