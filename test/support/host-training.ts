import { expect } from 'vitest';
import type { AdapterSpec } from '../../src/adapter/description.js';
import { placesOf } from '../../src/backends/host/shared/tables.js';
import type { KernelPlan } from '../../src/backends/kernel/model/types.js';
import { choose, type StrategyKey } from '../../src/backends/kernel/plan/choose.js';

import type { OptimizerKind } from '../../src/train/optimizers/index.js';
import { profile } from './devices.js';
import type { HostAnswer, HostJob } from './host.js';

import { contraction, DECAY, RATE } from './host-layers.js';
import { tilesToRun } from './small-tiles.js';
import { allPlaces, EXACT, inputsOf, tensorsOf, twoPasses } from './two-passes.js';

/** A plan for training, a job for its module, and what the answer must be. */
export interface TrainingJob {
  readonly plan: KernelPlan;
  readonly job: HostJob;
  /** Forward, backward and a step, and all of it again, against float64. */
  check(answer: HostAnswer): void;
}

interface Training {
  readonly subgroups?: boolean;
  readonly optimizer?: OptimizerKind;
  /** with the tiles that users get */
  readonly usual?: boolean;
}

/**
 * Two passes, each with a step, over the layers of host-layers.ts. `planned`: tokens that the tiles are chosen for. In float16 results
 * are held to `bound`, and a step to the gradient that was found: it is of its gradient's sign, which may be all rounding.
 */
export function trainingJob(
  spec: AdapterSpec,
  strategy: StrategyKey,
  planned: number,
  tokens: number,
  dtype: 'f32' | 'f16' = 'f32',
  { subgroups = false, optimizer = 'adamw', usual = false }: Training = {},
): TrainingJob {
  const bound = dtype === 'f32' ? EXACT : 2e-3;
  const found = contraction(spec);
  const device = profile('webgpu-laptop', 'webgpu');
  const schedules = usual ? [] : tilesToRun(device, subgroups);
  const options = {
    device,
    tokens: planned,
    purpose: 'train',
    strategy,
    dtype,
    subgroups,
    schedules,
  } as const;
  const plan = choose(found, options);
  const tensors = tensorsOf(allPlaces(plan), 5);
  const inputs = inputsOf(plan, tokens);
  const numbers = (life: 'weight' | 'step') =>
    Object.fromEntries(Object.keys(placesOf(plan.buffers, life)).map((name) => [name, tensors[name]!]));
  const { pass, read, stepped, check } = twoPasses(found, plan, tensors, inputs, optimizer);
  const step = ['step', { learningRate: RATE, weightDecay: DECAY }] as const;
  const job: HostJob = {
    tokens,
    weights: numbers('weight'),
    factors: numbers('step'),
    calls: [
      ...Object.entries(inputs).map(([name, data]) => ['write', name, data] as const),
      ...pass,
      ...read.map((name) => ['read', name] as const),
      step,
      ...stepped.map((name) => ['read', name] as const),
      // the stepped factors are what the next pass reads, and gradients start from zero again
      ...pass,
      ...read.map((name) => ['read', name, `${name} again`] as const),
      step,
      ...stepped.map((name) => ['read', name, `${name} twice`] as const),
      ['readAdapter'],
    ],
  };
  return {
    plan,
    job,
    check: (answer) => {
      expect(answer.messages).toEqual([]);
      check(answer.reads, bound);
    },
  };
}
