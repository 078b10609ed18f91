/**
 * A page without the indentation of its templates, which is a tenth of it; what is shown as it is written keeps its own.
 * Text of others cannot hold a tag, so it neither begins nor ends such a part.
 */
export function unindented(page: string): string {
  return page.replace(/<(pre|textarea)\b[^]*?<\/\1\s*>|\n[ \t]+/g, (found) => (found.startsWith("<") ? found : "\n"));
}
