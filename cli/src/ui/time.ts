/** Unix seconds as an RFC 3339 time in UTC, whole seconds. */
export function rfc3339(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(/\.\d{3}Z$/, "Z");
}

/** Unix seconds as a day. */
export function day(seconds: number): string {
  return rfc3339(seconds).slice(0, 10);
}

/** A span of seconds in the one unit that tells most: `14 s`, `3 min`, `5 h`, `12 d`. */
export function span(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 10) return `${Math.round(s * 10) / 10} s`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7_200) return `${Math.round(s / 60)} min`;
  if (s < 172_800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

/** A count with its noun: `1 root`, `2 roots`, `3 vouches`, `4 entries`. */
export function count(n: number, noun: string): string {
  if (n === 1) return `1 ${noun}`;
  if (/[^aeiou]y$/.test(noun)) return `${n} ${noun.slice(0, -1)}ies`;
  return `${n} ${noun}${/(ch|sh|s|x)$/.test(noun) ? "es" : "s"}`;
}
