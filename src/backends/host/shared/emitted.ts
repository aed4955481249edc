import type { KernelPlan } from '../../kernel/model/types.js';

/** A text file of an emitted folder. */
export interface EmittedFile {
  /** relative to the folder, with slashes */
  readonly path: string;
  readonly text: string;
}

/** What a back end makes of a plan. Everything is made when first used, and what its parts share once. */
export interface Emission {
  /** the plan with the schedules that its kernels have */
  readonly plan: KernelPlan;
  /** what the plan does not have of what is emitted, for readers: it ends the text of a plan */
  readonly beside?: () => string;
  /** kernels are in the folder `kernels` */
  readonly files: () => readonly EmittedFile[] | Promise<readonly EmittedFile[]>;
}

/** What is made when first used, and once. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
