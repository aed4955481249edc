import { existsSync, mkdirSync, rmdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { cannotWrite } from '../src/ir/codes/load.js';
import { fail } from '../src/ir/diagnostics.js';
import { isSystemError, writeAtomically } from '../src/ir/files/atomic.js';
import type { ByteSink } from '../src/ir/tensor.js';
import { refuseInputs } from './outputs.js';

/**
 * Writes text files below a folder, all or none; folders that are missing are made, and taken away again when the files
 * cannot be written. Throws LOTR1201 when the system refuses, LOTR1202 when a file would go over one of `inputs`.
 */
export function writeFolder(
  files: readonly { readonly path: string; readonly text: string }[],
  folder: string,
  inputs: readonly string[],
): void {
  const outputs = files.map(({ path, text }) => ({
    path: join(folder, path),
    write: (sink: ByteSink) => sink.write(Buffer.from(text)),
  }));
  const paths = outputs.map(({ path }) => path);
  // before anything is moved to its place: of several moves, one that failed would leave the others behind
  for (const path of paths) {
    if (existsSync(path) && statSync(path).isDirectory())
      fail(cannotWrite({ file: path, why: 'it is a folder' }));
  }
  const made: string[] = [];
  try {
    for (const path of paths) made.push(...makeFolders(dirname(path)));
    refuseInputs(paths, inputs);
    writeAtomically(outputs);
  } catch (error) {
    removeEmpty(made);
    throw error;
  }
}

/** Makes a folder and those above it, and names the new ones, the outermost first. */
function makeFolders(path: string): string[] {
  const missing: string[] = [];
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.unshift(at);
  const made: string[] = [];
  // one by one: the recursive form does not end where the system has no folders to make (/proc)
  for (const folder of missing) {
    try {
      mkdirSync(folder);
    } catch (error) {
      removeEmpty(made);
      if (isSystemError(error)) fail(cannotWrite({ file: folder, why: error.message }));
      throw error;
    }
    made.push(folder);
  }
  return made;
}

function removeEmpty(folders: readonly string[]): void {
  for (const folder of folders.toReversed()) {
    try {
      rmdirSync(folder);
    } catch (error) {
      // somebody else has put something there
      if (!isSystemError(error)) throw error;
    }
  }
}
