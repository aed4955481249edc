import { describe, expect, test } from 'vitest';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import type { Launch, Product } from '../../../src/backends/kernel/model/types.js';
import { productWork, reduceWork } from '../../../src/backends/kernel/plan/cost.js';
import { everyNth } from '../../support/everything.js';
import { type KernelCase, kernelCases } from '../../support/kernel-cases.js';
import { interpret } from '../../support/kernel-sim/interpret.js';
import { planCases } from '../../support/plan-cases.js';
import { unitCases } from '../../support/unit-cases.js';

function counted({ launch, bound, buffers }: KernelCase) {
  const copies = Object.fromEntries(Object.entries(buffers).map(([name, data]) => [name, data.slice()]));
  return interpret(kernelOf(launch), { buffers: copies, uniforms: bound, grid: gridOf(launch, bound) });
}

const lengths = ({ work }: Launch, bound: KernelCase['bound']) => {
  const product = work as Product;
  const n = (extent: number | string) => (typeof extent === 'number' ? extent : bound[extent]!);
  return {
    product,
    rows: n(product.rows),
    cols: n(product.cols),
    inner: product.segments.map((s) => n(s.inner)),
  };
};

/** Elements that all workgroups of a plain product load: each operand once for every tile that needs it. */
function loadsOf({ launch, bound }: KernelCase): number {
  const { product, rows, cols, inner } = lengths(launch, bound);
  const [across, down] = gridOf(launch, bound);
  const operands = inner.reduce((sum, k) => sum + rows * k * across + k * cols * down, 0);
  const { bias, residual, accumulate } = product.epilogue;
  const each =
    Number(bias !== undefined) + Number(residual !== undefined) + Number(accumulate && product.parts === 1);
  return operands + each * rows * cols;
}

/** Operations of a plain product: whole tiles, whatever their edges hold, and the epilogue of every result. */
function flopsOf({ launch, bound }: KernelCase): number {
  const { product, rows, cols, inner } = lengths(launch, bound);
  const { BM, BN, BK, warps } = launch.schedule;
  const [across, down] = gridOf(launch, bound);
  // matrix units multiply whole tiles in every part
  const share = (k: number) =>
    warps > 0 ? BK * Math.ceil(k / BK / product.parts) : Math.ceil(k / product.parts);
  let steps = 0;
  for (const k of inner) {
    for (let part = 0; part < product.parts; part++) {
      steps += Math.ceil(Math.max(0, Math.min(share(k), k - part * share(k))) / BK);
    }
  }
  const { scale, bias, residual, accumulate, activation } = product.epilogue;
  const each =
    product.parts > 1
      ? Number(scale !== 1)
      : Number(scale !== 1) +
        Number(bias !== undefined) +
        Number(residual !== undefined) +
        Number(accumulate) +
        Number(activation === 'relu');
  return 2 * BM * BN * BK * steps * across * down + each * rows * cols * product.parts;
}

const isPlain = ({ launch: { work } }: KernelCase) => work.kind === 'product' && !work.widen && !work.chain;
const several = ({ launch: { work } }: KernelCase) =>
  work.kind === 'product' && work.segments.some(({ a, b }) => a.perRowBlock ?? b.perRowBlock);

// launches of plans are alike: in CI all of them
const plain = [...kernelCases(), ...everyNth(4, planCases())].filter((one) => isPlain(one) && !several(one));
describe.each(plain.map((one) => [one.name, one] as const))('%s', (_, one) => {
  test('loads, stores and computes what its tiles say', () => {
    const { rows, cols, product } = lengths(one.launch, one.bound);
    expect(counted(one)).toMatchObject({
      loads: loadsOf(one),
      stores: rows * cols * product.parts,
      flops: flopsOf(one),
    });
  });
});

describe.each(everyNth(2, unitCases('bf16')).map((one) => [one.name, one] as const))(
  'on matrix units, %s',
  (_, one) => {
    test('loads, stores and computes what its tiles say', () => {
      const { rows, cols, product } = lengths(one.launch, one.bound);
      expect(counted(one)).toMatchObject({
        loads: loadsOf(one),
        stores: rows * cols * product.parts,
        flops: flopsOf(one),
      });
    });
  },
);

