import type { Kernel } from '../../ir/kir.js';
import { LAUNCHES_CUH } from './generated/runtime.js';

/** File that kernels include whose launches overlap with others. */
export const LAUNCHES = 'launches.cuh';
export const LAUNCHES_TEXT = LAUNCHES_CUH;

/** Whether a kernel tells the launch after it something, or asks something of those before it. */
export const overlaps = ({ releases, settles }: Kernel): boolean => (releases ?? settles) === true;

/** The first statements of a kernel that `overlaps`. */
export const betweenLaunches = ({ releases, settles }: Kernel): readonly string[] => [
  ...(releases ? ['  release_next();'] : []),
  ...(settles ? ['  await_launches();'] : []),
];
