import { byteTokens } from './bpe.js';
import type { Part } from './part.js';
import type { TokenModel } from './vocabulary.js';

/** How much worse than the worst token a character without one is. */
const PENALTY = 10;

/**
 * Unigram: of all ways to write a piece as tokens, the one with the largest sum of scores (log probabilities), found
 * from left to right; characters without a token are unknown, and neighbours that are unknown are one.
 */
export function unigramOf(part: Part): TokenModel {
  const ids = new Map<string, number>();
  const scores: number[] = [];
  for (const row of part.list('vocab')) {
    const [token, score] = Array.isArray(row) ? (row as readonly unknown[]) : [];
    if (typeof token !== 'string' || typeof score !== 'number') {
      return part.refuse(`"vocab" has a row that is not a token and a score: ${JSON.stringify(row)}`);
    }
    ids.set(token, scores.length);
    scores.push(score);
  }
  const unknown = part.has('unk_id') ? part.count('unk_id') : null;
  if (unknown !== null && unknown >= scores.length)
    part.refuse(`"unk_id" is ${unknown}, above its vocabulary`);
  const fallback = part.flag('byte_fallback', false);
  const worst = scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY) - PENALTY;
  const lengths = [...new Set([...ids.keys()].map(({ length }) => length))].sort((a, b) => a - b);

  /** The tokens of the best way to write a piece, in their order. */
  const best = (piece: string): readonly string[] => {
    const size = piece.length;
    const score = new Float64Array(size + 1);
    const from = new Int32Array(size + 1).fill(-1);
    const token = new Int32Array(size + 1);
    const offer = (start: number, end: number, id: number | null, sum: number) => {
      if (from[end]! >= 0 && sum <= score[end]!) return;
      score[end] = sum;
      from[end] = start;
      token[end] = id ?? missing(piece);
    };
    for (let start = 0, width: number; start < size; start += width) {
      width = piece.codePointAt(start)! > 0xffff ? 2 : 1;
      let single = false;
      for (const length of lengths) {
        if (start + length > size) break;
        const id = ids.get(piece.slice(start, start + length));
        if (id === undefined) continue;
        offer(start, start + length, id, scores[id]! + score[start]!);
        single ||= length === width;
      }
      if (!single) offer(start, start + width, unknown, worst + score[start]!);
    }
    const made: string[] = [];
    let open = -1;
    for (let end = size; end > 0; end = from[end]!) {
      const start = from[end]!;
      if (token[end] === unknown) {
        if (open < 0) open = end;
        if (start > 0 && token[start] === unknown) continue;
        made.push(piece.slice(start, open));
        open = -1;
      } else made.push(piece.slice(start, end));
    }
    return made.reverse();
  };
  const missing = (text: string): never =>
    part.refuse(`the text has ${JSON.stringify(text)}, and the vocabulary has no unknown token for it`);

  return {
    size: scores.length,
    idOf: (token) => ids.get(token),
    encode(piece, into) {
      for (const text of best(piece)) {
        const id = ids.get(text);
        const bytes = id === undefined && fallback ? byteTokens(ids, text) : null;
        if (bytes) for (const byte of bytes) into.push(byte);
        else into.push(id ?? unknown ?? missing(text));
      }
    },
  };
}
