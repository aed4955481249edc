import { MinHeap } from '../../../ir/min-heap.js';
import type { Part } from './part.js';
import { bytesOf } from './pieces.js';
import { type TokenModel, vocabularyOf } from './vocabulary.js';

/** Pairs of ids that may become one. */
interface Merges {
  /** left * width + right to rank */
  readonly ranks: ReadonlyMap<number, number>;
  /** rank to the id of the pair as one token */
  readonly made: readonly number[];
  readonly width: number;
}

const CACHED = 1 << 14;

/** Byte pair encoding: the characters of a piece, joined pair by pair in the order of the list of merges. */
export function bpeOf(part: Part): TokenModel {
  if (part.has('dropout') && part.get('dropout') !== 0) {
    part.unsupported('"dropout", which makes tokens random,');
  }
  const vocabulary = vocabularyOf(part);
  const prefix = part.textOrNull('continuing_subword_prefix') ?? '';
  const suffix = part.textOrNull('end_of_word_suffix') ?? '';
  const unknown = unknownIn(part, vocabulary);
  const fuse = part.flag('fuse_unk', false);
  const fallback = part.flag('byte_fallback', false);
  const whole = part.flag('ignore_merges', false);
  const merges = mergesOf(part, vocabulary, prefix.length);
  const cache = new Map<string, readonly number[]>();

  const symbols = (piece: string): number[] => {
    const ids: number[] = [];
    let pending: number | null = null;
    const flush = () => {
      if (pending !== null) ids.push(pending);
      pending = null;
    };
    let at = 0;
    for (const char of piece) {
      const first = at === 0;
      at += char.length;
      const text: string = (first ? '' : prefix) + char + (at === piece.length ? suffix : '');
      const id = vocabulary.get(text);
      if (id !== undefined) {
        flush();
        ids.push(id);
        continue;
      }
      const bytes = fallback ? byteTokens(vocabulary, text) : null;
      if (bytes) ids.push(...bytes);
      else if (unknown !== null) {
        if (!fuse) flush();
        pending ??= unknown;
      }
    }
    flush();
    return ids;
  };

  return {
    size: vocabulary.size,
    idOf: (token) => vocabulary.get(token),
    encode(piece, into) {
      let ids = cache.get(piece);
      if (!ids) {
        const one = whole ? vocabulary.get(piece) : undefined;
        ids = one === undefined ? joined(symbols(piece), merges) : [one];
        if (piece.length <= 256 && cache.size < CACHED) cache.set(piece, ids);
      }
      for (const id of ids) into.push(id);
    },
  };
}

/** A token for every byte of a text, such as <0x0A>; null when one is missing. */
export function byteTokens(vocabulary: ReadonlyMap<string, number>, text: string): readonly number[] | null {
  const ids: number[] = [];
  for (const byte of bytesOf(text)) {
    const id = vocabulary.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
    if (id === undefined) return null;
    ids.push(id);
  }
  return ids;
}

function unknownIn(part: Part, vocabulary: ReadonlyMap<string, number>): number | null {
  const token = part.textOrNull('unk_token');
  if (token === null) return null;
  return vocabulary.get(token) ?? part.refuse(`the vocabulary has no "${token}", its unknown token`);
}

function mergesOf(part: Part, vocabulary: ReadonlyMap<string, number>, prefix: number): Merges {
  const ranks = new Map<number, number>();
  const made: number[] = [];
  let width = 1;
  for (const id of vocabulary.values()) width = Math.max(width, id + 1);
  if (!Number.isSafeInteger(width * width)) part.refuse(`the vocabulary has the id ${width - 1}`);
  const idOf = (token: string): number =>
    vocabulary.get(token) ?? part.refuse(`a merge has ${JSON.stringify(token)}, which the vocabulary lacks`);
  for (const row of part.list('merges')) {
    const pair: readonly unknown[] = typeof row === 'string' ? row.split(' ') : Array.isArray(row) ? row : [];
    const [left, right, more] = pair;
    if (typeof left !== 'string' || typeof right !== 'string' || more !== undefined) {
      return part.refuse(`a merge is not a pair of tokens: ${JSON.stringify(row)}`);
    }
    ranks.set(idOf(left) * width + idOf(right), made.length);
    made.push(idOf(left + right.slice(prefix)));
  }
  return { ranks, made, width };
}

/** Joins neighbours, always the pair of lowest rank, the leftmost of equals, until no pair can be joined. */
function joined(ids: number[], { ranks, made, width }: Merges): readonly number[] {
  if (ids.length < 2) return ids;
  const next = Int32Array.from(ids, (_, i) => (i + 1 < ids.length ? i + 1 : -1));
  const previous = Int32Array.from(ids, (_, i) => i - 1);
  const gone = new Uint8Array(ids.length);
  const heap = new MinHeap();
  const offer = (left: number, right: number) => {
    if (left < 0 || right < 0) return;
    const rank = ranks.get(ids[left]! * width + ids[right]!);
    if (rank !== undefined) heap.push(rank * PLACES + left);
  };
  for (let i = 0; i + 1 < ids.length; i++) offer(i, i + 1);
  for (let top = heap.pop(); top !== undefined; top = heap.pop()) {
    const rank = Math.floor(top / PLACES);
    const left = top % PLACES;
    const right = next[left]!;
    if (gone[left] || right < 0) continue;
    // a pair that was offered before one of its sides grew counts only when it still gives the same token
    const now = ranks.get(ids[left]! * width + ids[right]!);
    if (now === undefined || made[now] !== made[rank]) continue;
    ids[left] = made[rank]!;
    gone[right] = 1;
    next[left] = next[right]!;
    if (next[right]! >= 0) previous[next[right]!] = left;
    offer(previous[left]!, left);
    offer(left, next[left]!);
  }
  return ids.filter((_, i) => !gone[i]);
}

/** rank and place in one number below 2^53: ranks up to 2^22, places up to 2^31 */
const PLACES = 2 ** 31;
