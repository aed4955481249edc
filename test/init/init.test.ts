import { describe, expect, test } from 'vitest';
import { type AdapterSpec, effectiveScale } from '../../src/adapter/description.js';
import { LORA } from '../../src/adapter/methods/lora.js';
import { LOTR } from '../../src/adapter/methods/lotr.js';
import { PISSA } from '../../src/adapter/methods/pissa.js';
import type { GroupRow, PlanRow, SiteRow } from '../../src/adapter/saved-plan.js';
import { orthonormalBasis } from '../../src/init/dense.js';
import {
  initFactors,
  needsResidual,
  parseInit,
  residualWeight,
  type StoredMatrix,
} from '../../src/init/index.js';
import type { DType } from '../../src/ir/dtype.js';
import { f32Tensor, i64Tensor, MemoryTensor, type TensorData } from '../../src/ir/tensor.js';
import { encodeFloats, toF64 } from '../../src/ir/values.js';
import { codeOf } from '../support/code-of.js';
import { normalTensor } from '../support/normal.js';

const [IN, OUT, RANK] = [11, 7, 3];
const IDS = ['enc.q', 'enc.v', 'dec.q'];

function planOf(spec: AdapterSpec, options: { seed?: number; rank?: number } = {}): PlanRow {
  const names = (scope: string, share: 'site' | 'group') =>
    Object.fromEntries(
      spec.factors
        .filter((factor) => factor.share === share)
        .map(({ name }) => [name, `${spec.method}/${scope}/${name}`]),
    );
  const id = `${IN}x${OUT}`;
  const group: GroupRow = { id, in: IN, out: OUT, rank: options.rank ?? RANK, factors: names(id, 'group') };
  const sites = IDS.map(
    (site): SiteRow => ({
      id: site,
      modulePath: site,
      nameFrom: 'weight',
      aliases: [],
      group: id,
      factors: names(site, 'site'),
      uses: [],
    }),
  );
  return {
    spec,
    share: 'shape',
    carry: 'embedded',
    lowering: 'fold',
    seed: options.seed ?? 0,
    groups: [group],
    sites,
  };
}

/** One weight per site: the first is stored transposed, the second is float16 under alpha = 0.5, the third float64. */
function stored(site: SiteRow): StoredMatrix {
  const index = IDS.indexOf(site.id);
  const values = toF64(normalTensor('f64', [IN * OUT], 0.3, 9, site.id));
  if (index === 0)
    return { data: new MemoryTensor('f32', [OUT, IN], encodeFloats('f32', values)), layout: 'oi', alpha: 1 };
  if (index === 1)
    return {
      data: new MemoryTensor('f16', [IN, OUT], encodeFloats('f16', values)),
      layout: 'io',
      alpha: 0.5,
    };
  return { data: new MemoryTensor('f64', [IN, OUT], encodeFloats('f64', values)), layout: 'io', alpha: 1 };
}

const access = { weight: stored };
const refused = {
  weight(): never {
    throw new Error('no weight should be read');
  },
};

/** A stored matrix as (in, out), and the product of a site's factors, both in float64. */
function matrix({ data, layout }: Pick<StoredMatrix, 'data' | 'layout'>): number[][] {
  const values = toF64(data);
  return Array.from({ length: IN }, (_, i) =>
    Array.from({ length: OUT }, (_, o) => values[layout === 'io' ? i * OUT + o : o * IN + i]!),
  );
}
function rows(data: TensorData): number[][] {
  const values = [...toF64(data)];
  const width = data.shape[1]!;
  return Array.from({ length: data.shape[0]! }, (_, i) => values.slice(i * width, (i + 1) * width));
}
const times = (a: number[][], b: number[][]) =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, x, k) => sum + x * b[k]![j]!, 0)));

function delta(plan: PlanRow, site: SiteRow, factors: ReadonlyMap<string, TensorData>): number[][] {
  const tensors = plan.spec.factors.map(
    ({ name, share }) => (share === 'group' ? plan.groups[0]! : site).factors[name]!,
  );
  return tensors.map((name) => rows(factors.get(name)!)).reduce(times);
}

