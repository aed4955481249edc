import type { Extent, Launch, MatrixRef, Operand, Packed, Product, TileSchedule } from '../model/types.js';

/** Numbers of a vector. */
export const VECTOR = 4 as const;

/** Numbers that an invocation loads at once where all rows of a length are multiples of eight: 16 bytes at a time. */
export const eightsOf = (length: number): 8 | 1 => (length % 8 === 0 ? 8 : 1);

/** The same where they are multiples of four. */
export const foursOf = (length: number): 4 | 1 => (length % VECTOR === 0 ? VECTOR : 1);

/** Bits that are loaded at once. */
const [WIDE, WORD] = [128, 32] as const;

/** Numbers of a packed matrix that are loaded at once: as many as 16 bytes hold, where blocks have whole ones, or those of a word. */
export function packedAtOnce({ bits, block }: Pick<Packed, 'bits' | 'block'>): number {
  const wide = WIDE / bits;
  return block % wide === 0 ? wide : WORD / bits;
}

/** Whether words of a packed matrix are loaded four at once. */
export const wordsByFours = (packed: Pick<Packed, 'bits' | 'block'>): boolean =>
  packedAtOnce(packed) === WIDE / packed.bits;

/** Words that a workgroup keeps, four of a block at a time: their number, and how much of the inner dimension they are of. */
export interface WordStretch {
  readonly inner: number;
  readonly fours: number;
}

/**
 * What a workgroup loads of a packed operand at once for tiles in vectors: 16 bytes along the inner dimension are several tiles where these are short. Null where a
 * tile has no whole ones: words are loaded one by one then.
 */
export function wordStretch(
  { BN, BK }: Pick<TileSchedule, 'BN' | 'BK'>,
  packed: Pick<Packed, 'bits' | 'block'>,
  along: 'inner' | 'cols',
): WordStretch | null {
  const each = packedAtOnce(packed);
  if (!wordsByFours(packed)) return null;
  if (along === 'cols') return BN % each === 0 ? { inner: BK, fours: (BK * BN) / each } : null;
  const inner = Math.max(BK, each);
  return inner % BK === 0 && inner % each === 0 ? { inner, fours: (BN * inner) / each } : null;
}

/** Bytes of workgroup memory for the words of a stretch, and for a scale and a zero point of each four of them. */
export function wordBytes(
  tile: Pick<TileSchedule, 'BN' | 'BK'>,
  packed: Pick<Packed, 'bits' | 'block' | 'zeros'>,
  along: 'inner' | 'cols',
): number {
  const fours = wordStretch(tile, packed, along)?.fours ?? 0;
  return fours * (WIDE / 8 + 4 + (packed.zeros ? 4 : 0));
}

const whole = (extent: Extent): boolean => typeof extent === 'number' && extent % VECTOR === 0;

/** Whether rows of a stored matrix begin at multiples of a vector. */
const aligned = ({ offset, rowStride }: Pick<MatrixRef, 'offset' | 'rowStride'>): boolean =>
  whole(offset) && whole(rowStride);

/** Whether an operand is read vector by vector: `rows` x `cols` as the product sees it. */
const readable = ({ matrix, transposed, perRowBlock }: Operand, rows: Extent, cols: Extent): boolean =>
  aligned(matrix) && whole(transposed ? rows : cols) && whole(perRowBlock?.stride ?? 0);

/**
 * Whether all matrices of a product are read and written four neighbours at once. A sum in parts is cut anywhere along its inner
 * dimension, so vectors must lie across it. Merged and chained launches have no such kernels.
 */
export function allInVectors(
  work: Pick<Product, 'rows' | 'cols' | 'segments' | 'out' | 'widen' | 'chain' | 'epilogue' | 'parts'>,
): boolean {
  const { rows, cols, segments, out, widen, chain, epilogue, parts } = work;
  if (widen || chain || !whole(cols) || !whole(out.offset)) return false;
  if (parts > 1 && segments.some(({ a, b }) => !a.transposed || b.transposed)) return false;
  if (parts === 1 && !whole(out.rowStride)) return false;
  const { bias, residual } = epilogue;
  if ((bias && !whole(bias.offset)) || (residual && !aligned(residual))) return false;
  return segments.every(({ a, b, inner }) => readable(a, rows, inner) && readable(b, inner, cols));
}

/** Whether kernels of a schedule read vectors where all matrices allow it: in tiles, or for few rows. */
export const readsVectors = (schedule: TileSchedule): boolean =>
  schedule.gemv === true || schedule.matrix !== undefined || tilesInVectors(schedule);

/** Whether tiles are copied and multiplied vector by vector. */
export const tilesInVectors = ({ BM, BN, BK, TN, vec, warps, subgroups, pad = 0 }: TileSchedule): boolean =>
  vec === VECTOR && warps === 0 && !subgroups && [BM, BN, BK, TN, pad].every(whole);

/** Whether a product is launched in vectors. */
export const launchedInVectors = ({ work, schedule }: Pick<Launch, 'work' | 'schedule'>): boolean =>
  work.kind === 'product' && readsVectors(schedule) && allInVectors(work);
