import { furtherMutants } from "./_mutants-further.ts";
import { approvals, guard, http, type Mutant, of } from "./_mutant.ts";

export type { Mutant };

const proof = [
  "core/src/call",
  "core/src/jws",
  "core/src/did",
  "core/src/ed25519",
  "mcp-middleware/src/guard/proof.test.ts",
];
const json = ["core/src/json", "mcp-middleware/src/guard/message.test.ts"];
const history = ["core/src/history", "core/src/policy", "mcp-middleware/src/guard"];
const policy = ["core/src/policy"];

/**
 * Breaks of the admission path, in the order in which a call meets the lines. Lines behind which a second one refuses
 * the same are not here: the length and codec of a key, the range of S, the method beside the digest that covers it.
 */
export const mutants: readonly Mutant[] = [
  ...of("core/src/json/parse.ts", json, [
    ["a repeated member", "if (Object.hasOwn(object, name)) {", "if (false) {"],
    ["text after the value", "if (this.#at !== this.#text.length) throw", "if (false) throw"],
    ["nesting without end", "if (depth > MAX_JSON_DEPTH) throw", "if (false) throw"],
    [
      "a number that arrives as another",
      'if (value === undefined) throw this.#error("ERR_JSON_NUMBER"',
      'if (false) throw this.#error("ERR_JSON_NUMBER"',
    ],
    ["a lone surrogate", "if (surrogates && !out.isWellFormed()) throw", "if (false) throw"],
  ]),
  ...of(
    "core/src/json/parse.ts",
    [...json, ...guard],
    [["a message of any size", "if (maxBytes !== undefined && tooLarge(input, maxBytes)) {", "if (false) {"]],
  ),
  ...of("core/src/json/parse.ts", json, [
    ["a control character in a string", "if (!(code >= 0x20)) throw", "if (Number.isNaN(code)) throw"],
  ]),
  ...of("mcp-middleware/src/guard/message.ts", guard, [
    ["a batch", "if (Array.isArray(message))", "if (false)"],
    ["a message that is no object", "if (!isJsonObject(message)) throw invalid", "if (false) throw invalid"],
    ["another protocol than JSON-RPC 2.0", 'if (message["jsonrpc"] !== "2.0") throw', "if (false) throw"],
    ["an unknown member beside jsonrpc", "if (!members.has(name)) throw", "if (false) throw"],
    [
      "a call that is an answer as well",
      'if (Object.hasOwn(message, "method") || Object.hasOwn(message, "params")) throw',
      "if (false) throw",
    ],
    [
      "a request without an id, a notification with one",
      'if (Object.hasOwn(message, "id") === isNotification) throw',
      "if (false) throw",
    ],
    [
      "the caller's proof through to the server",
      "if (!name.startsWith(META_PREFIX)) setMember(meta, name, value);",
      "setMember(meta, name, value);",
    ],
  ]),
  ...of("core/src/did/did-key.ts", proof, [
    ["another DID method", 'if (!text.startsWith("did:key:")) {', 'if (!text.startsWith("did:")) {'],
  ]),
  ...of("core/src/ed25519/checks.ts", proof, [
    ["a key of small order, which signs anything", 'if (isSmallOrder(key)) return "key-small-order";', ""],
    ["a key with torsion", 'return point.isTorsionFree() ? undefined : "key-mixed-order";', "return undefined;"],
    ["R of small order", 'return isSmallOrder(r) ? "r-small-order" : undefined;', "return undefined;"],
  ]),
  ...of("core/src/jws/compact.ts", proof, [
    ["a signature that does not hold", "if (!verifySignature(header.key, signed, signature)) {", "if (false) {"],
    ["another member in the header", 'if (name !== "alg" && name !== "kid" && name !== "typ") {', "if (false) {"],
    [
      "another algorithm by name",
      'if (header["alg"] !== "EdDSA" && header["alg"] !== "Ed25519") throw',
      "if (false) throw",
    ],
    ["a token of another type", 'if (header["typ"] !== typ) throw', "if (false) throw"],
    ["any key for any DID", "if (key !== multibaseOf(did) && keysOf?.(did).includes(key) !== true) {", "if (false) {"],
    ["a token of any size", "if (token.length > MAX_JWS_BYTES) throw", "if (false) throw"],
  ]),
  ...of("core/src/call/proof.ts", proof, [
    ["an unknown claim", "if (!claimNames.has(name)) throw", "if (false) throw"],
    ["another issuer than the key's", "if (iss !== did) throw", "if (false) throw"],
    ["a list of audiences", 'if (typeof aud !== "string") throw', "if (false) throw"],
    ["a proof that lives for years", "exp - iat > MAX_CALL_LIFETIME_SECONDS)", "false)"],
    [
      "a jti that can be guessed",
      'if (typeof jti !== "string" || !jtiForm.test(jti)) throw',
      'if (typeof jti !== "string") throw',
    ],
    ["a proof for another server", "if (!context.audiences.has(proof.audience)) {", "if (false) {"],
    ["an expired proof", "if (now > proof.expiresAt + SKEW_SECONDS) {", "if (false) {"],
    ["a proof from the future", "if (now < proof.issuedAt - SKEW_SECONDS) {", "if (false) {"],
    [
      "other arguments than those signed",
      'if (proof.req !== requestDigest(message.method, message.params)) throw mismatch("req");',
      "",
    ],
  ]),
  ...of("mcp-middleware/src/guard/subject.ts", guard, [
    ["two different proofs at once", "if (header !== undefined && header !== token) {", "if (false) {"],
  ]),
  ...of("mcp-middleware/src/guard/pipeline.ts", guard, [
    [
      "every unsigned message",
      "if (!misplaced && owner === undefined && open.has(subject.method)) return undefined;",
      "return undefined;",
    ],
    [
      "unsigned messages into somebody's session",
      "if (!misplaced && owner === undefined && open.has(subject.method)) return undefined;",
      "if (!misplaced && open.has(subject.method)) return undefined;",
    ],
    [
      "a proof in the wrong place, as unsigned",
      "if (!misplaced && owner === undefined && open.has(subject.method)) return undefined;",
      "if (owner === undefined && open.has(subject.method)) return undefined;",
    ],
    ["a replay", "parts.replay.insert(proven, now);", ""],
  ]),
  ...of("mcp-middleware/src/guard/http-signature.ts", http, [
    [
      "an HTTP signature where every rule wants a proof",
      "|| !takesLess(policy)) return undefined;",
      ") return undefined;",
    ],
    [
      "a foreign signature of a session's stream",
      'if (caller?.scheme !== "peerage-http" && subject.method.startsWith("http/")) return undefined;',
      "",
    ],
  ]),
  ...of("mcp-middleware/src/guard/pipeline.ts", http, [
    [
      "an HTTP signature in place of a proof that does not hold",
      "if (spiffe || subject.proof.token !== undefined || subject.proof.misplaced) return undefined;",
      "if (spiffe) return undefined;",
    ],
  ]),
  ...of("core/src/http-signature/profile.ts", http, [
    ["two signatures of which one covers less", "if (second) throw", "if (false) throw"],
    ["a parameter that is not of the profile", "if (!parameterNames.has(name)) throw", "if (false) throw"],
    ["a header that nobody signed", "if (!covers(signed, name)) throw", "if (false) throw"],
    ["an expired HTTP signature", "  checkFresh(created, expires, options.now);\n", ""],
    [
      "another body under a signed digest",
      'if (covers(signed, "content-digest")) checkContentDigest',
      "if (false) checkContentDigest",
    ],
  ]),
  ...of("core/src/http-signature/foreign.ts", http, [
    ["the stronger of two foreign signatures", "if (second) throw", "if (false) throw"],
    ["a swapped body as body", "if (hasDigest) checkContentDigest", "if (false) checkContentDigest"],
    ["a head as body", 'binding: isWhole ? "body" : "head"', 'binding: "body"'],
    ["a key in the header that nobody signed", "if (!covers(signed, name)) throw", "if (false) throw"],
    ["an old foreign signature", "  checkFresh(created, expiresAt, options.now);\n", ""],
    [
      "a signature for any server",
      'if (!covers(signed, "@authority") && !covers(signed, "@target-uri")) {',
      "if (false) {",
    ],
  ]),
  ...of("core/src/http-signature/signature.ts", http, [
    ["any HTTP signature", "if (!verifySignature(key, base, signed.signature)) throw", "if (false) throw"],
  ]),
  ...of("mcp-middleware/src/guard/replay.ts", guard, [
    ["a replay, by the store", 'if (this.#entries.has(key)) throw replayed("seen");', ""],
    ["a proof from before this process", "if (nonce.issuedAt < this.#startedAt) throw", "if (false) throw"],
    ["one caller to fill the replay memory", "if (held >= this.#maxPerDid) throw", "if (false) throw"],
  ]),
  ...of("mcp-middleware/src/guard/pipeline.ts", guard, [
    ["another's session", "  checkOwner(owner, did);\n", ""],
    ["another's call to be cancelled", "  checkCancellation(subject, connection, did);\n", ""],
  ]),
  ...of(
    "mcp-middleware/src/guard/pipeline.ts",
    [...guard, "test/keys-guard.test.ts"],
    [["a key that was retired or revoked", "  if (parts.trust) checkKey(parts.trust, proven);\n", ""]],
  ),
  ...of(
    "mcp-middleware/src/guard/pipeline.ts",
    [...guard, "test/keys-guard.test.ts", "test/guard-trust.test.ts"],
    [["decisions on a view of any age", "  checkAge(trust, trust.maxAgeSeconds);\n", ""]],
  ),
  ...of(
    "mcp-middleware/src/guard/pipeline.ts",
    [...guard, "test/history-keys.test.ts"],
    [["entries by a key that did not stand", "    keyStood: (entry) => doesKeyCount(keys, entry, now),\n", ""]],
  ),
  ...of("mcp-middleware/src/guard/pipeline.ts", guard, [
    ["a flood of calls beyond their limit", "  parts.rates.take(limitsOf(obligations, trace.input), now);\n", ""],
  ]),
  ...of("mcp-middleware/src/guard/sessions.ts", guard, [
    ["two requests with one id", "if (!connection.inFlight.has(id)) return;", "return;"],
  ]),
  ...of(
    "mcp-middleware/src/guard/guard.ts",
    ["mcp-middleware/src/audit", "mcp-middleware/src/approval", ...guard],
    [
      [
        "a call whose decision is not recorded",
        "recorded = this.#recorder?.admitted(trace, record);",
        "try { recorded = this.#recorder?.admitted(trace, record); } catch { /* lost */ }",
      ],
    ],
  ),
  ...of("core/src/policy/decide.ts", policy, [
    ["what a deny rule forbids", "if (!isInForce(rule, facts) || !isMet(rule, facts)) continue;", "continue;"],
  ]),
  ...of("core/src/policy/judge.ts", policy, [
    ["a rule before its time and after", "return now >= from && now < until;", "return true;"],
  ]),
  ...of(
    "core/src/policy/decide.ts",
    [...policy, ...guard],
    [
      [
        "what no rule allows, after an error",
        'if (policy === undefined) return refused(undefined, "ERR_POLICY_DENIED", [{ condition: "policy" }]);',
        'if (policy === undefined) return { effect: "allow" } as never;',
      ],
    ],
  ),
  ...of("core/src/policy/decide.ts", approvals, [
    [
      "a call that a person denied",
      'if (reason === "ERR_APPROVAL_DENIED") isDenied = true;',
      "if (false) isDenied = true;",
    ],
  ]),
  ...of("mcp-middleware/src/guard/guard.ts", guard, [
    [
      "an adapter's no to be forgotten",
      "return asksAdapters(trace) ? this.#also(trace, context, { inbound }, go) : go();",
      "return go();",
    ],
  ]),
  ...of("core/src/history/requirement.ts", history, [
    [
      "a step by whoever signed it",
      "if (by === undefined ? !isCallers : !by(entry.agent, entry.spiffe) || (isCallers && !self)) return false;",
      "",
    ],
  ]),
  ...of("core/src/history/requirement.ts", approvals, [
    ["a caller to approve its own request", "|| (isCallers && !self)) return false;", ") return false;"],
    ["an approval of other arguments", "    entry.req === call.req &&\n", ""],
    ["an approval for another guard", "    entry.aud === call.guard &&\n", ""],
    ["an approval for another caller", '    member(entry.sub, "caller") === call.caller\n', "    true\n"],
    ["an approval under another policy", 'if (policy !== undefined && policy !== call.policy) return "policy";', ""],
    ["an approval after it expired", 'if (expiresAt !== undefined && call.now >= expiresAt) return "expired";', ""],
    ["a step that is too old", '|| Math.max(0, call.now - issuedAt) > withinSeconds) return "age";', ') return "age";'],
    [
      "an approval twice",
      'return once && call.spent?.(entry.digest) !== false ? "spent" : undefined;',
      "return undefined;",
    ],
    ["an approval beside a denial", 'if (!evidence.descends(place, denial)) return "overridden";', "void denial;"],
    ["a step before the one it must follow", 'if (groups.length === 0 || !groups.every(buildsOn)) return "order";', ""],
    [
      "one approver for two",
      "return new Set(counting.map((place) => entries[place]?.agent)).size;",
      "return counting.length;",
    ],
  ]),
  ...of("core/src/history/history.ts", history, [
    ["a history that was cut", "if (!sameSet(tips, head ?? [])) throw", "if (false) throw"],
    ["an entry of another run", "if (root && entry.run !== root.run) throw", "if (false) throw"],
    [
      "an entry whose past is missing",
      'throw invalid("prev-missing", "an entry refers to one that is not presented");',
      "",
    ],
    ["an entry from the future", "if (entry.issuedAt > now + SKEW_SECONDS) throw", "if (false) throw"],
    ["an entry twice", "if (later.size !== presented.length) throw", "if (false) throw"],
    [
      "a history of any length",
      "if (tokens.length > MAX_HISTORY_ENTRIES || bytes > MAX_HISTORY_BYTES) {",
      "if (false) {",
    ],
  ]),
  ...of("core/src/history/receipt.ts", history, [
    ["another server's receipt", "if (receipt.issuer !== context.server) throw", "if (false) throw"],
    ["another call's receipt", "if (receipt.call !== context.call.jti) throw", "if (false) throw"],
    [
      "a receipt for another result",
      "if (attested !== undefined && (context.result == null || attested !== digestOf(context.result))) {",
      "if (false) {",
    ],
  ]),
  ...furtherMutants,
  ...of("core/src/call/request.ts", proof, [
    ["arguments out of the digest", "return digest({ method, params: covered });", "return digest({ method });"],
  ]),
];
