import { readFileSync, statSync } from 'node:fs';
import { cannotRead } from '../src/ir/codes/load.js';
import { fail } from '../src/ir/diagnostics.js';
import { isSystemError } from '../src/ir/files/atomic.js';
import type { Model } from '../src/ir/model.js';
import { readModel } from '../src/ir/onnx/reader.js';
import { parseModel } from '../src/ir/text/index.js';

/** ending of models in text form */
export const TEXT = '.onnxtxt';

/** Reads a model from an ONNX file, or from its text form when the name ends in `.onnxtxt`. Throws LotrcError. */
export function loadModel(path: string): Model {
  if (!path.endsWith(TEXT)) return readModel(path);
  return parseModel(readText(path), path);
}

/** A text file whole. Throws LOTR1002. */
export function readText(path: string): string {
  try {
    if (!statSync(path).isFile()) fail(cannotRead({ file: path, why: 'it is not a file' }));
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isSystemError(error)) fail(cannotRead({ file: path, why: error.message }));
    throw error;
  }
}