describe('what the cost model predicts', () => {
  const one = (name: string) =>
    [...kernelCases(), ...unitCases('bf16')].find((found) => found.name === name)!;
  /** The same product in a single tile that it fills. */
  const inOneTile = (found: KernelCase, tiles: Partial<Launch['schedule']>): KernelCase => ({
    ...found,
    launch: { ...found.launch, schedule: { ...found.launch.schedule, ...tiles } },
  });

  test('is exact for one tile that is full: bytes and operations', () => {
    // 8 x 16 results, inner 8 + 4
    const found = inOneTile(one('whole_tiles'), { BM: 8, BN: 16 });
    const { loads, stores, flops } = counted(found);
    expect(productWork(found.launch.work as Product, found.launch.schedule, found.bound)).toEqual({
      flops,
      bytes: 4 * (loads + stores),
    });
  });

  test('is exact in bytes for one tile that is not full; its operations leave out the edges', () => {
    const found = inOneTile(one('forward_17_13_11_rank_3'), { BM: 18, BN: 12 });
    const { loads, stores, flops } = counted(found);
    const work = productWork(found.launch.work as Product, found.launch.schedule, found.bound);
    expect(work.bytes).toBe(4 * (loads + stores));
    expect(work.flops).toBe(2 * 17 * 11 * (13 + 3));
    expect(flops).toBe(2 * 18 * 12 * (16 + 4));
  });

  test('takes every operand from memory once: tiles that share one load it again, from a cache', () => {
    const found = one('whole_tiles');
    const { loads, stores } = counted(found);
    const { bytes } = productWork(found.launch.work as Product, found.launch.schedule, found.bound);
    // two tiles of columns: the second loads x and P again
    expect(4 * (loads + stores) - bytes).toBe(4 * 8 * (8 + 4));
  });

  test('counts the bias once and every row loads it', () => {
    const found = inOneTile(one('bias_residual_relu'), { BM: 10, BN: 12 });
    const { loads, stores } = counted(found);
    const { bytes } = productWork(found.launch.work as Product, found.launch.schedule, found.bound);
    expect(4 * (loads + stores) - bytes).toBe(4 * (9 - 1) * 11);
  });

  test('of a widened and of a chained product is exact for one full tile', () => {
    for (const [name, tiles] of [
      ['widened', { BM: 6, BN: 18, TM: 2, TN: 2 }],
      ['token_chain', { BM: 12, BN: 8 }],
    ] as const) {
      const found = inOneTile(one(name), tiles);
      const { loads, stores } = counted(found);
      const { bytes } = productWork(found.launch.work as Product, found.launch.schedule, found.bound);
      // the last factor is loaded by every invocation that multiplies with it
      const work = found.launch.work as Product;
      const [last, rank, outCols] = work.widen ? [work.widen.up, work.widen.rank, 17] : [work.chain!, 5, 7];
      expect(last.matrix.rows).toBe(rank);
      const invocationsDown = found.launch.schedule.BM / found.launch.schedule.TM;
      expect(4 * (loads + stores) - bytes, name).toBe(4 * (invocationsDown - 1) * rank * outCols);
    }
  });

  test('of a reduction is exact', () => {
    const found = planCases().find(({ launch }) => launch.work.kind === 'reduce')!;
    const { loads, stores, flops } = counted(found);
    const { work } = found.launch;
    if (work.kind !== 'reduce') throw new Error('no reduction');
    expect(reduceWork(work)).toEqual({ flops, bytes: 4 * (loads + stores) });
  });

  test('of a product in bfloat16 on matrix units counts two bytes an element', () => {
    const found = inOneTile(one('weights_stored_out_in_bf16'), { BM: 48, BN: 32 });
    const { loads } = counted({
      ...found,
      launch: { ...found.launch, schedule: { ...found.launch.schedule, TM: 16, warps: 6 } },
    });
    const { bytes } = productWork(found.launch.work as Product, found.launch.schedule, found.bound);
    expect(bytes).toBe(2 * loads + 4 * 33 * 24);
  });
});
