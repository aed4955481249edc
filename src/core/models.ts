import { locationFrom } from '#platform';
import type { ByteSource } from '../ir/carried.js';
import { externalEscapes, externalMissing } from '../ir/codes/load.js';
import { fail } from '../ir/diagnostics.js';
import type { Model } from '../ir/model.js';
import { locationProblem, type ModelFolder } from '../ir/onnx/model-folder.js';
import { readModelFrom } from '../ir/onnx/read.js';
import { nameOf, openSource, type SourceInput } from './sources.js';

export interface OpenOptions {
  /** what the model's file is called; by default as the File or the URL says, else `model.onnx` */
  readonly name?: string;
  /** the files with external data, by the names that the model gives them */
  readonly files?: Readonly<Record<string, SourceInput>>;
}

/** A model whose bytes can be read, any number of times. */
export interface OpenedModel {
  readonly name: string;
  readonly source: ByteSource;
  /** Reads the model afresh. Throws as `readModel`. */
  read(): Model;
}

/** Opens a model and its external data for {@link OpenedModel.read}. Throws LOTR1002. */
export async function openModel(input: SourceInput, options: OpenOptions = {}): Promise<OpenedModel> {
  const name = options.name ?? nameOf(input, 'model.onnx');
  const source = await openSource(input, name);
  const files = new Map<string, ByteSource>();
  for (const [location, file] of Object.entries(options.files ?? {})) {
    const inner = plain(location);
    files.set(inner, await openSource(file, inner));
  }
  const folder = new GivenFiles(files);
  return { name, source, read: () => readModelFrom(source, folder) };
}

/**
 * Reads an ONNX model: bytes, an ArrayBuffer, a Blob or File, or an URL. Structure and names are read, weights stay where they are
 * until they are used. Throws LotrcError: LOTR1001 malformed, LOTR1002 unreadable, LOTR1003 duplicate names, LOTR1004 limits, LOTR1005
 * impossible tensors, LOTR1101 names of external data that lead elsewhere.
 */
export async function readGiven(input: SourceInput, options: OpenOptions = {}): Promise<Model> {
  return (await openModel(input, options)).read();
}

/** A location without `.` and without names that `..` takes back. */
const plain = (location: string): string => locationFrom('.', location);

/** The files that a caller gave with a model. */
class GivenFiles implements ModelFolder {
  constructor(readonly files: ReadonlyMap<string, ByteSource>) {}

  resolve(name: string, location: string): string {
    const inner = plain(location);
    const climbs = inner === '..' || inner.startsWith('../');
    const why = locationProblem(location) ?? (climbs || inner === '' ? "outside the model's folder" : null);
    if (why !== null) fail(externalEscapes({ name, location, why }));
    return `<${inner}>`;
  }

  open(name: string, location: string, end: number): ByteSource {
    const source = this.files.get(plain(location));
    if (!source) {
      const given = [...this.files.keys()];
      const why =
        given.length === 0 ? 'no files were given with the model' : `the files given are ${given.join(', ')}`;
      const hint = 'give the file under that name in `files`';
      return fail(externalMissing({ name, location, why, hint }));
    }
    if (end > source.size) {
      const why = `its data ends at byte ${end} and the file has ${source.size}`;
      fail(externalMissing({ name, location, why }));
    }
    return source;
  }
}
