import { derivativeBy } from '../../../adapter/derivative.js';
import { tokenScale } from '../../../adapter/kernel-form.js';
import type { Launch, MatrixRef, Operand } from '../../kernel/model/types.js';
import { dense, flipped, type ProductRequest, plain, TokenSums } from '../../kernel/plan/launches.js';
import { indented } from '../cuda/launch-text.js';
import {
  type KindLaunch,
  type LayerKind,
  launchText,
  type OperatorTarget,
  productStep,
  Scratch,
  stepOf,
  tileOf,
  zerosText,
} from './kinds.js';
import {
  arrayOf,
  coreOf,
  downSteps,
  factorOperands,
  operandNames,
  sideOperands,
  termSteps,
  upOperand,
  upSteps,
} from './sides.js';

/** The launches of the gradients of a kind of layer, by purpose. */
export interface GradientSteps {
  /** statements before all others */
  readonly zeros: readonly string[];
  /** what x is multiplied by, where it is computed or rounded: P = x R and dP R^T need it */
  readonly before: readonly KindLaunch[];
  /** P = x R */
  readonly p: KindLaunch;
  /** dP = s dy (M L)^T */
  readonly dP: readonly KindLaunch[];
  /** Z = P^T dy, which is the gradient of a last factor that P is multiplied by as it is */
  readonly z: Sum;
  /** dR = x^T dP */
  readonly first: Sum;
  /** adds the parts of both in one launch */
  readonly both: KindLaunch | null;
  /** db: the sum of dy */
  readonly bias: Sum;
  /** from the two sums the gradients of the factors, by their numbers: dM = s Z L^T, dL = s M^T Z */
  readonly factors: readonly { readonly factor: number; readonly steps: readonly KindLaunch[] }[];
  /** the factors whose gradients need the one sum or the other */
  readonly rest: readonly number[];
  readonly left: readonly number[];
  readonly dx: KindLaunch;
  readonly all: readonly KindLaunch[];
  readonly scratch: Scratch;
  /** operands in the C++ text */
  readonly operands: Readonly<Record<string, string>>;
}

/** A sum over tokens, in one launch or in parts that a second adds up. */
interface Sum {
  readonly parts: KindLaunch;
  readonly whole: KindLaunch | null;
  readonly reduction: Launch | null;
}

/**
 * Gradients of y = x W + s x R M L (+ b) from x, W, the factors and dy: P = x R and dP = s (dy L^T) M^T in one launch each (two
 * where the rank is beyond a tile: L' = s M L, then dP = dy L'^T; so in 16 bits, where R and L' are rounded first, and of any
 * other factors), Z = P^T dy and dR = x^T dP in parts that one launch adds in order, dM, dL, and dx = [dy|dP] [W^T; R^T]. Sums
 * are taken in the same order each time.
 */
