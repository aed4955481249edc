import { LotrcError } from '../../../src/ir/diagnostics.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { writeModel } from '../../../src/ir/onnx/writer.js';
import type { Selection } from '../../../src/passes/sites/select.js';
import { rewrite } from '../../../src/rewrite.js';

export interface Adapted {
  /** sites that carry an adapter */
  readonly sites: number;
  /** what was requested beyond the defaults, as the hints of the refusals say; empty: nothing */
  readonly how: string;
}

/** Tried in this order: rank 2, which shows a factor read the wrong way round, and every layer but the heads. */
const ATTEMPTS: readonly {
  readonly rank: number;
  readonly targets?: readonly string[];
  readonly how: string;
}[] = [
  { rank: 2, how: '' },
  { rank: 1, how: 'rank 1' },
  { rank: 2, targets: ['.*'], how: 'heads' },
  { rank: 1, targets: ['.*'], how: 'heads, rank 1' },
];

/** Refusals that another attempt answers: no layer but heads (LOTR3002), a layer smaller than the rank (LOTR3006). */
const ANSWERED = new Set(['LOTR3002', 'LOTR3006']);

/**
 * Writes a rewritten copy of a model. Where lotrc refuses because the model has nothing but output heads, or layers that
 * are too small, it is called again as the hint says. Throws the first refusal when none of that helps.
 */
export function adapt(file: string, to: string, selection: Selection = {}): Adapted {
  let first: LotrcError | null = null;
  for (const { rank, targets, how } of ATTEMPTS) {
    try {
      const model = readModel(file);
      const { plan } = rewrite(model, { rank, ...(targets ? { targets } : {}), ...selection });
      writeModel(model, to, { weights: 'copy' });
      return { sites: plan.plans.reduce((sum, row) => sum + row.sites.length, 0), how };
    } catch (error) {
      if (!(error instanceof LotrcError)) throw error;
      first ??= error;
      if (!error.diagnostics.every(({ code }) => ANSWERED.has(code))) throw error;
    }
  }
  throw first;
}
