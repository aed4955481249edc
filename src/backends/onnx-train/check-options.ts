import { fail } from '../../ir/diagnostics.js';
import { flagOf, type OptionSet, pick, problemsOf } from '../../options/define.js';
import { kebab } from '../../options/flags.js';
import { inRange, rangeText } from '../../options/range.js';
import { word } from '../../options/types.js';
import { BASE_DTYPES } from '../../options/words.js';
import type { LossFlag } from '../../train/losses/define.js';
import { LOSS_KINDS, type LossKind, lossFacts } from '../../train/losses/facts.js';
import { LOSS_NUMBERS, lossDef } from '../../train/losses/index.js';
import { hyperOf, optimizerDef } from '../../train/optimizers/index.js';
import { uselessOption } from '../codes/training.js';
import { ROUNDED_OPS, ROUNDED_OPSET } from './int8/rows.js';
import { hasKernel } from './legality.js';
import { ONNX_TRAIN } from './option-set.js';
import { type TermOptions, TRAIN_DEFAULTS, type TrainOptions, termsOf } from './options.js';

/** Options whose values are those of the command line. */
const DECLARED = pick(
  ONNX_TRAIN,
  ...(['ignoreIndex', 'loop', 'maxNorm', 'lrMultipliers', 'tie', 'names', 'recompute', 'dropout'] as const),
);

/** Throws LOTR5008 for an option that no loss uses, or whose value is out of range. */
export function checkOptions(options: TrainOptions): void {
  const { ignoreIndex } = options;
  const terms = termsOf(options);
  const required = (option: string, reads: (kind: LossKind) => boolean): void => {
    if (terms.some(({ kind }) => reads(kind))) return;
    const users = LOSS_KINDS.filter(reads);
    const kinds = [...new Set(terms.map(({ kind }) => kind))].join(' and ');
    const hint = `leave it out; it belongs to ${users.join(' and ')}`;
    fail(uselessOption({ option, why: `${kinds} has no use for it`, hint }));
  };
  const used = (option: LossFlag, given: boolean): void => {
    if (given) required(option, (kind) => lossDef(kind).reads.includes(option));
  };
  const range = (option: string, good: boolean, wanted: string): void => {
    if (!good) fail(uselessOption({ option, why: 'the value is out of range', hint: wanted }));
  };
  const weights = terms.flatMap(({ classWeights }) => (classWeights ? [classWeights] : []));
  used('--labels', options.labels !== TRAIN_DEFAULTS.labels);
  used('--shift', options.shift);
  used('--ignore-index', ignoreIndex !== TRAIN_DEFAULTS.ignoreIndex);
  used('--class-weights', weights.length > 0);
  used('--mask', options.mask !== undefined);
  used('--frames', options.frames !== undefined);
  for (const name of LOSS_NUMBERS) {
    const value = options[name];
    if (value === undefined) continue;
    const option = `--${kebab(name)}`;
    required(option, (kind) => Object.hasOwn(lossDef(kind).numbers, name));
    const [own] = terms.flatMap(({ kind }) => lossDef(kind).numbers[name] ?? []);
    const what = own!.whole ? 'a whole number' : 'a number';
    const good = inRange(value, own!) && (!own!.whole || value === (value | 0));
    range(option, good, `give ${what}${rangeText(own!)}`);
  }
  for (const { key } of problemsOf(DECLARED, options)) {
    const def = (DECLARED as OptionSet)[key]!;
    range(`--${flagOf(key, def)}`, false, `give ${def.type.wanted}`);
  }
  for (const list of weights) {
    const good = list.every((w) => w >= 0 && w < Infinity) && list.some((w) => w > 0);
    range('--class-weights', good, 'give one number from 0 on for each class, not all 0');
  }
  for (const { weight } of terms) {
    range(
      '--loss',
      weight > 0 && weight < Infinity,
      'give weights above 0, as in --loss start:cross-entropy:0.5',
    );
  }
  const { hyper } = optimizerDef(options.optimizer.kind);
  for (const [name, value] of Object.entries(hyperOf(options.optimizer))) {
    range(`the optimizer's ${name}`, inRange(value, hyper[name]!), `give a number${rangeText(hyper[name]!)}`);
  }
  checkTerms(terms);
  checkBaseDtype(options);
}

/** Throws LOTR5008 where products in 8 bits have no kernel, or are not in sight. */
function checkBaseDtype(options: TrainOptions): void {
  const { baseDtype } = options;
  const wrong = word('type', BASE_DTYPES).problem(baseDtype);
  const problem =
    wrong !== null
      ? { why: wrong, hint: 'chooseBaseDtype says which is faster here' }
      : baseDtype === 'int8'
        ? roundingProblem(options, null)
        : null;
  if (problem) fail(uselessOption({ option: `--base-dtype ${baseDtype}`, ...problem }));
}

/** Why the graphs cannot have products in 8 bits; null: they can. Without an operator set, the other reasons. */
export function roundingProblem(
  { ep: eps, keepFunctions }: Pick<TrainOptions, 'ep' | 'keepFunctions'>,
  opset: number | null,
): { readonly why: string; readonly hint: string } | null {
  const lacking = eps.find((ep) => ROUNDED_OPS.some((op) => !hasKernel(ep, op, ROUNDED_OPSET, 'u8')));
  if (lacking) {
    return {
      why: `the ${lacking} provider has no kernels for products of rounded activations`,
      hint: 'train on --ep cpu, or leave it out',
    };
  }
  if (keepFunctions) {
    return {
      why: 'with --keep-functions the products are inside the functions of adapted layers',
      hint: 'leave out one of the two',
    };
  }
  if (opset !== null && opset < ROUNDED_OPSET) {
    return {
      why: `the model uses operator set ${opset}, and it needs ${ROUNDED_OPSET} or newer`,
      hint: 'leave it out, or convert the model (onnx.version_converter)',
    };
  }
  return null;
}

/** What does not go together in a sum of losses. */
function checkTerms(terms: readonly TermOptions[]): void {
  if (terms.length < 2) return;
  const refuse = (why: string, hint: string) => fail(uselessOption({ option: '--loss', why, hint }));
  const outputs = terms.map(({ output }) => output);
  if (outputs.includes(undefined)) {
    refuse('several losses need the names of their outputs', 'give --loss OUTPUT:KIND:WEIGHT for each');
  }
  const twice = outputs.find((output, index) => outputs.indexOf(output) !== index);
  if (twice !== undefined) {
    refuse(`the output "${twice}" has two losses`, 'give each output one loss');
  }
  const pairs = terms.filter(({ kind }) => lossFacts(kind).pairs);
  if (pairs.length > 0 && pairs.length < terms.length) {
    refuse(
      `${pairs[0]!.kind} takes batches of pairs, and the other losses do not`,
      'train the losses on pairs in a directory of their own',
    );
  }
}
