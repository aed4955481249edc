import { uselessOption } from '../../ir/codes/training.js';
import { fail } from '../../ir/diagnostics.js';
import { inRange, rangeText } from '../../options/range.js';
import { LOSS_KINDS, LOSSES } from '../../train/losses.js';
import { hyperOf, optimizerDef } from '../../train/optimizers/index.js';
import { LOSS_DEFS, type LossOption } from './losses.js';
import { type TermOptions, TRAIN_DEFAULTS, type TrainOptions, termsOf } from './options.js';

/** Throws LOTR5008 for an option that no loss uses, or whose value is out of range. */
export function checkOptions(options: TrainOptions): void {
  const { labelSmoothing, ignoreIndex, temperature, blank } = options;
  const terms = termsOf(options);
  const used = (option: LossOption, given: boolean): void => {
    if (!given || terms.some(({ kind }) => LOSS_DEFS[kind].reads.includes(option))) return;
    const users = LOSS_KINDS.filter((kind) => LOSS_DEFS[kind].reads.includes(option));
    const kinds = [...new Set(terms.map(({ kind }) => kind))].join(' and ');
    const hint = `leave it out; it belongs to ${users.join(' and ')}`;
    fail(uselessOption({ option, why: `${kinds} has no use for it`, hint }));
  };
  const range = (option: string, good: boolean, wanted: string): void => {
    if (!good) fail(uselessOption({ option, why: 'the value is out of range', hint: wanted }));
  };
  const weights = terms.flatMap(({ classWeights }) => (classWeights ? [classWeights] : []));
  used('--labels', options.labels !== TRAIN_DEFAULTS.labels);
  used('--shift', options.shift);
  used('--label-smoothing', labelSmoothing !== TRAIN_DEFAULTS.labelSmoothing);
  used('--ignore-index', ignoreIndex !== TRAIN_DEFAULTS.ignoreIndex);
  used('--class-weights', weights.length > 0);
  used('--temperature', temperature !== TRAIN_DEFAULTS.temperature);
  used('--mask', options.mask !== undefined);
  used('--blank', blank !== TRAIN_DEFAULTS.blank);
  used('--frames', options.frames !== undefined);
  range(
    '--label-smoothing',
    labelSmoothing >= 0 && labelSmoothing < 1,
    'give a share from 0 up to, not including, 1',
  );
  range('--ignore-index', ignoreIndex === (ignoreIndex | 0), 'give an integer of 32 bits');
  range(
    '--loop',
    options.loop === null || (Number.isSafeInteger(options.loop) && options.loop > 0),
    'give a number of steps',
  );
  range('--temperature', temperature > 0 && temperature < Infinity, 'give a number above 0');
  range(
    '--blank',
    Number.isSafeInteger(blank) && blank >= 0 && blank < 2 ** 31,
    'give the number of a class',
  );
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
  const pairs = terms.filter(({ kind }) => LOSSES[kind].pairs);
  if (pairs.length > 0 && pairs.length < terms.length) {
    refuse(
      `${pairs[0]!.kind} takes batches of pairs, and the other losses do not`,
      'train the losses on pairs in a directory of their own',
    );
  }
}
