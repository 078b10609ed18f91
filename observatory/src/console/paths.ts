import type { Did } from "@peerage/core";

type Query = Readonly<Record<string, string | number | undefined>>;

/** Every address of the console. Pages never put an address together themselves. */
export const paths = {
  live: (query: Query = {}): string => to("/", query),
  calls: (query: Query = {}): string => to("/calls", query),
  call: (id: string): string => `/calls/${encodeURIComponent(id)}`,
  approvals: (query: Query = {}): string => to("/approvals", query),
  approval: (id: string): string => `/approvals/${encodeURIComponent(id)}`,
  approver: (): string => "/approver",
  agent: (did: Did): string => `/agents/${did}`,
  policy: (query: Query = {}): string => to("/policy", query),
  audit: (query: Query = {}): string => to("/audit", query),
  /** A page in another form, or with other members of its query. */
  same: (path: string, query: Query): string => to(path, query),
} as const;

function to(path: string, query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [`${name}=${encodeURIComponent(value).replaceAll("%3A", ":")}`],
  );
  return pairs.length === 0 ? path : `${path}?${pairs.join("&")}`;
}
