import { expect, test } from 'vitest';
import { webgpuHost } from '../../../src/backends/host/webgpu/webgpu.js';
import { fromF16, toF16 } from '../../../src/ir/half.js';
import { loadModule } from '../../support/host-module.js';
import { hostPlans } from '../../support/host-plans.js';

/** The conversions of an emitted module. */
const [index] = webgpuHost(hostPlans()['serve, float16']!);
const { toHalves, fromHalves } = (await loadModule(index!.text)) as unknown as {
  toHalves(data: Float32Array): Uint16Array;
  fromHalves(halves: Uint16Array, count: number): Float32Array;
};

test('every float16 becomes its number, and comes back', () => {
  const all = Uint16Array.from({ length: 1 << 16 }, (_, bits) => bits);
  const numbers = fromHalves(all, all.length);
  expect([...numbers]).toEqual([...all].map(fromF16));
  const back = toHalves(numbers);
  const wrong = [...all].filter((bits, at) => !Number.isNaN(numbers[at]!) && back[at] !== bits);
  expect(wrong).toEqual([]);
});

test('numbers between are rounded to nearest, ties to even; what is too large is infinite', () => {
  const halves = Array.from({ length: 0x7c00 }, (_, bits) => fromF16(bits));
  const between = halves.slice(1).flatMap((high, at) => {
    const middle = (high + halves[at]!) / 2;
    const step = middle * 2 ** -23;
    return [middle, middle - step, middle + step, -middle];
  });
  const data = Float32Array.from([...between, 65519.99, 65520, 1e38, Number.NaN, 1e-9, -0]);
  expect([...toHalves(data)].slice(0, data.length)).toEqual([...data].map(toF16));
});

test('an odd count is padded', () => {
  expect(toHalves(Float32Array.of(1, 2, 3))).toEqual(Uint16Array.of(0x3c00, 0x4000, 0x4200, 0));
});
