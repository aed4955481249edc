import type { Part } from './part.js';
import { anyOfTexts, behaviorOf, byteChars, cut, type Piece, patternOf, splitPiece } from './pieces.js';

/** Divides one piece of normalized text into those that the model sees one by one. */
export type PreTokenizer = (piece: Piece) => readonly Piece[];

const SPACE = /\p{White_Space}/gu;
/** ASCII punctuation (which holds symbols too) and the categories P of Unicode */
const PUNCTUATION = /[!-/:-@[-`{-~\p{P}]/gu;
const WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+/gu;
const GPT2 =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** The pre-tokenizer that a tokenizer.json asks for. Throws LOTR8209 for one that is not known. */
export function preTokenizerOf(part: Part | null): PreTokenizer {
  if (part === null) return (piece) => [piece];
  switch (part.type) {
    case 'Sequence': {
      const steps = part.parts('pretokenizers').map(preTokenizerOf);
      return (piece) =>
        steps.reduce<readonly Piece[]>(
          (pieces, step) => {
            const made = pieces.flatMap(step);
            part.requireLength(made.reduce((sum, { text }) => sum + text.length, 0));
            return made;
          },
          [piece],
        );
    }
    case 'BertPreTokenizer':
      return (piece) =>
        splitPiece(piece, SPACE, 'Removed').flatMap((word) => splitPiece(word, PUNCTUATION, 'Isolated'));
    case 'Whitespace':
      return (piece) =>
        splitPiece(piece, SPACE, 'Removed').flatMap((word) => splitPiece(word, WORD, 'Isolated'));
    case 'WhitespaceSplit':
      return (piece) => splitPiece(piece, SPACE, 'Removed');
    case 'ByteLevel':
      return byteLevel(part.flag('add_prefix_space', true), part.flag('use_regex', true));
    case 'Metaspace':
      return metaspace(part);
    case 'Split': {
      const pattern = patternOf(part);
      const behavior = behaviorOf(part);
      const invert = part.flag('invert', false);
      return (piece) => splitPiece(piece, pattern, behavior, invert);
    }
    case 'Punctuation': {
      const behavior = behaviorOf(part, 'Isolated');
      return (piece) => splitPiece(piece, PUNCTUATION, behavior);
    }
    case 'Digits': {
      const behavior = part.flag('individual_digits', false) ? 'Isolated' : 'Contiguous';
      return (piece) => splitPiece(piece, /\p{N}/gu, behavior);
    }
    case 'CharDelimiterSplit': {
      const pattern = anyOfTexts([part.text('delimiter')]);
      return (piece) => splitPiece(piece, pattern, 'Removed');
    }
    case 'FixedLength':
      return fixedLength(Math.max(1, part.count('length', 5)));
    default:
      return part.unsupported(`the pre-tokenizer "${part.type}"`);
  }
}

function byteLevel(prefix: boolean, useRegex: boolean): PreTokenizer {
  return (piece) => {
    const text = prefix && !piece.text.startsWith(' ') ? ` ${piece.text}` : piece.text;
    const whole = { ...piece, text };
    const words = useRegex ? splitPiece(whole, GPT2, 'Isolated') : [whole];
    return words.map((word) => ({ ...word, text: byteChars(word.text) }));
  };
}

function metaspace(part: Part): PreTokenizer {
  const mark = part.text('replacement', '▁');
  const scheme = part.text('prepend_scheme', 'always');
  const divide = part.flag('split', true);
  if (!['always', 'first', 'never'].includes(scheme)) part.refuse(`"${scheme}" is not a prepend_scheme`);
  if (!part.flag('add_prefix_space', true) && scheme !== 'never') {
    part.refuse('"add_prefix_space" is false and "prepend_scheme" is not "never"');
  }
  const pattern = anyOfTexts([mark]);
  return (piece) => {
    part.requireLength(piece.text.length * Math.max(1, mark.length));
    const text = piece.text.replaceAll(' ', mark);
    const marked = scheme === 'always' || (scheme === 'first' && piece.first);
    const whole = { ...piece, text: marked && !text.startsWith(mark) ? mark + text : text };
    return divide ? splitPiece(whole, pattern, 'MergedWithNext') : [whole];
  };
}

function fixedLength(length: number): PreTokenizer {
  return (piece) => {
    const ranges: [number, number][] = [];
    let [start, at, count] = [0, 0, 0];
    for (const char of piece.text) {
      at += char.length;
      if (++count < length) continue;
      ranges.push([start, at]);
      [start, count] = [at, 0];
    }
    return cut(piece, [...ranges, [start, at]]);
  };
}
