import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LORA } from '../adapter/methods/lora.js';
import { badPeft } from '../ir/codes/files.js';
import { fail } from '../ir/diagnostics.js';
import { isFloat } from '../ir/dtype.js';
import { isFolder } from '../ir/files/folders.js';
import { readSafetensors } from '../ir/files/safetensors.js';
import type { TensorData } from '../ir/tensor.js';
import type { ForeignAdapter, ForeignLayer, ForeignWeight } from './foreign.js';
import { matrixExtents, transposedF32 } from './matrices.js';
import { CONFIG_FILE, type PeftConfig, readPeftConfig } from './peft-config.js';

/** Adapters of PEFT: a folder with adapter_config.json and adapter_model.safetensors. */

export const WEIGHTS_FILE = 'adapter_model.safetensors';
export const KEY_PREFIX = 'base_model.model.';

/** Named initialisations that leave the base weights alone; others (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) change them. */
const KEEPS_BASE: ReadonlySet<string> = new Set(['gaussian', 'eva', 'orthogonal']);
/** Settings under which the layer computes something else than W x + scale B A x, or not for every token. */
const VARIANTS = [
  'alora_invocation_tokens',
  'arrow_config',
  'kasa_config',
  'layer_replication',
  'lora_bias',
  'monteclora_config',
  'target_parameters',
  'trainable_token_indices',
  'use_bdlora',
  'use_dora',
  'use_qalora',
];

/**
 * Reads a LoRA adapter of PEFT from its folder or its weights file, layers in the order of the file. What is more than LoRA of
 * layers and parameters saved whole is refused by name (LOTR7203); files that are not as PEFT writes them are LOTR7202. Files that
 * cannot be opened are LOTR1002, and damaged weights LOTR7001.
 */
export function readPeft(path: string): ForeignAdapter {
  const whole = isFolder(path);
  const folder = whole ? path : dirname(path);
  const weights = whole ? join(path, WEIGHTS_FILE) : path;
  const config = readPeftConfig(join(folder, CONFIG_FILE));
  refuseFeatures(config);
  if (!existsSync(weights) && existsSync(join(folder, 'adapter_model.bin'))) {
    const hint = 'save it with safe_serialization=True: .bin files can run code when they are read';
    fail(badPeft({ file: join(folder, 'adapter_model.bin'), why: 'the weights are a pickle file', hint }));
  }
  const found = partsOf(weights, config);
  if (found.layers.size === 0) fail(badPeft({ file: weights, why: 'it holds no layers' }));
  const unchosen = config.unchosen;
  const leftOut = [...found.layers.keys()].flatMap((module) => {
    const why = unchosen(module);
    return why === null ? [] : [{ module, why }];
  });
  const out = new Set(leftOut.map(({ module }) => module));
  const loraOf = loraLayers(weights, config);
  return {
    file: weights,
    names: 'dotted',
    layers: [...found.layers].flatMap(([module, parts]) => (out.has(module) ? [] : [loraOf(module, parts)])),
    weights: found.weights,
    leftOut,
  };
}

function refuseFeatures(config: PeftConfig): void {
  const type = config.get('peft_type');
  if (type !== 'LORA') config.cannot(`peft_type ${JSON.stringify(type)}`);
  const on = VARIANTS.find((key) => config.isSet(key));
  if (on) config.cannot(on);
  const init = config.get('init_lora_weights');
  if (typeof init === 'string' && !KEEPS_BASE.has(init))
    config.cannot(`init_lora_weights ${JSON.stringify(init)}`);
}

/** The tensors of one module, by what PEFT calls them: `lora_A`, `lora_B`. */
type Parts = ReadonlyMap<string, TensorData>;

/** The name of an adapter may stand in front of `weight` in files that were not saved by PEFT itself. */
const PART = /^(.+)\.(lora_[AB])\.(?:[^.]+\.)?weight$/;
/** What else PEFT names after LoRA, and what it means. */
const OTHER_PARTS = ['lora_magnitude_vector', 'lora_embedding_', 'lora_B.bias', 'lora_bias'];

/** The tensors of a weights file: parts of layers by module, and parameters that are saved whole. */
function partsOf(file: string, config: PeftConfig) {
  const layers = new Map<string, Map<string, TensorData>>();
  const weights = new Map<string, ForeignWeight>();
  for (const [key, data] of readSafetensors(file).tensors) {
    const name = key.startsWith(KEY_PREFIX) ? key.slice(KEY_PREFIX.length) : key;
    const wrong = (why: string): never => fail(badPeft({ file, why }));
    if (!isFloat(data.dtype)) wrong(`"${key}" is ${data.dtype}[${data.shape.join(',')}]`);
    const [, module, part] = PART.exec(name) ?? [];
    if (module !== undefined && part !== undefined) {
      const parts = layers.get(module) ?? new Map<string, TensorData>();
      if (parts.has(part)) wrong(`module "${module}" has two tensors ${part}`);
      layers.set(module, parts.set(part, data));
      continue;
    }
    if (OTHER_PARTS.some((text) => name.includes(text))) config.cannot(`"${key}"`);
    // what the module was before it was copied to be trained
    if (name.includes('.original_module.')) continue;
    const whole = name.replace(/\.modules_to_save\.(?:default\.)?/, '.').replace(/\.base_layer\./, '.');
    const cut = whole.lastIndexOf('.');
    if (cut < 1) wrong(`"${key}" names neither a matrix of an adapter nor a parameter of a module`);
    const held = weights.get(whole);
    if (held && held.data.digest() !== data.digest()) wrong(`"${whole}" is in it twice, with other values`);
    weights.set(whole, { module: whole.slice(0, cut), parameter: whole.slice(cut + 1), data });
  }
  return { layers, weights: [...weights.values()] };
}

/** How the matrices of a module are a LoRA layer. */
function loraLayers(file: string, config: PeftConfig): (module: string, parts: Parts) => ForeignLayer {
  const alphaOf = config.perModule('alpha_pattern', config.number('lora_alpha'));
  const rankOf = config.perModule('rank_pattern', config.number('r'));
  const rsLora = config.get('use_rslora') === true;
  return (module, parts) => {
    const wrong = (why: string): never => fail(badPeft({ file, why }));
    const [a, b] = [parts.get('lora_A'), parts.get('lora_B')];
    if (!a || !b) return wrong(`module "${module}" has no matrix ${a ? 'B' : 'A'}`);
    for (const { shape } of [a, b])
      if (shape.length < 2) wrong(`a matrix of module "${module}" has the shape [${shape.join(',')}]`);
    const [rank, inn] = matrixExtents(a);
    const [out, inner] = matrixExtents(b);
    if (inner !== rank || rank === 0)
      wrong(
        `A [${a.shape.join(',')}] and B [${b.shape.join(',')}] of module "${module}" do not fit together`,
      );
    if (rank !== rankOf(module))
      wrong(`module "${module}" has rank ${rank}, and ${rankOf(module)} in ${CONFIG_FILE}`);
    const scaling = rsLora ? 'sqrt-rank' : 'rank';
    const spec = { ...LORA, method: rsLora ? 'rslora' : 'lora', scale: alphaOf(module), scaling } as const;
    return { module, in: inn, out, rank, spec, factors: [transposedF32(a), transposedF32(b)] };
  };
}
