import { readdirSync } from 'node:fs';
import { noDevice } from '../../backends/codes/host.js';
import type { NodeEp } from '../../backends/execution-providers.js';
import { fail } from '../../ir/diagnostics.js';
import type { Seat } from './cores.js';

/** The NVIDIA GPUs that a process sees. */
export interface VisibleGpus {
  /** those that a launcher or a user leaves to it, as CUDA_VISIBLE_DEVICES names them; null: all of the machine */
  readonly named: string | null;
  /** null: not known */
  readonly count: number | null;
}

/**
 * The number of the device for a rank, among those that its process sees: ranks of one machine that see the same GPUs take them in their
 * order. Null on the CPU, and for a rank that is alone on its machine with a provider that chooses no device. Throws LOTR8272 when
 * there are fewer devices than such ranks, or the provider takes no number.
 */
export function deviceOfRank(seats: readonly Seat[], rank: number, ep: NodeEp): number | null {
  if (ep === 'cpu') return null;
  const { host, gpus } = seats[rank]!;
  const sharing = [...seats.keys()].filter(
    (other) => seats[other]!.host === host && (ep !== 'cuda' || seats[other]!.gpus.named === gpus.named),
  );
  const own = sharing.indexOf(rank);
  const devices = ep === 'cuda' ? gpus.count : 1;
  if (devices !== null && sharing.length > devices)
    fail(noDevice({ ep, host, ranks: sharing.length, devices }));
  return ep === 'cuda' ? own : null;
}

/** What the environment and Linux say. */
export function visibleGpus(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  folder = '/proc/driver/nvidia/gpus',
): VisibleGpus {
  const named = environment.CUDA_VISIBLE_DEVICES ?? null;
  if (named !== null) {
    // a number that is none ends the list
    const names = named.split(',').map((name) => name.trim());
    const end = names.findIndex((name) => name === '' || name.startsWith('-'));
    return { named, count: end < 0 ? names.length : end };
  }
  try {
    return { named, count: readdirSync(folder).length };
  } catch {
    return { named, count: null };
  }
}
