import { type Did, type JsonObject, type JsonValue, PeerageError } from "@peerage/core";

const MAX_SESSIONS = 65_536;
const MAX_SESSIONS_PER_DID = 1_024;
const IDLE_MS = 86_400_000;
const MAX_IN_FLIGHT = 1_024;
const MAX_IN_FLIGHT_PER_DID = 256;

function bound(detail: string): PeerageError {
  return new PeerageError("ERR_SESSION_BOUND", "this session belongs to another identity", { detail });
}

/** One pipe, or one HTTP session in process: whose it is and which requests are running in it. */
export interface Connection {
  /** The DID of the session's first admitted message; undefined while nobody has signed. */
  owner: Did | undefined;
  /** Requests that were forwarded and not answered, with who asked; undefined for the unsigned lifecycle set. */
  readonly inFlight: Map<string | number, Did | undefined>;
  /** What the client said at `initialize` that it can do. */
  capabilities: JsonValue | undefined;
  /** What the guard itself asked on this connection, by id: told of the answer. */
  readonly questions: Map<string, (response: JsonObject) => void>;
  /** Ends the wait of a call that waits for a person. */
  readonly waiting: Map<string | number, () => void>;
}

/**
 * Sessions and ids in flight. A session id is no authority: whoever knows one still needs the key of the DID to which
 * the session is bound.
 */
export class Sessions {
  readonly #connections = new WeakMap<object, Connection>();
  readonly #owners = new Map<string, { readonly did: Did; seen: number; isEnded: boolean }>();
  readonly #perDid = new Map<Did, number>();
  readonly #running = new Map<Did, number>();

  connection(key: object): Connection {
    let connection = this.#connections.get(key);
    if (!connection) {
      connection = {
        owner: undefined,
        inFlight: new Map(),
        capabilities: undefined,
        questions: new Map(),
        waiting: new Map(),
      };
      this.#connections.set(key, connection);
    }
    return connection;
  }

  /** To whom a session is bound: an HTTP session by its id, otherwise the connection itself. */
  owner(connection: Connection, session: string | undefined, now: Date): Did | undefined {
    if (session === undefined) return connection.owner;
    const known = this.#owners.get(session);
    if (known) known.seen = now.getTime();
    return known?.did;
  }

  /**
   * Binds a session, unless it is bound. Bounded in all and for each identity.
   * @throws {PeerageError} ERR_SESSION_BOUND if it is another's
   */
  bind(connection: Connection, session: string | undefined, did: Did, now: Date): void {
    const owner = this.owner(connection, session, now);
    if (owner !== undefined && owner !== did) throw bound("owner");
    if (owner !== undefined) return;
    if (session === undefined) {
      connection.owner = did;
      return;
    }
    this.#makeRoom(did, now.getTime());
    this.#owners.set(session, { did, seen: now.getTime(), isEnded: false });
    this.#perDid.set(did, (this.#perDid.get(did) ?? 0) + 1);
  }

  /** Its owner ended a session. It stays bound while there is room: the server may not have let go of it. */
  end(session: string): void {
    const known = this.#owners.get(session);
    if (!known || known.isEnded) return;
    known.isEnded = true;
    lower(this.#perDid, known.did);
  }

  /**
   * Marks a request as running.
   * @throws {PeerageError} ERR_MESSAGE_INVALID if its id is in flight, ERR_RATE_LIMITED if too much is running
   */
  begin(connection: Connection, id: string | number, did: Did | undefined): void {
    checkIdFree(connection, id);
    const running = did === undefined ? 0 : (this.#running.get(did) ?? 0);
    if (connection.inFlight.size >= MAX_IN_FLIGHT || running >= MAX_IN_FLIGHT_PER_DID) {
      throw new PeerageError("ERR_RATE_LIMITED", "too many calls are running", { detail: "in-flight" });
    }
    connection.inFlight.set(id, did);
    if (did !== undefined) this.#running.set(did, running + 1);
  }

  /** Marks a request as answered; false if it was not running. */
  finish(connection: Connection, id: string | number): boolean {
    if (!connection.inFlight.has(id)) return false;
    const did = connection.inFlight.get(id);
    connection.inFlight.delete(id);
    if (did !== undefined) lower(this.#running, did);
    return true;
  }

  /**
   * Who holds too many sessions loses its own oldest one, so that nobody, however many identities it makes up, can keep
   * others out. Clients that never end their sessions are common.
   */
  #makeRoom(did: Did, now: number): void {
    const isFull = (): boolean => this.#owners.size >= MAX_SESSIONS;
    if ((this.#perDid.get(did) ?? 0) >= MAX_SESSIONS_PER_DID) this.#removeOldest(did);
    if (isFull()) this.#removeIdle(now);
    if (!isFull()) return;
    let busiest = did;
    for (const [other, held] of this.#perDid) if (held > (this.#perDid.get(busiest) ?? 0)) busiest = other;
    this.#removeOldest(busiest);
  }

  #removeOldest(did: Did): void {
    let oldest: { session: string; seen: number } | undefined;
    for (const [session, known] of this.#owners) {
      if (known.did !== did || known.isEnded || (oldest && oldest.seen <= known.seen)) continue;
      oldest = { session, seen: known.seen };
    }
    if (!oldest) return;
    this.end(oldest.session);
    this.#owners.delete(oldest.session);
  }

  #removeIdle(now: number): void {
    for (const [session, { seen, isEnded }] of this.#owners) {
      if (!isEnded && now - seen <= IDLE_MS) continue;
      this.end(session);
      this.#owners.delete(session);
    }
  }
}

/** @throws {PeerageError} ERR_MESSAGE_INVALID if a request with this id is running */
export function checkIdFree(connection: Connection, id: string | number): void {
  if (!connection.inFlight.has(id)) return;
  throw new PeerageError("ERR_MESSAGE_INVALID", "a request with this id is running", { detail: "id-in-flight" });
}

/** @throws {PeerageError} ERR_SESSION_BOUND if the owner is somebody else */
export function checkOwner(owner: Did | undefined, did: Did): void {
  if (owner !== undefined && owner !== did) throw bound("owner");
}

function lower(counts: Map<Did, number>, did: Did): void {
  const left = (counts.get(did) ?? 1) - 1;
  if (left > 0) counts.set(did, left);
  else counts.delete(did);
}
