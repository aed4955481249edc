import { join } from 'node:path';
import { fail } from '../../ir/diagnostics.js';
import { writeAtomically } from '../../ir/files/atomic.js';
import { realFolder } from '../../ir/files/folders.js';
import { planModel } from '../../ir/onnx/writer.js';
import { cannotLinkBase } from '../codes/training.js';
import { type BaseMode, placeBase } from './base-files.js';
import { type DirectoryRequest, type Emitted, emitDirectory } from './directory.js';

export type { Emitted } from './directory.js';

export interface EmitRequest extends DirectoryRequest {
  readonly folder: string;
  readonly base?: BaseMode;
}

/**
 * Writes a training directory (training.md 2): step, grad, apply, eval and infer graphs in ordinary inference ops,
 * initial state, and the signature. The graphs refer to the base's weights where they lie; none of them is written
 * again. All files appear together or not at all. Throws LotrcError: LOTR32xx without a plan, LOTR4201 for ops without
 * a gradient, LOTR50xx for what does not fit.
 */
export function emitTraining(request: EmitRequest): Emitted {
  const { folder, base = 'auto', options } = request;
  return emitDirectory(request, {
    folder,
    placeBase(model) {
      if (base === 'link' && options.loop !== null) {
        const why = 'ONNX Runtime does not load step-loop.onnx when its weights are in a hard-linked file';
        fail(cannotLinkBase({ file: model.path ?? '<model>', why }));
      }
      return placeBase(model, folder, base);
    },
    pathOf: (name) => join(realFolder(folder), name),
    plan: (model, path, standIns) => planModel(model, path, { weights: 'link', standIns }),
    write: writeAtomically,
  });
}
