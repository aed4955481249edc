import { expect } from 'vitest';
import { placesOf } from '../../src/backends/host/tables.js';
import { choose, type FormKey } from '../../src/backends/kernel/choose.js';
import { profile } from '../../src/backends/kernel/profiles.js';
import type { KernelPlan } from '../../src/backends/kernel/types.js';
import type { AdapterSpec } from '../../src/ir/adapter.js';
import type { HostAnswer, HostJob } from './host.js';
import { adamw, contraction, DECAY, partOf, RATE, rateOf, reference } from './host-layers.js';
import { values } from './kernel-cases.js';
import { worstError } from './kernel-run.js';

/** A plan for training, a job for its module, and what the answer must be. */
export interface TrainingJob {
  readonly plan: KernelPlan;
  readonly job: HostJob;
  /** Forward, backward, an AdamW step, and both passes again, against float64. */
  check(answer: HostAnswer): void;
}

const EXACT = 2e-6;

/**
 * Two passes and a step over the layers of host-layers.ts. `planned`: tokens that the tiles are chosen for. In float16 results
 * are held to `bound`, and a step to the gradient that was found: it is of its gradient's sign, which may be all rounding.
 */
export function trainingJob(
  spec: AdapterSpec,
  form: FormKey,
  planned: number,
  tokens: number,
  dtype: 'f32' | 'f16' = 'f32',
  subgroups = false,
): TrainingJob {
  const bound = dtype === 'f32' ? EXACT : 2e-3;
  const found = contraction(spec);
  const device = profile('webgpu-laptop', 'webgpu');
  const plan = choose(found, { device, tokens: planned, purpose: 'train', form, dtype, subgroups });
  const places = { ...placesOf(plan.buffers, 'weight'), ...placesOf(plan.buffers, 'step') };
  const tensors = Object.fromEntries(
    Object.entries(places).map(([name, [place]], index) => [
      name,
      values(place!.rows * place!.cols, 5 + index),
    ]),
  );
  const inputs = Object.fromEntries(
    plan.buffers
      .filter(({ name }) => /^(x|dy)_/.test(name))
      .map(({ name, shape }, index) => [name, values(tokens * Number(shape[1]), 50 + index)]),
  );
  const numbers = (life: 'weight' | 'step') =>
    Object.fromEntries(Object.keys(placesOf(plan.buffers, life)).map((name) => [name, [...tensors[name]!]]));
  const layers = found.regions.flatMap((region) => region.layers);
  const regions = found.regions.map((__, index) => index);
  const reads = plan.buffers.filter(({ name }) => /^(y|dx)_/.test(name)).map(({ name }) => name);
  const gradients = plan.buffers.flatMap(({ name, gradientOf }) =>
    gradientOf ? [{ name, gradientOf }] : [],
  );
  const pass = [
    ...regions.map((region) => ['forward', region] as const),
    ...regions.map((region) => ['backward', region] as const),
  ];
  const job: HostJob = {
    tokens,
    weights: numbers('weight'),
    factors: numbers('step'),
    calls: [
      ...Object.entries(inputs).map(([name, data]) => ['write', name, [...data]] as const),
      ...pass,
      ['gradients'],
      ...reads.map((name) => ['read', name] as const),
      ...gradients.map(({ name }) => ['read', name] as const),
      ['step', { learningRate: RATE, weightDecay: DECAY }],
      ...gradients.map(({ gradientOf }) => ['read', gradientOf] as const),
      // the stepped factors are what the next pass reads, and gradients start from zero again
      ...pass,
      ['gradients'],
      ...[...reads, ...gradients.map(({ name }) => name)].map(
        (name) => ['read', name, `${name} again`] as const,
      ),
    ],
  };
  const check = (answer: HostAnswer): void => {
    expect(answer.messages).toEqual([]);
    const stepped = { ...tensors };
    const checkPass = (suffix: string, expected: ReturnType<typeof reference>) => {
      for (const name of reads) {
        const error = worstError(answer.reads[name + suffix]!, expected[name]!.flat());
        expect(error, name + suffix).toBeLessThan(bound);
        if (bound !== EXACT) expect(error, name + suffix).toBeGreaterThan(EXACT);
      }
      for (const name of new Set(layers.flatMap(({ factors }) => factors))) {
        const multiplier = rateOf(found, name);
        if (multiplier === null) {
          expect(
            gradients.filter(({ gradientOf }) => places[name]!.some(({ buffer }) => buffer === gradientOf)),
          ).toEqual([]);
          continue;
        }
        const [place] = places[name]!;
        const gradient = gradients.find(({ gradientOf }) => gradientOf === place!.buffer)!;
        const own = partOf(answer.reads[gradient.name + suffix]!, place!);
        expect(worstError(own, expected[name]!.flat()), `gradient of ${name}${suffix}`).toBeLessThan(bound);
        if (suffix !== '') continue;
        const after = partOf(answer.reads[place!.buffer]!, place!);
        const moved = adamw(tensors[name]!, bound === EXACT ? expected[name]!.flat() : own, multiplier);
        expect(worstError(after, moved), `step of ${name}`).toBeLessThan(EXACT);
        stepped[name] = Float32Array.from(after);
      }
    };
    checkPass('', reference(found, tensors, inputs));
    checkPass(' again', reference(found, stepped, inputs));
  };
  return { plan, job, check };
}
