import { fail } from '../../../ir/diagnostics.js';
import { verifyKernel } from '../../kernel/ir/verify.js';
import type { KernelPlan, Operand } from '../../kernel/model/types.js';
import { dense, flipped, type ProductRequest, plain, type Target } from '../../kernel/plan/launches.js';
import { MATRIX_UNITS, MATRIX_UNITS_TEXT } from '../../kernel/print/cuda/matrix-units.js';
import { cudaPrototype, printCuda } from '../../kernel/print/cuda/print.js';
import { runtimeText } from '../../runtime-text.js';
import { cString } from '../cuda/rows.js';
import type { EmittedFile } from '../shared/emitted.js';
import { GRADIENTS_CU, OPERATORS_CU, ORT_ABI_H } from './generated/runtime.js';
import { gradientSteps, gradientText } from './gradients.js';
import { castFactors } from './half.js';
import {
  type LayerKind,
  launchText,
  layerKindsOf,
  type OperatorTarget,
  productStep,
  Scratch,
  type Step,
  tileOf,
} from './kinds.js';

/**
 * Source of a library for ONNX Runtime with the operators that `rewrite --keep-functions` calls (lotrc::LoTRLinear,
 * lotrc::Adapter_lora, each also as _gemm and _nobias, and with _half where the plan is in float16 or bfloat16), for the layers of
 * a plan. In float32: T = s x R M in one launch (two where the rank is beyond a tile), then y = [x|T] [W; L] + b. In 16 bits, as
 * the functions' bodies have it: L' = s M L in float32, R and L' rounded, P = x R, y = [x|P] [W; L'] + b. A plan for training has
 * their gradients too, which `emit onnx-train --keep-functions` calls. A session that has registered the library runs
 * these instead of the functions' bodies; others run the bodies.
 */
export function ortOperators(plan: KernelPlan, tf32: boolean): readonly EmittedFile[] {
  const kinds = layerKindsOf(plan);
  const { dtype } = plan;
  const training = plan.purpose === 'train';
  const target: Target = { device: plan.device, db: plan.device.tiles, dtype, tokens: plan.tokens };
  const setting: OperatorTarget = { target, tf32 };
  const steps = kinds.map((kind, index) =>
    dtype === 'f32' ? stepsOf(kind, index, setting) : halfSteps(kind, index, setting),
  );
  const gradients = training ? kinds.map((kind, index) => gradientSteps(kind, index, setting)) : [];
  const kernels = [
    ...steps.flatMap(({ before, layer, biased }) => [...before, layer, biased]),
    ...gradients.flatMap(({ all }) => all),
  ];
  for (const { kernel } of kernels) {
    const [problem] = verifyKernel(kernel, plan.device);
    if (problem) fail(problem);
  }
  const stems = [...new Map(kinds.map(({ stem, factors }) => [stem, factors]))];
  const half = dtype === 'f32' ? '' : '_half';
  const types = { f32: dtype === 'f32', f16: dtype === 'f16', bf16: dtype === 'bf16' };
  const tables = [
    ...steps.flatMap(runText),
    ...gradients.flatMap((gradient, index) => gradientText(index, gradient)),
    'static const Kind KINDS[] = {',
    ...kinds.map(({ stem, in: inn, out, rank, transposed, scale }, index) => {
      const back = training ? [gradients[index]!.scratch.size, `gradient_${index}`] : [0, 'nullptr'];
      const run = [steps[index]!.scratch.size, `run_${index}`];
      return `    {${[cString(stem), inn, out, rank, transposed, `${scale}`, ...run, ...back].join(', ')}},`;
    }),
    '};',
    '',
    'static Operator OPERATORS[] = {',
    ...stems.flatMap(([stem, factors]) =>
      ['', '_gemm'].flatMap((gemm) =>
        ['', '_nobias'].map((nobias) => {
          const flags = [factors, gemm !== '', nobias === ''];
          return `    {table(), ${[cString(stem + gemm + half + nobias), cString(stem), ...flags].join(', ')}},`;
        }),
      ),
    ),
    '};',
  ];
  const stemRows = stems.map(([stem, factors]) => `{${cString(stem)}, ${factors}}`).join(', ');
  const stemTable = `  static const struct { const char *stem; size_t factors; } STEMS[] = {${stemRows}};`;
  const back = () => runtimeText(GRADIENTS_CU, types, { stems: [stemTable] }).trimEnd();
  const text = runtimeText(
    OPERATORS_CU,
    { training, ...types },
    {
      prototypes: kernels.map(({ kernel }) => cudaPrototype(kernel)),
      tables,
      gradients: training ? [back()] : [],
    },
  );
  return [
    { path: 'ort/ort_abi.h', text: ORT_ABI_H },
    { path: 'ort/operators.cu', text },
    ...(kernels.some(({ kernel }) => kernel.fragments)
      ? [{ path: `ort/${MATRIX_UNITS}`, text: MATRIX_UNITS_TEXT }]
      : []),
    ...kernels.map(({ kernel }) => ({ path: `ort/${kernel.name}.cu`, text: printCuda([kernel]) })),
  ];
}

