import { BACK_ENDS } from '../backends/backend.js';
import { ONNX_TRAIN } from '../backends/onnx-train/option-set.js';
import { type GpuOptions, gpuOptions } from '../backends/option-set.js';
import { type OptionSet, omit, type ValueOf } from '../options/define.js';
import { MERGE, REWRITE } from '../options/sets/adapters.js';
import { OF_COMMAND } from '../options/sets/shared.js';
import { TRAIN } from '../train/option-set.js';

/** What a config of `lotrc build` holds. The options of a step are those of its command, by their keys. */

/** The options of each step, without those that `lotrc build` sets itself, or that only watch or print. */
const REWRITES = omit(
  REWRITE,
  ...OF_COMMAND,
  'adapter',
  'withoutData',
  'calibration',
  'calibrationExamples',
  'tokenizer',
);
const MERGES = omit(MERGE, ...OF_COMMAND, 'adapter');
const TRAINING: Omit<typeof ONNX_TRAIN, (typeof OF_COMMAND)[number] | 'explain' | 'link' | 'copyBase'> = omit(
  ONNX_TRAIN,
  ...OF_COMMAND,
  'explain',
  'link',
  'copyBase',
);
const TRAINS = omit(
  TRAIN,
  'output',
  'clobber',
  'resume',
  'inProcess',
  'streaming',
  'shuffleWindow',
  'distributed',
  'rankTimeout',
  'json',
);
const gpu = (set: GpuOptions) => omit(set, ...OF_COMMAND, 'explain');

/** Values of a set as a config has them: objects in place of maps, and none must be given. */
type Given<S> = { readonly [K in keyof S]?: Plain<ValueOf<S[K]>> | undefined };
type Plain<T> = T extends ReadonlyMap<string, infer V> ? Readonly<Record<string, V>> : T;

export type GpuSection = Given<ReturnType<typeof gpu>>;

/** Options by step. */
export interface Sections {
  /** of `lotrc rewrite` */
  readonly rewrite?: Given<typeof REWRITES> | undefined;
  /** of `lotrc emit onnx-train` */
  readonly training?: Given<typeof TRAINING> | undefined;
  /** of `lotrc train` */
  readonly train?: Given<typeof TRAINS> | undefined;
  /** of `lotrc merge` */
  readonly merge?: Given<typeof MERGES> | undefined;
  /** of `lotrc emit wgsl` */
  readonly wgsl?: GpuSection | undefined;
  /** of `lotrc emit cuda` */
  readonly cuda?: GpuSection | undefined;
  /** of `lotrc emit hip` */
  readonly hip?: GpuSection | undefined;
}

/**
 * What is made of a model: `onnx`, the rewritten model; `adapter`, its factors; `training`, the training directory; `merged`, the
 * model with its adapters folded in, trained ones where the model has `train`; `wgsl`, `cuda` and `hip`, kernels.
 */
export const OUTPUTS = ['onnx', 'adapter', 'training', 'merged', ...BACK_ENDS.map(({ name }) => name)];
export type OutputName = 'onnx' | 'adapter' | 'training' | 'merged' | 'wgsl' | 'cuda' | 'hip';

/** One model. Paths are relative to the folder of the config. */
export interface ModelConfig extends Sections {
  /** the model that is rewritten, .onnx or .onnxtxt */
  readonly input: string;
  /** folder of the outputs, which are called after the model; default: that of the config, else `dist` */
  readonly output?: string | undefined;
  /** default: that of `defaults`, else the model and its adapter */
  readonly outputs?: readonly OutputName[] | undefined;
}

/** What lotrc.config.ts, .mjs or .json holds. */
export interface BuildConfig {
  /** for editors: docs/config.schema.json of the package */
  readonly $schema?: string | undefined;
  /** folder of the outputs of all models; default `dist` */
  readonly output?: string | undefined;
  /** folder of the golden files of `lotrc check`; default `golden` */
  readonly golden?: string | undefined;
  /** options that all models share */
  readonly defaults?: (Sections & { readonly outputs?: readonly OutputName[] | undefined }) | undefined;
  /** models by the names that their outputs get */
  readonly models: Readonly<Record<string, ModelConfig>>;
}

/** The options of each section. */
export const SECTIONS: ReadonlyMap<string, OptionSet> = new Map<string, OptionSet>([
  ['rewrite', REWRITES],
  ['training', TRAINING],
  ['train', TRAINS],
  ['merge', MERGES],
  ...BACK_ENDS.map((backEnd) => [backEnd.name, gpu(gpuOptions(backEnd))] as const),
]);

/** Names of models: parts of file names. */
export const MODEL_NAME = /^[A-Za-z0-9][\w.-]*$/;
