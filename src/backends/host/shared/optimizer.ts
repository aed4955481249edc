import { type Diagnostic, fail } from '../../../ir/diagnostics.js';
import type { NumberRange } from '../../../options/range.js';
import type { ElementwiseDef } from '../../../train/optimizers/define.js';
import { OPTIMIZERS, type OptimizerKind, optimizerDef } from '../../../train/optimizers/index.js';
import { noStepKernel } from '../../codes/kernel-ir.js';
import type { KernelPlan } from '../../kernel/model/types.js';

/** What emitted code says of the optimizer of its steps, in every language. */

/** Optimizers whose steps kernels can do. */
export const STEP_KINDS: readonly OptimizerKind[] = OPTIMIZERS.flatMap(({ kind, arithmetic }) =>
  arithmetic === 'elementwise' ? [kind] : [],
);

/** LOTR6105 for an optimizer whose steps need products of matrices. */
export function noSteps(kind: OptimizerKind): readonly Diagnostic[] {
  const { title, arithmetic } = optimizerDef(kind);
  return arithmetic === 'elementwise' ? [] : [noStepKernel({ optimizer: title, others: STEP_KINDS })];
}

/** The declaration of an optimizer for kernels. Throws LOTR6105 for one of matrices. */
export function stepOptimizer(kind: OptimizerKind): ElementwiseDef {
  const [problem] = noSteps(kind);
  if (problem) fail(problem);
  return optimizerDef(kind) as ElementwiseDef;
}

/** A number of a step that a caller gives; without a default it must be given. */
export interface StepNumber extends NumberRange {
  readonly name: string;
  readonly default?: number;
}

/** The numbers of a step: the learning rate, and what the optimizer declares, in that order. */
export const stepNumbers = ({ hyper }: ElementwiseDef): readonly StepNumber[] => [
  { name: 'learningRate', least: 0 },
  ...Object.entries(hyper).map(([name, number]) => ({ ...number, name })),
];

/** The bounds of a number as comparisons with it, the lower one first: `>= 0`, `< 1`. */
export const comparisons = ({ least, above, most, below }: NumberRange): readonly string[] => [
  ...(least === undefined ? [] : [`>= ${least}`]),
  ...(above === undefined ? [] : [`> ${above}`]),
  ...(most === undefined ? [] : [`<= ${most}`]),
  ...(below === undefined ? [] : [`< ${below}`]),
];

/** Whether a number may be infinite for all that its bounds say. */
export const hasNoUpperBound = ({ most, below }: NumberRange): boolean =>
  most === undefined && below === undefined;

/** `an AdamW step`, `a Lion step`: several capitals are read one by one. */
export function stepText({ title }: ElementwiseDef): string {
  return `${/^[AEIOU]|^[FHLMNRSX][A-Z]/.test(title) ? 'an' : 'a'} ${title} step`;
}

/** `AdamW with decoupled decay (arXiv 1711.05101)` */
export const optimizerText = ({ title, variant, paper }: ElementwiseDef): string =>
  `${title} with ${variant}${paper === undefined ? '' : ` (${paper})`}`;

/** `the two moments`, of a factor; null where a step keeps none. */
export function momentsText({ slots: { length } }: ElementwiseDef): string | null {
  if (length < 2) return length === 0 ? null : 'the moment';
  return `the ${length === 2 ? 'two' : length} moments`;
}

/** The tensors of a state: `FACTOR/m and FACTOR/v of every factor that is trained`. */
export const stateText = ({ slots }: ElementwiseDef): string =>
  slots.length === 0
    ? 'none'
    : `${slots.map((slot) => `FACTOR/${slot}`).join(' and ')} of every factor that is trained`;

/** What a state is of, as names and values in its header: another one is refused. */
export const stateAbout = (
  { kind }: ElementwiseDef,
  description: KernelPlan['description'],
): readonly (readonly [name: string, value: string])[] => [
  ['optimizer', kind],
  ...description.map(({ name, is }) => [name, JSON.stringify(is)] as const),
];
