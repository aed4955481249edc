import type { ElementwiseDef } from '../../../train/optimizers/define.js';
import { castKernel } from '../../kernel/gen/cast.js';
import { stepKernel } from '../../kernel/gen/step.js';
import type { Kernel } from '../../kernel/ir/kir.js';
import type { KernelPlan } from '../../kernel/model/types.js';

/** A factor buffer with a gradient. */
export interface TrainedFactor {
  readonly factor: string;
  readonly gradient: string;
  readonly elements: number;
  /** of the learning rate */
  readonly lrMultiplier: number;
}

/** What a step of a plan updates: factors that are not frozen, and nothing in a plan for serving. */
export function trainedOf({ buffers, purpose }: KernelPlan): readonly TrainedFactor[] {
  if (purpose === 'serve') return [];
  return buffers.flatMap(({ name, gradientOf, lrMultiplier = 1, shape }): TrainedFactor[] => {
    if (gradientOf === undefined) return [];
    const elements = shape.reduce<number>((size, extent) => size * Number(extent), 1);
    return [{ factor: gradientOf, gradient: name, elements, lrMultiplier }];
  });
}

/** A factor buffer that is trained, and the kernel of its step. */
export interface FactorStep extends TrainedFactor {
  readonly kernel: Kernel;
}

/** The step of a plan. Factors of one size and rate have one kernel, by the name of the first. */
export function factorSteps(plan: KernelPlan, optimizer: ElementwiseDef): readonly FactorStep[] {
  const known = new Map<string, Kernel>();
  return trainedOf(plan).map((trained): FactorStep => {
    const { factor, elements, lrMultiplier } = trained;
    const key = `${elements} ${lrMultiplier}`;
    const kernel = known.get(key) ?? stepKernel(optimizer, `step_${factor}`, elements, lrMultiplier);
    known.set(key, kernel);
    return { ...trained, kernel };
  });
}

/** A buffer with the numbers of another one in a narrower type, and the kernel that writes it. */
export interface FactorCast {
  readonly from: string;
  readonly to: string;
  readonly kernel: Kernel;
  readonly elements: number;
}

/** Copies that a plan keeps of its factors in the type of token space. */
export function factorCastsOf({ buffers }: KernelPlan): readonly FactorCast[] {
  const known = new Map<string, Kernel>();
  return buffers.flatMap(({ name, copyOf, dtype, shape }): FactorCast[] => {
    if (copyOf === undefined || dtype === 'u32' || dtype === 'u8') return [];
    const elements = shape.reduce<number>((size, extent) => size * Number(extent), 1);
    const key = `${elements} ${dtype}`;
    const kernel = known.get(key) ?? castKernel(`narrow_${copyOf}`, elements, dtype);
    known.set(key, kernel);
    return [{ from: copyOf, to: name, kernel, elements }];
  });
}
