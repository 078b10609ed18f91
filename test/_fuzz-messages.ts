import {
  fromUtf8,
  type JsonObject,
  type JsonValue,
  parseJson,
  requestDigest,
  signCall,
  tokenDigest,
  utf8,
} from "@peerage/core";
import { idOf as idInText, salvageId } from "../mcp-middleware/src/guard/salvage-id.ts";
import { settledText, settleResponse, readMessage } from "../mcp-middleware/src/proxy/answer.ts";
import { LineSplitter } from "../mcp-middleware/src/proxy/framing.ts";
import {
  duplicatedHeader,
  forwardedRequestHeaders,
  forwardedResponseHeaders,
  hiddenHeader,
  isLoopbackHost,
  mediaType,
} from "../mcp-middleware/src/proxy/http-headers.ts";
import { headerValue, paramHeaders, paramValues, standardHeaders } from "../mcp-middleware/src/proxy/mcp-headers.ts";
import { applyEdits, editsBetween } from "../mcp-middleware/src/proxy/splice.ts";
import { editsInEvent, parseSseEvent, SseSplitter } from "../mcp-middleware/src/proxy/sse.ts";
import { Disagreement, hasEscapedName, type Target } from "./_fuzz.ts";
import { mutateClaims, mutateJson } from "./_fuzz-mutations.ts";
import type { Random } from "./_fuzz-random.ts";
import { CALL_META, HISTORY_META, scene, stdio } from "./_guard.ts";

let { guard, caller } = scene();
const params: JsonObject = { name: "echo", arguments: { message: "é", n: 1, deep: [{ a: null }] } };
const tools: JsonObject = {
  name: "echo",
  description: "x",
  inputSchema: { type: "object", properties: { n: { type: "number", "x-mcp-header": "n" } } },
};
const answer =
  '{"jsonrpc":"2.0","id":1,"result":{ "big":12345678901234567890, "content":[{"type":"text","text":"\\u00e9"}],"_meta":{"a":1}}}';
const list = JSON.stringify({ jsonrpc: "2.0", id: 1, result: { tools: [tools, { ...tools, name: "rm" }] } });

async function signedMessage(method: string, of: JsonObject, id: JsonValue = 1): Promise<JsonObject> {
  const token = await signCall(caller, { audience: guard.did, message: { method, params: of } });
  return { jsonrpc: "2.0", id, method, params: { ...of, _meta: { [CALL_META]: token } } };
}

/**
 * Whoever is admitted has signed exactly this: the proof's request digest is that of the message, and nothing of ours goes
 * on to the server.
 */
async function judged(bytes: Uint8Array): Promise<void> {
  const admission = await guard.admitText(fromUtf8(bytes), stdio());
  if (!admission.admitted) {
    if (admission.reason === "ERR_GUARD_FAULT") throw new Error("the guard itself failed");
    return;
  }
  const message = parseJson(bytes) as JsonObject;
  const { method } = message;
  if (typeof method === "string" && message["id"] !== undefined) {
    const { proof } = admission.decision;
    const own = proof && requestDigest(method, message["params"]);
    const isOpen = proof === undefined && !/^(tools|prompts|resources)\//.test(method);
    if (!isOpen && proof?.req !== own) throw new Disagreement("admitted without a proof of this very message");
    guard.abandon(admission.decision, "cancelled");
  }
  if (JSON.stringify(admission.message).includes('"dev.peerage/call"') && !fromUtf8(bytes).includes("\\")) {
    const meta = (admission.message["params"] as JsonObject | undefined)?.["_meta"];
    if (JSON.stringify(meta ?? null).includes("dev.peerage/")) throw new Disagreement("a proof went on to the server");
  }
}

/** Other params under a proof that was made for them, other params under the proof of the first, other members. */
async function forged(random: Random): Promise<string> {
  const method = random.pick(["tools/call", "tools/list", "prompts/get", "initialize", "ping", "resources/read", "x"]);
  const other = mutateClaims(params, random);
  const base = await signedMessage(
    method,
    random.oneIn(2) ? other : params,
    random.pick<JsonValue>([1, "a", 1.5, null, 2 ** 53 - 1]),
  );
  if (random.oneIn(3)) return JSON.stringify(mutateJson(base, random));
  const meta = (base["params"] as JsonObject)["_meta"] as JsonObject;
  const more = random.oneIn(3) ? { [HISTORY_META]: mutateJson([tokenDigest("x")], random) } : {};
  return JSON.stringify({ ...base, params: { ...(random.oneIn(4) ? params : other), _meta: { ...meta, ...more } } });
}

/** However it is cut into pieces, the same lines and events come out. */
function splitAlike(bytes: Uint8Array): void {
  const lines = (size: number): string => {
    const found: string[] = [];
    const splitter = new LineSplitter({
      onLine: (line) => found.push(line.toString("latin1")),
      onTooLarge: () => found.push("!"),
      maxBytes: 64,
    });
    for (let i = 0; i < bytes.length; i += size) splitter.push(Buffer.from(bytes.subarray(i, i + size)));
    return found.join("|");
  };
  const events = (size: number): string => {
    const found: string[] = [];
    const splitter = new SseSplitter({ onEvent: (raw) => found.push(raw.toString("latin1")) });
    for (let i = 0; i < bytes.length; i += size) splitter.push(Buffer.from(bytes.subarray(i, i + size)));
    return found.concat(splitter.end().toString("latin1")).join("");
  };
  if (lines(1) !== lines(bytes.length || 1)) throw new Disagreement("other lines at other borders");
  if (events(1) !== events(bytes.length || 1)) throw new Disagreement("other events at other borders");
  if (events(3) !== Buffer.from(bytes).toString("latin1")) throw new Disagreement("a byte of the stream is lost");
}

