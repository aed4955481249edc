import { TRAINING_EPS, type TrainingEp } from '../backends/execution-providers.js';
import type { SessionEntries } from '../ir/ops/core/session-entries.js';
import type { RateScheduleKind } from '../options/words.js';
import type { TermFields } from './losses/define.js';
import type { LossKind } from './losses/facts.js';
import type { LossNumbers } from './losses/index.js';
import { CORRECTIONS, type Correction, type OptimizerKind } from './optimizers/facts.js';

/**
 * `signature.json` of a training directory: every port of every graph with its role, the parameters, the sites, the
 * optimizer and the base files. A host needs only this file; it never parses names. Version 1.
 */
export interface Signature {
  readonly version: 1;
  readonly opset: number;
  readonly ep: readonly TrainingEp[];
  readonly graphs: Readonly<Partial<Record<GraphName, GraphSignature>>>;
  readonly params: readonly ParamRow[];
  readonly sites: readonly SiteSignature[];
  readonly optimizer: {
    readonly kind: OptimizerKind;
    readonly constants: Readonly<Record<string, number>>;
    readonly slots: readonly string[];
  };
  /** rates of groups of parameters besides that of the run; absent where no group has one */
  readonly rates?: readonly GroupRate[];
  /** groups at a multiple of a rate, for people and logs; absent where there are none */
  readonly multiples?: readonly GroupMultiple[];
  /** what an optimizer with a projection steps in place of factors; absent for other optimizers */
  readonly changes?: readonly ChangeRow[];
  readonly loss: LossSignature;
  /** how many different numbers the scalar `draw` takes; absent where no graph draws masks of Dropout */
  readonly draws?: number;
  /** settings of the runtime that the graphs need to compute correctly */
  readonly session: SessionEntries;
  /** how step, grad and step-loop compute products with frozen matrices of the base; absent where in float32 */
  readonly baseProducts?: BaseProducts;
  readonly base: readonly BaseFile[];
}

/** Products in 8 bits: how many there are in step.onnx, and how many stay in float32. */
export interface BaseProducts {
  readonly dtype: 'int8';
  readonly rounded: number;
  readonly float32: number;
}

/** A loss over one output of the model, with its numbers. */
export interface LossTerm extends TermFields, Omit<LossNumbers, keyof TermFields> {
  readonly kind: LossKind;
}

/** The loss of the graphs: one, or the sum of several times their weights. */
export type LossSignature =
  | LossTerm
  | (Omit<LossTerm, 'kind'> & {
      readonly kind: 'sum';
      readonly terms: readonly (LossTerm & { readonly output: string; readonly weight: number })[];
    });

export { TRAINING_EPS, type TrainingEp };
export type GraphName = 'step' | 'grad' | 'apply' | 'eval' | 'infer' | 'stepLoop';
export type { LossKind } from './losses/facts.js';

export interface GraphSignature {
  readonly file: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** nodes that a WebGPU session leaves to the CPU (its option `forceCpuNodeNames`): shaders compute them too coarsely */
  readonly onCpu?: readonly string[];
}

export const TENSOR_ROLES = [
  'batch',
  'label',
  'mask',
  'param',
  'change',
  'state',
  'scalar',
  'loss',
  'grad',
  'logits',
  'output',
  'norm',
  'finite',
  'count',
] as const;
export type TensorRole = (typeof TENSOR_ROLES)[number];

/**
 * Learning rate, loss scale, the corrections of the optimizer for step t (AdamW: 1 - beta1^t and 1 - beta2^t), and the number of a draw: a whole
 * number from 0 up to, not including, `draws`, another for each run of a graph, from which masks of Dropout are made. For a sum of
 * losses, grad.onnx takes for each of them the number of labels that count in all batches of the step: its divisor.
 */
export type ScalarKind = 'lr' | 'loss_scale' | Correction | 'draw' | 'divisor';
export const SCALAR_KINDS: readonly ScalarKind[] = [
  'lr',
  'loss_scale',
  ...(Object.keys(CORRECTIONS) as Correction[]),
  'draw',
  'divisor',
];

export interface Port {
  readonly name: string;
  readonly role: TensorRole;
  /** element type: f32, i64, i32, bool, ... */
  readonly dtype: string;
  readonly shape: readonly (number | string)[];
  /** on a batch input of ids: rows of the table that they choose from; ids are 0 to rows - 1 */
  readonly rows?: number;
  /** the parameter or change that this port carries, or is the gradient or moment of */
  readonly param?: string;
  /** which moment */
  readonly slot?: string;
  /** of several losses: which one the port belongs to, by its number in `loss.terms` */
  readonly term?: number;
  /** on a scalar input: what the host gives there */
  readonly scalar?: ScalarKind;
  /** on a scalar `lr`: which of `rates` it is; absent: that of the run */
  readonly rate?: number;
  /** on an input: the output that replaces it after a step */
  readonly next?: string;
}

export interface ParamRow {
  /** the factor's tensor name, as `lotrc inspect --json` reports it */
  readonly name: string;
  readonly factor: string;
  readonly group: string | null;
  readonly site: string | null;
  readonly shape: readonly number[];
  readonly dtype: 'f32';
  readonly init: string;
  readonly lrMultiplier: number;
  /** absent: that of the optimizer */
  readonly weightDecay?: number;
  /** which of `rates` the parameter learns at; absent: that of the run */
  readonly rate?: number;
  readonly trainable: boolean;
}

/**
 * What the adapter of a layer adds to its weight: `scale` times the product of matrices, in this order. apply.onnx takes it whole,
 * with the role `change`; after each step the host projects it to the form of that product, and has new factors.
 */
export interface ChangeRow {
  readonly name: string;
  /** (in, out) */
  readonly shape: readonly [number, number];
  /** names of parameters; the first and the last may be those of other changes too */
  readonly factors: readonly string[];
  readonly scale: number;
  readonly lrMultiplier: number;
  /** absent: that of the optimizer */
  readonly weightDecay?: number;
  /** which of `rates`; absent: that of the run */
  readonly rate?: number;
}

/** The rate of a group of parameters. Its steps and warm-up are those of the run. */
export interface GroupRate {
  /** regular expression over names of parameters, as it was given */
  readonly pattern: string;
  /** the largest rate; absent: that of the run */
  readonly lr?: number;
  /** absent: that of the run */
  readonly schedule?: RateScheduleKind;
}

/** A group of parameters at a multiple of a rate: `lrMultiplier` of its rows is the same number. */
export interface GroupMultiple {
  /** as in `GroupRate`, or the preset */
  readonly pattern: string;
  readonly times: number;
  /** which of `rates` is multiplied; absent: that of the run */
  readonly rate?: number;
}

export interface SiteSignature {
  readonly id: string;
  readonly modulePath: string | null;
  readonly nameFrom: string;
  readonly nodes: readonly string[];
  readonly weights: readonly string[];
  readonly layout: readonly ('io' | 'oi')[];
  readonly in: number;
  readonly out: number;
  readonly group: string;
}

export interface BaseFile {
  /** relative to the training directory */
  readonly location: string;
  readonly digest: string;
  readonly byteLength: number;
}
