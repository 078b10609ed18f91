import { guard, http, type Mutant, of } from "./_mutant.ts";

const presented = ["test/presented-vouches.test.ts"];
const spiffe = ["mcp-middleware/src/spiffe"];
const desk = ["mcp-middleware/src/approval"];
const mode = ["mcp-middleware/src/guard/mode.test.ts"];
const keys = ["mcp-middleware/src/guard", "mcp-middleware/src/approval", "test/history-keys.test.ts"];

/** Breaks of what stands beside the call proof: HTTP signatures, presented vouches, SPIFFE, approvals, keys and mode. */
export const furtherMutants: readonly Mutant[] = [
  ...of("core/src/http-signature/profile.ts", http, [
    [
      "an HTTP signature that lives for days",
      "if (!(expires > created && expires - created <= MAX_HTTP_SIGNATURE_SECONDS)) {",
      "if (false) {",
    ],
    ["an HTTP signature whose nonce can be guessed", "|| !/^[\\w-]{22,86}$/.test(nonce))", ")"],
    [
      "an Authorization header that was added on the way",
      '"mcp-method", "mcp-name", "authorization"];',
      '"mcp-method", "mcp-name"];',
    ],
  ]),
  ...of("core/src/http-signature/caller.ts", http, [
    ["an HTTP signature by any key for any DID", "  checkKeyOf(did, fragment, options);\n", ""],
    ["an HTTP signature from the future", "if (created > seconds + SKEW_SECONDS) {", "if (false) {"],
  ]),
  ...of("core/src/http-signature/content-digest.ts", http, [
    ["a digest of another body", "|| !equalBytes(claimed, digest(body))) {", ") {"],
    ["a digest by an algorithm that nobody computes", "if (known === 0) throw", "if (false) throw"],
  ]),
  ...of("core/src/http-signature/signature.ts", http, [
    ["a component that is covered twice", "if (new Set(names).size < names.length) throw", "if (false) throw"],
    [
      "a part of a header for the whole",
      "component.name === name && component.parameters.size === 0",
      "component.name === name",
    ],
  ]),
  ...of("core/src/http-signature/foreign.ts", http, [
    [
      "another method under a signed body",
      'hasDigest && covers(signed, "@method") && coversTarget',
      "hasDigest && coversTarget",
    ],
    ["another query under a signed path", '(!hasQuery || covers(signed, "@query"))', "true"],
    [
      "a foreign signature that says it lives for years",
      "Math.min(expires, created + MAX_SECONDS[scheme]);",
      "expires;",
    ],
    [
      "an AAuth signature that does not cover its key",
      '["@method", "@authority", "@path", "signature-key"]',
      '["@method", "@authority", "@path"]',
    ],
  ]),
  ...of("mcp-middleware/src/guard/http-signature.ts", http, [
    ["an HTTP signature that does not hold, as none", "  if (first instanceof PeerageError) throw first;\n", ""],
  ]),
  ...of("mcp-middleware/src/guard/presented.ts", presented, [
    ["any number of presented vouches", "value.length > MAX_PRESENTED_VOUCHES) throw", "false) throw"],
    ["presented vouches of any size", "> MAX_PRESENTED_BYTES)", "> Infinity)"],
    ["floods of new presented vouches", "    if (fresh > 0) this.#checks.take(caller, fresh, now);\n", ""],
  ]),
  ...of(
    "core/src/statement/verify.ts",
    [...presented, "core/src/statement"],
    [
      [
        "a forged vouch",
        "  for (const [i, proof] of proofs.entries()) verifyProofOverNow(documentHash, proof, parseMultibaseKey(keys[i]));\n",
        "",
      ],
      ["another kind of statement as a vouch", 'if (statement.kind !== "Vouch") throw', "if (false) throw"],
      [
        "a vouch by a key of somebody else",
        'if (did !== issuer) throw invalid("verification-method"',
        'if (false) throw invalid("verification-method"',
      ],
    ],
  ),
  ...of("mcp-middleware/src/guard/trust.ts", presented, [
    [
      "presented vouches beyond their end, while the log is silent",
      "const at = time > view.time ? view.at(time) : view;",
      "const at = view;",
    ],
  ]),
  ...of("mcp-middleware/src/spiffe/binding.ts", spiffe, [
    [
      "another key's SVID as one's own",
      "if (!key || !equalBytes(key, keyBytesOf(proof.kid))) throw",
      "if (!key) throw",
    ],
    ["a binding of another DID, by the SVID", '    if (claims.did !== did) throw bindingInvalid("did");\n', ""],
    [
      "a binding of another SPIFFE ID, by the SVID",
      "    if (claims.sub !== svid.spiffeId) throw",
      "    if (false) throw",
    ],
    ["a binding that the DID never countersigned", '  if (entry.issuer !== did) throw bindingInvalid("did");\n', ""],
    [
      "any entry of the DID as its countersignature",
      "if (entry.step !== BINDING_STEP || entry.result !== BINDING_RESULT || entry.prev.length > 0)",
      "if (false)",
    ],
    [
      "a countersignature of another SPIFFE ID",
      'if (sub?.["spiffe"] !== svid.spiffeId) throw',
      "if (sub === undefined) throw",
    ],
    [
      "a countersignature of another SVID",
      'if (sub["svid"] !== tokenDigest(value["svid"] as string)) throw',
      "if (false) throw",
    ],
    [
      "a countersignature after its end",
      "  checkBindingTime({ iat: entry.issuedAt, exp: expiresAt }, now, end);\n",
      "",
    ],
  ]),
  ...of("mcp-middleware/src/spiffe/binding-token.ts", spiffe, [
    ["a binding that outlives its SVID", "if (side.exp > svidExpiresAt) throw", "if (false) throw"],
    ["a binding that lives for years", "|| side.exp - side.iat > MAX_BINDING_SECONDS) throw", ") throw"],
  ]),
  ...of(
    "mcp-middleware/src/spiffe/guard-spiffe.ts",
    [...spiffe, "test/spiffe-guard.test.ts", "test/spiffe-mtls.test.ts"],
    [
      [
        "a binding for another guard",
        'if (!binding.audiences.every((audience) => audiences.has(audience))) throw bindingInvalid("audience");',
        "",
      ],
      [
        "a binding under a bundle that was withdrawn, from the cache",
        "&& bundles.get(known.trustDomain, now)?.digest === known.bundle;",
        ";",
      ],
      [
        "a binding by a key that was lost",
        'if (binding.key !== undefined && keys?.isLost(proof.issuer, binding.key)) throw bindingInvalid("key");',
        "",
      ],
      [
        "a bound SPIFFE ID over another's connection",
        "if (bound && peer && this.#options.matchConnection && peer.spiffeId !== bound.spiffe) {",
        "if (false) {",
      ],
      [
        "a call without a SPIFFE ID where one is required",
        "if (this.#options.required && presentation.hasNoPlace !== true) {",
        "if (false) {",
      ],
      [
        "a proof of a kind that does not count",
        "const counts = bound && this.#accept.has(bound.proof);",
        "const counts = bound;",
      ],
    ],
  ),
  ...of("mcp-middleware/src/spiffe/svid-rules.ts", spiffe, [
    ["an authority's certificate as a workload's", 'if (basicConstraints?.ca) throw svidInvalid("leaf-ca");', ""],
    ["a leaf of two SPIFFE IDs", "if (uris.length !== 1) throw", "if (uris.length === 0) throw"],
    ["a signer without the right to sign", "if (!keyUsage?.has(keyUsageBits.keyCertSign)) throw", "if (false) throw"],
  ]),
  ...of(
    "mcp-middleware/src/guard/pipeline.ts",
    [...http, "test/spiffe-guard.test.ts"],
    [
      [
        "an HTTP signature where SPIFFE IDs are bound to proofs",
        "if (spiffe || subject.proof.token !== undefined",
        "if (subject.proof.token !== undefined",
      ],
    ],
  ),
  ...of("mcp-middleware/src/approval/item.ts", desk, [
    ["an answer for another guard", 'if (entry.audience !== item.guard) throw invalid("guard");', ""],
    ["an answer to another request", 'if (entry.req !== item.req) throw invalid("request");', ""],
    ["an answer for another caller", 'if (member(entry.sub, "caller") !== item.caller) throw', "if (false) throw"],
    ["an answer under another policy", 'if (member(entry.sub, "policy") !== item.policy) throw', "if (false) throw"],
    ["an answer by whoever wants to", 'if (!mayAnswer(item, issuer)) throw invalid("approver");', ""],
    ["a caller's own answer", "if (did === caller && !self) return false;", ""],
    ["an approval for ever", "|| expiresAt - issuedAt > MAX_APPROVAL_SECONDS) throw", ") throw"],
  ]),
  ...of("mcp-middleware/src/approval/item-store.ts", desk, [
    [
      "one approver's two answers for two people",
      "const signers = new Set(approvals.map(({ by }) => by)).size;",
      "const signers = approvals.length;",
    ],
    ["a thousand questions of one caller", ">= MAX_OPEN_ITEMS) {", ">= Infinity) {"],
  ]),
  ...of("mcp-middleware/src/approval/request-state.ts", desk, [
    ["a request state that was altered", "|| !timingSafeEqual(given, wanted)) throw", ") throw"],
    ["another caller's request state", "if (state.caller !== expected.caller) throw", "if (false) throw"],
    ["another guard's request state", "if (state.guard !== expected.guard) throw", "if (false) throw"],
    ["an expired request state", "if (unixSeconds(expected.now) >= state.exp) throw", "if (false) throw"],
    [
      "a request state grafted on another call",
      "if (requestDigest(method, original) !== state.req) throw",
      "if (false) throw",
    ],
  ]),
  ...of(
    "mcp-middleware/src/guard/pipeline.ts",
    [...keys, "test/keys-guard.test.ts"],
    [
      [
        "approvals on a view of any age",
        '  if (asked.effect === "ask" || asked.obligations.spend.length > 0) checkAge(trust, MAX_APPROVAL_VIEW_SECONDS);\n',
        "",
      ],
      [
        "an approval whose key was revoked",
        'held.filter((entry) => entry.result !== "approved" || doesKeyCount(keys, entry, now));',
        "held;",
      ],
      [
        "an approval that nothing remembers as used",
        "if (obligations.audit || obligations.budgets.length > 0 || obligations.spend.length > 0) {",
        "if (false) {",
      ],
      ["floods of new history entries", "    beforeChecks: (count) => parts.checks.take(did, count, now),\n", ""],
    ],
  ),
  ...of("mcp-middleware/src/guard/entry-keys.ts", keys, [
    ["an entry by a key out of its time", "if (!stoodAround(trust, issuer, key, entry.issuedAt)) return false;", ""],
    ["a thief's entry that is dated back", "return (seenAt(entry.digest) ?? Infinity) < lostSince;", "return true;"],
    [
      "an approval in force by a key that is lost",
      "if (isApprovalInForce(entry, now) && (lostSince !== undefined || !isActive())) return false;",
      "",
    ],
  ]),
  ...of("mcp-middleware/src/guard/memory.ts", desk, [
    ["a denial that the caller leaves out", "if (adverse.length === 0) return;", "return;"],
  ]),
  ...of("mcp-middleware/src/guard/sessions.ts", guard, [
    ["one caller to take all places", "|| running >= MAX_IN_FLIGHT_PER_DID) {", ") {"],
  ]),
  ...of(
    "mcp-middleware/src/guard/guard.ts",
    [...guard, "test/guard-http.test.ts"],
    [["headers that say something else than the body", "      checkStandardHeaders(inbound, context);\n", ""]],
  ),
  ...of("mcp-middleware/src/guard/mode.ts", mode, [
    [
      "what is no message, in a shadow",
      '|| trace.subject === undefined || trace.step === "parse") return false;',
      ") return false;",
    ],
    ["calls in a shadow while everything is denied", "&& !(trace.policy && isDenyAll(trace.policy));", ";"],
    ["a shadow beyond its end", '"shadow" && now < mode.until;', '"shadow";'],
    ["a shadow for a year", "if (ms > 0 && ms <= MAX_SHADOW_DAYS * 86_400_000) return;", "if (ms > 0) return;"],
    [
      "an identity for who was not admitted",
      "return { ...rest, isShadow: true };",
      "return { ...record, isShadow: true };",
    ],
  ]),
];
