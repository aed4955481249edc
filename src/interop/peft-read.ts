import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { badPeft } from '../ir/codes/files.js';
import { fail } from '../ir/diagnostics.js';
import { isFloat } from '../ir/dtype.js';
import { isFolder } from '../ir/files/folders.js';
import { readSafetensors } from '../ir/files/safetensors.js';
import type { TensorData } from '../ir/tensor.js';
import type { ForeignAdapter, ForeignWeight } from './foreign.js';
import { CONFIG_FILE, type PeftConfig, readPeftConfig } from './peft-config.js';
import { PEFT_KINDS } from './peft-kinds.js';
import type { PeftKind, PeftParts } from './peft-module.js';
import { takeStacks } from './peft-stacks.js';

/** Adapters of PEFT: a folder with adapter_config.json and adapter_model.safetensors. */

export const WEIGHTS_FILE = 'adapter_model.safetensors';
export const KEY_PREFIX = 'base_model.model.';

/** Named initialisations that leave the base weights alone; others (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) change them. */
const KEEPS_BASE: ReadonlySet<string> = new Set(['gaussian', 'eva', 'orthogonal']);

/**
 * Reads an adapter of PEFT from its folder or its weights file, layers in the order of the file. What is more than layers of the kinds of
 * `peft-kinds.ts` and parameters saved whole is refused by name (LOTR7203); files that are not as PEFT writes them are LOTR7202. Files that
 * cannot be opened are LOTR1002, and damaged weights LOTR7001.
 */
export function readPeft(path: string): ForeignAdapter {
  const whole = isFolder(path);
  const folder = whole ? path : dirname(path);
  const weights = whole ? join(path, WEIGHTS_FILE) : path;
  const config = readPeftConfig(join(folder, CONFIG_FILE));
  const kind = kindOf(config);
  if (!existsSync(weights) && existsSync(join(folder, 'adapter_model.bin'))) {
    const hint = 'save it with safe_serialization=True: .bin files can run code when they are read';
    fail(badPeft({ file: join(folder, 'adapter_model.bin'), why: 'the weights are a pickle file', hint }));
  }
  const found = partsOf(weights, config, kind);
  if (found.layers.size === 0) fail(badPeft({ file: weights, why: 'it holds no layers' }));
  const stacks = takeStacks(found.layers, config, weights);
  const unchosen = config.unchosen;
  const leftOut = [...found.layers.keys()].flatMap((module) => {
    const why = unchosen(module);
    return why === null ? [] : [{ module, why }];
  });
  const out = new Set(leftOut.map(({ module }) => module));
  const layerOf = kind.layers(config, found.shared, weights);
  return {
    file: weights,
    names: 'dotted',
    layers: [...found.layers].flatMap(([module, parts]) => (out.has(module) ? [] : [layerOf(module, parts)])),
    stacks,
    weights: found.weights,
    leftOut,
  };
}

/** The kind that the configuration says, when lotrc reads it as it is set. */
function kindOf(config: PeftConfig): PeftKind {
  const type = config.get('peft_type');
  const kind = PEFT_KINDS.get(String(type)) ?? config.cannot(`peft_type ${JSON.stringify(type)}`);
  const on = kind.refused.find((key) => config.isSet(key));
  if (on) config.cannot(on);
  const init = config.get('init_lora_weights');
  if (typeof init === 'string' && !KEEPS_BASE.has(init))
    config.cannot(`init_lora_weights ${JSON.stringify(init)}`);
  return kind;
}

/** What names of PEFT's tensors begin with, of any kind. */
const ANY_PART =
  /\.(?:lora_|vera_|hada_|lokr_|ia3_|randlora_|oft_|boft_|hra_|fourierft_|vblora_|bone_|miss_|road_|shira_|c3a_|waveft_|delora_)/;

/** The tensors of a weights file: parts of layers by module, and parameters that are saved whole. */
function partsOf(file: string, config: PeftConfig, kind: PeftKind) {
  const layers = new Map<string, PeftParts>();
  const shared = new Map<string, TensorData>();
  const partOf = partFinder(kind);
  const weights = new Map<string, ForeignWeight>();
  for (const [key, data] of readSafetensors(file).tensors) {
    const wrong = (why: string): never => fail(badPeft({ file, why }));
    if (!isFloat(data.dtype)) wrong(`"${key}" is ${data.dtype}[${data.shape.join(',')}]`);
    const whole = kind.shared?.find((name) => key === `base_model.${name}`);
    if (whole) {
      shared.set(whole, data);
      continue;
    }
    const name = key.startsWith(KEY_PREFIX) ? key.slice(KEY_PREFIX.length) : key;
    const own = partOf(name);
    if (own) {
      const parts = layers.get(own.module) ?? new Map<string, TensorData>();
      if (parts.has(own.part)) wrong(`module "${own.module}" has two tensors ${own.part}`);
      layers.set(own.module, new Map([...parts, [own.part, data]]));
      continue;
    }
    if (ANY_PART.test(name)) config.cannot(`"${key}"`);
    // what the module was before it was copied to be trained
    if (name.includes('.original_module.')) continue;
    const parameter = name.replace(/\.modules_to_save\.(?:default\.)?/, '.').replace(/\.base_layer\./, '.');
    const cut = parameter.lastIndexOf('.');
    if (cut < 1) wrong(`"${key}" names neither a matrix of an adapter nor a parameter of a module`);
    const held = weights.get(parameter);
    if (held && held.data.digest() !== data.digest())
      wrong(`"${parameter}" is in it twice, with other values`);
    weights.set(parameter, { module: parameter.slice(0, cut), parameter: parameter.slice(cut + 1), data });
  }
  return { layers, shared, weights: [...weights.values()] };
}

/** Finds which part of which module a name is. The name of the adapter may be in it in files that PEFT itself did not save. */
function partFinder({
  parts,
}: PeftKind): (name: string) => { readonly module: string; readonly part: string } | null {
  const patterns = parts.map((part) => {
    const [first, ...rest] = part.split('.');
    const end = rest.map((text) => `\\.${text}`).join('');
    return { part, pattern: new RegExp(`^(.+)\\.${first}(?:\\.[^.]+)?${end}$`) };
  });
  return (name) => {
    for (const { part, pattern } of patterns) {
      const module = name.endsWith(`.${part}`) ? name.slice(0, -part.length - 1) : pattern.exec(name)?.[1];
      if (module) return { module, part };
    }
    return null;
  };
}
