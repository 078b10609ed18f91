import { features } from "./_features.ts";
import { policyIds, ruleIds } from "./_protocol.ts";
import { collectTitles, type Title } from "./_titles.ts";

/** An attack that must be refused. Its tests carry the id in their titles, or in that of a suite around them. */
export interface Attack {
  readonly id: string;
  readonly refuses: string;
}

/** A rule of docs/protocol.md, and what proves it beside tests that carry its id. */
export interface Rule {
  readonly id: string;
  /** Ids of attacks, or `file#part of a title`. */
  readonly tests?: readonly string[];
}

/** The attacks of the catalogue that are tested. An id is never used for another attack. */
export const attacks: readonly Attack[] = [
  { id: "A-DID-01", refuses: "the identity point as a key, under which one signature fits everything" },
  { id: "A-DID-02", refuses: "weak or non-canonical keys and signatures, on any backend" },
  { id: "A-DID-03", refuses: "a second spelling of a DID" },
  { id: "A-DID-04", refuses: "a key delivered beside a DID that is not the DID's" },
  { id: "A-DID-05", refuses: "a profile attached to somebody else's DID" },
  { id: "A-DID-06", refuses: "any way to make, take or hand out a private key for others" },
  { id: "A-DID-07", refuses: "a DID that opens a connection, or fresh DIDs that fill a cache" },
  { id: "A-CALL-01", refuses: "unsigned requests and notifications" },
  { id: "A-CALL-02", refuses: "identity by assertion: a header, a name, an argument, a score" },
  { id: "A-CALL-03", refuses: "algorithms other than Ed25519" },
  { id: "A-CALL-04", refuses: "unknown header members and other serialisations" },
  { id: "A-CALL-05", refuses: "a signature made for another purpose" },
  { id: "A-CALL-06", refuses: "a key that is not the issuer's, and a flipped bit" },
  { id: "A-CALL-07", refuses: "a proof of another message" },
  { id: "A-CALL-08", refuses: "a replay, in sequence and in parallel" },
  { id: "A-CALL-09", refuses: "a replay after a restart, a purge or a clock set back" },
  { id: "A-CALL-10", refuses: "forged proofs and floods that push live proofs out of memory" },
  { id: "A-CALL-11", refuses: "a proof for another audience, however alike" },
  { id: "A-CALL-12", refuses: "expired, overlong and future proofs" },
  { id: "A-CALL-13", refuses: "a jti that could be guessed" },
  { id: "A-CALL-14", refuses: "a proof in the wrong place, or two that differ" },
  { id: "A-CALL-15", refuses: "a relay that borrows another server's DID" },
  { id: "A-CALL-16", refuses: "falling back to unsigned where a hop strips the proof" },
  { id: "A-JSON-01", refuses: "batches" },
  { id: "A-JSON-02", refuses: "repeated member names" },
  { id: "A-JSON-03", refuses: "__proto__ and its like as more than names" },
  { id: "A-JSON-04", refuses: "numbers that arrive as others" },
  { id: "A-JSON-05", refuses: "broken text and deep nesting, without a crash" },
  { id: "A-JSON-06", refuses: "messages that are not exactly one call or answer" },
  { id: "A-JSON-07", refuses: "a second message smuggled into a frame, and endless ones" },
  { id: "A-JSON-08", refuses: "a text that two parsers read differently" },
  { id: "A-HTTP-01", refuses: "headers that say something else than the body" },
  { id: "A-HTTP-02", refuses: "doubled headers, ambiguous lengths and encoded bodies" },
  { id: "A-HTTP-03", refuses: "an inbound header that names a caller" },
  { id: "A-HTTP-04", refuses: "unsigned streams and other paths" },
  { id: "A-HTTP-05", refuses: "foreign host names and redirects" },
  { id: "A-HTTP-06", refuses: "line breaks in headers, and proofs to other endpoints" },
  { id: "A-HTTP-07", refuses: "a client or server that goes away and leaves a call behind" },
  { id: "A-HTTP-08", refuses: "a signature that does not cover the body" },
  { id: "A-SESS-01", refuses: "another DID in somebody's session" },
  { id: "A-SESS-02", refuses: "another's cancellation of a running call" },
  { id: "A-SESS-03", refuses: "another's hand on a session's stream or its end" },
  { id: "A-SESS-04", refuses: "two owners of one session" },
  { id: "A-SESS-05", refuses: "an answer to a request that the guard made, from elsewhere" },
  { id: "A-SESS-06", refuses: "a session that outlives its key" },
  { id: "A-APPR-01", refuses: "a retry with a used proof" },
  { id: "A-APPR-02", refuses: "an approval of another request" },
  { id: "A-APPR-03", refuses: "one approval used twice" },
  { id: "A-APPR-04", refuses: "an approval for another caller, guard or policy" },
  { id: "A-APPR-05", refuses: "an approval by the caller itself or by nobody named" },
  { id: "A-APPR-06", refuses: "a click, an accept or a guessed id taken for an approval" },
  { id: "A-APPR-07", refuses: "request state that was altered or grafted" },
  { id: "A-APPR-08", refuses: "an expired, overlong or denied approval" },
  { id: "A-APPR-09", refuses: "arguments hidden from the person who decides" },
  { id: "A-APPR-10", refuses: "an approval lost between the asking and the retry" },
  { id: "A-HIST-01", refuses: "a history that was cut, reordered, altered or spliced" },
  { id: "A-HIST-02", refuses: "a history over its limits" },
  { id: "A-HIST-03", refuses: "an entry by a key that did not stand, or of another agent" },
  { id: "A-HIST-04", refuses: "a condition met by two entries together, or before a denial" },
  { id: "A-HIST-05", refuses: "an agent's own entry as a server's receipt" },
  { id: "A-HIST-06", refuses: "a receipt of another call, and a receipt that changes other bytes" },
  { id: "A-HIST-07", refuses: "an audit log that was edited, cut or rolled back" },
  { id: "A-HIST-08", refuses: "a call whose decision cannot be recorded" },
  { id: "A-STMT-01", refuses: "a revoked or expired vouch that is posted again" },
  { id: "A-STMT-02", refuses: "a statement with any member changed" },
  { id: "A-STMT-03", refuses: "a vouch out of its time" },
  { id: "A-STMT-04", refuses: "a proof of another form, key or kind" },
  { id: "A-STMT-05", refuses: "a statement in other bytes or with other members" },
  { id: "A-STMT-06", refuses: "self-vouches, overlong ones and two at once" },
  { id: "A-STMT-07", refuses: "a vouch in a scope that it does not name" },
  { id: "A-STMT-08", refuses: "a revocation by anyone but the issuer" },
  { id: "A-STMT-09", refuses: "key events by keys that were not committed" },
  { id: "A-STMT-10", refuses: "two key events in one place, and disputes by outsiders" },
  { id: "A-STMT-11", refuses: "a thief's recovery set before its time" },
  { id: "A-STMT-12", refuses: "statements dated back by a key of the past" },
  { id: "A-STMT-13", refuses: "a compromise declared months ago, and reports counted twice" },
  { id: "A-STMT-14", refuses: "a note that is not the one digested" },
  { id: "A-TRUST-01", refuses: "gain by numbers behind a few edges" },
  { id: "A-TRUST-02", refuses: "a number for a stranger" },
  { id: "A-TRUST-03", refuses: "scores, paths or roots from elsewhere" },
  { id: "A-TRUST-04", refuses: "gain by cycles and duplicates" },
  { id: "A-TRUST-05", refuses: "a score changed by slander, or raised by length" },
  { id: "A-TRUST-06", refuses: "dead edges brought back, and answers that depend on order" },
  { id: "A-TRUST-07", refuses: "a graph of what was not verified" },
  { id: "A-TRUST-08", refuses: "another score on another machine or order" },
  { id: "A-TRUST-09", refuses: "graphs made to be slow, and gain without its root" },
  { id: "A-LOG-01", refuses: "a registry that shows leaves which are not its own" },
  { id: "A-LOG-02", refuses: "a rewritten or forked log" },
  { id: "A-LOG-03", refuses: "an old view as a new one" },
  { id: "A-LOG-04", refuses: "proofs, notes and checkpoints of any other form" },
  { id: "A-LOG-05", refuses: "a revocation left out of an answer" },
  { id: "A-LOG-06", refuses: "appending to a restored backup, and stamps from the future" },
  { id: "A-LOG-07", refuses: "losing what was acknowledged" },
  { id: "A-LOG-08", refuses: "two leaves of one statement" },
  { id: "A-LOG-09", refuses: "deleting, writing on GET, and tricks in addresses" },
  { id: "A-LOG-10", refuses: "oversized or broken bodies and tiles" },
  { id: "A-LOG-11", refuses: "gaps in the feed, and readers that hold it up" },
  { id: "A-POL-01", refuses: "a policy with anything unknown in it" },
  { id: "A-POL-02", refuses: "what no rule names" },
  { id: "A-POL-03", refuses: "an argument of another type" },
  { id: "A-POL-04", refuses: "inherited members in conditions" },
  { id: "A-POL-05", refuses: "partial, folded or slow matches of names" },
  { id: "A-POL-06", refuses: "allow where deny matches too" },
  { id: "A-POL-07", refuses: "telling a caller the rule, the score or the hidden" },
  { id: "A-POL-08", refuses: "two policies in one decision" },
  { id: "A-POL-09", refuses: "an expression or engine that errs taken for a yes" },
  { id: "A-POL-10", refuses: "a guard that lets through what it must refuse" },
  { id: "A-RATE-01", refuses: "spending another's quota" },
  { id: "A-RATE-02", refuses: "one kind of request that resets another's limit" },
  { id: "A-RATE-03", refuses: "a bucket shared by all behind one proxy" },
  { id: "A-RATE-04", refuses: "a victim's quota spent before its revocation" },
  { id: "A-RATE-05", refuses: "floods that fill memory" },
  { id: "A-WEB-01", refuses: "markup in whatever strangers write" },
  { id: "A-WEB-02", refuses: "scripts, styles and requests from elsewhere" },
  { id: "A-WEB-03", refuses: "keys in storage, or keys that a page could export" },
  { id: "A-WEB-04", refuses: "another page or host that drives the console" },
  { id: "A-WEB-05", refuses: "a tick that this browser did not compute, for whatever byte was altered" },
  { id: "A-WEB-06", refuses: "a name that passes for another's" },
  { id: "A-CLI-01", refuses: "a key file that others can read" },
  { id: "A-CLI-02", refuses: "a key lost to a crash or a full disk, and one written over" },
  { id: "A-CLI-03", refuses: "secrets where others read" },
  { id: "A-CLI-04", refuses: "a damaged key file or database taken for a new one" },
  { id: "A-CLI-05", refuses: "an unknown flag or a no that ends with success" },
  { id: "A-CLI-06", refuses: "a manifest that is not its signer's" },
  { id: "A-CLI-07", refuses: "control characters in what is shown, anything but frames on stdout" },
  { id: "A-CLI-08", refuses: "a shell between the words of a wrapped command" },
  { id: "A-CLI-09", refuses: "a registry over plain HTTP, an unsupported Node" },
  { id: "A-SPIFFE-01", refuses: "another trust domain's authority, a rolled back or emptied bundle" },
  { id: "A-SPIFFE-02", refuses: "a malformed SPIFFE ID or SVID" },
  { id: "A-SPIFFE-03", refuses: "a JWT-SVID of another algorithm or audience" },
  { id: "A-SPIFFE-04", refuses: "a one-sided binding of a DID to a SPIFFE ID" },
  { id: "A-SPIFFE-05", refuses: "a workload proof token for another request" },
];

