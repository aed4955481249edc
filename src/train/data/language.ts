import { badData } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import type { Column, DataBatch, Dataset } from './dataset.js';
import { readLines, utf8 } from './lines.js';
import type { Source } from './source.js';
import { requireSize } from './token-columns.js';
import type { Tokenizer } from './tokenizer.js';

/** How running text is cut into windows. */
export interface Windows {
  /** tokens per window: the sequence length of the model's input */
  readonly length: number;
  /**
   * The graph scores position t against label t + 1, so labels are the input ids themselves; then windows overlap by
   * one token. Otherwise labels are the ids of the next positions and windows are end to end. Either way every token
   * but the first is predicted exactly once.
   */
  readonly shift: boolean;
  readonly ignoreIndex: number;
}

/** Text is tokenized in pieces of about this many bytes, which end at line ends. */
const PIECE = 1 << 16;

/** Token ids of a plain text file in UTF-8. Throws as `textPieces`. */
export async function tokenizeText(source: Source, tokenizer: Tokenizer): Promise<Int32Array> {
  const ids = new Ids(source.file);
  for await (const piece of textPieces(source)) ids.add(tokenizer.plain(piece));
  return ids.all();
}

/** A plain text file in UTF-8, in pieces that are tokenized one by one. Throws LOTR8204, and as `Source` does. */
export async function* textPieces(source: Source): AsyncGenerator<string> {
  const { file } = source;
  let piece: string[] = [];
  let size = 0;
  for await (const { line, bytes } of source.rows(readLines(source))) {
    const text = utf8(bytes) ?? fail(badData({ file, why: `line ${line} is not UTF-8` }));
    piece.push(text);
    size += bytes.byteLength + 1;
    if (size < PIECE) continue;
    piece.push('');
    yield piece.join('\n');
    piece = [];
    size = 0;
  }
  if (piece.length > 0) yield piece.join('\n');
}

/** Token ids in memory of their own, which grows. */
class Ids {
  #held = new Int32Array(1 << 16);
  #count = 0;

  constructor(readonly file: string) {}

  /** Throws LOTR8204 when there is no memory for them. */
  add(ids: readonly number[]): void {
    const wanted = this.#count + ids.length;
    if (wanted > this.#held.length) {
      const larger = this.#room(Math.max(wanted, 2 * this.#held.length));
      larger.set(this.#held);
      this.#held = larger;
    }
    this.#held.set(ids, this.#count);
    this.#count = wanted;
  }

  all(): Int32Array {
    return this.#held.subarray(0, this.#count);
  }

  #room(count: number): Int32Array<ArrayBuffer> {
    try {
      return new Int32Array(count);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      const why = `its first ${this.#count} tokens fill the memory`;
      return fail(badData({ file: this.file, why, hint: 'divide it into several files' }));
    }
  }
}

/** Windows over running text, for causal language models. The last one may be shorter: its end does not count. */
export function windowDataset(
  ids: Int32Array,
  windows: Windows,
  tokenizer: Tokenizer,
  file: string,
): Dataset {
  const { length, shift, ignoreIndex } = windows;
  if (length < 2)
    fail(badData({ file, why: `the model takes rows of ${length} tokens, and prediction needs two` }));
  if (ids.length < 2) fail(badData({ file, why: `it has ${ids.length} tokens, and prediction needs two` }));
  const stride = shift ? length - 1 : length;
  const size = Math.ceil((ids.length - 1) / stride);
  const batch = (indices: ArrayLike<number>, filled = indices.length): DataBatch => {
    requireSize(filled, length);
    const shape = [filled, length];
    const inputs = new Int32Array(filled * length).fill(tokenizer.padId);
    const mask = new Int32Array(filled * length);
    const labels = new Int32Array(filled * length).fill(ignoreIndex);
    const positions = Int32Array.from(inputs, (_, i) => i % length);
    let tokens = 0;
    for (const [row, index] of Array.from(indices).entries()) {
      const start = index * stride;
      const input = ids.subarray(start, Math.min(start + length, shift ? ids.length : ids.length - 1));
      const label = shift ? input : ids.subarray(start + 1, start + 1 + length);
      inputs.set(input, row * length);
      mask.fill(1, row * length, row * length + input.length);
      labels.set(label, row * length);
      tokens += input.length;
    }
    for (let row = indices.length; row < filled; row++) mask[row * length] = 1;
    const columns = new Map<string, Column>([
      ['input_ids', { shape, data: inputs }],
      ['attention_mask', { shape, data: mask }],
      ['token_type_ids', { shape, data: new Int32Array(filled * length) }],
      ['position_ids', { shape, data: positions }],
    ]);
    return { columns, labels: { shape, data: labels }, examples: indices.length, tokens };
  };
  const columns = ['input_ids', 'attention_mask', 'token_type_ids', 'position_ids'];
  return { size, unit: 'window', columns, batch };
}
