import { endOf, type Normalizer } from './normalizers.js';
import type { Part } from './part.js';
import { anyOfTexts, type Piece } from './pieces.js';
import type { TokenModel } from './vocabulary.js';

/** A token that is found in the text before the model sees it. */
interface Added {
  readonly content: string;
  readonly id: number;
  /** not inside a word */
  readonly single: boolean;
  /** takes the white space before it, or after it */
  readonly left: boolean;
  readonly right: boolean;
  /** looked for in the normalized text */
  readonly normalized: boolean;
}

/** A piece of text, or the id of an added token that was found. */
export type Section = Piece | number;

const WORD_END = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const WORD_START = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;

/** Divides a text at added tokens and normalizes what lies between them. */
export class AddedTokens {
  readonly ids: ReadonlyMap<string, number>;
  readonly #raw: Finder;
  readonly #normalized: Finder;
  readonly #normalizer: Normalizer;

  constructor(parts: readonly Part[], model: TokenModel, normalizer: Normalizer) {
    const ids = new Map<string, number>();
    const rows: Added[] = [];
    const special: Added[] = [];
    let largest = -1;
    for (const part of parts) {
      const content = part.text('content');
      if (content === '' || ids.has(content)) continue;
      const fresh = Math.max(model.size, largest + 1);
      const id = model.idOf(content) ?? fresh;
      largest = Math.max(largest, id);
      ids.set(content, id);
      const isSpecial = part.flag('special', false);
      (isSpecial ? special : rows).push({
        content,
        id,
        single: part.flag('single_word', false),
        left: part.flag('lstrip', false),
        right: part.flag('rstrip', false),
        normalized: part.flag('normalized', !isSpecial),
      });
    }
    this.ids = ids;
    this.#normalizer = normalizer;
    const all = [...special, ...rows];
    this.#raw = new Finder(all.filter(({ normalized }) => !normalized));
    this.#normalized = new Finder(
      all
        .filter(({ normalized }) => normalized)
        .map((token) => ({ ...token, content: normalizer(token.content) })),
    );
  }

  /** The ids of added tokens in a text, and normalized text between them. */
  sections(text: string): readonly Section[] {
    return this.#raw
      .divide({ text, first: true })
      .flatMap((section) =>
        typeof section === 'number' ? [section] : this.#normalized.divide(this.#normalize(section)),
      );
  }

  /** What is left of a text begins where the text began, unless its first character was removed. */
  #normalize({ text, first }: Piece): Piece {
    const removed =
      first && text !== '' && this.#normalizer(String.fromCodePoint(text.codePointAt(0)!)) === '';
    return { text: this.#normalizer(text), first: first && !removed };
  }
}

class Finder {
  readonly #tokens = new Map<string, Added>();
  readonly #pattern: RegExp | null;

  constructor(tokens: readonly Added[]) {
    for (const token of tokens) {
      if (token.content !== '' && !this.#tokens.has(token.content)) this.#tokens.set(token.content, token);
    }
    this.#pattern = this.#tokens.size === 0 ? null : anyOfTexts([...this.#tokens.keys()]);
  }

  divide({ text, first }: Piece): readonly Section[] {
    const made: Section[] = [];
    let done = 0;
    const push = (start: number, end: number) => {
      if (end > start) made.push({ text: text.slice(start, end), first: first && start === 0 });
    };
    for (const found of this.#pattern === null ? [] : text.matchAll(this.#pattern)) {
      const token = this.#tokens.get(found[0])!;
      let start = found.index;
      let end = start + found[0].length;
      if (token.single && !standsAlone(text, start, end)) continue;
      if (token.left) start = Math.max(endOf(text.slice(0, start)), done);
      if (token.right) end += /^\p{White_Space}*/u.exec(text.slice(end))![0].length;
      push(done, start);
      made.push(token.id);
      done = end;
    }
    push(done, text.length);
    return made;
  }
}

function standsAlone(text: string, start: number, end: number): boolean {
  // two code units are enough for the character before
  return (
    !WORD_END.test(text.slice(Math.max(0, start - 2), start)) && !WORD_START.test(text.slice(end, end + 2))
  );
}
