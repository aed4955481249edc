import type { ONNX_TRAIN } from '../backends/onnx-train/option-set.js';
import type { GivenOf } from '../options/define.js';
import type { SELECT } from '../options/sets/adapters.js';
import type { TRAIN } from '../train/option-set.js';

/** Values of options of `lotrc tune` that belong together. Options that are given count more. */
export type Preset = GivenOf<typeof SELECT> & GivenOf<typeof ONNX_TRAIN> & GivenOf<typeof TRAIN>;

/** Learning rate and batch are those of the table in the LoTR authors' script (lotr_glue.py), which has them of the fine-tuning of all weights of RoBERTa. */
const glue = (
  [textField, pairField]: readonly [string, string?],
  batchSize: 16 | 32,
  lr: number,
  rest: Preset = {},
): Preset => ({
  textField,
  ...(pairField === undefined ? {} : { pairField }),
  labelField: 'label',
  batchSize,
  lr,
  maxLength: 256,
  best: 'accuracy',
  ...rest,
});

const MNLI = glue(['premise', 'hypothesis'], 16, 1e-5);

/** `--preset`: fields, metric, batch and learning rate of the tasks of GLUE, as the hub serves them. */
export const PRESETS = {
  'glue/cola': glue(['sentence'], 16, 1e-5, { best: 'mcc' }),
  'glue/mnli': MNLI,
  'glue/mnli-mm': MNLI,
  'glue/mrpc': glue(['sentence1', 'sentence2'], 16, 1e-5),
  'glue/qnli': glue(['question', 'sentence'], 32, 1e-5),
  'glue/qqp': glue(['question1', 'question2'], 32, 1e-5),
  'glue/rte': glue(['sentence1', 'sentence2'], 16, 2e-5),
  'glue/sst2': glue(['sentence'], 32, 2e-5),
  'glue/stsb': glue(['sentence1', 'sentence2'], 16, 1e-5, { best: 'pearson', loss: [{ kind: 'mse' }] }),
  'glue/wnli': glue(['sentence1', 'sentence2'], 32, 1e-5),
} satisfies Readonly<Record<string, Preset>>;
export type PresetName = keyof typeof PRESETS;
export const PRESET_NAMES = Object.keys(PRESETS) as readonly PresetName[];

/** `--recipe`: how authors of a method train. */
export const RECIPES = {
  /** arXiv 2402.01376: queries and values, factors from N(0, 1), the product over the rank. The rank is the user's choice: 1 to 512 there. */
  'lotr-paper': {
    method: 'lotr',
    targets: [String.raw`(^|\.)(query|value|q_proj|v_proj|q_lin|v_lin)$`],
    init: 'normal',
    scale: 1,
    optimizer: 'adamw',
    beta1: 0.9,
    beta2: 0.98,
    epsilon: 1e-6,
    weightDecay: 0.1,
    schedule: 'polynomial',
    power: 1,
    warmup: 0.06,
    epochs: 20,
    batchSize: 16,
    maxLength: 256,
  },
} satisfies Readonly<Record<string, Preset>>;
export type RecipeName = keyof typeof RECIPES;
export const RECIPE_NAMES = Object.keys(RECIPES) as readonly RecipeName[];

/** A preset before a recipe, and both before defaults: by key, what the two say. */
export function presetValues(preset: PresetName | undefined, recipe: RecipeName | undefined): Preset {
  return {
    ...(recipe === undefined ? {} : RECIPES[recipe]),
    ...(preset === undefined ? {} : PRESETS[preset]),
  };
}
