import { refuseUnreadable } from '../src/ir/files/refuse-unreadable.js';
import { readRegular } from '../src/ir/files/regular.js';
import { Unreadable } from '../src/ir/files/unreadable.js';
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
    return readRegular(path).toString('utf8');
  } catch (error) {
    if (error instanceof Unreadable) refuseUnreadable(path, error);
    throw error;
  }
}