export function gradientSteps(kind: LayerKind, index: number, setting: OperatorTarget): GradientSteps {
  const { in: inn, out, own: columns, rank, form, transposed } = kind;
  const { target } = setting;
  const { dtype } = target;
  const scratch = new Scratch();
  const name = (part: string) => `ort_grad_${part}_${index}`;
  const making = { kind, setting, scratch, name };
  const wide = (of: string, rows: number, cols: number): MatrixRef => dense(of, 'f32', rows, cols);
  const own = (of: string, rows: number | 'M', cols: number): MatrixRef => dense(of, dtype, rows, cols);
  const [x, dy, p, dP] = [own('x', 'M', inn), own('dy', 'M', out), own('p', 'M', rank), own('dp', 'M', rank)];
  const first = own('first', inn, rank);
  const bare = form.up.bare !== null;
  const [R, L] = bare ? ['A', 'B'] : ['R', 'L'];
  const core = dtype === 'f32' ? coreOf(kind) : null;
  const before = downSteps(making);
  const ups = core ? [] : upSteps(making);
  const zeros = zerosText(kind, scratch.size);
  // without columns that are stored as zeros
  const narrow = (matrix: MatrixRef): MatrixRef => ({ ...matrix, cols: columns });
  const scaled = { epilogue: { scale: tokenScale(kind) } };
  const z = wide(bare ? 'd_last' : 'z', columns, out);
  if (!bare) scratch.take('z', columns * out);
  const dFirst = wide(form.down.bare === null ? 'd_down' : 'd_first', inn, columns);
  if (form.down.bare === null) scratch.take('d_down', inn * columns);
  const down = (
    part: string,
    does: string,
    segment: ProductRequest['segments'][number],
    to: MatrixRef,
  ): ProductRequest => ({
    name: name(part),
    family: 'skinny',
    does,
    rows: 'M',
    cols: rank,
    segments: [segment],
    out: to,
  });
  const back = (does: string, by: Operand): ProductRequest =>
    down('dp', does, { a: plain(dy), b: by, inner: out }, dP);
  const dPSteps = (): readonly KindLaunch[] => {
    const folded = () =>
      productStep(setting, {
        ...back(bare ? 'dP = s dy B^T' : "dP = dy L'^T", flipped(own(upOperand(kind, dtype), rank, out))),
        ...scaled,
      });
    if (!core) return [...ups, folded()];
    const last = flipped(wide('last', core.cols, out));
    const chained = { ...back('dP = s (dy L^T) M^T', last), cols: core.cols };
    if (core.cols <= tileOf(setting, chained)) {
      const chain = flipped(wide('core', core.rows, core.cols));
      return [productStep(setting, { ...chained, chain, epilogue: { scale: kind.scale } })];
    }
    return [...upSteps(making), folded()];
  };
  const sum = (part: string, does: string, a: Operand, b: Operand, to: MatrixRef): Sum => {
    const sums = new TokenSums(target, `parts_${part}`, false);
    sums.add({
      name: name(`sum_${part}`),
      family: 'skinnyT',
      does,
      rows: to.rows,
      cols: to.cols,
      segments: [{ a, b, inner: 'M' }],
      out: to,
    });
    const [parts, reduction = null] = sums.finish(name(`reduce_${part}`));
    scratch.take(`parts_${part}`, sums.elements);
    const whole = reduction && stepOf(reduction, setting);
    return { parts: stepOf(parts!, setting), whole, reduction };
  };
  const downward = down('p', bare ? 'P = s x A' : 'P = x R', { a: plain(x), b: plain(first), inner: inn }, p);
  const sums = { up: { buffer: 'z', text: 'Z' }, down: { buffer: 'd_down', text: `d${R}'` } };
  const made = {
    zeros,
    before,
    p: productStep(setting, { ...downward, ...scaled }),
    dP: dPSteps(),
    z: sum('last', `${bare ? `d${L}` : 'Z'} = P^T dy`, flipped(narrow(p)), plain(dy), z),
    first: sum('first', `d${R} = x^T dP`, flipped(x), plain(narrow(dP)), dFirst),
    // one number, read as a column of M ones
    bias: sum(
      'bias',
      'db = the sum of dy',
      flipped({ ...own('one', 'M', 1), rowStride: 0 }),
      plain(dy),
      own('d_bias', 1, out),
    ),
    factors: (['down', 'up'] as const).flatMap((which) => {
      const side = form[which];
      if (side.bare !== null) return [];
      const { buffer, text } = sums[which];
      const operands = sideOperands(kind, side);
      return side.operands.map((factor, at) => {
        const { operand, text: own } = operandNames(kind)[factor]!;
        const gradient = { value: arrayOf(buffer, side.term.result, kind), name: text };
        const steps = termSteps(
          making,
          derivativeBy(side.term, at),
          [gradient, ...operands.filter((_, other) => other !== at)],
          arrayOf(`d_${operand}`, side.term.operands[at]!, kind),
          which === 'up'
            ? { part: operand, makes: `d${own} = s `, scale: kind.scale }
            : { part: operand, makes: `d${own} = `, scale: 1 },
        );
        return { factor, steps };
      });
    }),
    dx: productStep(setting, {
      name: name('dx'),
      family: 'gemm',
      does: `dx = dy W^T + dP ${R}^T`,
      rows: 'M',
      cols: inn,
      segments: [
        {
          a: plain(dy),
          b: transposed ? plain(own('w', out, inn)) : flipped(own('w', inn, out)),
          inner: out,
        },
        { a: plain(dP), b: flipped(first), inner: rank },
      ],
      out: own('dx', 'M', inn),
    }),
  };
  const both = joined(made.z.reduction, made.first.reduction, name('reduce'), setting);
  scratch.take('one', 1, dtype);
  const ofFactors = made.factors.flatMap(({ steps }) => steps);
  const steps = [...made.before, made.p, ...made.dP, ...ofFactors, made.dx, both];
  const parts = [made.z, made.first, made.bias].flatMap(({ parts, whole }) => [parts, whole]);
  return {
    ...made,
    both,
    rest: form.up.operands,
    left: form.down.operands,
    all: [...steps, ...parts].filter((step) => step !== null),
    scratch,
    operands: {
      ...OPERANDS,
      ...factorOperands(kind),
      ...scratch.places,
      p: 'tokens',
      dp: 'tokens + spaced(M, kind.rank)',
    },
  };
}

