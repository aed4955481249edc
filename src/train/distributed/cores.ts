import { readFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import type { NodeEp } from '../../backends/execution-providers.js';
import { deviceOfRank, type VisibleGpus, visibleGpus } from './devices.js';
import type { ProcessGroup } from './group.js';

/** A process of a job as the others see it. */
export interface Seat {
  /** name of the machine */
  readonly host: string;
  /** the cores that the process may use */
  readonly cores: readonly number[];
  readonly gpus: VisibleGpus;
}

/** What a rank has of its machine. */
export interface MachineShare {
  /**
   * Its share of the cores that it may use. A core that several ranks of one machine may use counts as a fraction for each, so
   * that ranks that a launcher pins to cores have all of them, and others do not fight over one.
   */
  readonly threads: number;
  /** ranks on the machine */
  readonly processes: number;
  /** number of the GPU among those that the process sees; absent where graphs run on none */
  readonly device?: number;
}

/** Throws LOTR8272 when there are fewer devices for `ep` than ranks on the machine. */
export async function shareOfMachine(group: ProcessGroup, ep: NodeEp): Promise<MachineShare> {
  const seats = await group.all<Seat>({ host: hostname(), cores: ownCores(), gpus: visibleGpus() });
  const processes = seats.filter(({ host }) => host === seats[group.rank]!.host).length;
  const device = deviceOfRank(seats, group.rank, ep);
  return { threads: fairThreads(seats, group.rank), processes, ...(device === null ? {} : { device }) };
}

/** The whole number of cores in the share of a rank, and at least one. */
export function fairThreads(seats: readonly Pick<Seat, 'host' | 'cores'>[], rank: number): number {
  const { host, cores } = seats[rank]!;
  const users = new Map<number, number>();
  for (const seat of seats) {
    if (seat.host !== host) continue;
    for (const core of seat.cores) users.set(core, (users.get(core) ?? 0) + 1);
  }
  const share = cores.reduce((sum, core) => sum + 1 / users.get(core)!, 0);
  // a sum of thirds may come out a little below a whole number
  return Math.max(1, Math.floor(share + 1e-6));
}

/** The numbers of a list such as `0-3,8`, as Linux writes sets of cores. */
export function coreList(text: string): readonly number[] {
  return text.split(',').flatMap((range) => {
    const [first, last] = range.split('-').map(Number) as [number, number | undefined];
    return Array.from({ length: (last ?? first) - first + 1 }, (_, i) => first + i);
  });
}

function ownCores(): readonly number[] {
  let status = '';
  try {
    status = readFileSync('/proc/self/status', 'utf8');
  } catch {
    // only Linux says which cores; elsewhere they are counted
  }
  const list = /^Cpus_allowed_list:\s*([\d,-]+)$/m.exec(status)?.[1];
  const cores = list === undefined ? [] : coreList(list);
  return cores.length > 0 ? cores : Array.from({ length: availableParallelism() }, (_, core) => core);
}
