import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { badPeft, peftFeature } from '../codes/files.js';
import { cannotRead } from '../codes/load.js';
import { fail } from '../diagnostics.js';
import { isFloat } from '../dtype.js';
import type { TensorData } from '../tensor.js';
import { matching, mayBacktrack, patternSeconds, TooLong } from '../time-limit.js';
import { type Json, JsonError, type JsonObject, parseJson } from './json.js';
import { transposedF32 } from './matrices.js';
import { CONFIG_FILE, KEY_PREFIX, WEIGHTS_FILE } from './peft.js';
import { readRegular, Unreadable } from './regular.js';
import { readSafetensors } from './safetensors.js';

/** One adapted layer of a PEFT adapter, in the orientation of lotrc's factors. */
export interface PeftLayer {
  /** path in the PyTorch model, without `base_model.model.` */
  readonly module: string;
  readonly in: number;
  readonly out: number;
  readonly rank: number;
  /** A, (in, rank), and B, (rank, out), as float32 */
  readonly a: TensorData;
  readonly b: TensorData;
  /** what the product is multiplied by: lora_alpha / r, or lora_alpha / sqrt(r) */
  readonly scale: number;
}

/** No configuration of PEFT comes near this size. */
const MAX_CONFIG = 16 << 20;
/** Named initialisations that leave the base weights alone; others (PiSSA, OLoRA, CorDA, LoftQ, LoRA-GA) change them. */
const KEEPS_BASE: ReadonlySet<string> = new Set(['gaussian', 'eva', 'orthogonal']);
/** Settings under which the layer computes something else than W x + scale B A x, or not for every token. */
const VARIANTS = [
  'alora_invocation_tokens',
  'arrow_config',
  'kasa_config',
  'layer_replication',
  'modules_to_save',
  'monteclora_config',
  'target_parameters',
  'trainable_token_indices',
  'use_bdlora',
];

/**
 * Reads a PEFT LoRA adapter from its folder, layers in the order of the weights file. Everything that is not plain LoRA
 * of linear layers is refused by name (LOTR7203); files that are not as PEFT writes them are LOTR7202. Files that cannot
 * be opened are LOTR1002, and damaged weights LOTR7001.
 */
export function readPeft(folder: string): readonly PeftLayer[] {
  const file = join(folder, CONFIG_FILE);
  const config = readConfig(file);
  refuseFeatures(file, config);
  const weights = join(folder, WEIGHTS_FILE);
  if (!existsSync(weights) && existsSync(join(folder, 'adapter_model.bin'))) {
    const hint = 'save it with safe_serialization=True: .bin files can run code when they are read';
    fail(badPeft({ file: join(folder, 'adapter_model.bin'), why: 'the weights are a pickle file', hint }));
  }
  const pairs = new Map<string, { a?: TensorData; b?: TensorData }>();
  for (const [key, data] of readSafetensors(weights).tensors) {
    const { module, side } = parseKey(weights, key);
    if (data.shape.length !== 2 || !isFloat(data.dtype)) {
      fail(badPeft({ file: weights, why: `"${key}" is ${data.dtype}[${data.shape.join(',')}]` }));
    }
    const pair = pairs.get(module) ?? {};
    if (pair[side])
      fail(badPeft({ file: weights, why: `module "${module}" has two matrices ${side.toUpperCase()}` }));
    pair[side] = data;
    pairs.set(module, pair);
  }
  if (pairs.size === 0) fail(badPeft({ file: weights, why: 'it holds no layers' }));
  const scaleOf = scaleRule(file, config);
  return [...pairs].map(([module, { a, b }]) => {
    if (!a || !b)
      return fail(badPeft({ file: weights, why: `module "${module}" has no matrix ${a ? 'B' : 'A'}` }));
    const [rank, inn, out] = [a.shape[0]!, a.shape[1]!, b.shape[0]!];
    if (b.shape[1] !== rank || rank === 0) {
      const why = `A [${a.shape.join(',')}] and B [${b.shape.join(',')}] of module "${module}" do not fit together`;
      fail(badPeft({ file: weights, why }));
    }
    return {
      module,
      in: inn,
      out,
      rank,
      a: transposedF32(a),
      b: transposedF32(b),
      scale: scaleOf(module, rank),
    };
  });
}

/** How layers of an adapter and layers of a model find each other. */
export interface PeftMatch {
  /** module in the adapter -> module path in the model */
  readonly matched: ReadonlyMap<string, string>;
  /** modules of the adapter that no layer of the model, or more than one, ends in */
  readonly unmatched: readonly string[];
}

/**
 * Matches modules by their dotted paths: equal, or one a dotted suffix of the other (a task head's wrapper adds a
 * prefix, an export may drop one). The longest common suffix wins; a tie is not a match.
 */
