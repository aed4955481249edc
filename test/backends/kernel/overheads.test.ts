import { describe, expect, test } from 'vitest';
import type { KernelDtype } from '../../../src/backends/kernel/model/types.js';
import { choose } from '../../../src/backends/kernel/plan/choose.js';
import { ELEMENT_BYTES, roofline, type Work } from '../../../src/backends/kernel/plan/cost.js';
import { total } from '../../../src/backends/kernel/plan/price.js';
import { contractionOf, type Sketch } from '../../support/contraction.js';
import { profile } from '../../support/devices.js';

/**
 * What plans, as `choose` makes them, add to their layers: next to the tables of the design, which were worked out by
 * hand, and whose times are the least ones (roofline).
 */
const h100 = { device: profile('h100', 'cuda'), dtype: 'bf16' } as const;
const laptop = { device: profile('webgpu-laptop', 'webgpu'), dtype: 'f32' } as const;

function regionOf(
  [d, tokens, rank]: readonly [number, number, number],
  on: { readonly device: typeof h100.device; readonly dtype: KernelDtype },
  purpose: 'train' | 'serve',
  inputs: Sketch['inputs'] = [['k']],
) {
  const contraction = contractionOf({ factors: 3, in: d, out: d, rank, inputs });
  return choose(contraction, { ...on, tokens, purpose, strategy: 'split' }).regions[0]!;
}

const percent = (own: number, base: number) => 100 * (own / base - 1);

describe('operations over those of the layer alone', () => {
  test.each([
    [768, ['2.1 4.2', '8.4 16.7', '16.7 33.5', '33.6 67']],
    [1024, ['1.6 3.1', '6.3 12.5', '12.6 25', '25 50']],
    [4096, ['0.39 0.78', '1.6 3.1', '3.1 6.3', '6.3 12.6']],
  ] as const)('d = %i, ranks 8, 32, 64, 128, forward and backward', (d, cells) => {
    for (const [index, rank] of [8, 32, 64, 128].entries()) {
      const region = regionOf([d, 8192, rank], h100, 'train');
      const found = [
        percent(total(region.forward).flops, region.base.forward.flops),
        percent(total(region.backward).flops, region.base.backward.flops),
      ];
      // the table has r x r work for every token, which plans do once per step
      const core = 100 * (rank / d) ** 2;
      for (const [way, cell] of cells[index]!.split(' ').entries()) {
        const half = cell.includes('.') ? 0.05 : 0.5;
        expect(found[way]! - Number(cell), `rank ${rank}`).toBeLessThan(half + 0.05);
        expect(Number(cell) - found[way]!, `rank ${rank}`).toBeLessThan(core + half + 0.05);
      }
    }
  });
});

describe('least time over that of the layer alone, split + concat-K, and where three layers share P', () => {
  test.each([
    ['h100', 768, 1, h100, [8, 64], '84 86', '28 30'],
    ['h100', 768, 1024, h100, [8, 64], '73 78', '25 28'],
    ['h100', 768, 8192, h100, [8, 64, 128], '45 54 64', '16 23 31'],
    ['h100', 1024, 32, h100, [8, 64], '74 77', '25 27'],
    ['h100', 1024, 8192, h100, [8, 64, 128], '33 40 47', '12 17 23'],
    ['h100', 4096, 1, h100, [8, 32, 128], '16 17 21', '5.3 5.9 8.6'],
    ['h100', 4096, 32, h100, [8, 32, 128], '16 17 21', '5.4 6.1 8.8'],
    ['h100', 4096, 1024, h100, [8, 32, 64, 128], '11 12 13 15', '3.8 4.4 5.2 6.9'],
    ['h100', 4096, 8192, h100, [8, 32, 64, 128], '7.2 7.9 8.7 10', '2.5 3.1 3.9 5.6'],
    ['laptop', 768, 1, laptop, [8, 64], '57 64', '19 24'],
    ['laptop', 768, 1024, laptop, [8, 64], '11 21', '4.3 12'],
    ['laptop', 768, 8192, laptop, [8, 64, 128], '7 18 37', '3 12 23'],
    ['laptop', 1024, 1024, laptop, [8, 64], '7 15', '3 9'],
    ['laptop', 4096, 1, laptop, [8, 64], '4.7 7.3', '1.7 3.4'],
    ['laptop', 4096, 1024, laptop, [8, 64, 128], '1.4 3.3 6.5', '0.6 2.1 4.3'],
  ] as const)('%s, d = %i, M = %i', (_, d, tokens, on, ranks, split, shared) => {
    for (const [inputs, cells] of [
      [[['k']], split],
      [[['q', 'k', 'v']], shared],
    ] as const) {
      const wanted = cells.split(' ').map(Number);
      for (const [index, rank] of ranks.entries()) {
        const { forward, base } = regionOf([d, tokens, rank], on, 'serve', inputs);
        const least = (work: Work) => roofline(work, on.dtype, on.device).seconds;
        // all layers are alike
        const layers = base.launches;
        const alone =
          layers * least({ flops: base.forward.flops / layers, bytes: base.forward.bytes / layers });
        const found = percent(
          forward.reduce((sum, { predicted }) => sum + least(predicted), 0),
          alone,
        );
        // at most what the table says, rounded; less by the work that is done once for all tokens
        const { device, dtype } = on;
        const seconds =
          (2 * tokens * rank * rank) / device.flops[dtype]! +
          (ELEMENT_BYTES[dtype] * rank * rank) / device.bytesPerSecond;
        const core = seconds / alone;
        const half = wanted[index]! < 10 && cells.includes('.') ? 0.06 : 0.55;
        expect(found - wanted[index]!, `rank ${rank}`).toBeLessThan(half);
        expect(wanted[index]! - found, `rank ${rank}`).toBeLessThan(half + 100 * core);
      }
    }
  });
});

describe('launches of a layer', () => {
  const cases = [1, 7, 64, 300, 4096].flatMap((tokens) =>
    ([h100, laptop] as const).flatMap((on) =>
      [1, 8, 17, 128].map((rank) => [tokens, rank, on.device.name, on] as const),
    ),
  );
  test.each(cases)('%i tokens, rank %i, %s', (tokens, rank, _, on) => {
    for (const strategy of ['split', 'merged'] as const) {
      for (const inputs of [[['q']], [['q', 'k', 'v']]] as const) {
        const count = inputs[0].length;
        const contraction = contractionOf({ factors: 3, in: 96, out: 80, rank, inputs });
        const plan = choose(contraction, { ...on, tokens, purpose: 'train', strategy });
        const [region] = plan.regions;
        // two forward: one of them shared by the layers that read the same x
        expect(region!.forward.length).toBe(1 + count);
        expect(region!.backward.length).toBeLessThanOrEqual(5 * count);
        if (count === 1) expect(region!.backward.length).toBeGreaterThanOrEqual(4);
        // over all layers of the group, whatever their number
        const own = strategy === 'merged' ? count : 0;
        expect(plan.prologue.length).toBe(1 + own);
        expect(plan.epilogue.length).toBe(2);
      }
    }
  });
});
