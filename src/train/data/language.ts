import { badData } from '../../ir/codes/train.js';
import { fail } from '../../ir/diagnostics.js';
import type { Batch, Column, Dataset } from './dataset.js';
import { readLines, utf8 } from './lines.js';
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

/** Token ids of a plain text file in UTF-8. Throws LOTR8204. */
export function tokenizeFile(file: string, tokenizer: Tokenizer): Int32Array {
  let ids = new Int32Array(1 << 16);
  let count = 0;
  let piece: string[] = [];
  let size = 0;
  const flush = () => {
    const found = tokenizer.plain(piece.join('\n'));
    while (count + found.length > ids.length) {
      const larger = new Int32Array(ids.length * 2);
      larger.set(ids);
      ids = larger;
    }
    ids.set(found, count);
    count += found.length;
    size = 0;
  };
  for (const { line, bytes } of readLines(file)) {
    const text = utf8(bytes) ?? fail(badData({ file, why: `line ${line} is not UTF-8` }));
    piece.push(text);
    size += bytes.byteLength + 1;
    if (size < PIECE) continue;
    piece.push('');
    flush();
    piece = [];
  }
  if (piece.length > 0) flush();
  return ids.slice(0, count);
}

/** Windows over running text, for causal language models. The last one may be shorter: its end does not count. */
export function windowDataset(
  ids: Int32Array,
  windows: Windows,
  tokenizer: Tokenizer,
  file: string,
): Dataset {
  const { length, shift, ignoreIndex } = windows;
  if (length < 2) throw new Error(`a window needs at least 2 tokens, not ${length}`);
  if (ids.length < 2) fail(badData({ file, why: `it has ${ids.length} tokens, and prediction needs two` }));
  const stride = shift ? length - 1 : length;
  const size = Math.ceil((ids.length - 1) / stride);
  const batch = (indices: ArrayLike<number>, filled = indices.length): Batch => {
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
