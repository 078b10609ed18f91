import type { Field } from "@peerage/core";
import stringWidth from "string-width";

/** Fields as lines, none of them cut: what is too long goes on in the next line, character after character. */
export function fieldLines(fields: readonly Field[], columns: number, indent: number): string[] {
  const widest = Math.min(32, Math.max(0, ...fields.map(({ path }) => stringWidth(path))));
  return fields.flatMap(({ path, value }) => {
    const head = path + " ".repeat(Math.max(0, widest - stringWidth(path)));
    const isLong = stringWidth(head) > widest;
    const lines = chunks(value, columns - indent - widest - 2);
    const start = " ".repeat(indent);
    const rest = lines.map((line) => start + " ".repeat(widest + 2) + line);
    if (isLong) return [...chunks(path, columns - indent).map((line) => start + line), ...rest];
    return [`${start}${head}  ${lines[0] ?? ""}`, ...rest.slice(1)];
  });
}

function chunks(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  let used = 0;
  for (const character of text) {
    const wide = stringWidth(character);
    if (used + wide > width && line !== "") {
      lines.push(line);
      [line, used] = ["", 0];
    }
    line += character;
    used += wide;
  }
  return [...lines, line];
}
