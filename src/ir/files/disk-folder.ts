import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import type { ByteSource } from '../carried.js';
import { externalEscapes, externalMissing } from '../codes/load.js';
import { fail } from '../diagnostics.js';
import { locationProblem, type ModelFolder } from '../onnx/model-folder.js';
import { FileSource } from './file-source.js';

/**
 * Finds external data. Locations are relative paths inside the model's folder (ONNX, external data); a path that
 * leaves the folder, also through a symbolic link, is refused when the model is read. Where the model itself is a link (the
 * cache of Hugging Face: snapshots of links into one folder of blobs), data in the folder of the real file is allowed too, as
 * ONNX Runtime does. Whether the file exists is
 * checked only when the data is read.
 */
class DiskFolder implements ModelFolder {
  readonly #model: string;
  readonly #folder: string;
  readonly #sources = new Map<string, FileSource>();

  constructor(modelPath: string) {
    this.#model = modelPath;
    this.#folder = dirname(modelPath);
  }

  resolve(name: string, location: string): string {
    const refuse = (why: string): never => fail(externalEscapes({ name, location, why }));
    const problem = locationProblem(location);
    if (problem !== null) return refuse(problem);
    const path = this.#pathOf(location);
    const inner = normalize(location);
    if (inner === '..' || inner.startsWith(`..${sep}`)) return refuse("outside the model's folder");
    if (existsSync(path)) {
      const real = realpathSync(path);
      const roots = [realpathSync(this.#folder)];
      if (existsSync(this.#model)) roots.push(dirname(realpathSync(this.#model)));
      if (!roots.some((root) => real.startsWith(root.endsWith(sep) ? root : root + sep))) {
        return refuse("a link that leaves the model's folder");
      }
    }
    return path;
  }

  open(name: string, location: string, end: number): ByteSource {
    const path = this.#pathOf(location);
    if (!existsSync(path)) fail(externalMissing({ name, location, why: 'there is no such file' }));
    let source = this.#sources.get(path);
    if (!source) {
      // the file may have appeared, or been replaced by a link, since the model was read
      this.resolve(name, location);
      source = new FileSource(path);
      // and a link may have been changed between that and the opening: the open file must be the one that is allowed
      source.checkIs(realpathSync(this.resolve(name, location)));
      this.#sources.set(path, source);
    }
    if (end > source.size) {
      const why = `its data ends at byte ${end} and the file has ${source.size}`;
      fail(externalMissing({ name, location, why }));
    }
    return source;
  }

  #pathOf(location: string): string {
    return normalize(join(this.#folder, location));
  }
}

/** The folder of the model file at a path, whose external data it finds. */
export const folderOf = (modelPath: string): ModelFolder => new DiskFolder(modelPath);
