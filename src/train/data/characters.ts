import type { Encoded, FramedTokens, Tokenizer } from './tokenizer.js';

/** Typographic characters and what a plain keyboard has for them. */
const PLAIN: readonly (readonly [RegExp, string])[] = [
  [/[\u2018\u2019]/g, "'"],
  [/[\u201c\u201d]/g, '"'],
  [/\u2014/g, '--'],
];

/**
 * A character vocabulary: the id of a character is its place in `chars`. Text is made plain first: curly quotes become
 * straight, an em dash two hyphens, runs of spaces one space; characters outside the vocabulary are dropped. Returns a
 * text that says what is wrong when the value is not a vocabulary.
 */
export function characterVocabulary(value: object): Tokenizer | string {
  const { chars } = value as { readonly chars?: unknown };
  if (typeof chars !== 'string' || chars === '') return '"chars" is not a string';
  const all = [...chars];
  const ids = new Map(all.map((char, id) => [char, id]));
  if (ids.size !== all.length) return '"chars" names a character twice';
  const plain = (text: string): number[] => {
    let normal = text;
    for (const [from, to] of PLAIN) normal = normal.replace(from, to);
    const found: number[] = [];
    for (const char of normal.replace(/ {2,}/g, ' ')) {
      const id = ids.get(char);
      if (id !== undefined) found.push(id);
    }
    return found;
  };
  return {
    padId: ids.get(' ') ?? 0,
    plain,
    textOf: (tokens) => tokens.map((id) => all[id] ?? '').join(''),
    frame(ids, max): FramedTokens {
      const kept = ids.slice(0, max);
      return { ids: Int32Array.from(kept), types: null, start: 0, from: 0, kept: kept.length };
    },
    encode(text, pair, max): Encoded {
      const whole = plain(pair === null ? text : `${text}\n${pair}`);
      return { ids: Int32Array.from(whole.slice(0, max)), types: null, full: whole.length };
    },
  };
}
