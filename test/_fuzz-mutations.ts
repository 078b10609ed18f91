import { fromBase64url, fromUtf8, type JsonObject, type JsonValue, setMember, toBase64url, utf8 } from "@peerage/core";
import type { Random } from "./_fuzz-random.ts";

/** How the text of a format is built, so that a change leaves it readable to the next layer. */
export type Shape = "bytes" | "lines" | "json" | "jws" | "der";

/** Pieces at which readers of text have gone wrong. */
const PIECES = [
  ...["\n\n", "\r\n", "\r", "\t", " ", "\0", "\u2014 ", "\u202e", "\ufeff", "\ud7ff", "\u{1f600}", "é", "e\u0301"],
  ...["+", "=", "==", "-", "_", "/", "\\", "..", "%2e", "%00", "#", "?", ":", ";", ",", ".", "*", "**", "&", "|", "!"],
  ...["{", "}", "[", "]", '"', "'", "`", "<", ">", "(", ")", "\\u0000", "\\ud800", '\\"', "//", "/*", "<<", "!!js"],
  ...["0", "00", "-0", "-1", "1e400", "1e-400", "0x10", "1.0", "9007199254740993", "18446744073709551616", "NaN"],
  ...["null", "true", "__proto__", "constructor", "toString", "did:key:", "spiffe://", "sha256:", "data:", "A"],
];

/** Values that a member of that place should never have. */
function strange(random: Random): JsonValue {
  return random.pick<JsonValue>([
    ...[
      null,
      true,
      false,
      0,
      -1,
      1.5,
      2 ** 53,
      -(2 ** 53),
      1e21,
      1e-7,
      253_402_300_800,
      "",
      "\0",
      "\ufeff",
      "a".repeat(5_000),
    ],
    ...[[], {}, [[]], [null], { "": null }, { __proto__x: 1 }, "__proto__", "\u202eabc", "2026-13-45T99:99:99Z", "*"],
    ...["did:key:z6Mk", "sha256:00", "https://[::1", "spiffe://a/../b", Array.from({ length: 300 }, () => "x")],
    ...[Array.from({ length: 40 }).reduce<JsonValue>((inner) => [inner], "deep")],
  ]);
}

/** One to four changes of bytes: flipped, cut, doubled, moved, or a piece put in. */
export function mutateBytes(bytes: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  let out = [...bytes];
  for (let i = 0; i <= random.below(4); i++) {
    const at = random.below(out.length + 1);
    const length = random.below(random.oneIn(8) ? 200 : 12);
    const change = random.below(8);
    if (change === 0 && at < out.length) out[at] = out[at]! ^ (1 << random.below(8));
    else if (change === 1) out.splice(at, length);
    else if (change === 2) out.splice(at, 0, ...out.slice(at, at + length));
    else if (change === 3) out.splice(at, 0, ...utf8(random.pick(PIECES)));
    else if (change === 4) out.splice(at, length, ...random.pick(others).slice(0, 40));
    else if (change === 5) out.splice(at, length, ...utf8(random.pick(PIECES)));
    else if (change === 6 && random.oneIn(4)) out = out.slice(0, at);
    else if (at < out.length) out[at] = random.below(256);
  }
  return Uint8Array.from(out);
}

/** A line left out, doubled, moved, or taken from another text. */
function mutateLines(bytes: Uint8Array, random: Random, others: readonly Uint8Array[]): Uint8Array {
  const lines = latin(bytes).split("\n");
  const at = random.below(lines.length);
  const change = random.below(5);
  if (change === 0) lines.splice(at, 1);
  else if (change === 1) lines.splice(at, 0, lines[at]!);
  else if (change === 2) lines.splice(random.below(lines.length), 0, ...lines.splice(at, 1));
  else if (change === 3) lines.splice(at, 0, random.pick(latin(random.pick(others)).split("\n")));
  else lines[at] = latin(mutateBytes(unlatin(lines[at]!), random, others));
  return unlatin(lines.join("\n"));
}

/** A value with one or two of its members changed, doubled, renamed, moved or taken away, at any depth. */
export function mutateJson(value: JsonValue, random: Random): JsonValue {
  const once = changed(value, random);
  return random.oneIn(3) ? changed(once, random) : once;
}

function changed(value: JsonValue, random: Random): JsonValue {
  if (Array.isArray(value)) {
    const list = [...(value as readonly JsonValue[])];
    const at = random.below(list.length);
    if (list.length > 0 && !random.oneIn(3)) list[at] = changed(list[at]!, random);
    else if (random.oneIn(2)) list.splice(at, 1);
    else list.splice(at, 0, list.length > 0 && random.oneIn(2) ? random.pick(list) : strange(random));
    return list;
  }
  if (typeof value === "object" && value !== null) {
    const members: [string, JsonValue][] = Object.entries(value);
    const at = random.below(members.length);
    const [name, inner] = members[at] ?? ["", null];
    if (members.length > 0 && !random.oneIn(4)) members[at] = [name, changed(inner, random)];
    else if (random.oneIn(3)) members.splice(at, 1);
    else if (random.oneIn(2)) members.push([random.pick(PIECES), strange(random)]);
    else if (members.length > 0) members[at] = [name + random.pick(PIECES), inner];
    const out: Record<string, JsonValue> = {};
    for (const [key, member] of members) setMember(out, key, member);
    return out;
  }
  if (random.oneIn(3)) return strange(random);
  if (typeof value === "number") return value + random.pick([-1, 1, 0.5, 2 ** 31, -(2 ** 31), 1e15]);
  if (typeof value === "string") return latin(mutateBytes(utf8(value), random, [utf8(value)]));
  return strange(random);
}

