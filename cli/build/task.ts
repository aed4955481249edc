import type { BuildStep } from '../../src/build/steps.js';
import type { Counts, Made } from '../../src/build/store.js';
import type { Diagnostic } from '../../src/ir/diagnostics.js';

/** What a process of `lotrc build` is asked: to make a step, to put what the cache has in its place, or to plan a step. */
export interface Task {
  readonly step: BuildStep;
  readonly key: string;
  /** folder of the cache, absolute */
  readonly cache: string;
  readonly want: 'make' | 'make again' | 'place' | 'plan';
}

/** What it answers. */
export type Reply =
  | { readonly kind: 'made'; readonly made: Made; readonly from: 'step' | 'cache' }
  | { readonly kind: 'planned'; readonly counts: Counts | null; readonly about: string }
  | { readonly kind: 'failed'; readonly diagnostics: readonly Diagnostic[]; readonly exitCode: number }
  /** on the way: a line for the user */
  | { readonly kind: 'line'; readonly text: string };
