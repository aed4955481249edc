import { diskFiles } from '#platform';
import { textOfUtf8 } from '../../ir/bytes.js';
import { badTokenizer } from '../../ir/codes/train.js';
import { fail, LotrcError } from '../../ir/diagnostics.js';
import { fileKind } from '../../ir/files/file-kind.js';
import { parsePlain } from '../../ir/files/json.js';
import type { NamedFiles } from '../../ir/files/named-files.js';
import { Unreadable } from '../../ir/files/unreadable.js';
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
  /** The text of tokens; absent where tokens are not parts of a text by themselves. */
  textOf?(ids: readonly number[]): string;
  /** Tokens that are known already, with the special tokens of a single text around them, at most `max` in all. */
  frame(ids: readonly number[], max: number): FramedTokens;
}

/** Tokens between special tokens. */
export interface FramedTokens {
  readonly ids: Int32Array;
  readonly types: readonly number[] | null;
  /** where the tokens begin in the row */
  readonly start: number;
  /** the first token that stayed, and how many stayed */
  readonly from: number;
  readonly kept: number;
}

/** Reads a tokenizer.json or a character vocabulary. Throws LOTR8209. */
export async function readTokenizer(file: string, files: NamedFiles = diskFiles): Promise<Tokenizer> {
  const refuse = (why: string): never => fail(badTokenizer({ file, why }));
  let value: unknown;
  try {
    const bytes = files.read(file);
    const kind = fileKind(bytes.subarray(0, 32));
    if (kind?.never) return refuse(`it is ${kind.what}; ${kind.hint}`);
    value = parsePlain(textOfUtf8(bytes));
  } catch (error) {
    if (error instanceof LotrcError) throw error;
    if (error instanceof Unreadable) return refuse(`it cannot be read: ${error.message}`);
    return refuse(`it is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null) return refuse('it is not a JSON object');
  if ('type' in value && value.type === 'character') {
    const made = characterVocabulary(value);
    return typeof made === 'string' ? refuse(made) : made;
  }
  if (!('model' in value)) return refuse('it has neither "model" (tokenizer.json) nor "type": "character"');
  // with its engine for regular expressions: only programs that read such a file load it
  const { TokenizerPipeline } = await import('./tokenizer/pipeline.js');
  return new TokenizerPipeline(file, value);
}
