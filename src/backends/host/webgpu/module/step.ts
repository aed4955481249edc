import type { ElementwiseDef } from '../../../../train/optimizers/define.js';
import { stepNames } from '../../../kernel/gen/step.js';
import {
  comparisons,
  hasNoUpperBound,
  type StepNumber,
  stepNumbers,
  stepText,
} from '../../shared/optimizer.js';
import type { ModuleFacts } from './facts.js';
import { WIDTH } from './literal.js';

/** What of the functions of a module depends on its optimizer: conditions of the runtime source, and lines for it. */
export function stepParts({ optimizer, stepUniforms }: ModuleFacts) {
  const { slots } = stepNames(optimizer);
  return {
    conditions: {
      moments: slots.size > 0,
      fractions: stepNumbers(optimizer).some(isFraction),
    },
    lines: {
      // buffers of uniforms have a multiple of 16 bytes
      numbers: [
        `const numbers = allocate('step', ${16 * Math.ceil(stepUniforms.length / 4)}, USAGE.UNIFORM | USAGE.COPY_DST);`,
      ],
      moments: [...slots.values()].map(
        (moment) => `${moment}: allocate(\`\${factor}_${moment}\`, size, storage),`,
      ),
      step: stepLines(optimizer, stepUniforms),
    },
  };
}

/** The checks of a step and the numbers of its kernels; `uniforms`: these, in the order of their struct. */
function stepLines(optimizer: ElementwiseDef, uniforms: readonly string[]): readonly string[] {
  const given = stepNumbers(optimizer);
  const values = valuesOf(optimizer);
  const passed = uniforms.map((uniform) => {
    const value = values.get(uniform);
    if (value === undefined) throw new Error(`the kernel of a step takes ${uniform}`);
    return value;
  });
  const corrected = Object.values<string>(optimizer.corrections);
  const firstCorrection = passed.length - corrected.length;
  const betas = corrected.every((name) => /^beta\d*$/.test(name));
  const about = `// of the ${betas ? 'betas' : 'numbers'} as the kernel has them`;
  return [
    ...broken(
      'step({ ',
      given.map((number) =>
        number.default === undefined ? number.name : `${number.name} = ${number.default}`,
      ),
      ' }) {',
    ),
    'checkAlive();',
    ...checkLines(given),
    `throw new RangeError('not the numbers of ${stepText(optimizer)}');`,
    '}',
    'steps++;',
    ...(corrected.length === 0
      ? broken('const values = Float32Array.of(', passed, ');')
      : [
          'const values = Float32Array.of(',
          ...passed.slice(0, firstCorrection).map((value) => `${value},`),
          about,
          ...passed.slice(firstCorrection).map((value) => `${value},`),
          ');',
        ]),
  ];
}

/** What each uniform of a step's kernel is given. */
function valuesOf(optimizer: ElementwiseDef): ReadonlyMap<string, string> {
  const { hyper, corrections } = stepNames(optimizer);
  const of: Readonly<Record<string, string>> = optimizer.corrections;
  return new Map([
    ['learning_rate', 'learningRate'],
    ...[...hyper].map(([name, uniform]) => [uniform, name] as const),
    ...[...corrections].map(([name, uniform]) => [uniform, `1 - Math.fround(${of[name]}) ** steps`] as const),
  ]);
}

/** At least 0 and below 1: a NaN and what is infinite are not. */
const isFraction = ({ least, above, most, below }: StepNumber): boolean =>
  least === 0 && below === 1 && above === undefined && most === undefined;

/** The condition for numbers that are refused, up to its brace. */
function checkLines(given: readonly StepNumber[]): readonly string[] {
  const others = given.filter((number) => !isFraction(number));
  const bounds = others.flatMap((number) => comparisons(number).map((bound) => `${number.name} ${bound}`));
  const open = others.filter(hasNoUpperBound).map(({ name }) => name);
  const wrong = [
    '!positive',
    '!finite',
    ...given.filter(isFraction).map(({ name }) => `!isFraction(${name})`),
  ];
  return [
    `const positive = ${bounds.join(' && ')};`,
    `const finite = Number.isFinite(${open.join(' + ')});`,
    `if (${wrong.join(' || ')}) {`,
  ];
}

/** Two levels in, and within the width of a line, or else with an item on each line. */
function broken(before: string, items: readonly string[], after: string): readonly string[] {
  const line = before + items.join(', ') + after;
  return line.length + 6 <= WIDTH
    ? [line]
    : [before.trimEnd(), ...items.map((item) => `${item},`), after.trimStart()];
}