function mutateJsonText(bytes: Uint8Array, random: Random): Uint8Array {
  try {
    const value = JSON.parse(fromUtf8(bytes)) as JsonValue;
    const text = JSON.stringify(mutateJson(value, random));
    // Twice the same member, which JSON.stringify cannot write.
    if (random.oneIn(10)) return utf8(text.replace(/\{"([^"]*)":/, '{"$1":0,"$1":'));
    return utf8(text);
  } catch {
    return mutateBytes(bytes, random, [bytes]);
  }
}

/** Header, claims or signature of each token in a text changed, the rest as it was. */
function mutateJws(bytes: Uint8Array, random: Random): Uint8Array {
  const text = latin(bytes);
  const token = /[\w-]+\.[\w-]+\.[\w-]+/.exec(text)?.[0];
  if (token === undefined) return mutateBytes(bytes, random, [bytes]);
  const parts = token.split(".");
  const at = random.below(3);
  try {
    const part = fromBase64url(parts[at]!);
    parts[at] = toBase64url(at < 2 ? mutateJsonText(part, random) : mutateBytes(part, random, [part]));
  } catch {
    parts.splice(at, 1);
  }
  return unlatin(text.replace(token, parts.join(".")));
}

/** One element of a DER tree changed, doubled, taken away or given another tag; the lengths around it fit again. */
function mutateDer(bytes: Uint8Array, random: Random): Uint8Array {
  const tree = readTree(bytes);
  if (tree.length === 0) return mutateBytes(bytes, random, [bytes]);
  let list = tree;
  for (;;) {
    const at = random.below(list.length);
    const node = list[at]!;
    if (node.children !== undefined && node.children.length > 0 && !random.oneIn(5)) {
      list = node.children;
      continue;
    }
    const change = random.below(6);
    if (change === 0) list.splice(at, 1);
    else if (change === 1) list.splice(at, 0, node);
    else if (change === 2) list.splice(random.below(list.length), 0, ...list.splice(at, 1));
    else if (change === 3)
      node.tag = random.pick([1, 2, 3, 4, 5, 6, 12, 19, 22, 23, 24, 48, 49, 128, 130, 134, 160, 163]);
    else if (node.children === undefined) node.value = mutateBytes(node.value, random, [node.value]);
    else node.children.push({ tag: random.below(256), value: random.bytes(random.below(20)) });
    return writeTree(tree);
  }
}

interface Node {
  tag: number;
  value: Uint8Array;
  children?: Node[];
}

function readTree(bytes: Uint8Array): Node[] {
  const nodes: Node[] = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const tag = bytes[at]!;
    let length = bytes[at + 1]!;
    let start = at + 2;
    if (length > 0x80) {
      const octets = length & 0x7f;
      length = 0;
      for (let i = 0; i < octets; i++) length = length * 256 + (bytes[start + i] ?? 0);
      start += octets;
    }
    const value = bytes.subarray(start, start + length);
    // Constructed, or an octet string with DER in it, as the extensions of a certificate are.
    const children = (tag & 0x20) !== 0 || (tag === 4 && value[0] === 0x30) ? readTree(value) : undefined;
    nodes.push({ tag, value, ...(children && children.length > 0 ? { children } : {}) });
    at = start + length;
  }
  return nodes;
}

function writeTree(nodes: readonly Node[]): Uint8Array {
  return Uint8Array.from(
    nodes.flatMap(({ tag, value, children }) => {
      const inner = children ? writeTree(children) : value;
      const { length } = inner;
      const long = length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
      return [tag, ...(length < 128 ? [length] : long), ...inner];
    }),
  );
}

/** Changes an input in the way of its shape, or just its bytes. */
export function mutate(
  bytes: Uint8Array,
  shapes: readonly Shape[],
  random: Random,
  others: readonly Uint8Array[],
): Uint8Array {
  switch (random.pick(shapes)) {
    case "lines":
      return mutateLines(bytes, random, others);
    case "json":
      return mutateJsonText(bytes, random);
    case "jws":
      return mutateJws(bytes, random);
    case "der":
      return mutateDer(bytes, random);
    case "bytes":
      return mutateBytes(bytes, random, others);
  }
}

/** Bytes as text and back, one character a byte. */
function latin(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function unlatin(text: string): Uint8Array {
  // A character beyond a byte can come from another text only, and is put in as UTF-8.
  return /^[\0-\xff]*$/.test(text) ? Uint8Array.from(text, (char) => char.charCodeAt(0)) : utf8(text);
}

/** A JSON object of claims changed; always an object. */
export function mutateClaims(claims: JsonObject, random: Random): JsonObject {
  const out = mutateJson(claims, random);
  return typeof out === "object" && out !== null && !Array.isArray(out) ? (out as JsonObject) : claims;
}
