import {
  type Digest,
  generateIdentity,
  type Identity,
  issueProfile,
  multibaseOf,
  signDelivery,
  signInboxRequest,
  signMessage,
  utf8,
} from "@peerage/core";
import { expect } from "vitest";
import { seal } from "../cli/src/messages/age.ts";
import { messageId } from "../cli/src/messages/post.ts";

const CONNECTIONS = 12;

/** A registry in a process of its own, which can be killed. */
export interface Killable {
  readonly url: string;
  kill(): Promise<void>;
}

/** Agents at a registry who write to one another, and what the registry said it had kept and erased. */
export class Correspondence {
  readonly agents: readonly Identity[];
  readonly #audience: string;
  readonly #kept = new Map<Digest, Identity>();
  readonly #erased = new Map<Digest, Identity>();

  private constructor(agents: readonly Identity[], audience: string) {
    this.agents = agents;
    this.#audience = audience;
  }

  /** Makes agents who have joined. */
  static async begin(url: string, count: number): Promise<Correspondence> {
    const agents = Array.from({ length: count }, generateIdentity);
    for (const one of agents) {
      const { bytes: body } = await issueProfile(one, { role: "agent" });
      const answer = await fetch(`${url}/v1/statements`, {
        method: "POST",
        body: body as BodyInit,
        headers: { prefer: "wait=15" },
      });
      expect(answer.status).toBe(201);
    }
    const said = (await (await fetch(`${url}/.well-known/peerage-registry.json`)).json()) as { origin: string };
    return new Correspondence(agents, said.origin);
  }

  /** How many messages were acknowledged so far, and how many erasures. */
  get acknowledged(): { readonly kept: number; readonly erased: number } {
    return { kept: this.#kept.size, erased: this.#erased.size };
  }

  /** Writes and erases over many connections, and kills in the moment in which so many were acknowledged in addition. */
  async untilKilled(registry: Killable, after: number, round: number): Promise<void> {
    const pairs = this.agents.flatMap((sender) =>
      this.agents.flatMap((to) => (to === sender ? [] : [[sender, to] as const])),
    );
    const start = this.#kept.size + this.#erased.size;
    let killed: Promise<void> | undefined;
    const acknowledge = (): void => {
      if (this.#kept.size + this.#erased.size - start >= after) killed ??= registry.kill();
    };
    const work = async (): Promise<void> => {
      for (let pair = pairs.shift(); pair && !killed; pair = pairs.shift()) {
        const [sender, recipient] = pair;
        const id = await this.#put(registry.url, sender, recipient, `round ${round}`).catch(() => undefined);
        if (id === undefined) continue;
        this.#kept.set(id, recipient);
        acknowledge();
        if (this.#kept.size % 3 !== 0 || !(await this.#erase(registry.url, recipient, id).catch(() => false))) continue;
        this.#erased.set(id, recipient);
        acknowledge();
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, work));
    await (killed ?? registry.kill());
  }

  /** Checks that everything acknowledged is there, and everything erased is gone. */
  async check(url: string): Promise<void> {
    for (const agent of this.agents) {
      const answer = await this.#ask(url, agent, "list");
      expect(answer.status).toBe(200);
      const { messages } = (await answer.json()) as { messages: { id: Digest }[] };
      const there = new Set(messages.map(({ id }) => id));
      const own = [...this.#kept].flatMap(([id, to]) => (to === agent ? [id] : []));
      // An erasure that was not acknowledged may have been done all the same.
      expect(own.filter((id) => !there.has(id) && !this.#erased.has(id)).length).toBeLessThanOrEqual(CONNECTIONS);
      for (const id of own.filter((one) => !there.has(one)))
        expect((await this.#ask(url, agent, "fetch", id)).status, "gone by an erasure alone").toBe(410);
      expect(own.filter((id) => there.has(id) && this.#erased.has(id))).toEqual([]);
    }
  }

  async #put(url: string, sender: Identity, recipient: Identity, text: string): Promise<Digest | undefined> {
    const content = await signMessage(sender, { recipient: recipient.did, body: utf8(text) });
    const sealed = await seal(multibaseOf(recipient.did), content);
    const id = messageId(sealed);
    const token = await signDelivery(sender, { audience: this.#audience, recipient: recipient.did, message: id });
    const headers = { authorization: `Peerage ${token}` };
    const answer = await fetch(`${url}/v1/messages/${id}`, { method: "PUT", body: sealed as BodyInit, headers });
    await answer.text();
    return answer.status === 201 ? id : undefined;
  }

  async #erase(url: string, recipient: Identity, id: Digest): Promise<boolean> {
    return (await this.#ask(url, recipient, "erase", id)).status === 204;
  }

  async #ask(url: string, who: Identity, action: "list" | "fetch" | "erase", message?: Digest): Promise<Response> {
    const token = await signInboxRequest(who, { audience: this.#audience, action, ...(message ? { message } : {}) });
    return fetch(`${url}/v1/messages${message ? `/${message}` : ""}`, {
      method: action === "erase" ? "DELETE" : "GET",
      headers: { authorization: `Peerage ${token}` },
    });
  }
}
