/** The three forms of every page. */
export type Format = "html" | "json" | "text";

const suffixes: Readonly<Record<string, Format>> = { ".json": "json", ".txt": "text" };

/** Takes `.json` or `.txt` off a path. */
export function splitSuffix(path: string): { readonly path: string; readonly format?: Format } {
  const suffix = /\.(?:json|txt)$/.exec(path)?.[0];
  const format = suffix === undefined ? undefined : suffixes[suffix];
  return suffix === undefined || format === undefined ? { path } : { path: path.slice(0, -suffix.length), format };
}

/** The form that a client without a suffix wants: by `Accept`, and text for command lines that accept anything. */
export function negotiate(accept: string | undefined, userAgent: string | undefined): Format {
  const wanted = preferences(accept ?? "*/*");
  if (!wanted.some(([type]) => type === "text/html") && /^(?:curl|wget|httpie)\//i.test(userAgent ?? "")) {
    if (wanted[0]?.[0] === "application/json") return "json";
    return "text";
  }
  for (const [type] of wanted) {
    if (type === "text/html" || type === "*/*" || type === "text/*") return "html";
    if (type === "application/json") return "json";
    if (type === "text/plain") return "text";
  }
  return "html";
}

/** Media types in order of preference, those of equal quality in the order given. */
function preferences(accept: string): [string, number][] {
  const parts = accept.split(",").map((part): [string, number] => {
    const [type = "", ...parameters] = part.split(";").map((piece) => piece.trim().toLowerCase());
    const quality = parameters.find((parameter) => parameter.startsWith("q="));
    return [type, quality === undefined ? 1 : Number(quality.slice(2)) || 0];
  });
  return parts.filter(([, quality]) => quality > 0).sort(([, a], [, b]) => b - a);
}
