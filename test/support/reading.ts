import { writeFileSync } from 'node:fs';
import type { Diagnostic, LotrcError } from '../../src/ir/diagnostics.js';
import { FIELDS } from '../../src/train/data/fields.js';
import type { DataOptions } from '../../src/train/data/read-data.js';

/** Options of reading as `lotrc train` has them by default, but without padding. */
export const READING: DataOptions = {
  tokenizer: null,
  fields: FIELDS,
  badLines: 'stop',
  maxLength: 128,
  padTo: 1,
  task: null,
  quote: null,
  labels: null,
  bucket: false,
  bos: null,
  eos: null,
  pack: false,
  lossOn: 'answers',
  subwords: 'first',
  decoderStart: null,
};

/** The diagnostic of a refusal. */
export async function refused(opened: Promise<unknown>): Promise<Diagnostic> {
  const [first] = await opened.then(
    () => {
      throw new Error('nothing was refused');
    },
    (error: LotrcError) => error.diagnostics,
  );
  return first!;
}

/** Writes records as JSON Lines; returns the path. */
export function writeJsonl(path: string, rows: readonly object[]): string {
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return path;
}