/** Two reductions in one launch, where there are two. */
function joined(
  a: Launch | null,
  b: Launch | null,
  name: string,
  setting: OperatorTarget,
): KindLaunch | null {
  if (a?.work.kind !== 'reduce' || b?.work.kind !== 'reduce') return null;
  const work = { kind: 'reduce', jobs: [...a.work.jobs, ...b.work.jobs] } as const;
  return stepOf({ ...a, name, work }, setting);
}

const OPERANDS: Readonly<Record<string, string>> = {
  x: 'x',
  w: 'w',
  dy: 'dy',
  dx: 'dx',
  d_bias: 'dbias',
};

/** The C++ function that runs the launches that the wanted gradients need. */
export function gradientText(index: number, steps: GradientSteps): string[] {
  const run = (step: KindLaunch | null) => (step ? launchText(step, steps.operands) : []);
  const when = (condition: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [`  if (${condition}) {`, ...indented(lines, '    '), '  }'];
  const { both } = steps;
  const any = (factors: readonly number[]) => factors.map((k) => `dfactors[${k}]`).join(' || ');
  const [only, ...more] = steps.left;
  const left = more.length === 0 ? any([only!]) : 'left';
  const apart = both ? [] : [steps.z.whole, steps.first.whole];
  return [
    `static cudaError_t gradient_${index}(GRADIENT_PARAMETERS) {`,
    steps.scratch.tokensText(),
    `  const bool rest = ${any(steps.rest)};`,
    ...(more.length === 0 ? [] : [`  const bool left = ${any(steps.left)};`]),
    ...indented(steps.zeros, '  '),
    ...when('rest || dx', steps.before.flatMap(run)),
    ...when(`dx || ${left}`, steps.dP.flatMap(run)),
    ...when('rest', [steps.p, steps.z.parts].flatMap(run)),
    ...when(left, run(steps.first.parts)),
    ...when(`rest && ${left}`, [both, ...apart].flatMap(run)),
    ...when(`rest && !${left}`, run(steps.z.whole)),
    ...when(`!rest && ${left}`, run(steps.first.whole)),
    ...steps.factors.flatMap(({ factor, steps: own }) => when(`dfactors[${factor}]`, own.flatMap(run))),
    ...when('dx', run(steps.dx)),
    ...when('dbias', [
      `LOTRC_TRY(cudaMemcpyAsync(${steps.operands.one}, &ONE, sizeof ONE, cudaMemcpyHostToDevice, queue->stream));`,
      ...[steps.bias.parts, steps.bias.whole].flatMap(run),
    ]),
    '  return cudaSuccess;',
    '}',
    '',
  ];
}
