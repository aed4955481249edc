/** How an emitted module folds its adapter into the weights on the device, and out again. */

export const MERGED = `  /** whether the weights hold the adapter */
  let merged = false;
`;

/** Before anything is uploaded. */
export const KEEP = `    if (merged) throw new Error('the adapter is in the weights: unmerge first');
`;

export const MERGING = `
    /**
     * Folds the adapter into the weights where they stand, W += s R M L: forward is then the layers alone, without any
     * overhead. Throws when it is there already.
     */
    merge(): void {
      if (merged) throw new Error('the adapter is in the weights already');
      submit(refresh(), named(MERGE));
      merged = true;
    },

    /** Takes the adapter out again, W -= s R M L: the weights are what they were but for rounding. Throws when it is not there. */
    unmerge(): void {
      if (!merged) throw new Error('the adapter is not in the weights');
      submit(named(UNMERGE));
      merged = false;
    },
`;
