import { readFileSync } from 'node:fs';
import { badTokenizer } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import { isSystemError } from '../../ir/files/atomic.js';
import { characterVocabulary } from './characters.js';

/** Tokens of one text or pair, cut to a length. */
export interface Encoded {
  readonly ids: Int32Array;
  /** which of a pair a token belongs to; null when the tokenizer does not say */
  readonly types: readonly number[] | null;
  /** tokens before it was cut */
  readonly full: number;
}

/** Text to token ids. */
export interface Tokenizer {
  readonly padId: number;
  /** With special tokens, at most `max` of them: content is cut at its end, the longer text of a pair first. */
  encode(text: string, pair: string | null, max: number): Encoded;
  /** A stretch of running text without special tokens. */
  plain(text: string): readonly number[];
}

/**
 * Reads a tokenizer.json (through @huggingface/tokenizers) or a character vocabulary. Throws LOTR8209.
 */
export async function readTokenizer(file: string): Promise<Tokenizer> {
  const refuse = (why: string): never => fail(badTokenizer({ file, why }));
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (isSystemError(error)) return refuse(`it cannot be read: ${error.message}`);
    return refuse(`it is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null) return refuse('it is not a JSON object');
  if ('type' in value && value.type === 'character') {
    const made = characterVocabulary(value);
    return typeof made === 'string' ? refuse(made) : made;
  }
  if (!('model' in value)) return refuse('it has neither "model" (tokenizer.json) nor "type": "character"');
  const { Tokenizer: Library } = await import('@huggingface/tokenizers');
  try {
    return new LibraryTokenizer(new Library(value, {}), padIdOf(value));
  } catch (error) {
    return refuse(`the tokenizer library does not take it: ${(error as Error).message}`);
  }
}

interface Encoding {
  readonly ids: readonly number[];
  readonly token_type_ids?: readonly number[];
}

interface Library {
  encode(text: string, options?: { text_pair?: string | null; add_special_tokens?: boolean }): Encoding;
}

class LibraryTokenizer implements Tokenizer {
  readonly #library: Library;

  constructor(
    library: Library,
    readonly padId: number,
  ) {
    this.#library = library;
  }

  plain(text: string): readonly number[] {
    return this.#library.encode(text, { add_special_tokens: false }).ids;
  }

  encode(text: string, pair: string | null, max: number): Encoded {
    const whole = this.#library.encode(text, { text_pair: pair });
    const types = whole.token_type_ids ?? null;
    if (whole.ids.length <= max) return { ids: Int32Array.from(whole.ids), types, full: whole.ids.length };
    const kept = keep(whole.ids, this.plain(text), pair === null ? [] : this.plain(pair), max);
    return {
      ids: Int32Array.from(kept, (index) => whole.ids[index]!),
      types: types && kept.map((index) => types[index]!),
      full: whole.ids.length,
    };
  }
}

/**
 * Positions of a too long encoding that stay: everything that is neither text nor pair (special tokens), and from each
 * of the two as much from its start as fits. When the content cannot be found in the encoding, the first `max`.
 */
function keep(ids: readonly number[], a: readonly number[], b: readonly number[], max: number): number[] {
  const all = [...ids.keys()];
  const startA = find(ids, a, 0);
  const startB = b.length === 0 ? ids.length : find(ids, b, startA + a.length);
  const special = ids.length - a.length - b.length;
  if (startA < 0 || startB < 0 || special > max) return all.slice(0, max);
  let [left, right] = [a.length, b.length];
  while (left + right + special > max) {
    if (left >= right) left--;
    else right--;
  }
  return all.filter((index) => {
    if (index >= startA && index < startA + a.length) return index < startA + left;
    return index >= startB && index < startB + b.length ? index < startB + right : true;
  });
}

function find(ids: readonly number[], part: readonly number[], from: number): number {
  if (from < 0) return -1;
  for (let start = from; start + part.length <= ids.length; start++) {
    if (part.every((id, k) => ids[start + k] === id)) return start;
  }
  return -1;
}

/** The id that fills up shorter rows: what the file says, else that of a token which is usually meant for it, else 0. */
function padIdOf(file: object): number {
  const { padding, added_tokens: added } = file as {
    readonly padding?: { readonly pad_id?: unknown } | null;
    readonly added_tokens?: readonly { readonly id: number; readonly content: string }[];
  };
  if (typeof padding?.pad_id === 'number') return padding.pad_id;
  for (const name of ['[PAD]', '<pad>', '<|pad|>', '<|endoftext|>', '</s>']) {
    const token = added?.find(({ content }) => content === name);
    if (token) return token.id;
  }
  return 0;
}
