import type { Encoded, FramedTokens, Tokenizer } from '../tokenizer.js';
import { AddedTokens } from './added-tokens.js';
import { tokenModelOf } from './models.js';
import { normalizerOf } from './normalizers.js';
import { Part } from './part.js';
import { addedBy, layOut, layoutOf, type TokenLayout } from './post-processors.js';
import { type PreTokenizer, preTokenizerOf } from './pre-tokenizers.js';
import { isId, type TokenModel } from './vocabulary.js';

/** Halves of a surrogate pair without the other: UTF-8 cannot hold them. */
const LONE = /\p{Cs}/gu;

/** Which end of a text goes when it is too long. */
type Side = 'Left' | 'Right';

/**
 * A tokenizer.json: added tokens are found, the rest is normalized, divided into pieces and encoded by the model, and
 * special tokens are laid around it. Gives the ids, the token types and the truncation (`longest_first`) of Python's
 * tokenizers. Whatever it does not know is refused (LOTR8209) when the file is read.
 */
export class TokenizerPipeline implements Tokenizer {
  readonly padId: number;
  readonly #added: AddedTokens;
  readonly #preTokenizer: PreTokenizer;
  readonly #model: TokenModel;
  readonly #layout: TokenLayout;
  readonly #side: Side;
  readonly #file: Part;

  constructor(file: string, fields: object) {
    const root = Part.root(file, fields);
    this.#file = root;
    this.#model = tokenModelOf(root.part('model') ?? root.refuse('it has no "model"'));
    this.#added = new AddedTokens(
      root.parts('added_tokens'),
      this.#model,
      normalizerOf(root.part('normalizer')),
    );
    this.#preTokenizer = preTokenizerOf(root.part('pre_tokenizer'));
    this.#layout = layoutOf(root.part('post_processor'));
    this.#side = sideOf(root);
    this.padId = this.#padId(root);
  }

  plain(text: string): readonly number[] {
    return this.#read(text, Number.POSITIVE_INFINITY).ids;
  }

  /**
   * All ids of a text, and how many of them the end that stays has when it is read piece by piece until it has
   * `enough` (looked at after each piece that the model encodes). Python's tokenizers read no further, and compare the
   * two texts of a pair by these numbers.
   */
  #read(text: string, enough: number): { readonly ids: readonly number[]; readonly reached: number } {
    const ids: number[] = [];
    const pieces: [number, number][] = [];
    for (const section of this.#added.sections(text.replace(LONE, '\ufffd'))) {
      if (typeof section === 'number') ids.push(section);
      else {
        for (const piece of this.#preTokenizer(section)) {
          const start = ids.length;
          this.#model.encode(piece.text, ids);
          pieces.push([start, ids.length]);
        }
      }
    }
    const total = ids.length;
    const right = this.#side === 'Right';
    const counts = pieces.map(([start, end]) => (right ? end : total - start));
    const far = (count: number) => count >= enough;
    return { ids, reached: (right ? counts.find(far) : counts.findLast(far)) ?? total };
  }

  encode(text: string, pair: string | null, max: number): Encoded {
    const items = pair === null ? this.#layout.single : this.#layout.pair;
    const special = this.#special(items, max);
    const room = max - special;
    const a = this.#read(text, max);
    const b = this.#read(pair ?? '', max);
    const [left, right] = lengths(a.reached, b.reached, pair !== null, room);
    const row = layOut(items, this.#cut(a.ids, left), this.#cut(b.ids, right));
    return { ...row, full: a.ids.length + b.ids.length + special };
  }

  frame(ids: readonly number[], max: number): FramedTokens {
    const items = this.#layout.single;
    const room = max - this.#special(items, max);
    const kept = this.#cut(ids, Math.min(ids.length, room));
    const before = items.findIndex((item) => 'text' in item);
    const from = this.#side === 'Right' ? 0 : ids.length - kept.length;
    return { ...layOut(items, kept, []), start: addedBy(items.slice(0, before)), from, kept: kept.length };
  }

  /** How many special tokens a layout adds. Throws LOTR8209 when nothing else fits in a row. */
  #special(items: TokenLayout['single'], max: number): number {
    const count = addedBy(items);
    if (count <= max) return count;
    const why = `it adds ${count} special tokens, and the longest row has ${max}`;
    return this.#file.refuse(why, 'give a larger --max-length');
  }

  #cut(ids: readonly number[], length: number): readonly number[] {
    return this.#side === 'Right' ? ids.slice(0, length) : ids.slice(ids.length - length);
  }

  /** The id that fills up shorter rows: what the file says, else that of a token which is usually meant for it, else 0. */
  #padId(root: Part): number {
    const padding = root.part('padding');
    if (padding?.has('pad_id')) {
      const id = padding.count('pad_id');
      return isId(id) ? id : padding.refuse('"pad_id" is not the id of a token');
    }
    for (const name of ['[PAD]', '<pad>', '<|pad|>', '<|endoftext|>', '</s>']) {
      const id = this.#added.ids.get(name);
      if (id !== undefined) return id;
    }
    return 0;
  }
}

/**
 * How many tokens of each text fit in `room`. Of a pair the longer text gives way first; when both are longer than half
 * the room, each gets half, and the longer one the odd token.
 */
function lengths(a: number, b: number, pair: boolean, room: number): readonly [number, number] {
  if (a + b <= room) return [a, b];
  if (!pair) return [room, 0];
  const shorter = Math.min(a, b);
  const longer = shorter > room ? shorter : Math.max(shorter, room - shorter);
  const [few, many] =
    shorter + longer > room ? [Math.floor(room / 2), Math.ceil(room / 2)] : [shorter, longer];
  return a > b ? [many, few] : [few, many];
}

function sideOf(root: Part): Side {
  const truncation = root.part('truncation');
  if (truncation === null) return 'Right';
  const strategy = truncation.text('strategy', 'LongestFirst');
  if (strategy !== 'LongestFirst') truncation.unsupported(`the strategy "${strategy}"`);
  const side = truncation.text('direction', 'Right');
  return side === 'Left' || side === 'Right' ? side : truncation.refuse(`"${side}" is not a direction`);
}
