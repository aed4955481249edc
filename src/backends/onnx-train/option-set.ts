import { defineOptions, type OptionDef, type OptionSet } from '../../options/define.js';
import type { NumberRange } from '../../options/range.js';
import { CLOBBER, REPORT, WATCH } from '../../options/sets/shared.js';
import {
  alternatives,
  BadValue,
  factors,
  file,
  flag,
  folder,
  integer32,
  list,
  type OptionType,
  real,
  text,
  texts,
  whole,
  word,
} from '../../options/types.js';
import { BASE_DTYPE_CHOICES, DROPOUT_MODES, NAMINGS, RECOMPUTES, TIES } from '../../options/words.js';
import { LOSS_KINDS, type LossKind } from '../../train/losses/facts.js';
import { LOSSES, type LossNumberName } from '../../train/losses/index.js';
import {
  DEFAULT_OPTIMIZER,
  type HyperName,
  OPTIMIZER_KINDS,
  OPTIMIZERS,
} from '../../train/optimizers/index.js';
import { TRAINING_EPS } from '../execution-providers.js';

/** Options of `lotrc emit onnx-train` and of {@link emitTraining}. Losses and optimizers declare their own numbers. */

/** `--loss KIND`, or `OUTPUT:KIND:WEIGHT`. */
export interface LossSpec {
  readonly kind: LossKind;
  readonly output?: string | undefined;
  readonly weight?: number | undefined;
}

/** `--class-weights W0,W1,...`, or `OUTPUT:W0,W1,...`. */
interface ClassWeights {
  readonly output?: string | undefined;
  readonly weights: readonly number[];
}

/** Weight of a loss in a sum. */
const lossWeight = real({ above: 0 });
const weights = list(real({ least: 0 }), 'separated');

/** What is wrong with an object in a list of them. */
function problemIn(value: unknown, of: (fields: Readonly<Record<string, unknown>>) => string | null) {
  if (!Array.isArray(value)) return 'takes a list of objects';
  const isObject = (item: unknown): item is Readonly<Record<string, unknown>> =>
    typeof item === 'object' && item !== null && !Array.isArray(item);
  const why = value.map((item) => (isObject(item) ? of(item) : 'takes a list of objects'));
  return why.find((one) => one !== null) ?? null;
}

const problemOf = (type: OptionType<unknown>, value: unknown) =>
  value === undefined ? null : type.problem(value);

/** `KIND`, `OUTPUT:KIND` or `OUTPUT:KIND:WEIGHT`, gathered. Names of outputs may hold colons. */
const losses: OptionType<readonly LossSpec[]> = {
  placeholder: '[output:]kind[:weight]',
  wanted: 'KIND, OUTPUT:KIND or OUTPUT:KIND:WEIGHT',
  schema: {
    type: 'array',
    minItems: 1,
    items: {
      type: 'object',
      properties: {
        kind: { type: 'string', enum: LOSS_KINDS },
        output: { type: 'string' },
        weight: lossWeight.schema,
      },
      required: ['kind'],
      additionalProperties: false,
    },
  },
  read(given, before) {
    const [, output, name, weight] =
      /^(?:(.+):)?([a-z-]+)(?::([^:a-z]+|[\d.]+e[+-]?\d+))?$/.exec(given) ?? [];
    const kind = LOSS_KINDS.find((known): known is LossKind => known === name);
    if (!kind) {
      throw new BadValue(
        `takes KIND, OUTPUT:KIND or OUTPUT:KIND:WEIGHT with a kind of ${LOSS_KINDS.join(', ')}, not ${JSON.stringify(given)}`,
      );
    }
    const factor = weight === undefined ? undefined : lossWeight.read(weight, undefined);
    return [...(before ?? []), { kind, output, weight: factor }];
  },
  problem: (value) =>
    Array.isArray(value) && value.length === 0
      ? 'takes a list that is not empty'
      : problemIn(
          value,
          ({ kind, output, weight }) =>
            word('kind', LOSS_KINDS).problem(kind) ??
            problemOf(text('name'), output) ??
            problemOf(lossWeight, weight),
        ),
};

/** `W0,W1,...` or `OUTPUT:W0,W1,...`, gathered. */
const classWeights: OptionType<readonly ClassWeights[]> = {
  placeholder: '[output:]w,...',
  wanted: 'W0,W1,... or OUTPUT:W0,W1,...',
  schema: {
    type: 'array',
    items: {
      type: 'object',
      properties: { output: { type: 'string' }, weights: weights.schema },
      required: ['weights'],
      additionalProperties: false,
    },
  },
  read(given, before) {
    const at = given.lastIndexOf(':');
    const output = at < 0 ? undefined : given.slice(0, at);
    return [...(before ?? []), { output, weights: weights.read(given.slice(at + 1), undefined) }];
  },
  problem: (value) =>
    problemIn(
      value,
      ({ output, weights: given }) => problemOf(text('name'), output) ?? weights.problem(given),
    ),
};

/** What a declaration says of a number that a user may set. */
interface DeclaredNumber extends NumberRange {
  readonly default: number;
  readonly whole?: true;
  readonly doc: string;
}

