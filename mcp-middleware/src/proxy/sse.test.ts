import { describe, expect, it } from "vitest";
import { applyEdits, editsBetween } from "./splice.ts";
import { editsInEvent, parseSseEvent, SseSplitter } from "./sse.ts";

function split(chunks: readonly Buffer[], maxBytes?: number): { raw: string[]; pieces: string[]; rest: string } {
  const raw: string[] = [];
  const pieces: string[] = [];
  const splitter = new SseSplitter({
    onEvent: (event) => raw.push(event.toString()),
    onPiece: (piece) => pieces.push(piece.toString()),
    ...(maxBytes === undefined ? {} : { maxBytes }),
  });
  for (const chunk of chunks) splitter.push(chunk);
  return { raw, pieces, rest: splitter.end().toString() };
}

const data = (raw: string) => parseSseEvent(Buffer.from(raw))?.data;

describe("server-sent events", () => {
  for (const [name, eol] of [
    ["LF", "\n"],
    ["CR", "\r"],
    ["CRLF", "\r\n"],
  ] as const) {
    it(`reads the same events from ${name} lines at every chunk boundary, and loses no byte`, () => {
      const lines = [
        "\uFEFFid: 7",
        "event: message",
        'data: {"a":"é😀',
        'data:"}',
        "",
        ": keep-alive",
        "",
        "",
        "retry: 20",
        "data:",
        "",
        "data: x",
      ];
      const input = Buffer.from(lines.join(eol));
      for (let cut = 0; cut <= input.length; cut++) {
        const { raw, rest } = split([input.subarray(0, cut), input.subarray(cut)]);
        expect(raw.join("") + rest).toBe(input.toString());
        expect(raw.map((text) => data(text))).toEqual(['{"a":"é😀\n"}', undefined, ""]);
      }
      const first = parseSseEvent(Buffer.from(split([input]).raw[0] ?? ""));
      expect(first).toMatchObject({ id: "7", type: "message" });
    });
  }

  it("passes an event over the limit in pieces and reads the next one", () => {
    const { raw, pieces } = split([Buffer.from("data: 12345678"), Buffer.from("90\n\ndata: ok\n\n")], 12);
    expect(pieces.join("")).toBe("data: 1234567890\n\n");
    expect(raw).toEqual(["data: ok\n\n"]);
  });

  it("A-HIST-06 puts a receipt into data of several lines and touches no other byte", () => {
    const raw = 'id: 1\r\ndata: {"id":1,\r\ndata: "result":{\r\ndata:"a":1}\r\ndata: }\r\n\r\n';
    const event = parseSseEvent(Buffer.from(raw));
    if (event?.data === undefined) throw new Error("no data");
    const before = JSON.parse(event.data);
    const after = { ...before, result: { ...before.result, _meta: { r: "x" } } };
    const out = applyEdits(event.text, editsInEvent(event, editsBetween(event.data, before, after)));
    expect(out).toBe(raw.replace('"a":1', '"a":1,"_meta":{"r":"x"}'));
    expect(JSON.parse(data(out) ?? "")).toEqual(after);
  });

  it("cuts list items that stand on lines of their own", () => {
    const raw = 'data: {"tools":[\ndata: {"name":"a"},\ndata: {"name":"b"}\ndata: ]}\n\n';
    const event = parseSseEvent(Buffer.from(raw));
    if (event?.data === undefined) throw new Error("no data");
    const out = applyEdits(
      event.text,
      editsInEvent(event, editsBetween(event.data, JSON.parse(event.data), { tools: [{ name: "a" }] })),
    );
    expect(JSON.parse(data(out) ?? "")).toEqual({ tools: [{ name: "a" }] });
  });

  it("A-RATE-05 reads eight megabytes of lines that end in CR alone in one pass", () => {
    let events = 0;
    const splitter = new SseSplitter({ onEvent: () => events++ });
    // A search to the end of the chunk for every line would take minutes.
    splitter.push(Buffer.alloc(8 << 20, "a\r"));
    splitter.push(Buffer.from("\r"));
    expect(events).toBe(1);
  });
});
