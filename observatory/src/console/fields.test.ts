import { expect, it } from "vitest";
import type { JsonValue } from "@peerage/core";
import { requestFields, visible } from "./fields.ts";

it("a request is listed by its arguments, whatever else it holds by its path, and a request of nothing says so", () => {
  const params: JsonValue = { name: "pay", arguments: { to: { iban: "DE89" }, "a b": null }, task: "t" };
  expect(requestFields(params)).toEqual([
    { path: "to.iban", value: '"DE89"' },
    { path: '"a b"', value: "null" },
    { path: "params.task", value: '"t"' },
  ]);
  expect(requestFields({ name: "pay" })).toEqual([{ path: "arguments", value: "none" }]);
  expect(requestFields({ name: "pay", arguments: [1] })).toEqual([{ path: "arguments[0]", value: "1" }]);
  expect(requestFields("odd")).toEqual([{ path: "params", value: '"odd"' }]);
});

it("a line of foreign text hides nothing, and ends", () => {
  expect(visible("a\u202eb\u200b")).toBe("a\\u{202e}b\\u{200b}");
  expect(visible("x".repeat(9_000))).toHaveLength(4_000);
});
