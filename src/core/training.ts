import {
  type DirectoryRequest,
  type DirectoryTarget,
  type Emitted,
  emitDirectory,
  type PlacedBase,
} from '../backends/onnx-train/directory.js';
import type { ByteSource } from '../ir/carried.js';
import type { Output, WrittenOutput } from '../ir/files/atomic.js';
import { outputBytes } from '../ir/files/output-bytes.js';
import { sourceDigest } from '../ir/files/source-digest.js';
import { storedTensors } from '../ir/files-of.js';
import type { Model } from '../ir/model.js';
import { planEncoding } from '../ir/onnx/plan-output.js';
import { FileTensor } from '../ir/onnx/tensor-read.js';
import { isLinked } from '../ir/onnx/weights.js';
import type { BaseFile } from '../train/signature.js';

/** A training directory in memory. */
export interface TrainingFiles extends Omit<Emitted, 'files' | 'placed'> {
  /** the bytes of each file by its name, but for those of the base */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** the files of the base, by the names under which the graphs refer to their weights */
  readonly base: ReadonlyMap<string, ByteSource>;
}

/**
 * Makes a training directory in memory, with the bytes that `lotrc emit onnx-train` writes for the same model. `open` reads the
 * rewritten model afresh (`OpenedModel.read`). Throws as {@link emitDirectory}.
 */
export function emitIntoMemory(request: DirectoryRequest): TrainingFiles {
  const target = new MemoryDirectory();
  const { files: _files, placed: _placed, ...emitted } = emitDirectory(request, target);
  return { ...emitted, files: target.files, base: target.base };
}

/** Names that files of a training directory have, which no file of the base can take. */
const OWN = /^(?:(?:step|step-loop|grad|apply|eval|infer)\.onnx|state\.safetensors|signature\.json)$/;

class MemoryDirectory implements DirectoryTarget {
  readonly folder = '';
  readonly files = new Map<string, Uint8Array>();
  readonly base = new Map<string, ByteSource>();

  placeBase(model: Model): PlacedBase {
    const standIns = new Map<string, string>();
    const files: BaseFile[] = [];
    for (const [path, source] of [...weightSources(model)].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const location = this.#freeName(path.replace(/^<(.*)>$/s, '$1'));
      this.base.set(location, source);
      standIns.set(path, location);
      files.push({ location, ...sourceDigest(source) });
    }
    return { standIns, files, outputs: [] };
  }

  #freeName(wanted: string): string {
    for (let count = 0; ; count++) {
      const name = `${count === 0 ? '' : `base${count}-`}${wanted}`;
      if (!OWN.test(name) && !this.base.has(name)) return name;
    }
  }

  pathOf(name: string): string {
    return name;
  }

  plan(model: Model, path: string, standIns: PlacedBase['standIns']): ReturnType<DirectoryTarget['plan']> {
    // a file that is not of the base is one of the directory
    const within = (target: string) => standIns.get(target) ?? (target.startsWith('<') ? null : target);
    return planEncoding(model, path, { mode: 'link', canonical: false, within });
  }

  write(outputs: readonly Output[]): readonly WrittenOutput[] {
    return outputs.map((output) => {
      const bytes = outputBytes(output);
      this.files.set(output.path, bytes);
      return { path: output.path, bytes: bytes.byteLength, how: 'written' };
    });
  }
}

/** The sources that graphs refer to: of initializers, and of tensors of nodes. */
function weightSources(model: Model): ReadonlyMap<string, ByteSource> {
  const found = new Map<string, ByteSource>();
  for (const data of storedTensors(model)) {
    const { origin } = data;
    if (data instanceof FileTensor && origin.kind === 'file' && isLinked(data) && !found.has(origin.path)) {
      found.set(origin.path, data.source());
    }
  }
  return found;
}
