import { inputUnknown } from '../../ir/codes/train.js';
import { noDecoderStart, shiftedTwice } from '../../ir/codes/train-text.js';
import { fail } from '../../ir/diagnostics.js';
import type { GraphSignature, Port } from '../signature.js';
import type { BadRecords } from './bad-lines.js';
import type { Column, DataBatch, Dataset } from './dataset.js';
import { decoderOf } from './decoder.js';
import type { Fields } from './fields.js';
import { type DataRow, has, type Rows, requireColumns, requireRows, textOf } from './records.js';
import type { WritingData, WritingTask } from './row-task.js';
import { idOf, readModelConfig } from './special-tokens.js';
import { type Padding, rowLength, TOKEN_COLUMNS, tokenColumns } from './token-columns.js';
import type { Encoded } from './tokenizer.js';

export interface Seq2seqTask extends WritingTask {
  /** the token that decoders start with; null: as config.json says */
  readonly start: string | null;
}

/** What an encoder reads and a decoder is to write. */
interface Example {
  readonly source: Encoded;
  readonly target: Encoded;
}

/** Throws LOTR8208 with what is expected when the first record has no source and target. */
function requireFields(first: DataRow, { name }: Port, { source, target }: Fields): void {
  if (has(first, source) && has(first, target)) return;
  const columns = Object.keys(first.value);
  const hint = `an encoder-decoder is trained on records with "${source}" and "${target}"; --source-field and --target-field name others`;
  fail(inputUnknown({ input: name, columns, hint }));
}

/**
 * Sources and targets for encoder-decoder models: labels are the ids of the target, inputs of the decoder the same ids one
 * place later, after the token that decoders start with. Throws LOTR8204, LOTR8205, LOTR8208, LOTR8251, LOTR8252.
 */
export async function seq2seqDataset(
  records: Rows & { readonly peek: DataRow | null },
  graph: GraphSignature,
  task: Seq2seqTask,
  bad: BadRecords,
): Promise<WritingData> {
  const { fields, tokenizer, padding, ignored } = task;
  const decoder = decoderOf(graph)!;
  if (records.peek) requireFields(records.peek, decoder, fields);
  if (task.shift) fail(shiftedTwice({}));
  const { start, files } = startOf(task);
  const encoder = graph.inputs.find(
    ({ role, name }) => role === 'batch' && /ids$/i.test(name) && !/decoder/i.test(name),
  );
  const lengths: Lengths = {
    source: paddingOf(padding, encoder),
    target: paddingOf(padding, decoder),
    equal: encoder !== undefined && encoder.shape[1] === decoder.shape[1],
  };
  requireColumns(records, [fields.source, fields.target]);
  const rows: Example[] = [];
  for await (const record of records.rows) {
    const text = textOf(record, fields.source, bad);
    const answer = text === null ? null : textOf(record, fields.target, bad);
    if (text === null || answer === null) continue;
    const source = tokenizer.encode(text, null, lengths.source.fixed ?? padding.max);
    const target = tokenizer.encode(answer, null, lengths.target.fixed ?? padding.max);
    const empty = [source, target].findIndex(({ ids }) => ids.length === 0);
    if (empty < 0) rows.push({ source, target });
    else bad.add(record.line, `its "${empty === 0 ? fields.source : fields.target}" has no token`);
  }
  requireRows(records, rows.length);
  task.seen.add(rows.map(({ source, target }) => (target.full > target.ids.length ? target : source)));
  return { dataset: pairsOf(rows, { lengths, padId: tokenizer.padId, start, ignored }), files };
}

interface Lengths {
  readonly source: Padding;
  readonly target: Padding;
  /** the model takes both in one length */
  readonly equal: boolean;
}

function paddingOf(padding: Padding, port: Port | undefined): Padding {
  const extent = port?.shape[1];
  return { ...padding, fixed: typeof extent === 'number' ? extent : null };
}

/** The id that decoders start with. Throws LOTR8251 when nothing says. */
function startOf({ start, tokenizer, tokenizerFile, from }: Seq2seqTask) {
  if (start !== null) return { start: idOf(start, tokenizer, tokenizerFile), files: [] };
  const { config, files } = readModelConfig(tokenizerFile, from);
  const id = config.decoder_start_token_id;
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0) return { start: id, files };
  return fail(noDecoderStart({ file: tokenizerFile, files }));
}

/** The ids one place later, after a first one. */
function shiftedBy(start: number, ids: Int32Array): Int32Array {
  const shifted = new Int32Array(ids.length).fill(start, 0, 1);
  shifted.set(ids.subarray(0, -1), 1);
  return shifted;
}

interface Form {
  readonly lengths: Lengths;
  readonly padId: number;
  /** the id that decoders start with */
  readonly start: number;
  readonly ignored: number;
}

/** Sources with targets, made into batches of any rows. */
function pairsOf(rows: readonly Example[], { lengths, padId, start, ignored }: Form): Dataset {
  const batch = (indices: ArrayLike<number>, filled = indices.length): DataBatch => {
    const chosen = Array.from(indices, (index) => rows[index]!);
    const sources = chosen.map(({ source }) => source);
    const targets = chosen.map(({ target }) => target.ids);
    const shifted = targets.map((ids) => ({
      ids: shiftedBy(start, ids),
      types: null,
    }));
    const own = [rowLength(sources, lengths.source), rowLength(shifted, lengths.target)] as const;
    const [read, written] = lengths.equal ? [Math.max(...own), Math.max(...own)] : own;
    const source = tokenColumns(sources, { ...lengths.source, fixed: read }, padId, filled);
    const target = tokenColumns(shifted, { ...lengths.target, fixed: written }, padId, filled);
    const data = new Int32Array(filled * target.length).fill(ignored);
    for (const [row, ids] of targets.entries()) data.set(ids, row * target.length);
    const columns = new Map<string, Column>(source.columns);
    for (const [name, column] of target.columns) columns.set(ofDecoder(name), column);
    return {
      columns,
      labels: { shape: [filled, target.length], data },
      examples: chosen.length,
      tokens: source.tokens + target.tokens,
    };
  };
  return {
    size: rows.length,
    unit: 'example',
    columns: [...TOKEN_COLUMNS, ...TOKEN_COLUMNS.map(ofDecoder)],
    lengths: rows.map(({ source }) => source.ids.length),
    batch,
  };
}

function ofDecoder(column: string): string {
  return `decoder_${column}`;
}