/** An event whose data is an answer gets a receipt, and every other byte stays. */
function edited(bytes: Uint8Array): void {
  const event = parseSseEvent(bytes);
  const read = event?.data === undefined ? undefined : readMessage(utf8(event.data));
  if (!event || !read) return;
  const result = read.message["result"];
  if (typeof result !== "object" || result === null || Array.isArray(result)) return;
  const meta = (result as JsonObject)["_meta"];
  if (meta !== undefined && (typeof meta !== "object" || meta === null || Array.isArray(meta))) return;
  const after = {
    ...read.message,
    result: { ...(result as JsonObject), _meta: { ...(meta as JsonObject | undefined), x: "y" } },
  };
  let edits: ReturnType<typeof editsBetween>;
  try {
    edits = editsBetween(read.text, read.message, after);
  } catch (error) {
    // Two members of one name: which is meant cannot be told.
    if (error instanceof SyntaxError) return;
    throw error;
  }
  const again = parseSseEvent(utf8(applyEdits(event.text, editsInEvent(event, edits))));
  if (again?.data !== applyEdits(read.text, edits)) throw new Disagreement("the edited event holds other data");
  if (hasEscapedName(again.data)) return;
  if (JSON.stringify(JSON.parse(again.data)) !== JSON.stringify(after)) throw new Disagreement("another answer");
}

let settledCalls = 0;

async function settled(bytes: Uint8Array): Promise<void> {
  // A guard remembers so many proofs of one caller in a minute, and no more.
  if (settledCalls++ % 2_000 === 0) ({ guard, caller } = scene());
  const admission = await guard.admit(await signedMessage("tools/list", {}), stdio());
  if (!admission.admitted) throw new Error(`the genuine call was refused: ${admission.reason}`);
  // A call that is left open counts among those of its caller, of whom 256 are admitted at once.
  let isEnded = false;
  try {
    const read = readMessage(bytes);
    if (!read) return;
    const text = await settleResponse(guard, admission.decision, read.text, read.message);
    isEnded = true;
    settledText(read.text, text);
  } finally {
    if (!isEnded) guard.abandon(admission.decision, "cancelled");
  }
}

/** HTTP headers as Node hands them over: names and values in turn. */
function headers(bytes: Uint8Array): void {
  const raw = fromUtf8(bytes).split("\n");
  if (raw.length % 2 === 1) raw.pop();
  duplicatedHeader(raw);
  hiddenHeader(raw);
  forwardedRequestHeaders(raw);
  forwardedResponseHeaders(raw);
  mediaType(raw[1]);
  isLoopbackHost(raw[1]);
}

/** What comes to a guard and from the server behind it: JSON-RPC, lines, events, headers. */
export const messageTargets: readonly Target[] = [
  {
    name: "an MCP message to the guard",
    samples: [JSON.stringify(await signedMessage("tools/list", {})), '{"jsonrpc":"2.0","id":1,"method":"ping"}'],
    shapes: ["json", "jws"],
    read: judged,
    forge: forged,
    weight: 6,
  },
  {
    name: "an answer that is settled",
    samples: [answer, list],
    shapes: ["json"],
    read: settled,
    weight: 2,
  },
  {
    name: "bytes cut into lines and events",
    samples: ["a\n\r\nb", "data: x\r\n\r\ndata: y\n\n: c\r\r"],
    shapes: ["lines"],
    read: splitAlike,
    weight: 2,
  },
  {
    name: "an event with an answer",
    samples: [
      `id: 1\nevent: message\ndata: ${answer}\n\n`,
      `data: ${answer.slice(0, 30)}\ndata:${answer.slice(30)}\r\n\r\n`,
    ],
    shapes: ["lines"],
    read: edited,
    forge: (random) =>
      `data: ${JSON.stringify(mutateJson(JSON.parse(list) as JsonValue, random)).replaceAll(",", random.oneIn(2) ? "," : ",\ndata: ")}\n\n`,
    weight: 2,
  },
  {
    name: "the headers of a message",
    samples: ["content-type\napplication/json\nmcp-method\ntools/call"],
    shapes: ["lines"],
    read: headers,
  },
  {
    name: "the headers that a tool declares",
    samples: [
      JSON.stringify({ schema: tools["inputSchema"], args: { n: 1 } }),
      JSON.stringify({ schema: {}, method: "tools/call", params }),
    ],
    shapes: ["json"],
    read: (x) => {
      const value = parseJson(x);
      const message = (typeof value === "object" && value !== null ? value : {}) as JsonObject;
      const declared = paramHeaders(message["schema"]);
      if (declared) paramValues(declared, message["args"]);
      for (const one of Object.values(standardHeaders(message))) headerValue(one);
    },
  },
  {
    name: "the id of a message that cannot be read",
    samples: ['{"id":7,"x":', '{"jsonrpc":"2.0","id":"a","method":1}'],
    read: (x) => {
      const text = fromUtf8(x);
      const id = salvageId(text);
      let whole: unknown;
      try {
        whole = JSON.parse(text);
      } catch {
        return;
      }
      if (id !== null && !Array.isArray(whole) && id !== idInText(whole) && !/"id"[\s\S]*"id"|\\u/.test(text)) {
        throw new Disagreement("another id than the one that stands there");
      }
    },
  },
];
