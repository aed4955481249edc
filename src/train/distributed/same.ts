import { ranksDiffer, wholeBatches } from '../../ir/codes/distributed.js';
import { fail } from '../../ir/diagnostics.js';
import type { BatchSplit } from '../batches.js';
import { signatureTerms } from '../labels.js';
import { lossFacts } from '../losses/facts.js';
import { differences, type RunSettings } from '../settings.js';
import type { Signature } from '../signature.js';
import type { ProcessGroup } from './group.js';
import { partsPerBatch } from './share.js';

/** Throws LOTR8267 on a rank whose directory, data or options are not those of rank 0. */
export async function requireSameSettings(group: ProcessGroup, own: RunSettings): Promise<void> {
  const first = await group.ofFirst(() => own);
  const what = differences(first, own).map(
    ({ name, values: [there, here] }) => `${name} is ${there} on rank 0, and ${here} here`,
  );
  if (what.length > 0) fail(ranksDiffer({ rank: group.rank, what }));
}

/** Throws LOTR8268 when batches would be divided whose loss is not the mean over their rows. */
export function requireDealt(
  group: ProcessGroup,
  accumulate: number,
  { rows }: BatchSplit,
  signature: Signature,
): void {
  if (partsPerBatch(accumulate, group) === 1) return;
  const whole = signatureTerms(signature).find(({ kind }) => lossFacts(kind).wholeBatch);
  const why =
    rows !== null
      ? `the model takes batches of exactly ${rows}`
      : whole
        ? `the loss ${whole.kind} is that of a whole batch`
        : null;
  if (why !== null) fail(wholeBatches({ size: group.size, accumulate, why }));
}
