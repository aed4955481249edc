import { sep } from 'node:path';

/** Where the grids lie: with the sources, also of the build in `dist`. */
export const QUALITY = import.meta.dirname.replace(`${sep}dist${sep}bench`, `${sep}bench`);

/** Grids that compare methods, each on one task. */
export const TASKS: readonly string[] = ['yelp', 'era', 'party', 'moby'];

/** Grids of LoTR alone. */
export const MAPS: readonly string[] = ['rank-scale', 'rank-lr'];

export const GRID_NAMES: readonly string[] = [...TASKS, ...MAPS];
