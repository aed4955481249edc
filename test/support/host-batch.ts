import { expect } from 'vitest';
import type { AdapterSpec } from '../../src/adapter/description.js';
import { placesOf, rowBlockOf } from '../../src/backends/host/shared/tables.js';
import type { KernelPlan } from '../../src/backends/kernel/model/types.js';
import { choose } from '../../src/backends/kernel/plan/choose.js';

import { profile } from './devices.js';
import type { HostAnswer, HostJob } from './host.js';

import { contraction, IN, OUT, reference, rowsOf } from './host-layers.js';
import { values } from './kernel-cases.js';
import { worstError } from './kernel-run.js';
import { tilesToRun } from './small-tiles.js';
import { tensorsOf } from './two-passes.js';

/** The adapters of the blocks of rows; no block has the second adapter. */
const TABLE = [2, 0, 2];

/**
 * A plan for three adapters in a batch over the layers of host-layers.ts, a job for its module, and the check of its answer
 * against float64.
 */
export function batchJob(
  spec: AdapterSpec,
  rank: number,
  dtype: 'f32' | 'f16' = 'f32',
  subgroups = false,
): { readonly plan: KernelPlan; readonly job: HostJob; check(answer: HostAnswer): void } {
  const found = contraction(spec, undefined, { in: IN, out: OUT, rank });
  const device = profile('webgpu-laptop', 'webgpu');
  // subgroups are for few rows
  const planned = subgroups ? 60 : 150;
  const plan = choose(found, {
    device,
    tokens: planned,
    purpose: 'serve',
    adapters: 3,
    dtype,
    subgroups,
    schedules: tilesToRun(device, subgroups),
  });
  const rowBlock = rowBlockOf(plan);
  const tokens = 2 * rowBlock + 5;
  const weights = tensorsOf(placesOf(plan.buffers, 'weight'), 3);
  const places = placesOf(plan.buffers, 'step', 3);
  const adapters = [0, 1, 2].map((adapter) => tensorsOf(places, 20 + 30 * adapter));
  const inputs = Object.fromEntries(
    ['x_0', 'x_1'].map((name, index) => [name, [...values(tokens * IN, 31 + index)]]),
  );
  const outputs = plan.buffers.filter(({ name }) => name.startsWith('y_')).map(({ name }) => name);
  const job: HostJob = {
    tokens,
    weights,
    factors: adapters[0]!,
    calls: [
      // the last first: what one adapter is given must not touch its neighbours
      ['setAdapter', adapters[2], 2],
      ['setAdapter', adapters[1], 1],
      ['setAdapter', adapters[0], 0],
      ['setRows', TABLE],
      ...Object.entries(inputs).map(([name, data]) => ['write', name, data] as const),
      ...found.regions.map((__, region) => ['forward', region] as const),
      ...outputs.map((name) => ['read', name] as const),
      ['setRows', [0]],
      ['setRows', [0, 3, 1]],
      ['setAdapter', adapters[1], 3],
      ['write', 'rowAdapter', [0, 0, 0]],
    ],
  };
  const check = (answer: HostAnswer): void => {
    expect(answer.messages).toEqual([
      `${tokens} rows are 3 blocks of ${rowBlock}, not 1`,
      'there is no adapter 3, only 3',
      'there is no adapter 3, only 3',
      'rowAdapter is filled by setRows',
    ]);
    for (const name of outputs) {
      const of = (adapter: number) => reference(found, { ...weights, ...adapters[adapter]! }, inputs)[name]!;
      const expected = rowsOf(TABLE, rowBlock, of);
      const error = worstError(answer.reads[name]!, expected);
      expect(error, name).toBeLessThan(dtype === 'f32' ? 2e-6 : 2e-3);
      if (dtype === 'f16') expect(error, name).toBeGreaterThan(2e-6);
    }
  };
  return { plan, job, check };
}
