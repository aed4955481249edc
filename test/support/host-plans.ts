import { LORA } from '../../src/adapter/methods/lora.js';
import { LOTR } from '../../src/adapter/methods/lotr.js';
import type { KernelPlan } from '../../src/backends/kernel/model/types.js';
import { choose } from '../../src/backends/kernel/plan/choose.js';
import { profile } from './devices.js';
import { contraction } from './host-layers.js';

const device = profile('webgpu-laptop', 'webgpu');

/** A plan of every kind for which there is a WebGPU module, over the layers of host-layers.ts. */
export const hostPlans = (): Readonly<Record<string, KernelPlan>> => ({
  'train, lotr, sums in parts': choose(contraction(LOTR), {
    device,
    tokens: 300,
    purpose: 'train',
    strategy: 'split',
  }),
  'train, lotr, merged weights': choose(contraction(LOTR), {
    device,
    tokens: 64,
    purpose: 'train',
    strategy: 'merged',
  }),
  'train, lora': choose(contraction(LORA), { device, tokens: 13, purpose: 'train', strategy: 'split' }),
  'train, float16': choose(contraction(LOTR), {
    device,
    tokens: 300,
    purpose: 'train',
    strategy: 'split',
    dtype: 'f16',
  }),
  'serve, one widened launch': choose(contraction(LOTR), {
    device,
    tokens: 7,
    purpose: 'serve',
    strategy: 'widen',
  }),
  'serve, one region': choose(contraction(LORA, ['o']), { device, tokens: 300, purpose: 'serve' }),
  'serve, float16': choose(contraction(LOTR), { device, tokens: 300, purpose: 'serve', dtype: 'f16' }),
  'serve, three adapters, lotr': choose(contraction(LOTR), {
    device,
    tokens: 150,
    purpose: 'serve',
    adapters: 3,
  }),
  'serve, two adapters, lora': choose(contraction(LORA), {
    device,
    tokens: 150,
    purpose: 'serve',
    adapters: 2,
  }),
  'serve, rows with adapters, lotr': choose(contraction(LOTR), {
    device,
    tokens: 5,
    purpose: 'serve',
    adapters: 4,
    mostRank: 6,
  }),
  'serve, merging, lotr': choose(contraction(LOTR), { device, tokens: 9, purpose: 'serve', merging: true }),
  'serve, merging, lora': choose(contraction(LORA), { device, tokens: 9, purpose: 'serve', merging: true }),
});
