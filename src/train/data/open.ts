import type { Signature } from '../signature.js';
import type { LabelMap } from './labels.js';
import { parquetRows } from './parquet/rows.js';
import { type DataOptions, type OpenedData, readData } from './read-data.js';
import { Source, type Watch } from './source.js';

/**
 * Opens a data file by its extension: JSON Lines (.jsonl, .ndjson), tables (.csv, .tsv) and .parquet with records, .safetensors with
 * ready tensors, anything else as plain text for language models. `labels`: the map that training made. `inputs`: what
 * inputs of the model read. `watch` is told how far it is. Throws LOTR8204, LOTR8220 and those of the readers.
 */
export function openData(
  file: string,
  signature: Signature,
  options: DataOptions,
  labels: LabelMap | null,
  inputs: ReadonlyMap<string, string> = new Map(),
  watch?: Watch,
): Promise<OpenedData> {
  return readData(new Source(file, watch), signature, options, labels, inputs, parquetRows);
}
