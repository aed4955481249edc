import type {
  Extent,
  KernelDtype,
  Launch,
  MatrixRef,
  Placed,
  RowAdapters,
  RowDown,
  RowUp,
} from '../kernel/model/types.js';
import { dense } from '../kernel/plan/launches.js';
import { rowTile } from '../kernel/plan/rows.js';
import { checkedLaunch } from './checked-launch.js';
import type { Check } from './record.js';

/** A kernel of rows that have adapters of their own, as it is checked. */
interface RowCheck {
  readonly of: string;
  readonly form: Check['form'];
  readonly launch: Launch;
}

const MOST = 8;
/** The adapter of each row: in any order, and none; ranks up to the largest, one of which is not complete. */
const TABLES: Readonly<Record<string, readonly number[]>> = {
  of_rows: [2, 0xffffffff, 0, 1, 2],
  ranks: [3, 0, MOST],
  scales: [0.5, 3, -1.25],
};
const of: RowAdapters = {
  rows: { buffer: 'of_rows', offset: 0 },
  ranks: { buffer: 'ranks', offset: 0 },
  scales: { buffer: 'scales', dtype: 'f32', offset: 0 },
  count: TABLES.ranks!.length,
  most: MOST,
};

/** Rows of x of every check. */
export const CHECKED_ROWS = TABLES.of_rows!.length;

/** Both kernels of such rows, in vectors and element by element, for lengths that their workgroups do not divide. */
export function rowChecks(dtype: KernelDtype): readonly RowCheck[] {
  const forms = [
    ['vectors', 4],
    ['elements', 1],
  ] as const;
  return forms.flatMap(([form, together]) => {
    const odd = together === 4 ? 4 : 3;
    const placed = (buffer: string): Placed => ({ buffer, dtype, offset: 0 });
    const inner = 128 * together + odd;
    const down: RowDown = {
      kind: 'row-down',
      together,
      rows: 'M',
      inner,
      downs: 2,
      of,
      x: dense('x', dtype, 'M', inner),
      down: placed('r'),
      out: dense('y', 'f32', 'M', 2 * MOST),
    };
    const cols = 64 * together + odd;
    const up: RowUp = {
      kind: 'row-up',
      together,
      rows: 'M',
      cols,
      layers: 2,
      downs: 1,
      ups: 2,
      of,
      p: dense('p', 'f32', 'M', MOST),
      core: placed('m'),
      up: placed('l'),
      out: dense('y', 'f32', 'M', 2 * cols),
    };
    const launch = (work: RowDown | RowUp): Launch =>
      checkedLaunch({ family: 'rows', schedule: rowTile(work), work }, 'rows with adapters of their own');
    return [
      { of: `P of rows, ${form}`, form, launch: launch(down) },
      { of: `D of rows, ${form}`, form, launch: launch(up) },
    ];
  });
}

type Size = readonly [buffer: string, count: number, dtype: KernelDtype];

/** What the buffers of such a launch have room for, but for its tables. */
export function rowSizes(work: RowDown | RowUp, n: (extent: Extent) => number): readonly Size[] {
  const { count, most } = work.of;
  const matrix = ({ buffer, dtype, rows, cols }: MatrixRef): Size => [buffer, n(rows) * n(cols), dtype];
  const parts = (at: Placed, size: number): Size => [at.buffer, count * size, at.dtype];
  if (work.kind === 'row-down')
    return [matrix(work.x), parts(work.down, work.downs * most * work.inner), matrix(work.out)];
  const { p, core, up, ups, layers, cols, out } = work;
  return [
    matrix(p),
    ...(core ? [parts(core, layers * most * most)] : []),
    parts(up, ups * most * cols),
    matrix(out),
  ];
}

/** The tables of such a launch. */
export const rowTablesOf = (
  work: RowDown | RowUp,
): readonly (readonly [string, Float64Array<ArrayBuffer>])[] =>
  Object.entries(TABLES)
    .filter(([name]) => work.kind === 'row-up' || name !== work.of.scales.buffer)
    .map(([name, data]) => [name, Float64Array.from(data)]);