export function matchModules(modules: Iterable<string>, paths: readonly string[]): PeftMatch {
  const matched = new Map<string, string>();
  const unmatched: string[] = [];
  for (const module of modules) {
    const fits = paths.filter((path) => path === module || isSuffix(path, module) || isSuffix(module, path));
    const longest = Math.max(...fits.map((path) => Math.min(path.length, module.length)));
    const best = fits.includes(module)
      ? [module]
      : fits.filter((path) => Math.min(path.length, module.length) === longest);
    if (best.length === 1) matched.set(module, best[0]!);
    else unmatched.push(module);
  }
  return { matched, unmatched };
}

function isSuffix(short: string, long: string): boolean {
  return long.endsWith(`.${short}`);
}

function readConfig(file: string): JsonObject {
  let text: string;
  try {
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size > MAX_CONFIG) fail(badPeft({ file, why: 'the configuration is larger than 16 MiB' }));
    text = readRegular(file).toString('utf8');
  } catch (error) {
    if (error instanceof Unreadable) fail(cannotRead({ file, why: error.message }));
    throw error;
  }
  let value: Json;
  try {
    value = parseJson(text);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    return fail(badPeft({ file, why: `the configuration is not proper JSON: ${error.message}` }));
  }
  return value instanceof Map ? value : fail(badPeft({ file, why: 'the configuration is not an object' }));
}

function refuseFeatures(file: string, config: JsonObject): void {
  const type = config.get('peft_type');
  if (type !== 'LORA') fail(peftFeature({ file, feature: `peft_type ${JSON.stringify(type ?? null)}` }));
  const on = ['use_dora', 'lora_bias', 'use_qalora'].find((key) => config.get(key) === true);
  if (on) fail(peftFeature({ file, feature: on }));
  const bias = config.get('bias') ?? 'none';
  if (bias !== 'none') fail(peftFeature({ file, feature: `bias ${JSON.stringify(bias)}` }));
  for (const key of VARIANTS) {
    const value = config.get(key) ?? null;
    const empty = value === null || value === false || (Array.isArray(value) && value.length === 0);
    if (!empty && !(value instanceof Map && value.size === 0)) fail(peftFeature({ file, feature: key }));
  }
  const init = config.get('init_lora_weights');
  if (typeof init === 'string' && !KEEPS_BASE.has(init)) {
    fail(peftFeature({ file, feature: `init_lora_weights ${JSON.stringify(init)}` }));
  }
}

/** The name of a non-default adapter may be between lora_A and weight in files that were not saved by PEFT itself. */
const KEY = /^base_model\.model\.(.+)\.lora_([AB])\.(?:[^.]+\.)?weight$/;

function parseKey(file: string, key: string): { module: string; side: 'a' | 'b' } {
  const match = KEY.exec(key);
  if (match) return { module: match[1]!, side: match[2] === 'A' ? 'a' : 'b' };
  for (const feature of ['lora_magnitude_vector', 'lora_embedding_', 'lora_bias', 'modules_to_save']) {
    if (key.includes(feature)) fail(peftFeature({ file, feature: `"${key}"` }));
  }
  const why = `"${key}" is not ${KEY_PREFIX}<module>.lora_A.weight or .lora_B.weight`;
  return fail(badPeft({ file, why }));
}

/** The factor of a module: its alpha from alpha_pattern or lora_alpha, its rank from the matrices. */
function scaleRule(file: string, config: JsonObject): (module: string, rank: number) => number {
  const alpha = config.get('lora_alpha');
  if (typeof alpha !== 'number') return fail(badPeft({ file, why: 'the configuration has no lora_alpha' }));
  const patterns = config.get('alpha_pattern') ?? new Map<string, Json>();
  if (!(patterns instanceof Map)) return fail(badPeft({ file, why: 'alpha_pattern is not an object' }));
  const rules = [...(patterns as JsonObject)].map(([key, value]) => {
    if (typeof value !== 'number')
      return fail(badPeft({ file, why: `alpha_pattern "${key}" is not a number` }));
    return { matches: patternOf(file, key), value };
  });
  const rsLora = config.get('use_rslora') === true;
  return (module, rank) => {
    const own = rules.find(({ matches }) => matches(module))?.value ?? alpha;
    return own / (rsLora ? Math.sqrt(rank) : rank);
  };
}

/** PEFT matches a pattern at the end of a module path, from a dot or from the start. */
function patternOf(file: string, key: string): (module: string) => boolean {
  // plain names, which most patterns are, need no regular expression
  if (/^[\w.]+$/.test(key)) return (module) => module === key || module.endsWith(`.${key}`);
  try {
    const pattern = new RegExp(`^(?:.*\\.)?(?:${key})$`);
    const risky = mayBacktrack(pattern.source);
    return (module) => {
      try {
        return matching(module, risky, () => pattern.test(module));
      } catch (error) {
        if (!(error instanceof TooLong)) throw error;
        return fail(
          badPeft({
            file,
            why: `the pattern ${JSON.stringify(key)} takes longer than ${patternSeconds(module)} seconds on a name`,
          }),
        );
      }
    };
  } catch {
    return fail(badPeft({ file, why: `the pattern ${JSON.stringify(key)} is not a regular expression` }));
  }
}
