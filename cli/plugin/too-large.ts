import { importTooLarge } from '../../src/ir/codes/build.js';
import { tooLargeToInline } from '../../src/ir/codes/load.js';
import { fail, LotrcError } from '../../src/ir/diagnostics.js';
import { lengthOfFile } from '../../src/ir/files/length-of.js';
import { planModel } from '../../src/ir/onnx/writer.js';
import { filesOfModel } from '../build/model-files.js';
import { loadModel } from '../load.js';

/** Most bytes of a model in one file, which a bundler also reads as a whole. */
const MOST = 2 ** 31 - 1;

/** Throws LOTR8321 for a model that does not fit into one file. Weights are counted, not read. */
export function refuseTooLarge(model: string, request: string): void {
  const sizes = [model, ...filesOfModel(model)].map(lengthOfFile);
  // files may hold what the model does not use
  if (sizes.reduce((sum, size) => sum + size, 0) <= MOST) return;
  try {
    planModel(loadModel(model), `${model}.inline`, { weights: 'inline' });
  } catch (error) {
    if (!(error instanceof LotrcError) || error.diagnostics[0]!.code !== tooLargeToInline.code) throw error;
    fail(importTooLarge({ request, most: MOST }));
  }
}
