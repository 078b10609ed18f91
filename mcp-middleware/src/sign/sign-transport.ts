import type { JsonObject, JsonValue } from "@peerage/core";
import { interceptHandler } from "../adapters/intercept.ts";
import type { CallSigner } from "./call-signer.ts";

/** What both SDK majors call a transport, as far as signing needs it. */
export interface SignableTransport {
  start(): Promise<void>;
  send(message: never, options?: never): Promise<void>;
  onmessage?: ((message: never, extra?: never) => void) | undefined;
}

/** The parts that are replaced, in a type that both majors' own types convert to. */
interface Loose {
  send(message: JsonObject, options?: unknown): Promise<void>;
  onmessage?: ((message: JsonValue, extra?: unknown) => void) | undefined;
}

/**
 * Makes an SDK client's transport (stdio, in-memory; both majors) sign every request and notification, and look at what
 * the server answers. Messages leave in the order in which they were sent. Returns the same transport; hand it to
 * `client.connect`. For HTTP use `signFetch`, which can also sign GET and DELETE.
 */
export function signTransport<T extends SignableTransport>(transport: T, signer: CallSigner): T {
  const loose = transport as unknown as Loose;
  const send = loose.send.bind(loose);
  let signed: Promise<unknown> = Promise.resolve();
  interceptHandler<NonNullable<Loose["onmessage"]>>(loose, "onmessage", (handler) => (message, extra) => {
    signer.received(message);
    handler.call(loose, message, extra);
  });
  loose.send = async (message, options) => {
    // What is signed is what arrives: members that JSON drops or changes are dropped and changed first.
    const mine = signed.then(() => signer.sign(JSON.parse(JSON.stringify(message)) as JsonObject));
    signed = mine.catch(() => undefined);
    await send(await mine, options);
  };
  signSiblings(transport, signer);
  return transport;
}

/**
 * SDK 2's client in `auto` mode asks a stdio server for its revision in a process of its own, over a transport that it
 * makes with this one's constructor. That is the first contact in which a server names itself, so it is signed as well.
 */
function signSiblings(transport: SignableTransport, signer: CallSigner): void {
  const Original = transport.constructor as new (...args: unknown[]) => SignableTransport;
  const value = function (...args: unknown[]): SignableTransport {
    return signTransport(new Original(...args), signer);
  };
  Object.defineProperty(transport, "constructor", { value, configurable: true, writable: true });
}
