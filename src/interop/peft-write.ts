import { join } from 'node:path';
import { notLora } from '../ir/codes/files.js';
import { fail } from '../ir/diagnostics.js';
import type { Output } from '../ir/files/atomic.js';
import { safetensorsOutput } from '../ir/files/safetensors.js';
import type { TensorData } from '../ir/tensor.js';
import { ViewedTensor } from '../ir/viewed-tensor.js';
import { mostFrequent } from './bind.js';
import type { ForeignWeight } from './foreign.js';
import { joinExperts, type LoraParameter } from './join-experts.js';
import { CONFIG_FILE } from './peft-config.js';
import { KEY_PREFIX, WEIGHTS_FILE } from './peft-read.js';
import type { LoraLayer } from './to-lora.js';

/** The first version of PEFT that has A of stacked experts on the side that these files have it on. */
const STACKS_SINCE = '0.19.0';

/** A PEFT LoRA adapter: the contents of its two files. */
export interface PeftAdapter {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: ReadonlyMap<string, TensorData>;
}

/**
 * Layers and whole parameters as a PEFT LoRA adapter. Biases are PEFT's `bias`, modules of other parameters its `modules_to_save`.
 * Throws LOTR7201 when there is no layer, and as `joinExperts`.
 */
export function peftAdapter(
  all: readonly LoraLayer[],
  weights: readonly ForeignWeight[],
  file = '<adapter>',
): PeftAdapter {
  if (all.length === 0) fail(notLora({ method: 'given', why: 'it has no layers' }));
  const layers = all.filter(({ expert }) => !expert);
  const stacks = joinExperts(
    all.filter(({ expert }) => expert),
    file,
  );
  const tensors = new Map<string, TensorData>();
  // PEFT puts the adapter of the first parameter of a module inside that of the next one
  for (const [at, { owner, a, b }] of stacks.entries()) {
    const inside = stacks.slice(at + 1).filter((other) => other.owner === owner);
    const key = `${KEY_PREFIX}${owner}.${inside.map(() => 'base_layer.').join('')}lora_`;
    tensors.set(`${key}A.weight`, a);
    tensors.set(`${key}B.weight`, b);
  }
  const beside = weights.find(({ module }) => stacks.some(({ owner }) => owner === module));
  if (beside)
    fail(
      notLora({
        method: 'given',
        why: `"${beside.module}.${beside.parameter}" was trained in full, and PEFT has no place for it beside target_parameters of its module`,
      }),
    );
  for (const { module, rank, a, b, window } of layers) {
    const key = `${KEY_PREFIX}${module}.lora_`;
    tensors.set(`${key}A.weight`, window ? new ViewedTensor(a, [rank, ...window]) : a);
    const ones = window ? window.slice(1).map(() => 1) : null;
    tensors.set(`${key}B.weight`, ones ? new ViewedTensor(b, [b.shape[0]!, rank, ...ones]) : b);
  }
  const adapted = new Set(layers.map(({ module }) => module));
  const saved = new Set(
    weights.flatMap(({ module, parameter }) => (parameter === 'bias' || adapted.has(module) ? [] : [module])),
  );
  const biases = weights.filter(({ module, parameter }) => parameter === 'bias' && !saved.has(module));
  for (const { module, parameter, data } of weights)
    tensors.set(`${KEY_PREFIX}${module}.${adapted.has(module) ? 'base_layer.' : ''}${parameter}`, data);
  const bias =
    biases.length === 0 ? 'none' : biases.every(({ module }) => adapted.has(module)) ? 'lora_only' : 'all';
  return {
    config: { ...configOf(layers, stacks), bias, modules_to_save: saved.size > 0 ? [...saved] : null },
    tensors,
  };
}

/** The two files of an adapter in a folder, for `writeAtomically`. */
export function peftOutputs(folder: string, adapter: PeftAdapter): readonly Output[] {
  const text = Buffer.from(`${JSON.stringify(adapter.config, null, 2)}\n`);
  return [
    safetensorsOutput(join(folder, WEIGHTS_FILE), adapter.tensors, { format: 'pt' }),
    { path: join(folder, CONFIG_FILE), write: (sink) => sink.write(text) },
  ];
}

/** PEFT multiplies by lora_alpha / r, or lora_alpha / sqrt(r) with rsLoRA; both r and alpha may differ by module. */
function configOf(layers: readonly LoraLayer[], stacks: readonly LoraParameter[]): Record<string, unknown> {
  const all = [...layers, ...stacks.map((stack) => ({ ...stack, module: stack.path }))];
  const rsLora = all.every(({ scaling }) => scaling === 'sqrt-rank');
  const alphas = new Map(
    all.map(({ module, alpha, rank, scaling }) => [
      module,
      scaling === 'sqrt-rank' && !rsLora ? alpha * Math.sqrt(rank) : alpha,
    ]),
  );
  const rank = mostFrequent(all.map((layer) => layer.rank));
  const alpha = mostFrequent([...alphas.values()]);
  const modules = all.map(({ module }) => module);
  // an expression that is the end of another module's path would count for that one too
  const anchor = (module: string) => (modules.some((other) => other.endsWith(`.${module}`)) ? '^' : '');
  const pattern = (values: Iterable<readonly [string, number]>, usual: number) =>
    Object.fromEntries(
      [...values].flatMap(([module, value]) =>
        value === usual ? [] : [[anchor(module) + escapePattern(module), value]],
      ),
    );
  return {
    base_model_name_or_path: null,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    lora_alpha: alpha,
    alpha_pattern: pattern(alphas, alpha),
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: rank,
    rank_pattern: pattern(
      all.map((layer) => [layer.module, layer.rank] as const),
      rank,
    ),
    target_modules: layers.map(({ module }) => module),
    ...(stacks.length > 0
      ? { target_parameters: stacks.map(({ path }) => path), peft_version: STACKS_SINCE }
      : {}),
    task_type: null,
    use_rslora: rsLora,
  };
}

/** Keys of rank_pattern are regular expressions that PEFT anchors at the end and at a dot. */
function escapePattern(module: string): string {
  return module.replace(/[\\^$.|?*+()[\]{}]/g, '\\$&');
}
