import { bpeOf } from './bpe.js';
import type { Part } from './part.js';
import { unigramOf } from './unigram.js';
import { type TokenModel, vocabularyOf } from './vocabulary.js';

/** The model that a tokenizer.json holds. Throws LOTR8209 for one that is not known. */
export function tokenModelOf(part: Part): TokenModel {
  switch (kindOf(part)) {
    case 'WordLevel':
      return wordLevel(part);
    case 'WordPiece':
      return wordPiece(part);
    case 'BPE':
      return bpeOf(part);
    case 'Unigram':
      return unigramOf(part);
    default:
      return part.unsupported(`the model "${part.type}"`);
  }
}

/** Files of older versions do not name the type: the fields tell. */
function kindOf(part: Part): string {
  if (part.has('type')) return part.type;
  if (part.has('merges')) return 'BPE';
  if (Array.isArray(part.get('vocab'))) return 'Unigram';
  return part.has('max_input_chars_per_word') || part.has('continuing_subword_prefix')
    ? 'WordPiece'
    : 'WordLevel';
}

/** One word, one token. */
function wordLevel(part: Part): TokenModel {
  const vocabulary = vocabularyOf(part);
  const unknown = unknownOf(part, vocabulary, part.text('unk_token', '<unk>'));
  return {
    size: vocabulary.size,
    idOf: (token) => vocabulary.get(token),
    encode: (piece, into) => into.push(vocabulary.get(piece) ?? unknown(piece)),
  };
}

/** Greedy: at every place the longest token that fits; a word with a stretch that no token fits is unknown as a whole. */
function wordPiece(part: Part): TokenModel {
  const vocabulary = vocabularyOf(part);
  const unknown = unknownOf(part, vocabulary, part.text('unk_token', '[UNK]'));
  const prefix = part.text('continuing_subword_prefix', '##');
  const longest = part.count('max_input_chars_per_word', 100);
  // no token has more characters
  const widest = [...vocabulary.keys()].reduce((most, token) => Math.max(most, token.length), 0);
  return {
    size: vocabulary.size,
    idOf: (token) => vocabulary.get(token),
    encode(piece, into) {
      const chars = [...piece];
      const before = into.length;
      for (let start = 0, end: number; start < chars.length; start = end) {
        let id: number | undefined;
        const furthest = chars.length <= longest ? Math.min(chars.length, start + widest) : start;
        for (end = furthest; end > start; end--) {
          const text = chars.slice(start, end).join('');
          id = vocabulary.get(start > 0 ? prefix + text : text);
          if (id !== undefined) break;
        }
        if (id === undefined) {
          into.length = before;
          into.push(unknown(piece));
          return;
        }
        into.push(id);
      }
    },
  };
}

/** The id of the unknown token; a text that needs one is refused when the vocabulary has none. */
function unknownOf(
  part: Part,
  vocabulary: ReadonlyMap<string, number>,
  token: string,
): (piece: string) => number {
  const id = vocabulary.get(token);
  return (piece) =>
    id ??
    part.refuse(
      `the text has ${JSON.stringify(piece)}, and the vocabulary has neither it nor the unknown token ${JSON.stringify(token)}`,
    );
}
