import { sha256 } from '#platform';
import { statesDiffer } from '../../ir/codes/distributed.js';
import type { Diagnostic } from '../../ir/diagnostics.js';
import type { TensorData } from '../../ir/tensor.js';
import { heldOf, type SavedRun } from '../saved-run.js';
import type { ProcessGroup } from './group.js';

/**
 * Parameters and optimizer state of a run, which are the same on all ranks when this ends: where another rank has other
 * bits, those of rank 0 replace them and `note` is told. So a run that is resumed from a checkpoint goes on as it would have.
 */
export async function sameState(
  group: ProcessGroup,
  run: SavedRun,
  step: number,
  note: (diagnostic: Diagnostic) => void,
): Promise<Map<string, TensorData>> {
  const state = await run.save();
  if (group.size === 1) return state;
  const [first, ...others] = (await group.gather(digestOf(state))).map((digest) => digest.join());
  const ranks = others.flatMap((digest, at) => (digest === first ? [] : [at + 1]));
  if (ranks.length === 0) return state;
  note(statesDiffer({ ranks, step }));
  const held = await group.ofFirst(() => heldOf(state));
  if (group.rank === 0) return state;
  run.hold(held);
  return run.save();
}

/** SHA-256 of names and bytes, as numbers that float64 holds exactly. */
function digestOf(state: ReadonlyMap<string, TensorData>): Float64Array {
  const hash = sha256();
  for (const [name, tensor] of state) {
    hash.update(JSON.stringify([name, tensor.shape]));
    hash.update(tensor.bytes());
  }
  return Float64Array.from(new Uint32Array(new Uint8Array(hash.digest()).buffer));
}