describe('random factors', () => {
  test('one tensor per name, group factors first, no weight read, nothing held', () => {
    const factors = initFactors(planOf(LOTR), refused);
    expect([...factors].map(([name, { shape, dtype }]) => `${name} ${dtype} ${shape.join('x')}`)).toEqual([
      'lotr/11x7/R f32 11x3',
      'lotr/11x7/L f32 3x7',
      'lotr/enc.q/M f32 3x3',
      'lotr/enc.v/M f32 3x3',
      'lotr/dec.q/M f32 3x3',
    ]);
    expect(factors.get('lotr/11x7/R')!.origin).toEqual({ kind: 'computed', by: 'init:normal(1,seed=0)' });
    expect(Math.max(...toF64(factors.get('lotr/dec.q/M')!).map(Math.abs))).toBe(0);
  });

  test('values depend on seed and name alone', () => {
    const a = initFactors(planOf(LOTR), refused).get('lotr/11x7/R')!;
    expect(a.digest()).toBe(normalTensor('f32', [IN, RANK], 1, 0, 'lotr/11x7/R').digest());
    expect(
      initFactors(planOf(LOTR, { seed: 1 }), refused)
        .get('lotr/11x7/R')!
        .digest(),
    ).not.toBe(a.digest());
    // more rank changes the shape of R and so where its numbers are, but not the stream
    const wider = toF64(initFactors(planOf(LOTR, { rank: 4 }), refused).get('lotr/11x7/R')!);
    expect([...wider.subarray(0, 9)]).toEqual([...toF64(a).subarray(0, 9)]);
  });

  test('fan-in divides the variance by the first extent', () => {
    const factors = initFactors(planOf(parseInit('fan-in', LOTR)), refused);
    const unit = toF64(normalTensor('f64', [IN, RANK], 1, 0, 'lotr/11x7/R'));
    const scaled = toF64(factors.get('lotr/11x7/R')!);
    expect(scaled[5]! / unit[5]!).toBeCloseTo(Math.sqrt(1 / IN), 6);
    const last = toF64(normalTensor('f64', [RANK, OUT], 1, 0, 'lotr/11x7/L'));
    expect(toF64(factors.get('lotr/11x7/L')!)[4]! / last[4]!).toBeCloseTo(Math.sqrt(1 / RANK), 6);
  });

  test('LoRA: A of each site its own, B zero', () => {
    const factors = initFactors(planOf(LORA), refused);
    expect(factors.size).toBe(6);
    expect(factors.get('lora/enc.q/A')!.digest()).not.toBe(factors.get('lora/enc.v/A')!.digest());
    expect(factors.get('lora/enc.q/A')!.origin).toEqual({ kind: 'computed', by: 'init:fan-in(1,seed=0)' });
  });

  test('eye is a rectangular identity', () => {
    const spec = parseInit('R=eye,L=zeros,M=eye', LOTR);
    const r = rows(initFactors(planOf(spec), refused).get('lotr/11x7/R')!);
    expect(r.flatMap((row, i) => row.map((x, j) => x === (i === j ? 1 : 0)))).not.toContain(false);
  });

  test('given values are taken, and must fit', () => {
    const m = f32Tensor([3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const given = new Map([['lotr/enc.v/M', m]]);
    expect(initFactors(planOf(LOTR), refused, { given }).get('lotr/enc.v/M')).toBe(m);
    const wrong = new Map([['lotr/enc.v/M', f32Tensor([9], [1, 2, 3, 4, 5, 6, 7, 8, 9])]]);
    expect(() => initFactors(planOf(LOTR), refused, { given: wrong })).toThrow('f32[3,3]');
  });

  test('a start that differs from the base is refused', () => {
    const factors = LOTR.factors.map((factor) => ({ ...factor, init: { normal: 1 } }));
    expect(codeOf(() => initFactors(planOf({ ...LOTR, factors }), refused))).toBe('LOTR3402');
  });
});

describe('svd-factors', () => {
  test('R and L are orthonormal singular vectors, M is zero, the base is not touched', () => {
    const spec = parseInit('svd-factors', LOTR);
    expect(needsResidual(spec)).toBe(false);
    const factors = initFactors(planOf(spec), access);
    const r = rows(factors.get('lotr/11x7/R')!);
    const gram = times(
      r[0]!.map((_, j) => r.map((row) => row[j]!)),
      r,
    );
    for (const [i, row] of gram.entries())
      for (const [j, x] of row.entries()) expect(x).toBeCloseTo(i === j ? 1 : 0, 6);
    expect(
      delta(planOf(spec), planOf(spec).sites[0]!, factors)
        .flat()
        .every((x) => x === 0),
    ).toBe(true);
  });
});

describe.each([
  ['lotr', { ...LOTR, scale: 5 }],
  ['lora', { ...LORA, scale: 0.7 }],
  ['lotr, square-root scaling', { ...LOTR, scale: 3, scaling: 'sqrt-rank' as const }],
])('svd of %s', (_, base) => {
  const spec = parseInit('svd', base);
  const plan = planOf(spec);
  const factors = initFactors(plan, access);
  const scale = effectiveScale(spec, RANK);

  test.each([0, 1, 2])('base and adapter together are the weight of site %i, up to one rounding', (index) => {
    const site = plan.sites[index]!;
    const before = stored(site);
    const rest = residualWeight(plan, site, before, factors);
    expect([rest.dtype, ...rest.shape]).toEqual([before.data.dtype, ...before.data.shape]);
    const w = matrix(before);
    const residual = matrix({ data: rest, layout: before.layout });
    const change = delta(plan, site, factors);
    const ulp = { f16: 2 ** -11, f32: 2 ** -24, f64: 2 ** -48 }[before.data.dtype as 'f16' | 'f32' | 'f64'];
    let moved = 0;
    for (let i = 0; i < IN; i++) {
      for (let o = 0; o < OUT; o++) {
        const effective = before.alpha * residual[i]![o]! + Math.fround(scale) * change[i]![o]!;
        const bound =
          before.alpha * Math.abs(residual[i]![o]!) * ulp * 1.01 + 1e-9 * (ulp < 1e-12 ? 1e-6 : 1);
        expect(Math.abs(effective - before.alpha * w[i]![o]!)).toBeLessThan(bound);
        moved += Math.abs(change[i]![o]!);
      }
    }
    expect(moved).toBeGreaterThan(1);
  });

  test('the residual has nothing left along the singular vectors of a group that has full rank', () => {
    const full = planOf(spec, { rank: OUT });
    const all = initFactors(full, access);
    // with rank = out every V is complete; the rest lies outside the span of U
    const site = full.sites[2]!;
    const rest = rows(residualWeight(full, site, stored(site), all));
    const name = spec.factors[0]!.share === 'group' ? full.groups[0]!.factors.R! : site.factors.A!;
    const u = rows(all.get(name)!);
    for (let k = 0; k < OUT; k++) {
      for (let o = 0; o < OUT; o++) {
        expect(Math.abs(u.reduce((sum, row, i) => sum + row[k]! * rest[i]![o]!, 0))).toBeLessThan(1e-6);
      }
    }
  });

  test('the stored weight is left as it was, and the residual is the same each time and in parts', () => {
    const site = plan.sites[2]!;
    const before = stored(site);
    const digest = new MemoryTensor('f64', [IN, OUT], before.data.bytes().slice()).digest();
    const rest = residualWeight(plan, site, before, factors);
    const first = Buffer.from(rest.bytes());
    expect(Buffer.from(rest.bytes()).equals(first)).toBe(true);
    expect(Buffer.from(rest.slice(16, 24)).equals(first.subarray(16, 40))).toBe(true);
    expect(new MemoryTensor('f64', [IN, OUT], before.data.bytes().slice()).digest()).toBe(digest);
  });
});

test('olora of a layer whose first rows depend on each other has orthonormal rows all the same', () => {
  const basis = orthonormalBasis(Float64Array.of(3, 0, 4, 6, 0, 8, 0, 0, 5), 3, 3);
  for (const [k, row] of basis.entries()) {
    for (const [l, other] of basis.entries())
      expect(row.reduce((sum, v, j) => sum + v * other[j]!, 0)).toBeCloseTo(k === l ? 1 : 0, 14);
  }
  expect([...basis[0]!]).toEqual([0.6, 0, 0.8]);
  expect([...basis[2]!].map(Math.abs)).toEqual([0, 1, 0]);
});

test('pissa starts as the leading part of the weight, which the base then lacks', () => {
  const plan = planOf({ ...PISSA, scale: 0.7 });
  const factors = initFactors(plan, access);
  const scale = effectiveScale(plan.spec, RANK);
  for (const site of plan.sites) {
    const before = stored(site);
    const [a, b] = ['A', 'B'].map((name) => rows(factors.get(site.factors[name]!)!)) as [
      number[][],
      number[][],
    ];
    const rest = matrix({ data: residualWeight(plan, site, before, factors), layout: before.layout });
    const w = matrix(before).map((row) => row.map((v) => before.alpha * v));
    const size = Math.max(...w.flat().map(Math.abs));
    const change = times(a, b).map((row) => row.map((v) => scale * v));
    const loose = before.data.dtype === 'f16' ? 2e-3 : 1e-6;
    for (let p = 0; p < RANK; p++) {
      const length = a.reduce((sum, row) => sum + row[p]! ** 2, 0);
      // the columns of A and the rows of B are at right angles, of equal lengths: the root of S / s
      for (let q = 0; q < RANK; q++) {
        const wanted = p === q ? length : 0;
        expect(Math.abs(a.reduce((sum, row) => sum + row[p]! * row[q]!, 0) - wanted)).toBeLessThan(1e-5);
        expect(Math.abs(b[p]!.reduce((sum, v, o) => sum + v * b[q]![o]!, 0) - wanted)).toBeLessThan(1e-5);
      }
      // W along a vector of A is all in s A B: the rest has nothing there
      for (let o = 0; o < OUT; o++) {
        const left = w.reduce((sum, row, i) => sum + a[i]![p]! * (row[o]! - change[i]![o]!), 0);
        expect(Math.abs(left)).toBeLessThan(1e-5 * size);
      }
    }
    for (let i = 0; i < IN; i++) {
      for (let o = 0; o < OUT; o++)
        expect(Math.abs(before.alpha * rest[i]![o]! + change[i]![o]! - w[i]![o]!)).toBeLessThan(loose * size);
    }
  }
});

test('a large weight is streamed in several chunks, equal to the whole', () => {
  const [inn, out] = [700, 900];
  const spec = parseInit('svd', LORA);
  const small = planOf(spec);
  const plan: PlanRow = {
    ...small,
    groups: [{ ...small.groups[0]!, in: inn, out, rank: 1 }],
    sites: [small.sites[0]!],
  };
  const data = normalTensor('f32', [inn, out], 1, 4, 'large');
  const [u, v] = [normalTensor('f32', [inn, 1], 1, 4, 'u'), normalTensor('f32', [1, out], 1, 4, 'v')];
  const factors = new Map<string, TensorData>([
    ['lora/enc.q/A', u],
    ['lora/enc.q/B', v],
  ]);
  const rest = residualWeight(plan, plan.sites[0]!, { data, layout: 'io', alpha: 1 }, factors);
  const chunks: Buffer[] = [];
  rest.copyTo({ write: (chunk) => chunks.push(Buffer.from(chunk)) });
  expect(chunks.length).toBeGreaterThan(1);
  const values = toF64(new MemoryTensor('f32', [inn, out], Buffer.concat(chunks)));
  const [w, a, b] = [toF64(data), toF64(u), toF64(v)];
  for (const at of [0, 1, out, 262_144, 450_001, inn * out - 1]) {
    const [i, j] = [Math.floor(at / out), at % out];
    expect(values[at]).toBe(Math.fround(w[at]! - a[i]! * b[j]!));
  }
});

describe('weights that cannot be decomposed', () => {
  const plan = planOf(parseInit('svd', LOTR));
  const withWeight = (change: Partial<StoredMatrix>) => ({
    weight: (site: SiteRow) => ({ ...stored(site), ...change }),
  });

  test.each([
    ['computed', { weight: () => null }],
    ['integers', withWeight({ data: i64Tensor([1], [3]) })],
    ['another shape', withWeight({ data: f32Tensor([2, 2], [1, 2, 3, 4]), layout: 'io' })],
    ['alpha of zero', withWeight({ alpha: 0 })],
    [
      'not finite',
      withWeight({
        data: f32Tensor([IN, OUT], new Array<number>(IN * OUT).fill(Number.NaN)),
        layout: 'io',
      }),
    ],
  ])('%s', (_, weights) => expect(codeOf(() => initFactors(plan, weights))).toBe('LOTR3403'));

  test('more rank than singular vectors', () => {
    expect(codeOf(() => initFactors(planOf(parseInit('svd', LOTR), { rank: 8 }), access))).toBe('LOTR3404');
  });

  test('a residual that overflows its element type', () => {
    const big = new MemoryTensor(
      'f16' as DType,
      [IN, OUT],
      encodeFloats('f16', new Array<number>(IN * OUT).fill(60000)),
    );
    const factors = new Map<string, TensorData>(
      [...initFactors(plan, access)].map(([name, { shape }]) => [
        name,
        f32Tensor(shape, new Array<number>(shape[0]! * shape[1]!).fill(-100)),
      ]),
    );
    const rest = residualWeight(plan, plan.sites[0]!, { data: big, layout: 'io', alpha: 1 }, factors);
    expect(codeOf(() => rest.bytes())).toBe('LOTR3408');
  });
});
