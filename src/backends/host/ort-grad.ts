import { dense, flipped, plain, type Target, TokenSums, type Wanted } from '../kernel/launches.js';
import type { Launch, MatrixRef, Operand } from '../kernel/types.js';
import { type Kind, launchText, productStep, type Step, stepOf } from './ort-kinds.js';

/** The launches of the gradients of a kind of layer, by what they are for. */
export interface GradientSteps {
  readonly factors: 2 | 3;
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
  /** elements of scratch besides P and dP */
  readonly room: number;
  /** what stands for operands in the C++ text */
  readonly operands: Readonly<Record<string, string>>;
}

/** A sum over tokens, in one launch or in parts that a second adds up. */
interface Sum {
  readonly parts: Step;
  readonly whole: Step | null;
}

/** Places of the scratch memory begin at multiples of so many elements: 16 bytes are copied at once. */
const ALIGNED = 4;

/**
 * Gradients of y = x W + s x R M L (+ b) from x, W, the factors and dy: P = x R and dP = s (dy L^T) M^T in one launch each (two
 * where the rank is beyond a tile: L' = s M L, then dP = dy L'^T), Z = P^T dy and dR = x^T dP in parts that one launch
 * adds in order, dM, dL, and dx = [dy|dP] [W^T; R^T]. Sums are taken in the same order each time.
 */
export function gradientSteps(kind: Kind, index: number, target: Target, tf32: boolean): GradientSteps {
  const { in: inn, out, rank, factors, transposed, scale } = kind;
  const scratch = new Scratch();
  const matrix = (name: string, rows: number | 'M', cols: number): MatrixRef =>
    dense(name, 'f32', rows, cols);
  const name = (part: string) => `ort_grad_${part}_${index}`;
  const [x, dy, p, dP] = [
    matrix('x', 'M', inn),
    matrix('dy', 'M', out),
    matrix('p', 'M', rank),
    matrix('dp', 'M', rank),
  ];
  const [first, core, last] = [
    matrix('first', inn, rank),
    matrix('core', rank, rank),
    matrix('last', rank, out),
  ];
  const three = factors === 3;
  const z = matrix(three ? 'z' : 'd_last', rank, out);
  if (three) scratch.take('z', rank * out);
  const down = (
    part: string,
    does: string,
    segment: Wanted['segments'][number],
    rest: Partial<Wanted>,
  ): Step =>
    productStep(
      target,
      {
        name: name(part),
        family: 'skinny',
        does,
        rows: 'M',
        cols: rank,
        segments: [segment],
        out: dP,
        ...rest,
      },
      tf32,
    );
  const back = (by: Operand): Wanted['segments'][number] => ({ a: plain(dy), b: by, inner: out });
  const rankSpace = (
    part: string,
    does: string,
    a: Operand,
    b: Operand,
    inner: number,
    to: MatrixRef,
  ): Step =>
    productStep(
      target,
      {
        name: name(part),
        family: 'rankBatched',
        does,
        rows: to.rows,
        cols: to.cols,
        segments: [{ a, b, inner }],
        epilogue: { scale },
        out: to,
      },
      false,
    );
  const dPSteps = (): readonly Step[] => {
    if (!three) return [down('dp', 'dP = s dy B^T', back(flipped(last)), { epilogue: { scale } })];
    // a tile as wide as the rank multiplies once more before it is stored
    const fits = rank <= down('dp', '', back(flipped(last)), {}).launch.schedule.BN;
    if (fits) {
      const how = { chain: flipped(core), epilogue: { scale } };
      return [down('dp', 'dP = s (dy L^T) M^T', back(flipped(last)), how)];
    }
    const up = matrix('up', rank, out);
    scratch.take('up', rank * out);
    return [
      rankSpace('up', "L' = s M L", plain(core), plain(last), rank, up),
      down('dp', "dP = dy L'^T", back(flipped(up)), {}),
    ];
  };
  const sum = (
    part: string,
    wanted: Pick<Wanted, 'does' | 'rows' | 'cols' | 'segments' | 'out' | 'epilogue'>,
  ): Sum => {
    const sums = new TokenSums(target, `parts_${part}`, false);
    sums.add({ name: name(`sum_${part}`), family: 'skinnyT', ...wanted } as Wanted);
    const [parts, whole] = sums.finish(name(`reduce_${part}`));
    scratch.take(`parts_${part}`, sums.elements);
    return { parts: stepOf(parts!, tf32), whole: whole ? stepOf(whole, tf32) : null };
  };
  const made = {
    factors,
    p: down(
      'p',
      three ? 'P = x R' : 'P = s x A',
      { a: plain(x), b: plain(first), inner: inn },
      {
        out: p,
        epilogue: { scale: three ? 1 : scale },
      },
    ),
    dP: dPSteps(),
    z: sum('last', {
      does: three ? 'Z = P^T dy' : 'dB = P^T dy',
      rows: rank,
      cols: out,
      segments: [{ a: flipped(p), b: plain(dy), inner: 'M' }],
      out: z,
    }),
    first: sum('first', {
      does: three ? 'dR = x^T dP' : 'dA = x^T dP',
      rows: inn,
      cols: rank,
      segments: [{ a: flipped(x), b: plain(dP), inner: 'M' }],
      out: matrix('d_first', inn, rank),
    }),
    bias: sum('bias', {
      does: 'db = the sum of dy',
      rows: 1,
      cols: out,
      // one number, read as a column of M ones
      segments: [{ a: flipped({ ...matrix('one', 'M', 1), rowStride: 0 }), b: plain(dy), inner: 'M' }],
      out: matrix('d_bias', 1, out),
    }),
    core: three
      ? rankSpace('core', 'dM = s Z L^T', plain(z), flipped(last), out, matrix('d_core', rank, rank))
      : null,
    last: three
      ? rankSpace('last', 'dL = s M^T Z', flipped(core), plain(z), rank, matrix('d_last', rank, out))
      : null,
    dx: productStep(
      target,
      {
        name: name('dx'),
        family: 'gemm',
        does: `dx = dy W^T + dP ${three ? 'R' : 'A'}^T`,
        rows: 'M',
        cols: inn,
        segments: [
          {
            a: plain(dy),
            b: transposed ? plain(matrix('w', out, inn)) : flipped(matrix('w', inn, out)),
            inner: out,
          },
          { a: plain(dP), b: flipped(first), inner: rank },
        ],
        out: matrix('dx', 'M', inn),
      },
      tf32,
    ),
  };
  const both =
    made.z.whole && made.first.whole
      ? joined(made.z.whole.launch, made.first.whole.launch, name('reduce'))
      : null;
  scratch.take('one', 1);
  const steps = [made.p, ...made.dP, made.core, made.last, made.dx, both];
  const sums = [made.z, made.first, made.bias].flatMap(({ parts, whole }) => [parts, whole]);
  return {
    ...made,
    both,
    all: [...steps, ...sums].filter((step) => step !== null),
    room: scratch.size,
    operands: {
      ...OPERANDS,
      last: `factors[${factors - 1}]`,
      d_last: `dfactors[${factors - 1}]`,
      ...scratch.places,
      p: `room + ${scratch.size}`,
      dp: `room + ${scratch.size} + size_t(M) * kind.rank`,
    },
  };
}

