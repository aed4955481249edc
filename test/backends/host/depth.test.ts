import { describe, expect, test } from 'vitest';
import { webgpuHost } from '../../../src/backends/host/webgpu/webgpu.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { contractionOf } from '../../support/contraction.js';
import { profile } from '../../support/devices.js';
import { cudaHost } from '../../support/emitted-files.js';

/** What a library for so many blocks of a transformer has: query, key and value read one x, the rest one each. */
function written(blocks: number, factors: 2 | 3, purpose: 'train' | 'serve') {
  const inputs = Array.from({ length: blocks }, (_, n) => [[`q${n}`, `k${n}`, `v${n}`], [`o${n}`]]).flat();
  const contraction = contractionOf({ factors, in: 256, out: 256, rank: 8, inputs });
  const plan = choose(contraction, { device: profile('h100', 'cuda'), tokens: 300, purpose, dtype: 'bf16' });
  return cudaHost(plan, ['sm_90a', 'sm_80']);
}
/** Kernels in WGSL for so many blocks. */
function shaders(blocks: number) {
  const inputs = Array.from({ length: blocks }, (_, n) => [[`q${n}`, `k${n}`, `v${n}`], [`o${n}`]]).flat();
  const contraction = contractionOf({ factors: 3, in: 128, out: 256, rank: 8, inputs });
  const device = profile('webgpu-laptop', 'webgpu');
  return webgpuHost(choose(contraction, { device, tokens: 300, purpose: 'train' }));
}
const kernelsIn = (files: ReturnType<typeof written>) =>
  files.filter(({ path }) => path.startsWith('kernels/') && path.endsWith('.cu')).map(({ path }) => path);

describe('kernels are written for shapes, not for layers', () => {
  test.each([
    [3, 'train', 24],
    [2, 'train', 24],
    [3, 'serve', 10],
  ] as const)('with %i factors, to %s', (factors, purpose, most) => {
    const [few, many] = [2, 8].map((blocks) => kernelsIn(written(blocks, factors, purpose)));
    expect(many!.length).toBeLessThanOrEqual(few!.length);
    expect(many!.length).toBeLessThanOrEqual(most);
  });

  test('in WGSL', () => {
    const [few, many] = [2, 8].map((blocks) => shaders(blocks).filter(({ path }) => path.endsWith('.wgsl')));
    expect(many!.length).toBeLessThanOrEqual(few!.length);
    expect(many!.length).toBeLessThanOrEqual(20);
  });

  test('adapters.cu of 32 blocks stays small', () => {
    const { text } = written(32, 3, 'train').find(({ path }) => path === 'adapters.cu')!;
    expect(text.length).toBeLessThan(300_000);
  });
});