/** The rules of docs/protocol.md, in its order. */
export const rules: readonly Rule[] = [
  { id: "P-DID-1", tests: ["A-DID-03"] },
  { id: "P-DID-2", tests: ["A-DID-01", "A-DID-02"] },
  { id: "P-DID-3", tests: ["A-DID-03"] },
  { id: "P-DID-4", tests: ["core/src/did/did-key.test.ts#resolves a did:key to the document"] },
  { id: "P-DID-5", tests: ["A-DID-07"] },
  { id: "P-DID-6", tests: ["A-DID-04"] },
  { id: "P-SIG-1", tests: ["A-DID-02"] },
  { id: "P-SIG-2", tests: ["core/src/ed25519/verify.test.ts#all backends agree"] },
  { id: "P-JSON-1", tests: ["A-JSON-05"] },
  { id: "P-JSON-2", tests: ["A-JSON-02"] },
  { id: "P-JSON-3", tests: ["A-JSON-05"] },
  { id: "P-JSON-4", tests: ["A-JSON-04"] },
  { id: "P-JSON-5", tests: ["A-JSON-05"] },
  { id: "P-JSON-6", tests: ["A-JSON-03"] },
  { id: "P-JSON-7", tests: ["A-JSON-08", "core/src/json/json.test.ts#digests the golden requests"] },
  { id: "P-JSON-8", tests: ["test/protocol-doc.test.ts#has the printed entries"] },
  { id: "P-JWS-1", tests: ["A-CALL-04"] },
  { id: "P-JWS-2", tests: ["A-CALL-03", "A-CALL-04"] },
  { id: "P-JWS-3", tests: ["A-CALL-06"] },
  { id: "P-JWS-4", tests: ["core/src/call/proof.test.ts#give the stated verdicts"] },
  { id: "P-JWS-5", tests: ["A-CALL-05"] },
  { id: "P-JWS-6", tests: ["A-CALL-06", "A-HIST-01"] },
  { id: "P-CALL-1", tests: ["core/src/call/proof.test.ts#give the stated verdicts"] },
  { id: "P-CALL-2", tests: ["A-CALL-11"] },
  { id: "P-CALL-3", tests: ["A-CALL-12"] },
  { id: "P-CALL-4", tests: ["A-CALL-13"] },
  { id: "P-CALL-5", tests: ["A-CALL-07"] },
  { id: "P-CALL-6", tests: ["A-CALL-07", "core/src/json/json.test.ts#digests the golden requests"] },
  { id: "P-CALL-7", tests: ["core/src/call/proof.test.ts#is refused for any other message"] },
  { id: "P-CALL-8", tests: ["core/src/history/history.test.ts#needs the proof's head"] },
  { id: "P-CALL-9", tests: ["A-CALL-10"] },
  { id: "P-CALL-10", tests: ["A-CALL-08", "A-CALL-09", "A-CALL-10"] },
  { id: "P-CALL-11", tests: ["A-CALL-07"] },
  { id: "P-CALL-12", tests: ["test/protocol-doc.test.ts#is carried in a header", "A-SESS-03"] },
  { id: "P-ENTRY-1", tests: ["A-HIST-01"] },
  { id: "P-ENTRY-2", tests: ["core/src/history/history.test.ts#refuses to sign an entry"] },
  { id: "P-ENTRY-3", tests: ["A-HIST-01"] },
  { id: "P-ENTRY-4", tests: ["core/src/history/history.test.ts#refuses to sign an entry"] },
  { id: "P-RCPT-1", tests: ["A-HIST-05", "test/protocol-doc.test.ts#is answered by a receipt"] },
  {
    id: "P-RCPT-2",
    tests: ["mcp-middleware/src/guard/answers.test.ts#with a number that no two readers digest alike"],
  },
  { id: "P-RCPT-3", tests: ["A-HIST-06"] },
  { id: "P-APPR-1", tests: ["A-APPR-02", "A-APPR-04"] },
  { id: "P-APPR-2", tests: ["A-APPR-05"] },
  { id: "P-APPR-3", tests: ["A-APPR-08"] },
  { id: "P-APPR-4", tests: ["A-APPR-08"] },
  { id: "P-HIST-1", tests: ["A-HIST-02"] },
  { id: "P-HIST-2", tests: ["A-HIST-01"] },
  { id: "P-HIST-3", tests: ["A-HIST-01"] },
  { id: "P-HIST-4", tests: ["core/src/history/history.test.ts#needs the proof's head"] },
  { id: "P-HIST-5", tests: ["A-HIST-01"] },
  {
    id: "P-HIST-6",
    tests: ["A-HIST-01", "mcp-middleware/src/guard/golden.test.ts#golden histories presented with a call"],
  },
  { id: "P-STMT-1", tests: ["A-STMT-04"] },
  { id: "P-STMT-2", tests: ["A-STMT-05"] },
  { id: "P-STMT-3", tests: ["A-STMT-05"] },
  { id: "P-STMT-4", tests: ["A-STMT-01"] },
  { id: "P-STMT-5", tests: ["A-STMT-02", "A-STMT-04"] },
  { id: "P-STMT-6", tests: ["A-DID-04", "A-DID-05"] },
  { id: "P-STMT-7", tests: ["A-STMT-04"] },
  { id: "P-STMT-8", tests: ["A-STMT-03"] },
  { id: "P-STMT-9", tests: ["A-STMT-06"] },
  { id: "P-STMT-10", tests: ["A-STMT-08"] },
  { id: "P-STMT-11", tests: ["A-DID-05"] },
  { id: "P-STMT-12" },
  { id: "P-NOTE-1", tests: ["A-STMT-14"] },
  { id: "P-NOTE-2", tests: ["A-STMT-14"] },
  { id: "P-KEY-1", tests: ["test/protocol-doc.test.ts#verifies each of them"] },
  { id: "P-KEY-2", tests: ["A-STMT-10"] },
  { id: "P-KEY-3" },
  { id: "P-KEY-4", tests: ["A-TRUST-07"] },
  { id: "P-KEY-5", tests: ["A-STMT-10", "A-STMT-11"] },
  { id: "P-KEY-6", tests: ["A-STMT-12"] },
  { id: "P-KEY-7", tests: ["A-STMT-13"] },
  { id: "P-LOG-1", tests: ["core/src/tlog/merkle.test.ts#are those of RFC 6962"] },
  { id: "P-LOG-2", tests: ["core/src/tlog/checkpoint.test.ts#are three lines and nothing else"] },
  { id: "P-LOG-3", tests: ["A-LOG-04"] },
  { id: "P-LOG-4", tests: ["core/src/tlog/note.test.ts#verifier keys", "core/src/tlog/note.test.ts#cosignatures"] },
  { id: "P-LOG-5", tests: ["core/src/tlog/note.test.ts#notes"] },
  { id: "P-LOG-6", tests: ["core/src/tlog/checkpoint.test.ts#are refused for another origin", "A-LOG-06"] },
  { id: "P-LOG-7", tests: ["core/src/tlog/checkpoint.test.ts#quorums"] },
  {
    id: "P-LOG-8",
    tests: ["core/src/tlog/checkpoint.test.ts#log proofs", "test/registry-log.test.ts#hands out log proofs"],
  },
  { id: "P-LOG-9", tests: ["A-LOG-02"] },
  { id: "P-LOG-10" },
  { id: "P-LOG-11", tests: ["A-LOG-01", "A-LOG-02"] },
  { id: "P-LOG-12", tests: ["core/src/tlog/tiles.test.ts#paths of tiles", "A-LOG-10"] },
  { id: "P-LOG-13", tests: ["core/src/tlog/fork.test.ts#leaves evidence"] },
  { id: "P-LOG-14", tests: ["core/src/tlog/fork.test.ts#is not proven by honest heads"] },
  { id: "P-LOG-15" },
  { id: "P-LOG-16", tests: ["A-LOG-02"] },
  { id: "P-STATE-1", tests: ["A-TRUST-06"] },
  { id: "P-STATE-2", tests: ["core/src/network/network.test.ts#gives every statement the time"] },
  { id: "P-STATE-3", tests: ["core/src/network/network.test.ts#an expired or burnt vouch"] },
  { id: "P-STATE-4", tests: ["A-STMT-06"] },
  { id: "P-STATE-5", tests: ["A-STMT-08"] },
  { id: "P-STATE-6", tests: ["core/src/network/network.test.ts#revoking a subject"] },
  { id: "P-STATE-7", tests: ["core/src/network/network.test.ts#an expired or burnt vouch"] },
  { id: "P-STATE-8" },
  { id: "P-STATE-9", tests: ["A-STMT-07"] },
  { id: "P-MCP-1", tests: ["A-CALL-01"] },
  { id: "P-MCP-2", tests: ["mcp-middleware/src/guard/guard.test.ts#the lifecycle set"] },
  { id: "P-MCP-3", tests: ["A-CALL-02", "A-CALL-14"] },
  { id: "P-MCP-4", tests: ["A-JSON-01", "A-JSON-06"] },
  { id: "P-MCP-5", tests: ["A-JSON-08"] },
  { id: "P-MCP-6", tests: ["A-SESS-01", "A-SESS-03", "A-SESS-04"] },
  { id: "P-MCP-7", tests: ["A-CALL-15"] },
  { id: "P-MCP-8", tests: ["test/protocol-doc.test.ts#is refused and advertised"] },
  { id: "P-MCP-9", tests: ["A-HTTP-01", "A-HTTP-02"] },
  { id: "P-MCP-10", tests: ["mcp-middleware/src/guard/answers.test.ts#carries a receipt once the proof is used up"] },
  { id: "P-MCP-11", tests: ["A-POL-07"] },
  { id: "P-MSG-1" },
  { id: "P-MSG-2" },
  { id: "P-MSG-3" },
  { id: "P-MSG-4" },
  { id: "P-MSG-5" },
  { id: "P-MSG-6" },
  { id: "P-ERR-1" },
  { id: "P-ERR-2" },
  { id: "P-ERR-3" },
  { id: "P-ERR-4", tests: ["mcp-middleware/src/guard/guard.test.ts#refuses with ERR_GUARD_FAULT"] },
];

