/**
 * A chain of matrices as kernels know it: two, F1 F2, or three, with a core C between. With a core, C F2 is made once per step
 * and takes the scale; without one, the scale is applied to x F1. `chainShape` says which einsums are such chains.
 */
interface Chain {
  readonly factors: readonly unknown[];
}

/** Whether there is a matrix between the first and the last. */
export const hasCore = ({ factors }: Chain): boolean => factors.length > 2;

/** What x F1 is multiplied by: the scale where no core takes it. */
export const tokenScale = (chain: Chain & { readonly scale: number }): number =>
  hasCore(chain) ? 1 : chain.scale;