/** One option for each number of losses or optimizers. Without a default: which one counts depends on the kind. */
function numberOptions<N extends string>(
  defs: readonly { readonly kind: string; readonly numbers: Readonly<Record<string, DeclaredNumber>> }[],
): { readonly [K in N]: OptionDef<number> } {
  const keys = [...new Set(defs.flatMap(({ numbers }) => Object.keys(numbers)))];
  const rows = keys.map((key): [string, OptionDef<number>] => {
    const users = defs.flatMap(({ kind, numbers }) => {
      const own = numbers[key];
      return own ? [{ kind, own }] : [];
    });
    const doc = users.map(({ kind, own }) => `${kind}: ${own.doc} (default: ${own.default})`).join('; ');
    const { own } = users[0]!;
    return [key, { type: own.whole ? whole(own.least, 'x') : real(own), doc }];
  });
  return Object.fromEntries(rows) as { readonly [K in N]: OptionDef<number> };
}

const LOSS_NUMBER_OPTIONS = numberOptions<LossNumberName>(LOSSES);
export const HYPER_OPTIONS = numberOptions<HyperName>(
  OPTIMIZERS.map(({ kind, hyper }) => ({ kind, numbers: hyper })),
);

/** What the losses read. */
const LOSS = {
  loss: {
    type: losses,
    doc: `${LOSSES.map(({ kind, doc }) => `${kind}: ${doc}`).join('; ')}; repeatable with outputs and weights: their sum (default: ${LOSS_KINDS[0]})`,
  },
  logits: {
    type: text('name'),
    doc: 'the output used to compute the loss (default: the only float output)',
  },
  classWeights: {
    type: classWeights,
    doc: 'cross-entropy: one weight for each class; the loss is the weighted mean',
  },
  frames: {
    type: text('name'),
    doc: 'ctc: add an input of this name, the number of frames of each row that count (default: all)',
  },
  labels: { type: text('name'), default: 'labels', doc: 'name of the label input' },
  shift: {
    type: flag,
    default: false,
    doc: 'score each position against the next label (causal language models)',
  },
  ignoreIndex: { type: integer32(), default: -100, doc: 'labels of this value are ignored' },
  mask: {
    type: text('name'),
    doc: 'cosine, contrastive: input that masks positions (attention_mask)',
  },
} as const satisfies OptionSet;

export const ONNX_TRAIN = defineOptions({
  output: { type: folder('dir'), short: 'o', doc: 'the training directory' },
  explain: {
    type: flag,
    default: false,
    doc: 'print what the products with each matrix of the base compute in, and why, and write nothing',
  },
  ...LOSS,
  ...LOSS_NUMBER_OPTIONS,
  optimizer: {
    type: word('kind', OPTIMIZER_KINDS),
    default: DEFAULT_OPTIMIZER.kind,
    doc: alternatives(OPTIMIZER_KINDS),
  },
  ...HYPER_OPTIONS,
  maxNorm: {
    type: real({ least: 0 }),
    default: 1,
    doc: 'clip the global gradient norm; 0: never',
  },
  train: { type: texts('factor'), doc: 'train only this factor, repeatable (M: core-only)' },
  lrMultipliers: {
    flag: 'lr-multiplier',
    type: factors('factor=x'),
    doc: 'multiplies the learning rate of a factor (M=16), repeatable',
  },
  groups: {
    flag: 'group',
    type: texts('regex:settings'),
    doc: "settings of the parameters whose names fit, repeatable: 'B$:lr=16x,weight-decay=0,schedule=cosine' (lr: 16x is 16 times the rate of the run, 3e-4 a rate of its own), or lora-plus or lora-fa: factors of a LoRA learn as those of that method; the first group that fits counts",
  },
  alsoTrain: { type: texts('regex'), doc: 'weights to train in full, repeatable (a classifier head)' },
  tie: {
    type: word('content|initializer', TIES),
    default: 'content',
    doc: 'weights trained in full are one parameter if they are equal, or only if they are stored once',
  },
  loop: {
    type: whole(1, 'k'),
    doc: 'also write step-loop.onnx: k steps over k microbatches in one run',
  },
  names: {
    type: word('style', NAMINGS),
    default: 'lotrc',
    doc: "lotrc, or ort: learning_rate and <param>_grad as in ONNX Runtime's retired training API",
  },
  ep: { type: word('provider', TRAINING_EPS), default: 'cpu', doc: alternatives(TRAINING_EPS) },
  recompute: {
    type: word('kind', RECOMPUTES),
    default: 'cheap',
    doc: 'compute activations again in the backward pass instead of keeping them: none, cheap (those that cost little), or block (all but the input of each block)',
  },
  baseDtype: {
    type: word('type', BASE_DTYPE_CHOICES),
    default: 'float32',
    doc: 'products with frozen matrices of the base while training: float32, or int8: both operands rounded to 8 bits, about 1 % off; faster on processors with instructions for it (AVX-VNNI, AVX512-VNNI, AMX), on the CPU provider alone; auto: int8 where a measurement in ONNX Runtime says so',
  },
  dropout: {
    type: word('mode', DROPOUT_MODES),
    default: 'seeded',
    doc: 'Dropout in training mode: seeded (masks from the input `draw`, the same for the same number), or off',
  },
  keepFunctions: {
    type: flag,
    default: false,
    doc: 'adapted layers and their gradients stay calls of functions that the graphs define, which a library of operators may override',
  },
  allowFallback: { type: texts('op,...'), doc: 'let these ops run on the CPU, repeatable' },
  adapter: { type: file, doc: 'start from the factors and trained weights of this adapter file' },
  link: {
    type: flag,
    default: false,
    doc: 'hard-link the base weights: the directory then changes with the original, and onnx.load refuses it (default: clone them where the file system can, else copy)',
  },
  copyBase: {
    type: flag,
    default: false,
    doc: 'copy the base weights even where the file system could clone them',
  },
  ...CLOBBER,
  ...WATCH,
  json: { ...REPORT.json, doc: 'print JSON (version 1)' },
});