/** The launches of a kind of layer: those before the layer, the layer without and with its bias. */
interface Forward {
  readonly before: readonly Step[];
  readonly layer: Step;
  readonly biased: Step;
  readonly scratch: Scratch;
  /** operands in the C++ text */
  readonly operands: Readonly<Record<string, string>>;
}

function stepsOf(kind: LayerKind, index: number, setting: OperatorTarget): Forward {
  const { in: inn, rank, factors, scale } = kind;
  const matrix = (name: string, rows: number | 'M', cols: number): Operand =>
    plain(dense(name, 'f32', rows, cols));
  const [x, first] = [matrix('x', 'M', inn), matrix('first', inn, rank)];
  const core = matrix('core', rank, rank);
  const p = dense('p', 'f32', 'M', rank);
  const down = (name: string, does: string, rest: Partial<ProductRequest>): ProductRequest => ({
    name: `ort_${name}_${index}`,
    family: 'skinny',
    does,
    rows: 'M',
    cols: rank,
    segments: [{ a: x, b: first, inner: inn }],
    out: dense('t', 'f32', 'M', rank),
    ...rest,
  });
  const scaled = { epilogue: { scale } };
  const fits = rank <= tileOf(setting, down('down', '', {}));
  const before =
    factors === 2
      ? [down('down', 'T = s x A', scaled)]
      : fits
        ? [down('down', 'T = s (x R) M', { chain: core, ...scaled })]
        : [
            down('down', 'P = x R', { out: p }),
            down('core', 'T = s P M', { segments: [{ a: plain(p), b: core, inner: rank }], ...scaled }),
          ];
  return {
    before: before.map((wanted) => productStep(setting, wanted)),
    ...layerSteps(kind, index, setting, 't', 'last', 'x W + T L'),
    scratch: new Scratch(),
    operands: {
      ...OPERANDS,
      last: `factors[${factors - 1}]`,
      t: 'tokens',
      p: 'tokens + size_t(M) * kind.rank',
    },
  };
}

function halfSteps(kind: LayerKind, index: number, setting: OperatorTarget): Forward {
  const { in: inn, rank, factors, scale } = kind;
  const { dtype } = setting.target;
  const scratch = new Scratch();
  const narrowed = castFactors(kind, setting, scratch, (part) => `ort_${part}_${index}`);
  const p: ProductRequest = {
    name: `ort_down_${index}`,
    family: 'skinny',
    does: factors === 3 ? 'P = x R' : 'P = s x A',
    rows: 'M',
    cols: rank,
    segments: [
      { a: plain(dense('x', dtype, 'M', inn)), b: plain(dense('first', dtype, inn, rank)), inner: inn },
    ],
    epilogue: { scale: factors === 3 ? 1 : scale },
    out: dense('p', dtype, 'M', rank),
  };
  return {
    before: [narrowed.first, narrowed.up, productStep(setting, p)],
    ...layerSteps(kind, index, setting, 'p', 'up', factors === 3 ? "x W + P L'" : 'x W + P B'),
    scratch,
    operands: { ...OPERANDS, ...narrowed.operands, ...scratch.places, p: 'tokens' },
  };
}

/**
 * The layer from the result of its adapter for x, `tokens` (M, r), and the matrix that it is multiplied by, `up` (r,
 * out).
 */
function layerSteps(
  { in: inn, out, rank, transposed }: LayerKind,
  index: number,
  setting: OperatorTarget,
  tokens: string,
  up: string,
  formula: string,
): { readonly layer: Step; readonly biased: Step } {
  const { dtype } = setting.target;
  const matrix = (name: string, rows: number | 'M', cols: number): Operand =>
    plain(dense(name, dtype, rows, cols));
  const w = transposed ? flipped(dense('w', dtype, out, inn)) : matrix('w', inn, out);
  const layer = (name: string, biased: boolean): Step =>
    productStep(setting, {
      name: `ort_${name}_${index}`,
      family: 'gemm',
      does: `y = ${formula}${biased ? ' + b' : ''}`,
      rows: 'M',
      cols: out,
      segments: [
        { a: matrix('x', 'M', inn), b: w, inner: inn },
        { a: matrix(tokens, 'M', rank), b: matrix(up, rank, out), inner: rank },
      ],
      out: dense('y', dtype, 'M', out),
      ...(biased ? { epilogue: { bias: { buffer: 'bias', dtype, offset: 0 } } } : {}),
    });
  return { layer: layer('layer', false), biased: layer('layer_bias', true) };
}

/** Names of operands in launches and their expressions in the C++ text. */
const OPERANDS: Readonly<Record<string, string>> = {
  x: 'x',
  w: 'w',
  first: 'factors[0]',
  core: 'factors[1]',
  bias: 'bias',
  y: 'y',
};

function runText({ before, layer, biased, scratch, operands }: Forward, index: number): string[] {
  const call = (step: Step) => launchText(step, operands);
  return [
    `static cudaError_t run_${index}(RUN_PARAMETERS) {`,
    scratch.tokensText(),
    ...before.map((step) => `  LOTRC_TRY(${call(step)});`),
    `  if (bias) return ${call(biased)};`,
    `  return ${call(layer)};`,
    '}',
    '',
  ];
}
