import type { JsonObject } from "@peerage/core";
import { describe, expect, it } from "vitest";
import { headerValue, paramHeaders, paramValues, standardHeaders } from "./mcp-headers.ts";
import { ToolHeaders } from "./tool-headers.ts";

const meta = { "io.modelcontextprotocol/protocolVersion": "2026-07-28" };

describe("the headers of a modern request", () => {
  it("repeat version, method and name; a legacy message has none", () => {
    const message = { method: "tools/call", params: { name: "echo", _meta: meta } };
    expect(standardHeaders(message)).toEqual({
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "echo",
    });
    expect(standardHeaders({ method: "tools/call", params: { name: "echo" } })).toEqual({});
    expect(standardHeaders({ method: "resources/read", params: { uri: "a://b", _meta: meta } })["mcp-name"]).toBe(
      "a://b",
    );
  });

  it("A-HTTP-06 carry CR, LF, foreign characters, outer space and the sentinel itself as base64", () => {
    for (const value of ["a\r\nPeerage-Caller: x", "é", " a", "a ", "", "=?base64?YQ==?=", "a\0", "\ta"]) {
      const header = headerValue(value);
      expect(header).toMatch(/^=\?base64\?[A-Za-z0-9+/=]*\?=$/);
      expect(Buffer.from(header.slice(9, -2), "base64").toString()).toBe(value);
    }
    for (const value of ["a", "a b\tc", "=?base64?", "x=?base64?YQ==?="]) expect(headerValue(value)).toBe(value);
  });
});

describe("x-mcp-header", () => {
  const schema = (properties: JsonObject): JsonObject => ({ type: "object", properties });
  const string = (header: string): JsonObject => ({ type: "string", "x-mcp-header": header });

  it("names the arguments that travel as headers", () => {
    const declared = paramHeaders(
      schema({
        region: string("Region"),
        deep: schema({ n: { type: "integer", "x-mcp-header": "N" } }),
        plain: { type: "string" },
      }),
    );
    expect(paramValues(declared ?? [], { region: "eu\n1", deep: { n: 3 }, plain: "x" })).toEqual({
      "mcp-param-Region": `=?base64?${Buffer.from("eu\n1").toString("base64")}?=`,
      "mcp-param-N": "3",
    });
    expect(paramValues(declared ?? [], { region: null })).toEqual({});
  });

  it("makes a tool unusable where it is no token, not on a primitive, twice the same or out of reach", () => {
    for (const bad of [
      schema({ a: string("") }),
      schema({ a: string("a b") }),
      schema({ a: string("a:b") }),
      schema({ a: { ...schema({}), "x-mcp-header": "A" } }),
      schema({ a: { type: "number", "x-mcp-header": "A" } }),
      schema({ a: string("A"), b: string("a") }),
      schema({ a: { type: "array", items: string("A") } }),
      schema({ a: { anyOf: [string("A")] } }),
      { type: "object", "x-mcp-header": "A" },
    ]) {
      expect(paramHeaders(bad)).toBeUndefined();
    }
    expect(
      paramHeaders(schema({ a: { type: "string", enum: ["x-mcp-header"], default: string("no token at all") } })),
    ).toEqual([]);
  });

  it("drops such a tool from the list and says so, and touches no other byte", () => {
    const logged: string[] = [];
    const tools = new ToolHeaders((line) => logged.push(line));
    const good = JSON.stringify({ name: "good", inputSchema: schema({ a: string("A") }) });
    const bad = JSON.stringify({ name: "bad", inputSchema: schema({ a: string("a b") }) });
    const line = `{"id":1, "result":{"tools":[ ${bad} , ${good} ] }}`;
    expect(tools.learn(JSON.parse(line), line)).toBe(`{"id":1, "result":{"tools":[ ${good} ] }}`);
    expect(logged).toEqual([expect.stringContaining('"bad"')]);
    const call = { method: "tools/call", params: { name: "good", arguments: { a: "x" }, _meta: meta } };
    expect(tools.headersOf(call)).toEqual({ "mcp-param-A": "x" });
  });
});
