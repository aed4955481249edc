import { scheduleRows } from '../../src/backends/kernel/device/tiles.js';
import type { DeviceProfile, ScheduleRow } from '../../src/backends/kernel/model/types.js';
import { WHOLE } from './everything.js';

/**
 * Tiles for modules that are run, before the built-in ones: SwiftShader takes seconds to compile a kernel of a usual size,
 * and a moment to run it. Kernels are run by themselves with the tiles that users get, and so is one module in Chromium.
 */
const SMALL_TILES: readonly ScheduleRow[] = WHOLE
  ? []
  : scheduleRows(
      'webgpu-laptop',
      ['f32', 'f16'],
      [
        ['gemm', 'any', [16, 16, 8, 2, 2, 1, 1, 0, 1]],
        // wide enough for a launch that computes P as well
        ['gemm', 'any', [8, 32, 8, 1, 4, 1, 1, 0, 1]],
        ['skinny', 'cols<=8', [32, 8, 8, 4, 1, 1, 1, 0, 1]],
        ['skinnyT', 'rows<=8 inner<=256', [8, 32, 8, 1, 4, 1, 1, 0, 1]],
        ['skinnyT', 'rows<=8', [8, 32, 8, 1, 4, 1, 1, 0, 8]],
        ['skinnyT', 'cols<=8 inner<=256', [32, 8, 8, 4, 1, 1, 1, 0, 1]],
        ['skinnyT', 'cols<=8', [32, 8, 8, 4, 1, 1, 1, 0, 8]],
        ['rankBatched', 'any', [16, 16, 8, 2, 2, 1, 1, 0, 1]],
      ],
    );

/** Schedules for a plan whose module is run; those over subgroups, where it takes them, are the device's own. */
export const tilesToRun = ({ tiles }: DeviceProfile, subgroups = false): readonly ScheduleRow[] => [
  ...(subgroups ? tiles.filter(({ schedule }) => schedule.subgroups) : []),
  ...SMALL_TILES,
];
