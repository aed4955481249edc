import { folderOf } from '../files/disk-folder.js';
import { FileSource } from '../files/file-source.js';
import type { Model } from '../model.js';
import { readModelFrom } from './read.js';

export { readModelBytes } from './read.js';

/**
 * Reads an ONNX file (onnx.proto, IR version 3 to 13) lazily: structure and names are read, tensors stay ranges of the
 * file. Everything that the IR does not model is carried, so that writing the model again loses nothing.
 * Throws LotrcError: LOTR1001 malformed, LOTR1002 unreadable, LOTR1003 duplicate names, LOTR1004 limits,
 * LOTR1005 impossible tensors, LOTR1101 external data outside the model's folder.
 */
export function readModel(path: string): Model {
  const model = readModelFrom(new FileSource(path), folderOf(path));
  model.path = path;
  return model;
}
