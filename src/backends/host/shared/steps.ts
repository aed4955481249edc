import { adamwKernel } from '../../kernel/gen/adamw.js';
import { narrowKernel } from '../../kernel/gen/round.js';
import type { Kernel } from '../../kernel/ir/kir.js';
import type { KernelPlan } from '../../kernel/model/types.js';

/** A factor buffer with a gradient, and the kernel of its step. */
export interface Trained {
  readonly factor: string;
  readonly gradient: string;
  readonly kernel: Kernel;
  readonly elements: number;
}

/** What a step of a plan updates: factors that are not frozen, and nothing in a plan for serving. */
export function trainedOf({ buffers, purpose }: KernelPlan): readonly Trained[] {
  if (purpose === 'serve') return [];
  const known = new Map<string, Kernel>();
  return buffers.flatMap(({ name, gradientOf, lrMultiplier = 1, shape }): Trained[] => {
    if (gradientOf === undefined) return [];
    const elements = shape.reduce<number>((size, extent) => size * Number(extent), 1);
    // factors of one size and rate have one kernel, by the name of the first
    const key = `${elements} ${lrMultiplier}`;
    const kernel = known.get(key) ?? adamwKernel(`step_${gradientOf}`, elements, lrMultiplier);
    known.set(key, kernel);
    return [{ factor: gradientOf, gradient: name, kernel, elements }];
  });
}

/** A buffer with the numbers of another one in a narrower type, and the kernel that writes it. */
export interface Narrowed {
  readonly from: string;
  readonly to: string;
  readonly kernel: Kernel;
  readonly elements: number;
}

/** Copies that a plan keeps of its factors in the type of token space. */
export function narrowedOf({ buffers }: KernelPlan): readonly Narrowed[] {
  const known = new Map<string, Kernel>();
  return buffers.flatMap(({ name, copyOf, dtype, shape }): Narrowed[] => {
    if (copyOf === undefined || dtype === 'u32') return [];
    const elements = shape.reduce<number>((size, extent) => size * Number(extent), 1);
    const key = `${elements} ${dtype}`;
    const kernel = known.get(key) ?? narrowKernel(`narrow_${copyOf}`, elements, dtype);
    known.set(key, kernel);
    return [{ from: copyOf, to: name, kernel, elements }];
  });
}
