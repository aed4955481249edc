import { HEURISTICS } from '../kernel/data/schedules.js';
import { dense, flipped, plain, type Target, type Wanted } from '../kernel/launches.js';
import { cudaPrototype, printCuda } from '../kernel/print/cuda.js';
import { MATRIX_UNITS, MATRIX_UNITS_TEXT } from '../kernel/print/matrix-units.js';
import type { KernelPlan, Operand } from '../kernel/types.js';
import { quoted } from './cuda-text.js';
import { ORT_ABI, ORT_ABI_TEXT } from './ort-abi.js';
import { gradientSteps, gradientText } from './ort-grad.js';
import { GRADIENT_TAIL, NO_GRADIENTS } from './ort-grad-runtime.js';
import { type Kind, kindsOf, launchText, productStep, type Step } from './ort-kinds.js';
import { ORT_HEAD, ORT_REGISTER, ORT_TAIL } from './ort-runtime.js';
import type { TextFile } from './text-file.js';

/** Names of operands in launches and what stands for them in the C++ text. */
const OPERANDS: Readonly<Record<string, string>> = {
  x: 'x',
  w: 'w',
  first: 'factors[0]',
  core: 'factors[1]',
  t: 'room',
  p: 'room + size_t(M) * kind.rank',
  bias: 'bias',
  y: 'y',
};

/**
 * Source of a library for ONNX Runtime with the operators that `rewrite --keep-functions` calls (lotrc::LoTRLinear,
 * lotrc::Adapter_lora, each also as _gemm and _nobias), for the layers of a plan in float32: T = s x R M in one launch (two where the
 * rank is beyond a tile), then y = [x|T] [W; L] + b. A plan for training has their gradients too, which
 * `emit onnx-train --keep-functions` calls. A session that has registered it runs these instead of the functions'
 * bodies; others run the bodies. Empty when the plan is not in float32.
 */
export function ortOperators(plan: KernelPlan, tf32: boolean): readonly TextFile[] {
  if (plan.dtype !== 'f32') return [];
  const kinds = kindsOf(plan);
  const training = plan.purpose === 'train';
  const target: Target = { device: plan.device, db: HEURISTICS, dtype: 'f32', tokens: plan.tokens };
  const steps = kinds.map((kind, index) => stepsOf(kind, index, target, tf32));
  const gradients = training ? kinds.map((kind, index) => gradientSteps(kind, index, target, tf32)) : [];
  const kernels = [
    ...steps.flatMap(({ down, layer, biased }) => [...down, layer, biased]),
    ...gradients.flatMap(({ all }) => all),
  ];
  const stems = [...new Map(kinds.map(({ stem, factors }) => [stem, factors]))];
  const text = [
    '// Operators for ONNX Runtime over the kernels of this folder. Written by lotrc.',
    ORT_HEAD,
    ...kernels.map(({ kernel }) => cudaPrototype(kernel)),
    '',
    ...kinds.flatMap((_, index) => runText(index, steps[index]!, plan.tokens)),
    ...gradients.flatMap((gradient, index) => gradientText(index, gradient, plan.tokens)),
    'static const Kind KINDS[] = {',
    ...kinds.map(({ stem, in: inn, out, rank, transposed, scale }, index) => {
      const back = training ? [gradients[index]!.room, `gradient_${index}`] : [0, 'nullptr'];
      const numbers = [inn, out, rank, transposed, `${scale}`, `run_${index}`, ...back];
      return `    {${[quoted(stem), ...numbers].join(', ')}},`;
    }),
    '};',
    '',
    'static Operator OPERATORS[] = {',
    ...stems.flatMap(([stem, factors]) =>
      ['', '_nobias', '_gemm', '_gemm_nobias'].map((ending) => {
        const flags = [factors, ending.startsWith('_gemm'), !ending.endsWith('nobias')];
        return `    {table(), ${[quoted(stem + ending), quoted(stem), ...flags].join(', ')}},`;
      }),
    ),
    '};',
    ORT_TAIL,
    ...(training ? [GRADIENT_TAIL(stems)] : [NO_GRADIENTS]),
    ORT_REGISTER,
  ].join('\n');
  return [
    { path: `ort/${ORT_ABI}`, text: ORT_ABI_TEXT },
    { path: 'ort/operators.cu', text },
    ...(kernels.some(({ kernel }) => kernel.fragments)
      ? [{ path: `ort/${MATRIX_UNITS}`, text: MATRIX_UNITS_TEXT }]
      : []),
    ...kernels.map(({ kernel }) => ({ path: `ort/${kernel.name}.cu`, text: printCuda([kernel]) })),
  ];
}

function stepsOf(kind: Kind, index: number, target: Target, tf32: boolean) {
  const { in: inn, out, rank, factors, transposed, scale } = kind;
  const step = (wanted: Wanted): Step => productStep(target, wanted, tf32);
  const matrix = (name: string, rows: number | 'M', cols: number): Operand =>
    plain(dense(name, 'f32', rows, cols));
  const [x, first] = [matrix('x', 'M', inn), matrix('first', inn, rank)];
  const core = matrix('core', rank, rank);
  const t = dense('t', 'f32', 'M', rank);
  const p = dense('p', 'f32', 'M', rank);
  const down = (name: string, does: string, rest: Partial<Wanted>): Step =>
    step({
      name: `ort_${name}_${index}`,
      family: 'skinny',
      does,
      rows: 'M',
      cols: rank,
      segments: [{ a: x, b: first, inner: inn }],
      out: t,
      ...rest,
    });
  const scaled = { epilogue: { scale } };
  // a tile as wide as the rank multiplies once more before it is stored
  const fits = rank <= down('down', '', {}).launch.schedule.BN;
  const steps =
    factors === 2
      ? [down('down', 'T = s x A', scaled)]
      : fits
        ? [down('down', 'T = s (x R) M', { chain: core, ...scaled })]
        : [
            down('down', 'P = x R', { out: p }),
            down('core', 'T = s P M', { segments: [{ a: plain(p), b: core, inner: rank }], ...scaled }),
          ];
  const w = transposed ? flipped(dense('w', 'f32', out, inn)) : matrix('w', inn, out);
  const layer = (name: string, biased: boolean): Step =>
    step({
      name: `ort_${name}_${index}`,
      family: 'gemm',
      does: `y = x W + T L${biased ? ' + b' : ''}`,
      rows: 'M',
      cols: out,
      segments: [
        { a: x, b: w, inner: inn },
        { a: plain(t), b: matrix('last', rank, out), inner: rank },
      ],
      out: dense('y', 'f32', 'M', out),
      ...(biased ? { epilogue: { bias: { buffer: 'bias', dtype: 'f32', offset: 0 } } } : {}),
    });
  return { down: steps, layer: layer('layer', false), biased: layer('layer_bias', true), factors };
}

function runText(index: number, steps: ReturnType<typeof stepsOf>, tokens: number): string[] {
  const operands = { ...OPERANDS, last: `factors[${steps.factors - 1}]` };
  const call = (step: Step) => launchText(step, operands, tokens);
  return [
    `static cudaError_t run_${index}(RUN_PARAMETERS) {`,
    ...steps.down.map((step) => `  LOTRC_TRY(${call(step)});`),
    `  if (bias) return ${call(steps.biased)};`,
    `  return ${call(steps.layer)};`,
    '}',
    '',
  ];
}
