import type { Launch, MatrixRef, Operand } from '../../kernel/model/types.js';
import { dense, flipped, type ProductRequest, plain, TokenSums } from '../../kernel/plan/launches.js';
import { castFactors } from './half.js';
import {
  type LayerKind,
  launchText,
  type OperatorTarget,
  productStep,
  Scratch,
  type Step,
  stepOf,
  tileOf,
} from './kinds.js';

/** The launches of the gradients of a kind of layer, by purpose. */
export interface GradientSteps {
  readonly factors: 2 | 3;
  /** R in 16 bits, as P = x R and dP R^T need it */
  readonly narrowed: readonly Step[];
  /** P = x R */
  readonly p: Step;
  /** dP = s dy (M L)^T */
  readonly dP: readonly Step[];
  /** Z = P^T dy, which is the gradient of the second of two factors */
  readonly z: Sum;
  /** dR = x^T dP */
  readonly first: Sum;
  /** adds the parts of both in one launch */
  readonly both: Step | null;
  /** db: the sum of dy */
  readonly bias: Sum;
  /** dM = s Z L^T, dL = s M^T Z */
  readonly core: Step | null;
  readonly last: Step | null;
  readonly dx: Step;
  readonly all: readonly Step[];
  readonly scratch: Scratch;
  /** operands in the C++ text */
  readonly operands: Readonly<Record<string, string>>;
}

/** A sum over tokens, in one launch or in parts that a second adds up. */
interface Sum {
  readonly parts: Step;
  readonly whole: Step | null;
  readonly reduction: Launch | null;
}

/**
 * Gradients of y = x W + s x R M L (+ b) from x, W, the factors and dy: P = x R and dP = s (dy L^T) M^T in one launch each (two
 * where the rank is beyond a tile: L' = s M L, then dP = dy L'^T; so in 16 bits, where R and L' are rounded first), Z = P^T dy and
 * dR = x^T dP in parts that one launch adds in order, dM, dL, and dx = [dy|dP] [W^T; R^T]. Sums are taken in the same order each time.
 */
