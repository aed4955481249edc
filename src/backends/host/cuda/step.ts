import type { ElementwiseDef } from '../../../train/optimizers/define.js';
import { STEP_WIDTH, snake, stepNames } from '../../kernel/gen/step.js';
import type { KernelPlan } from '../../kernel/model/types.js';
import {
  comparisons,
  hasNoUpperBound,
  type StepNumber,
  stateAbout,
  stateText,
  stepNumbers,
  stepText,
} from '../shared/optimizer.js';
import type { FactorStep } from '../shared/steps.js';
import { type BufferNumbers, blockThreads, cString } from './rows.js';

/** What of a C library depends on its optimizer. */

const WIDTH = 128;

/** The struct of the numbers of a step. */
const structOf = ({ kind }: ElementwiseDef): string => `lotrc_${kind}`;

/** Lines for adapters.h: the struct of a step's numbers, and the function that takes it. */
export function stepHeader(optimizer: ElementwiseDef): {
  readonly hyper: readonly string[];
  readonly step: readonly string[];
  readonly state: readonly string[];
} {
  const { title, variant, paper } = optimizer;
  const struct = structOf(optimizer);
  const numbers = stepNumbers(optimizer);
  // a struct of C has no defaults
  const usual = numbers.flatMap(({ name, default: value }) => (value ? [`${snake(name)} ${value}`] : []));
  const about = [
    `Hyperparameters of a step (${paper === undefined ? variant : `${variant}, ${paper}`}).`,
    ...(usual.length === 0 ? [] : [`Usual: ${usual.join(', ')}.`]),
  ];
  return {
    hyper: [
      `/* ${about.join(' ')} */`,
      `typedef struct ${struct} {`,
      `  float ${numbers.map(({ name }) => snake(name)).join(', ')};`,
      `} ${struct};`,
    ],
    step: [
      `/* One ${title} step on all factors that are trained, with their gradients finished first and cleared afterwards. */`,
      `lotrc_status lotrc_step(lotrc_adapters *adapters, const ${struct} *numbers);`,
    ],
    state: [`${stateText(optimizer)}, laid out as the model stores it.`],
  };
}

/** Lines for the tables of adapters.cu: what steps keep between them. */
export const stepTables = (
  optimizer: ElementwiseDef,
  steps: readonly FactorStep[],
  { description }: KernelPlan,
  number: BufferNumbers,
): readonly string[] => [
  '',
  `static constexpr int TRAINED_COUNT = ${steps.length};`,
  `static constexpr int SLOT_COUNT = ${optimizer.slots.length};`,
  '// buffers of the factors that are trained; each has a tensor of its shape for every slot of the optimizer',
  `static const int TRAINED[TRAINED_COUNT] = {${steps.map(({ factor }) => number.get(factor)!).join(', ')}};`,
  `static const char *const SLOTS[SLOT_COUNT + 1] = {${[...optimizer.slots.map(cString), 'nullptr'].join(', ')}};`,
  '// what a state is of: another one is refused',
  'static const char *const STATE_OF[][2] = {',
  ...stateAbout(optimizer, description).map((row) => `    {${row.map(cString).join(', ')}},`),
  '};',
];

/** Lines for adapters.cu: the checks of a step's numbers, and the launches of a step. */
export function stepSource(optimizer: ElementwiseDef) {
  const corrected = Object.values<string>(optimizer.corrections);
  const corrections = corrected.map((name) => `static_cast<float>(1 - std::pow(n->${snake(name)}, t))`);
  return {
    step_check: checkLines(optimizer),
    step_update: [
      '    a->steps++;',
      ...(corrected.length === 0 ? [] : ['    const double t = static_cast<double>(a->steps);']),
      `    error = update(${['a', '*n', ...corrections].join(', ')});`,
    ],
  };
}

/** The function that launches the step of every factor. */
export function updateText(
  optimizer: ElementwiseDef,
  steps: readonly FactorStep[],
  number: BufferNumbers,
): readonly string[] {
  const { slots, corrections } = stepNames(optimizer);
  const own = new Set(corrections.values());
  const lines = steps.map(({ kernel, factor, gradient, elements }, index) => {
    const buffers = new Map([
      ['parameter', `a->buffer[${number.get(factor)!}]`],
      ['gradient', `a->buffer[${number.get(gradient)!}]`],
      ...[...slots.values()].map(
        (moment, slot) => [moment, `a->moment[${slots.size * index + slot}]`] as const,
      ),
    ]);
    const operands = kernel.buffers.map(({ name }) => buffers.get(name)!);
    const numbers = kernel.uniforms.map(({ name }) => (own.has(name) ? name : `n.${name}`));
    const grid = `dim3(${Math.ceil(elements / STEP_WIDTH)}, 1, 1)`;
    return `  LOTRC_TRY(launch(a, ${[kernel.name, grid, blockThreads(kernel), ...operands, ...numbers].join(', ')}));`;
  });
  const parameters = [
    'lotrc_adapters *a',
    `const ${structOf(optimizer)} &n`,
    ...[...own].map((name) => `float ${name}`),
  ];
  const head = `static cudaError_t update(${parameters.join(', ')}) {`;
  return ['// one step of every factor', head, ...lines, '  return cudaSuccess;', '}', ''];
}

/** The head of lotrc_step, and what it refuses: those with an upper bound last, which makes them finite. */
function checkLines(optimizer: ElementwiseDef): readonly string[] {
  const given = stepNumbers(optimizer);
  const text = ({ name }: StepNumber) => `n->${snake(name)}`;
  const open = given.filter(hasNoUpperBound);
  const bounds = [...open, ...given.filter((number) => !hasNoUpperBound(number))].flatMap((number) =>
    comparisons(number).map((bound) => `${text(number)} ${bound}`),
  );
  return [
    `lotrc_status lotrc_step(lotrc_adapters *a, const ${structOf(optimizer)} *n) {`,
    '  if (!a || !n) return fail(a, LOTRC_BAD_ARGUMENT, "a pointer is null");',
    ...filled('  const bool valid = ', bounds, ' &&', ';'),
    `  if (!valid || !std::isfinite(${open.map(text).join(' + ')}))`,
    `    return fail(a, LOTRC_BAD_ARGUMENT, "not the numbers of ${stepText(optimizer)}");`,
  ];
}

/** Items with `between` after all but the last, in lines that are as full as they can be. */
function filled(before: string, items: readonly string[], between: string, after: string): readonly string[] {
  const indent = ' '.repeat(before.length);
  const lines = [before];
  for (const [index, item] of items.entries()) {
    const text = item + (index === items.length - 1 ? after : between);
    const line = lines.at(-1)!;
    const begins = line === before || line === indent;
    if (!begins && line.length + 1 + text.length > WIDTH) lines.push(indent + text);
    else lines[lines.length - 1] = line + (begins ? '' : ' ') + text;
  }
  return lines;
}
