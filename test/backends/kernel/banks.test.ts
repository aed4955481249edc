import { expect, test } from 'vitest';
import { gridOf, kernelOf } from '../../../src/backends/kernel/gen/kernels.js';
import {
  add,
  barrier,
  div,
  f32,
  id,
  type Kernel,
  mod,
  mul,
  peek,
  poke,
  type Stmt,
  store,
  type U32,
  u32,
  type View,
} from '../../../src/backends/kernel/ir/kir.js';
import { verifyKernel } from '../../../src/backends/kernel/ir/verify.js';
import { make, typedSegment } from '../../support/kernel-cases.js';
import { worstError } from '../../support/kernel-run.js';
import { interpret } from '../../support/kernel-sim/interpret.js';

const lane = id('local', 0);
const out: View = { buffer: 'out', offset: u32(0), extents: [u32(64)], strides: [u32(1)] };

/** Bank conflicts of 64 invocations that each write one element, and read one after a barrier. */
function conflicts(write: U32, read: U32, elem: 'f32' | 'f16' = 'f32'): number {
  const body: Stmt[] = [
    poke('before', u32(0), f32(0)),
    poke('tile', write, f32(1)),
    barrier,
    store(out, [lane], peek('tile', read)),
  ];
  const kernel: Kernel = {
    name: 'k',
    about: [],
    workgroup: [64, 1, 1],
    buffers: [{ name: 'out', elem: 'f32', access: 'write' }],
    uniforms: [],
    arrays: [
      { name: 'before', space: 'register', size: 1 },
      { name: 'tile', space: 'workgroup', size: 4096, elem },
    ],
    body,
  };
  const launched = { buffers: { out: new Float32Array(64) }, grid: [1, 1, 1] } as const;
  expect(interpret(kernel, launched).bankConflicts).toBe(0);
  return interpret(kernel, { ...launched, banks: true }).bankConflicts;
}

const strided = (stride: number) => mul(lane, u32(stride));

test('neighbours ask different banks', () => {
  expect(conflicts(lane, lane)).toBe(0);
});

test('strides that share factors with the number of banks', () => {
  // two warps, each asking so many times more
  expect(conflicts(strided(2), strided(2))).toBe(2 * 2 * 1);
  expect(conflicts(strided(32), strided(32))).toBe(2 * 2 * 31);
  expect(conflicts(strided(33), strided(33))).toBe(0);
  expect(conflicts(strided(3), strided(3))).toBe(0);
});

test('one word for all is handed out at once', () => {
  expect(conflicts(lane, u32(0))).toBe(0);
  expect(conflicts(lane, div(lane, u32(4)))).toBe(0);
});

test('a word holds two elements of 16 bits', () => {
  expect(conflicts(lane, lane, 'f16')).toBe(0);
  expect(conflicts(strided(64), strided(64), 'f16')).toBe(2 * 2 * 31);
});

test('a tile that is written along one axis and stored along the other', () => {
  const turned = (pitch: number) => add(mul(mod(lane, u32(16)), u32(pitch)), div(lane, u32(16)));
  // 16 rows in one bank, two columns: 15 times more for each warp
  expect(conflicts(turned(64), turned(64))).toBe(2 * 2 * 15);
  expect(conflicts(turned(65), turned(65))).toBeLessThan(2 * 2 * 2);
});

test.each([
  ['as it is read', {}],
  ['the other way round', { b: true }],
])('rows of one element more spread a tile over the banks, weights stored %s', (_, stored) => {
  const found = [0, 1].map((pad) => {
    const one = make('padded', {
      rows: 'M',
      cols: 35,
      segments: [typedSegment(['x', 'w'], ['M', 37, 35], 'f32', stored)],
      M: 33,
      schedule: { BM: 32, BN: 32, BK: 16, TM: 4, TN: 4, pad },
    });
    const kernel = kernelOf(one.launch);
    expect(verifyKernel(kernel)).toEqual([]);
    const buffers = Object.fromEntries(
      Object.entries(one.buffers).map(([name, data]) => [name, data.slice()]),
    );
    const grid = gridOf(one.launch, one.bound);
    const counts = interpret(kernel, { buffers, uniforms: one.bound, grid, banks: true });
    expect(worstError(buffers.y!, one.expected)).toBeLessThan(2e-6);
    return counts.bankConflicts;
  });
  expect(found[1]!).toBeLessThan(found[0]! / 2);
});