/** The rules of docs/policy.md; every test of one carries its id. */
const policyRules: readonly Rule[] = [...policyIds].map((id) => ({ id }));

const idForm = /\b[AP]-[A-Z]+-\d+\b/g;

/** The ids that a title cites. */
export function idsOf(title: string): readonly string[] {
  return title.match(idForm) ?? [];
}

/** What the table and the tests say of each other. */
export interface Coverage {
  /** The tests of each id, in the order of the table. */
  readonly tests: ReadonlyMap<string, readonly Title[]>;
  /** What does not fit; empty if all is well. */
  readonly problems: readonly string[];
}

/** Compares the table with the titles of the tests and the ids in docs/protocol.md. */
export function coverage(
  titles: readonly Title[] = collectTitles(),
  documented: readonly string[] = ruleIds,
): Coverage {
  const problems: string[] = [];
  const tests = new Map<string, Title[]>();
  for (const { id } of [...attacks, ...rules, ...policyRules, ...features]) {
    if (tests.has(id)) problems.push(`${id} stands in test/requirements.ts twice`);
    tests.set(id, []);
  }
  for (const title of titles) {
    for (const id of idsOf(title.title)) {
      const known = tests.get(id);
      if (known) known.push(title);
      else problems.push(`${id} is cited by ${title.file} and is not in test/requirements.ts: add what it refuses`);
    }
  }
  for (const { id, tests: named = [] } of [...rules, ...features]) {
    for (const reference of named) {
      const found = resolve(reference, titles, tests);
      if (found.length === 0) problems.push(`${id} names "${reference}", which is no test`);
      tests.get(id)?.push(...found);
    }
  }
  for (const [id, found] of tests) if (found.length === 0) problems.push(`${id} has no test`);
  problems.push(...differences(documented));
  return { tests, problems };
}

