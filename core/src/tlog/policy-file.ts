import { PeerageError } from "../errors.ts";
import { type QuorumGroup, type QuorumMember, smallestQuorum } from "./quorum.ts";
import { parseVerifierKey, LOG_TYPE, type VerifierKey, WITNESS_TYPE } from "./verifier-key.ts";

/** A log or witness of a policy file, with the address if one is given. */
export interface PolicyParty {
  readonly key: VerifierKey;
  readonly url?: string;
}

/** A `tlog-policy`: which logs are believed, and how many of which witnesses must have cosigned. */
export interface TlogPolicy {
  readonly logs: readonly PolicyParty[];
  /** The witnesses of the quorum; others that the file names are left out. */
  readonly witnesses: readonly PolicyParty[];
  /** How many of them must have cosigned, at least where there are groups of groups; 0 for `quorum none`. */
  readonly threshold: number;
  /** The rule itself, if the quorum is a group of groups. */
  readonly group?: QuorumGroup;
}

const MAX_POLICY_CHARACTERS = 65_536;
const MAX_DEPTH = 16;

/**
 * Parses a policy file. The quorum is `none`, a witness, or a group of witnesses and groups. A witness that counts twice
 * in it is refused: nobody could tell how many bad ones it stands.
 * @throws {PeerageError} ERR_CONFIG_INVALID
 * @see https://c2sp.org/tlog-policy
 */
export function parseTlogPolicy(text: string): TlogPolicy {
  if (text.length > MAX_POLICY_CHARACTERS) throw invalid(0, "it is too long");
  const logs: PolicyParty[] = [];
  const witnesses = new Map<string, PolicyParty>();
  const groups = new Map<string, { threshold: number; members: readonly string[] }>();
  let quorum: string | undefined;
  for (const [i, line] of text.split("\n").entries()) {
    if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(line)) throw invalid(i, "a control character");
    const [word, ...items] = line.split(/[ \t]+/).filter((item) => item !== "");
    if (word === undefined || word.startsWith("#")) continue;
    const isTaken = (name: string): boolean => name === "none" || witnesses.has(name) || groups.has(name);
    if (word === "log") {
      logs.push(parseParty(i, items, LOG_TYPE, logs));
    } else if (word === "witness") {
      const [name, ...rest] = items;
      if (name === undefined || isTaken(name)) throw invalid(i, "the name is missing or taken");
      witnesses.set(name, parseParty(i, rest, WITNESS_TYPE, [...witnesses.values()]));
    } else if (word === "group") {
      const [name, size = "", ...members] = items;
      if (name === undefined || isTaken(name)) throw invalid(i, "the name is missing or taken");
      if (new Set(members).size !== members.length) throw invalid(i, "a member is named twice");
      if (!members.every((member) => witnesses.has(member) || groups.has(member))) {
        throw invalid(i, "a member is not defined before");
      }
      groups.set(name, { threshold: parseThreshold(i, size, members.length), members });
    } else if (word === "quorum") {
      const [name, ...rest] = items;
      if (quorum !== undefined || name === undefined || rest.length > 0) throw invalid(i, "one quorum, of one name");
      if (name !== "none" && !isTaken(name)) throw invalid(i, "the quorum is not defined before");
      quorum = name;
    } else {
      throw invalid(i, "an unknown word");
    }
  }
  if (quorum === undefined) throw invalid(0, "there is no quorum line");
  if (quorum === "none") return { logs, witnesses: [], threshold: 0 };
  const { threshold, members } = groups.get(quorum) ?? { threshold: 1, members: [quorum] };
  if (members.every((name) => witnesses.has(name))) {
    return { logs, witnesses: members.flatMap((name) => witnesses.get(name) ?? []), threshold };
  }
  return { logs, ...nestedQuorum(quorum, witnesses, groups) };
}

function nestedQuorum(
  quorum: string,
  witnesses: ReadonlyMap<string, PolicyParty>,
  groups: ReadonlyMap<string, { threshold: number; members: readonly string[] }>,
): Pick<TlogPolicy, "witnesses" | "threshold" | "group"> {
  const parties: PolicyParty[] = [];
  const build = (name: string, depth: number): QuorumMember => {
    const party = witnesses.get(name);
    if (party) {
      if (parties.includes(party)) throw invalid(0, `the witness ${name} counts twice in the quorum`);
      parties.push(party);
      return party.key;
    }
    return buildGroup(name, depth);
  };
  // Groups are defined before they are named, so this ends; each adds a witness that is not counted twice, so soon.
  const buildGroup = (name: string, depth: number): QuorumGroup => {
    if (depth > MAX_DEPTH) throw invalid(0, `groups stand in groups to a depth of at most ${MAX_DEPTH}`);
    const { threshold, members } = groups.get(name) ?? { threshold: 1, members: [] };
    return { threshold, members: members.map((one) => build(one, depth + 1)) };
  };
  const group = buildGroup(quorum, 1);
  return { witnesses: parties, threshold: smallestQuorum(group), group };
}

function parseParty(line: number, items: readonly string[], type: number, known: readonly PolicyParty[]): PolicyParty {
  const [vkey, url, ...more] = items;
  if (vkey === undefined || more.length > 0) throw invalid(line, "it has a key and may have a URL");
  let key: VerifierKey;
  try {
    key = parseVerifierKey(vkey);
  } catch (cause) {
    throw invalid(line, "the key is not a vkey", cause);
  }
  if (key.type !== type) throw invalid(line, "the key is of another type");
  const same = (other: PolicyParty): boolean => other.key.publicKey.bytes.join() === key.publicKey.bytes.join();
  if (known.some(same)) throw invalid(line, "the key is named twice");
  return { key, ...(url === undefined ? {} : { url }) };
}

function parseThreshold(line: number, size: string, members: number): number {
  const threshold = size === "all" ? members : size === "any" ? 1 : /^[1-9]\d{0,4}$/.test(size) ? Number(size) : 0;
  if (members === 0 || threshold < 1 || threshold > members) throw invalid(line, "the size of the group");
  return threshold;
}

function invalid(line: number, message: string, cause?: unknown): PeerageError {
  return new PeerageError("ERR_CONFIG_INVALID", `the policy file, line ${line + 1}: ${message}`, { cause });
}