/** Two reductions in one launch. */
function joined(a: Launch, b: Launch, name: string): Step {
  if (a.work.kind !== 'reduce' || b.work.kind !== 'reduce') throw new Error(`${name} joins no reductions`);
  return stepOf({ ...a, name, work: { kind: 'reduce', jobs: [...a.work.jobs, ...b.work.jobs] } }, false);
}

/** Parts of the scratch memory whose size does not depend on the tokens. */
class Scratch {
  size = 0;
  readonly places: Record<string, string> = {};

  take(name: string, elements: number): void {
    this.places[name] = `room + ${this.size}`;
    this.size += Math.ceil(elements / ALIGNED) * ALIGNED;
  }
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

/** The C++ function that runs what the gradients which are wanted need. */
export function gradientText(index: number, steps: GradientSteps, tokens: number): string[] {
  const run = (step: Step | null) =>
    step ? [`LOTRC_TRY(${launchText(step, steps.operands, tokens)});`] : [];
  const when = (condition: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [`  if (${condition}) {`, ...lines.map((line) => `    ${line}`), '  }'];
  const { both } = steps;
  const last = `dfactors[${steps.factors - 1}]`;
  const rest = steps.factors === 3 ? `dfactors[1] || ${last}` : last;
  const apart = both ? [] : [steps.z.whole, steps.first.whole];
  return [
    `static cudaError_t gradient_${index}(GRADIENT_PARAMETERS) {`,
    `  const bool rest = ${rest};`,
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
