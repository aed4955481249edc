import { tokenScale } from '../../../adapter/kernel-form.js';
import type { Kernel } from '../../kernel/ir/kir.js';
import type { DeviceProfile, KernelPlan, Operand } from '../../kernel/model/types.js';
import { tilesText } from '../../kernel/plan/explain.js';
import { dense, flipped, type ProductRequest, plain, type Target } from '../../kernel/plan/launches.js';
import { whyNoWarpgroups } from '../../kernel/plan/warpgroup-schedule.js';
import { LAUNCHES, LAUNCHES_TEXT, overlaps } from '../../kernel/print/cuda/launches.js';
import { MATRIX_UNITS, MATRIX_UNITS_TEXT } from '../../kernel/print/cuda/matrix-units.js';
import { cudaPrototype, printCuda } from '../../kernel/print/cuda/print.js';
import { launchBytes } from '../../kernel/print/cuda/shared-memory.js';
import { WARPGROUP_UNITS, warpgroupUnitsText } from '../../kernel/print/cuda/warpgroup-units.js';
import { runtimeText } from '../../runtime-text.js';
import { blasText, productTypes } from '../cuda/blas.js';
import { indented, inPairs, queueText, ringText, SM90A } from '../cuda/launch-text.js';
import { allowText, cString } from '../cuda/rows.js';
import type { EmittedFile } from '../shared/emitted.js';
import { requireSound } from '../shared/kernels.js';
import { rowsReached } from '../shared/tables.js';
import { GRADIENTS_CU, OPERATORS_CU, ORT_ABI_H } from './generated/runtime.js';
import { gradientSteps, gradientText } from './gradients.js';
import {
  type KindLaunch,
  type LayerKind,
  launchText,
  layerKindsOf,
  type OperatorTarget,
  overlapped,
  productStep,
  Scratch,
  shapesOf,
  stemsOf,
  tileOf,
  zerosText,
} from './kinds.js';
import { coreOf, downSteps, factorOperands, upOperand, upSteps } from './sides.js';

/** Source of a library. */
export interface OperatorFiles {
  readonly files: readonly EmittedFile[];
  /** paths of those that are compiled for sm_90a alone */
  readonly grouped: readonly string[];
  /** cuBLASLt is called */
  readonly library: boolean;
}

/** The operators of a lowered plan: what each kind of layer launches, with the kernels. */
export interface Operators extends ReturnType<typeof kindSteps> {
  readonly plan: KernelPlan;
  readonly least: DeviceProfile;
  readonly architectures: readonly string[];
}

/** Kernels run on `least` too. */
export const operatorsOf = (
  plan: KernelPlan,
  least: DeviceProfile,
  architectures: readonly string[],
): Operators => ({ plan, least, architectures, ...kindSteps(plan, least, architectures) });

/**
 * Source of a library for ONNX Runtime with the operators that `rewrite --keep-functions` calls (lotrc::LoTRLinear,
 * lotrc::Adapter_lora, each also as _gemm and _nobias, and with _half where the plan is in float16 or bfloat16), for the layers of
 * a plan. In float32: T = s x R M in one launch (two where the rank is beyond a tile), then y = [x|T] [W; L] + b; where the factors
 * are not such a product, those that follow P = x R are multiplied first, and y = [x|P] [W; L'] + b. In 16 bits, as
 * the functions' bodies have it: L' = s M L in float32, R and L' rounded, P = x R, y = [x|P] [W; L'] + b. A plan for training has
 * their gradients too, which `emit onnx-train --keep-functions` calls. A session that has registered the library runs
 * these instead of the functions' bodies; others run the bodies. For many rows cuBLASLt multiplies instead, where that is predicted to take less time. Kernels run on `least` too; with sm_90a among the architectures,
 * products that warpgroups take have a second kernel. None for packed weights; no files where there are no others.
 */
