import type { Did, Digest } from "@peerage/core";

/** What links carry along: viewpoint, scope and time, where they are not the usual ones. */
export interface LinkState {
  readonly as?: Did;
  readonly scope?: string;
  /** A log size or a day in the past. */
  readonly at?: string;
}

type Query = Readonly<Record<string, string | number | undefined>>;

/** Every address of the site. Pages never put an address together themselves. */
export class Links {
  readonly state: LinkState;

  constructor(state: LinkState) {
    this.state = state;
  }

  home(): string {
    return this.#to("/");
  }
  agents(query: Query = {}): string {
    return this.#to("/agents", query);
  }
  agent(did: Did): string {
    return this.#to(`/a/${did}`);
  }
  keys(did: Did): string {
    return this.#to(`/keys/${did}`);
  }
  orbit(did: Did): string {
    return this.#to(`/a/${did}/orbit`);
  }
  explain(did: Did, scope?: string): string {
    return this.#to("/explain", { to: did, ...(scope === undefined ? {} : { scope }) });
  }
  vouch(id: Digest): string {
    return this.#to(`/v/${id}`);
  }
  log(query: Query = {}): string {
    return this.#to("/log", query);
  }
  entry(index: number): string {
    return this.#to(`/log/${index}`);
  }
  feed(query: Query = {}): string {
    return this.#to("/feed", query);
  }
  scope(scope: string): string {
    return this.#to(`/scopes/${scope}`, { scope: undefined });
  }
  atom(query: Query): string {
    return this.#to("/feed.atom", { as: undefined, scope: undefined, at: undefined, ...query });
  }

  /** The same page in another form, or with other query members. */
  same(path: string, query: Query): string {
    return this.#to(path, query);
  }

  #to(path: string, query: Query = {}): string {
    const all: Query = { as: this.state.as, scope: this.state.scope, at: this.state.at, ...query };
    const pairs = Object.entries(all).flatMap(([name, value]) =>
      value === undefined || value === "" ? [] : [`${name}=${encodeURIComponent(value).replaceAll("%3A", ":")}`],
    );
    return pairs.length === 0 ? path : `${path}?${pairs.join("&")}`;
  }
}
