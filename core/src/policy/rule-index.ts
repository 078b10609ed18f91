import type { TargetKind } from "./document.ts";
import type { Matcher } from "./glob.ts";

/** So many targets are remembered, each of so many characters; callers invent others. */
const MAX_RECENT = 128;
const MAX_RECENT_LENGTH = 256;

/** What the index reads of a rule. */
export interface Targeted {
  readonly kind: TargetKind;
  readonly patterns: readonly string[];
  readonly target: Matcher;
}

/**
 * Rules of one kind by target. A rule that only names exact targets is looked up, not tried, so that a thousand such
 * rules cost a call no more than one. Order is kept.
 */
export class RuleIndex<T extends Targeted> {
  readonly all: readonly T[];
  readonly #exact = new Map<string, number[]>();
  /** The rules that name a target, where no rule must be tried. */
  readonly #named = new Map<string, readonly T[]>();
  /** The places of the rules that must be tried. */
  readonly #tried: number[] = [];
  /** What came of the targets that were asked about last: a server has few, and callers ask about them again. */
  readonly #recent = new Map<string, readonly T[]>();
  readonly #recentUndecided = new Map<string, readonly T[]>();

  constructor(rules: readonly T[]) {
    this.all = rules;
    for (const [place, { kind, patterns }] of rules.entries()) {
      // A resource path that cannot be judged is undecided also where a pattern is exact.
      if (kind === "resources" || patterns.some((pattern) => pattern.includes("*"))) {
        this.#tried.push(place);
        continue;
      }
      for (const name of new Set(patterns)) {
        const known = this.#exact.get(name);
        if (known) known.push(place);
        else this.#exact.set(name, [place]);
      }
    }
    if (this.#tried.length > 0) return;
    for (const [name, places] of this.#exact) {
      this.#named.set(
        name,
        places.flatMap((place) => rules[place] ?? []),
      );
    }
  }

  /** The rules about a target in file order; with `undecided` also those whose pattern cannot judge it. */
  about(target: string, undecided: boolean): readonly T[] {
    if (this.#tried.length === 0) return this.#named.get(target) ?? none;
    const recent = undecided ? this.#recentUndecided : this.#recent;
    const known = recent.get(target);
    if (known !== undefined) return known;
    const found = this.#try(target, undecided);
    if (recent.size === MAX_RECENT) recent.clear();
    if (target.length <= MAX_RECENT_LENGTH) recent.set(target, found);
    return found;
  }

  #try(target: string, undecided: boolean): readonly T[] {
    const exact = this.#exact.get(target) ?? none;
    const found: T[] = [];
    let next = 0;
    const add = (place: number): void => {
      const rule = this.all[place];
      if (rule !== undefined) found.push(rule);
    };
    for (const place of this.#tried) {
      for (let known = exact[next]; known !== undefined && known < place; known = exact[++next]) add(known);
      const verdict = this.all[place]?.target(target);
      if (verdict === true || (undecided && verdict === undefined)) add(place);
    }
    for (; next < exact.length; next++) add(exact[next] ?? -1);
    return found;
  }
}

const none: readonly never[] = [];
