import type { Kernel } from '../../kernel/ir/kir.js';
import { type MapParam, mapLengths } from '../../kernel/ir/warpgroups.js';
import type { KernelPlan, Launch, TileSchedule } from '../../kernel/model/types.js';
import { runtimeText } from '../../runtime-text.js';
import { type BoundKernel, PLACED, SharedKernels } from '../shared/kernels.js';
import { launchesOf } from '../shared/tables.js';
import { WARPGROUPS_CU } from './generated/runtime.js';
import { ringText } from './launch-text.js';
import type { BufferNumbers } from './rows.js';

/**
 * The part of an emitted CUDA library that is for devices with warpgroups (sm_90a): kernels in addition to those for
 * any device, tensor maps of the matrices that the copy engine loads, and the choice at run time. It is compiled where
 * LOTRC_SM90A is defined, which CMakeLists.txt does for 90a.
 */

/** The launch for warpgroups, with a schedule for them, that takes the place of one for any device. */
export function twinOf({ warpgroups: _, ...launch }: Launch, schedule: TileSchedule): Launch {
  return { ...launch, name: `${launch.name}_warpgroups`, schedule };
}

/** The kernels for warpgroups of a lowered plan, by the names of the launches that they replace. */
export function twinsOf(plan: KernelPlan): ReadonlyMap<string, BoundKernel> {
  const shared = new SharedKernels(PLACED.byPointer);
  return new Map(
    launchesOf(plan).flatMap((launch): [string, BoundKernel][] => {
      const { warpgroups } = launch;
      return warpgroups ? [[launch.name, shared.of(twinOf(launch, warpgroups))]] : [];
    }),
  );
}

/** One row of the table of maps, and the place of a row in it. */
export class MapTable {
  readonly #rows = new Map<string, number>();

  constructor(readonly number: BufferNumbers) {}

  /** Number of a map of a kernel, for the buffers that it is launched with; equal maps are one. */
  of(map: MapParam, { buffers, firsts }: BoundKernel): number {
    const { buffer } = map.view;
    // a length of 0 means the number of tokens
    const { offset, rows, cols, pitch, box } = mapLengths(map, { M: 0 });
    const first = offset + (firsts.get(buffer) ?? 0);
    const row = [this.number.get(buffers.get(buffer)!)!, first, rows, cols, pitch, box].join(', ');
    const known = this.#rows.get(row) ?? this.#rows.size;
    this.#rows.set(row, known);
    return known;
  }

  get rows(): readonly string[] {
    return [...this.#rows.keys()];
  }
}

/** The tables and what makes the maps, after the state of the library; `kernels`: all that are for warpgroups. */
export const preparationText = (maps: MapTable, kernels: readonly Kernel[]): readonly string[] =>
  runtimeText(
    WARPGROUPS_CU,
    {},
    {
      maps: maps.rows.map((row) => `    {${row}},`),
      kernels: kernels.flatMap((kernel) => ringText(kernel, 'a')),
    },
  )
    .trimEnd()
    .split('\n');
