import { filesOf } from '../../src/ir/files-of.js';
import { loadModel } from '../load.js';

/** The files besides its own that a model reads. Throws LotrcError for a model that cannot be read. */
export function filesOfModel(path: string): readonly string[] {
  return filesOf(loadModel(path)).filter((file) => file !== path);
}
