import { join } from 'node:path';
import { type Output, writeAtomically } from '../src/ir/files/atomic.js';
import type { ByteSink } from '../src/ir/tensor.js';
import { refuseInputs } from './outputs.js';

/**
 * Writes text files below a folder, and `more` outputs together with them, all or none. Throws LOTR1201 when the system refuses, LOTR1202 when a file would
 * replace one of `inputs`.
 */
export function writeFolder(
  files: readonly { readonly path: string; readonly text: string }[],
  folder: string,
  inputs: readonly string[],
  clobber = true,
  more: readonly Output[] = [],
): void {
  const texts = files.map(({ path, text }) => ({
    path: join(folder, path),
    write: (sink: ByteSink) => sink.write(Buffer.from(text)),
  }));
  const outputs: readonly Output[] = [...texts, ...more];
  refuseInputs(
    outputs.map(({ path }) => path),
    inputs,
    clobber,
  );
  writeAtomically(outputs);
}