export function operatorFiles({ plan, least, kinds, steps, gradients }: Operators): OperatorFiles {
  if (kinds.length === 0) return { files: [], grouped: [], library: false };
  const { dtype } = plan;
  const training = plan.purpose === 'train';
  const launches = [
    ...steps.flatMap(({ prepare, before, layer, biased }) => [...prepare, ...before, layer, biased]),
    ...gradients.flatMap(({ all }) => all),
  ];
  const kernels = launches.map(({ kernel }) => kernel);
  const early = launches.some((launch) => launch.early);
  const grouped = launches.flatMap(({ twin }) => (twin ? [twin.kernel] : []));
  const grids = launches.flatMap(({ grid, twin }) => (twin ? [grid, twin.grid] : [grid]));
  requireSound(kernels, least);
  requireSound(grouped, plan.device);
  const warpgroups = grouped.length > 0;
  const library = launches.some((launch) => launch.library !== undefined);
  const stems = [...new Map(kinds.map((kind) => [kind.stem, shapesOf(kind).length]))];
  const half = dtype === 'f32' ? '' : '_half';
  const types = { f32: dtype === 'f32', f16: dtype === 'f16', bf16: dtype === 'bf16' };
  const tables = [
    ...steps.flatMap(runText),
    ...gradients.flatMap((gradient, index) => gradientText(index, gradient)),
    'static const Kind KINDS[] = {',
    ...kinds.map((kind, index) => {
      const { stem, in: inn, out, transposed, scale } = kind;
      // of what lies between x and y, the widest
      const rank = Math.max(kind.rank, coreOf(kind)?.cols ?? 0);
      const factors = `{${shapesOf(kind)
        .map((shape) => `{${shape.join(', ')}}`)
        .join(', ')}}`;
      const back = training ? [gradients[index]!.scratch.size, `gradient_${index}`] : [0, 'nullptr'];
      const { scratch, prepare } = steps[index]!;
      const run = [scratch.size, prepare.length > 0 ? `prepare_${index}` : 'nullptr', `run_${index}`];
      const row = [cString(stem), inn, out, rank, transposed, `${scale}`, factors, ...run, ...back];
      return `    {${row.join(', ')}},`;
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
  const stemRows = stemsOf(plan).map(
    ({ stem, hints }) => `      {${cString(stem)}, {${hints.map(cString).join(', ')}}},`,
  );
  const stemTable = [
    '  static const struct { const char *stem; std::vector<std::string> outputs; } STEMS[] = {',
    ...stemRows,
    '  };',
  ];
  const back = () => runtimeText(GRADIENTS_CU, { warpgroups, ...types }, { stems: stemTable }).trimEnd();
  const text = runtimeText(
    OPERATORS_CU,
    { training, warpgroups, library, ...types },
    {
      queue: queueText({ hip: false, warpgroups, early, pairs: inPairs(grouped) }),
      product_types: productTypes(plan),
      blas: blasText(),
      most_rows: [`static constexpr int64_t MOST_ROWS = ${rowsReached(grids)};`],
      most_maps: [`  Map map[${Math.max(...grouped.map(({ maps }) => maps?.length ?? 0))}];`],
      prototypes: [
        ...kernels.map(cudaPrototype),
        ...(warpgroups ? [`#ifdef ${SM90A}`, ...grouped.map(cudaPrototype), '#endif'] : []),
      ],
      large: kernels.filter((kernel) => launchBytes(kernel) > 0).map(allowText),
      rings: grouped.flatMap((kernel) => ringText(kernel, 'queue')),
      tables,
      gradients: training ? [back()] : [],
    },
  );
  const pathOf = ({ name }: Kernel) => `ort/${name}.cu`;
  const files = [
    { path: 'ort/ort_abi.h', text: ORT_ABI_H },
    { path: 'ort/operators.cu', text },
    ...(kernels.some(({ fragments }) => fragments)
      ? [{ path: `ort/${MATRIX_UNITS}`, text: MATRIX_UNITS_TEXT }]
      : []),
    ...(kernels.some(overlaps) ? [{ path: `ort/${LAUNCHES}`, text: LAUNCHES_TEXT }] : []),
    ...(warpgroups
      ? [
          {
            path: `ort/${WARPGROUP_UNITS}`,
            text: warpgroupUnitsText(grouped.flatMap(({ ring }) => (ring ? [ring] : []))),
          },
        ]
      : []),
    ...[...kernels, ...grouped].map((kernel) => ({ path: pathOf(kernel), text: printCuda([kernel]) })),
  ];
  return { files, grouped: grouped.map(pathOf), library };
}

/** The launches of the kinds of layers of a plan, and of their gradients where it is for training. */
function kindSteps(plan: KernelPlan, least: DeviceProfile, architectures: readonly string[]) {
  const { device, dtype, tokens, rounding } = plan;
  const target: Target = { device, db: device.tiles, dtype, tokens, ...(rounding ? { rounding } : {}) };
  const setting: OperatorTarget = { target, least, architectures };
  const kinds = layerKindsOf(plan);
  const steps = kinds.map((kind, index) => {
    const core = dtype === 'f32' ? coreOf(kind) : null;
    const made = core ? chainSteps(kind, core, index, setting) : foldSteps(kind, index, setting);
    const run = overlapped([...made.before, made.biased]);
    const layer = overlapped([...made.before, made.layer]).at(-1)!;
    return { ...made, before: run.slice(0, -1), layer, biased: run.at(-1)! };
  });
  const gradients =
    plan.purpose === 'train' ? kinds.map((kind, index) => gradientSteps(kind, index, setting)) : [];
  return { kinds, steps, gradients };
}

/** The products of the operators that read W: with which tiles, and why warpgroups do not run them where a device has some. */
export function operatorsText({ architectures, kinds, steps, gradients }: Operators): string {
  if (kinds.length === 0) return '';
  const lines = kinds.flatMap(({ stem, in: inn, out, own, rank, transposed }, index) => {
    const products = [steps[index]!.layer, ...(gradients[index] ? [gradients[index].dx] : [])];
    return [
      `  ${stem}, ${inn}x${out}${transposed ? ' stored as (out, in)' : ''}, rank ${own}${own < rank ? ` stored as ${rank}` : ''}`,
      ...products.map((product) => `    ${productText(product, architectures)}`),
    ];
  });
  return ['', 'operators for ONNX Runtime (ort/)', ...lines, ''].join('\n');
}

function productText({ launch, library }: KindLaunch, architectures: readonly string[]): string {
  const { does, work, planned } = launch!;
  const called = library ? `; ${library.calls.length} calls of cuBLASLt from ${library.from} rows on` : '';
  const text = `${does}: ${tilesText(launch!)}${called}`;
  const asked = architectures.includes('sm_90a') && work.kind === 'product' && work.out.dtype !== 'f32';
  const why = asked ? whyNoWarpgroups(work, planned) : null;
  return why ? `${text}; no warpgroups: ${why}` : text;
}

/** The launches of a kind of layer: those over its factors alone, those before the layer, the layer without and with its bias. */
interface Forward {
  /** statements before those of `prepare` */
  readonly zeros: readonly string[];
  readonly prepare: readonly KindLaunch[];
  readonly before: readonly KindLaunch[];
  readonly layer: KindLaunch;
  readonly biased: KindLaunch;
  readonly scratch: Scratch;
  /** operands in the C++ text */
  readonly operands: Readonly<Record<string, string>>;
}

/** T = s (x R) M, then y from T and L. */
function chainSteps(
  kind: LayerKind,
  core: NonNullable<ReturnType<typeof coreOf>>,
  index: number,
  setting: OperatorTarget,
): Forward {
  const { in: inn, rank, scale } = kind;
  const matrix = (name: string, rows: number | 'M', cols: number): Operand =>
    plain(dense(name, 'f32', rows, cols));
  const [x, first] = [matrix('x', 'M', inn), matrix('first', inn, rank)];
  const middle = matrix('core', core.rows, core.cols);
  const p = dense('p', 'f32', 'M', rank);
  const t = dense('t', 'f32', 'M', core.cols);
  const down = (name: string, does: string, rest: Partial<ProductRequest>): ProductRequest => ({
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
  const before =
    rank <= tileOf(setting, down('down', '', {}))
      ? [down('down', 'T = s (x R) M', { chain: middle, ...scaled })]
      : [
          down('down', 'P = x R', { out: p }),
          down('core', 'T = s P M', {
            cols: core.cols,
            segments: [{ a: plain(p), b: middle, inner: rank }],
            ...scaled,
          }),
        ];
  const layer = { tokens: 't', columns: core.cols, up: 'last', formula: 'x W + T L' };
  return {
    zeros: [],
    prepare: [],
    before: before.map((wanted) => productStep(setting, wanted)),
    ...layerSteps(kind, index, setting, layer),
    scratch: new Scratch(),
    operands: {
      ...OPERANDS,
      ...factorOperands(kind),
      t: 'tokens',
      p: 'tokens + spaced(M, kind.rank)',
    },
  };
}

/** What x and P are multiplied by, in the type of the layer; P = x R; then y from P and that. */
function foldSteps(kind: LayerKind, index: number, setting: OperatorTarget): Forward {
  const { in: inn, rank } = kind;
  const { dtype } = setting.target;
  const scratch = new Scratch();
  const making = { kind, setting, scratch, name: (part: string) => `ort_${part}_${index}` };
  const [first, up] = [downSteps(making), upSteps(making)];
  const bare = kind.form.up.bare !== null;
  // without anything to compute, P has the scale and is called T
  const tokens = dtype === 'f32' && bare ? 't' : 'p';
  const letter = tokens.toUpperCase();
  const down: ProductRequest = {
    name: `ort_down_${index}`,
    family: 'skinny',
    does: `${letter} = ${bare ? 's x A' : 'x R'}`,
    rows: 'M',
    cols: rank,
    segments: [
      { a: plain(dense('x', dtype, 'M', inn)), b: plain(dense('first', dtype, inn, rank)), inner: inn },
    ],
    epilogue: { scale: tokenScale(kind) },
    out: dense(tokens, dtype, 'M', rank),
  };
  const formula = dtype === 'f32' && bare ? 'x W + T L' : `x W + P ${bare ? 'B' : "L'"}`;
  const layer = { tokens, columns: rank, up: upOperand(kind, dtype), formula };
  return {
    zeros: zerosText(kind, scratch.size),
    prepare: [...first, ...up],
    before: [productStep(setting, down)],
    ...layerSteps(kind, index, setting, layer),
    scratch,
    operands: { ...OPERANDS, ...factorOperands(kind), ...scratch.places, [tokens]: 'tokens' },
  };
}

/** The layer from the result of its adapter for x, `tokens` (M, columns), and the matrix that it is multiplied by, `up` (columns, out). */
function layerSteps(
  { in: inn, out, transposed }: LayerKind,
  index: number,
  setting: OperatorTarget,
  {
    tokens,
    columns,
    up,
    formula,
  }: Readonly<Record<'tokens' | 'up' | 'formula', string>> & { readonly columns: number },
): { readonly layer: KindLaunch; readonly biased: KindLaunch } {
  const { dtype } = setting.target;
  const matrix = (name: string, rows: number | 'M', cols: number): Operand =>
    plain(dense(name, dtype, rows, cols));
  const w = transposed ? flipped(dense('w', dtype, out, inn)) : matrix('w', inn, out);
  const layer = (name: string, biased: boolean): KindLaunch =>
    productStep(setting, {
      name: `ort_${name}_${index}`,
      family: 'gemm',
      does: `y = ${formula}${biased ? ' + b' : ''}`,
      rows: 'M',
      cols: out,
      segments: [
        { a: matrix('x', 'M', inn), b: w, inner: inn },
        { a: matrix(tokens, 'M', columns), b: matrix(up, columns, out), inner: columns },
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
  bias: 'bias',
  y: 'y',
};

function runText({ zeros, prepare, before, layer, biased, operands }: Forward, index: number): string[] {
  const tried = (steps: readonly KindLaunch[], indent: string) =>
    indented(
      steps.flatMap((step) => launchText(step, operands)),
      indent,
    );
  const preparing = [
    `static cudaError_t prepare_${index}(PREPARE_PARAMETERS) {`,
    ...indented(zeros, '  '),
    ...tried(prepare, '  '),
    '  return cudaSuccess;',
    '}',
    '',
  ];
  return [
    ...(prepare.length > 0 ? preparing : []),
    `static cudaError_t run_${index}(RUN_PARAMETERS) {`,
    ...tried(before, '  '),
    '  if (bias) {',
    ...tried([biased], '    '),
    '  } else {',
    ...tried([layer], '    '),
    '  }',
    '  return cudaSuccess;',
    '}',
    '',
  ];
}