export function gradientSteps(kind: LayerKind, index: number, setting: OperatorTarget): GradientSteps {
  const { in: inn, out, rank, factors, transposed, scale } = kind;
  const { target, tf32 } = setting;
  const { dtype } = target;
  const scratch = new Scratch();
  const name = (part: string) => `ort_grad_${part}_${index}`;
  const wide = (of: string, rows: number, cols: number): MatrixRef => dense(of, 'f32', rows, cols);
  const own = (of: string, rows: number | 'M', cols: number): MatrixRef => dense(of, dtype, rows, cols);
  const [x, dy, p, dP] = [own('x', 'M', inn), own('dy', 'M', out), own('p', 'M', rank), own('dp', 'M', rank)];
  const [core, last] = [wide('core', rank, rank), wide('last', rank, out)];
  const first = own('first', inn, rank);
  const up = own('up', rank, out);
  const three = factors === 3;
  const z = wide(three ? 'z' : 'd_last', rank, out);
  const narrowed = dtype === 'f32' ? null : castFactors(kind, setting, scratch, name);
  if (three) scratch.take('z', rank * out);
  // with two factors the scale is applied to P and dP
  const scaled = { epilogue: { scale } };
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
  const rankSpace = (
    part: string,
    does: string,
    a: Operand,
    b: Operand,
    inner: number,
    to: MatrixRef,
  ): Step =>
    productStep(
      { ...setting, tf32: false },
      {
        name: name(part),
        family: 'rankBatched',
        does,
        rows: to.rows,
        cols: to.cols,
        segments: [{ a, b, inner }],
        out: to,
        ...scaled,
      },
    );
  const dPSteps = (): readonly Step[] => {
    const folded = () => productStep(setting, back("dP = dy L'^T", flipped(up)));
    if (!three) {
      const by = back('dP = s dy B^T', flipped(narrowed ? up : last));
      return [...(narrowed ? [narrowed.up] : []), productStep(setting, { ...by, ...scaled })];
    }
    if (narrowed) return [narrowed.up, folded()];
    const chained = back('dP = s (dy L^T) M^T', flipped(last));
    if (rank <= tileOf(setting, chained))
      return [productStep(setting, { ...chained, chain: flipped(core), ...scaled })];
    scratch.take('up', rank * out);
    return [rankSpace('up', "L' = s M L", plain(core), plain(last), rank, up), folded()];
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
    const whole = reduction && stepOf(reduction, tf32, target.tokens);
    return { parts: stepOf(parts!, tf32, target.tokens), whole, reduction };
  };
  const downward = down(
    'p',
    three ? 'P = x R' : 'P = s x A',
    { a: plain(x), b: plain(first), inner: inn },
    p,
  );
  const made = {
    factors,
    narrowed: narrowed ? [narrowed.first] : [],
    p: productStep(setting, three ? downward : { ...downward, ...scaled }),
    dP: dPSteps(),
    z: sum('last', `${three ? 'Z' : 'dB'} = P^T dy`, flipped(p), plain(dy), z),
    first: sum('first', `${three ? 'dR' : 'dA'} = x^T dP`, flipped(x), plain(dP), wide('d_first', inn, rank)),
    // one number, read as a column of M ones
    bias: sum(
      'bias',
      'db = the sum of dy',
      flipped({ ...own('one', 'M', 1), rowStride: 0 }),
      plain(dy),
      own('d_bias', 1, out),
    ),
    core: three
      ? rankSpace('core', 'dM = s Z L^T', plain(z), flipped(last), out, wide('d_core', rank, rank))
      : null,
    last: three
      ? rankSpace('last', 'dL = s M^T Z', flipped(core), plain(z), rank, wide('d_last', rank, out))
      : null,
    dx: productStep(setting, {
      name: name('dx'),
      family: 'gemm',
      does: `dx = dy W^T + dP ${three ? 'R' : 'A'}^T`,
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
  const both = joined(made.z.reduction, made.first.reduction, name('reduce'), target.tokens);
  scratch.take('one', 1, dtype);
  const steps = [...made.narrowed, made.p, ...made.dP, made.core, made.last, made.dx, both];
  const sums = [made.z, made.first, made.bias].flatMap(({ parts, whole }) => [parts, whole]);
  return {
    ...made,
    both,
    all: [...steps, ...sums].filter((step) => step !== null),
    scratch,
    operands: {
      ...OPERANDS,
      last: `factors[${factors - 1}]`,
      d_last: `dfactors[${factors - 1}]`,
      ...narrowed?.operands,
      ...scratch.places,
      p: 'tokens',
      dp: 'tokens + size_t(M) * kind.rank',
    },
  };
}

/** Two reductions in one launch, where there are two. */
function joined(a: Launch | null, b: Launch | null, name: string, tokens: number): Step | null {
  if (a?.work.kind !== 'reduce' || b?.work.kind !== 'reduce') return null;
  return stepOf(
    { ...a, name, work: { kind: 'reduce', jobs: [...a.work.jobs, ...b.work.jobs] } },
    false,
    tokens,
  );
}

const OPERANDS: Readonly<Record<string, string>> = {
  x: 'x',
  w: 'w',
  dy: 'dy',
  first: 'factors[0]',
  core: 'factors[1]',
  dx: 'dx',
  d_first: 'dfactors[0]',
  d_core: 'dfactors[1]',
  d_bias: 'dbias',
};

/** The C++ function that runs the launches that the wanted gradients need. */
export function gradientText(index: number, steps: GradientSteps): string[] {
  const run = (step: Step | null) => (step ? [`LOTRC_TRY(${launchText(step, steps.operands)});`] : []);
  const when = (condition: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [`  if (${condition}) {`, ...lines.map((line) => `    ${line}`), '  }'];
  const { both } = steps;
  const last = `dfactors[${steps.factors - 1}]`;
  const rest = steps.factors === 3 ? `dfactors[1] || ${last}` : last;
  const apart = both ? [] : [steps.z.whole, steps.first.whole];
  return [
    `static cudaError_t gradient_${index}(GRADIENT_PARAMETERS) {`,
    steps.scratch.tokensText(),
    `  const bool rest = ${rest};`,
    ...when('rest || dx', steps.narrowed.flatMap(run)),
    ...when('dx || dfactors[0]', steps.dP.flatMap(run)),
    ...when('rest', [steps.p, steps.z.parts].flatMap(run)),
    ...when('dfactors[0]', run(steps.first.parts)),
    ...when('rest && dfactors[0]', [both, ...apart].flatMap(run)),
    ...when('rest && !dfactors[0]', run(steps.z.whole)),
    ...when('!rest && dfactors[0]', run(steps.first.whole)),
    ...when('dfactors[1]', run(steps.core)),
    ...when(last, run(steps.last)),
    ...when('dx', run(steps.dx)),
    ...when('dbias', [
      `LOTRC_TRY(cudaMemcpyAsync(${steps.operands.one}, &ONE, sizeof ONE, cudaMemcpyHostToDevice, stream));`,
      ...[steps.bias.parts, steps.bias.whole].flatMap(run),
    ]),
    '  return cudaSuccess;',
    '}',
    '',
  ];
}
