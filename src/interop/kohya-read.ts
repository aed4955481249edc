import { LORA } from '../adapter/methods/lora.js';
import { badKohya, kohyaFeature } from '../ir/codes/files.js';
import { fail } from '../ir/diagnostics.js';
import { isFloat } from '../ir/dtype.js';
import type { TensorData } from '../ir/tensor.js';
import { toF64 } from '../ir/values.js';
import type { ForeignAdapter, ForeignLayer } from './foreign.js';
import { matrixExtents, transposedF32 } from './matrices.js';

/**
 * LoRA as the scripts of kohya-ss and many tools after them store it: `lora_unet_<module with underscores>.lora_down.weight`,
 * `.lora_up.weight` and `.alpha`, one file for several networks.
 */
const KEY = /^(.+)\.(lora_down\.weight|lora_up\.weight|alpha)$/;
/** Which network a module belongs to: U-Net, text encoders, transformer. */
const NETWORK = /^lora_(?:unet|te\d*|transformer)_/;
/** Parts of other methods under the same kind of name. */
const OTHER_METHODS = /\.(?:hada_|lokr_|oft_|dora_scale|lora_mid|diff|norm_scale|bundle_emb|w_norm)/;

/** Whether the tensors of a file have such names. */
export function isKohya(names: Iterable<string>): boolean {
  return [...names].some((name) => name.endsWith('.lora_down.weight'));
}

/** Reads such tensors. Throws LOTR7401 for what does not fit together, LOTR7402 for parts of other methods. */
export function readKohya(file: string, tensors: ReadonlyMap<string, TensorData>): ForeignAdapter {
  const modules = new Map<string, { down?: TensorData; up?: TensorData; alpha?: number }>();
  for (const [name, data] of tensors) {
    const [, module, part] = KEY.exec(name) ?? [];
    if (module === undefined) {
      if (OTHER_METHODS.test(name)) fail(kohyaFeature({ file, name }));
      return fail(badKohya({ file, why: `"${name}" is not lora_down, lora_up or alpha of a module` }));
    }
    if (!isFloat(data.dtype)) fail(badKohya({ file, why: `"${name}" is ${data.dtype}` }));
    const held = modules.get(module) ?? {};
    modules.set(module, held);
    if (part === 'alpha') held.alpha = scalarOf(file, name, data);
    else held[part === 'lora_up.weight' ? 'up' : 'down'] = data;
  }
  const layers = [...modules].map(([module, { down, up, alpha }]): ForeignLayer => {
    const wrong = (why: string): never => fail(badKohya({ file, why }));
    if (!down || !up || down.shape.length < 2 || up.shape.length < 2)
      return wrong(`module "${module}" lacks lora_${down ? 'up' : 'down'}`);
    const [rank, inn] = matrixExtents(down);
    const [out, inner] = matrixExtents(up);
    if (inner !== rank || rank === 0)
      wrong(`lora_down [${down.shape}] and lora_up [${up.shape}] of "${module}" do not fit together`);
    // without an alpha the product is taken as it is
    const spec = { ...LORA, scale: alpha ?? rank };
    const factors = [transposedF32(down), transposedF32(up)];
    return { module: module.replace(NETWORK, ''), in: inn, out, rank, spec, factors };
  });
  return { file, names: 'flat', layers, stacks: [], weights: [], leftOut: [] };
}

function scalarOf(file: string, name: string, data: TensorData): number {
  const values = data.byteLength <= 8 ? toF64(data) : [];
  return values.length === 1 && Number.isFinite(values[0])
    ? values[0]!
    : fail(badKohya({ file, why: `"${name}" is not one finite number` }));
}
