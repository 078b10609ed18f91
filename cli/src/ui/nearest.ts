/** The candidates most like a word, the nearest first; none that is farther than about a third of the word. */
export function nearest(word: string, candidates: Iterable<string>, limit = 3): string[] {
  const far = Math.max(2, Math.ceil(word.length / 3));
  const ranked = [...new Set(candidates)]
    .map((candidate) => ({ candidate, distance: candidate.startsWith(word) ? 0 : distance(word, candidate, far) }))
    .filter((entry) => entry.distance <= far);
  ranked.sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1));
  return ranked.slice(0, limit).map(({ candidate }) => candidate);
}

/** Edits between two words, a swap of neighbours counting once; more than `far` is not told apart. */
function distance(a: string, b: string, far: number): number {
  if (Math.abs(a.length - b.length) > far) return far + 1;
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      row[j] = best;
    }
    before = above;
    above = row;
  }
  return above[b.length] ?? far + 1;
}