function resolve(reference: string, titles: readonly Title[], byId: ReadonlyMap<string, Title[]>): readonly Title[] {
  const hash = reference.indexOf("#");
  if (hash < 0) return byId.get(reference) ?? [];
  const [file, part] = [reference.slice(0, hash), reference.slice(hash + 1)];
  return titles.filter((title) => title.file === file && title.title.includes(part));
}

function differences(documented: readonly string[]): string[] {
  const listed = new Set(rules.map(({ id }) => id));
  const problems = documented.filter((id) => !listed.has(id)).map((id) => `${id} of docs/protocol.md is not listed`);
  for (const id of listed) if (!documented.includes(id)) problems.push(`${id} is not in docs/protocol.md`);
  const twice = documented.filter((id, i) => documented.indexOf(id) !== i);
  return [...problems, ...twice.map((id) => `docs/protocol.md defines ${id} twice`)];
}

function print({ tests, problems }: Coverage): void {
  const meaning = new Map([
    ...attacks.map(({ id, refuses }) => [id, `refuses ${refuses}`] as const),
    ...features.map(({ id, stage, accepts }) => [id, `[${stage}] ${accepts}`] as const),
  ]);
  for (const [id, found] of tests) {
    const distinct = [...new Map(found.map((title) => [`${title.file}: ${title.title}`, title])).keys()];
    console.log(
      `${id}  ${meaning.get(id) ?? (policyIds.has(id) ? "docs/policy.md" : "docs/protocol.md")}  (${distinct.length})`,
    );
    for (const text of distinct) console.log(`    ${text}`);
  }
  const all = new Set([...tests.values()].flat().map(({ file, title }) => `${file}: ${title}`));
  const bare = [...tests.values()].filter((found) => found.length === 0).length;
  console.log(`\n${tests.size} ids, ${bare} of them without a test; ${all.size} tests prove them`);
  for (const problem of problems) console.error(`PROBLEM: ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
}

if (import.meta.main) print(coverage());
