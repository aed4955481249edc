import type { Packed } from '../model/types.js';
import type { Stmt, U32, View } from './kir.js';

/**
 * Warpgroups of Hopper (sm_90a): four warps that multiply tiles of workgroup memory together (`wgmma`), a copy engine
 * that loads boxes of matrices there asynchronously (`cp.async.bulk.tensor`), and barriers that count the bytes that
 * arrived (`mbarrier`; PTX ISA 8, sections 9.7.9 and 9.7.15). Here the ring of tiles between the warpgroup that loads
 * and those that multiply is a primitive: statements say what is loaded and multiplied, the file that such kernels
 * include says how (print/cuda/warpgroup-units.ts), and the simulator of tests multiplies without a ring.
 */

/** Threads of a warpgroup. */
export const WARPGROUP = 128;
/** Rows of results of a warpgroup. */
export const WARPGROUP_ROWS = 64;
/** Elements of a row of a box, and inner length of a tile: 128 bytes, across which banks are spread. */
export const BOX = 64;
/** Results that one thread holds of 8 columns: the layout of `UNIT_RESULTS` in units.ts, 16 rows for each warp. */
export const WARPGROUP_UNIT = 8;
/** Alignment of tiles in workgroup memory, in bytes. */
const TILE_ALIGNMENT = 1024;

export type WarpgroupType = 'bf16' | 'f16';

/** The ring of a kernel: `stages` tiles of rows x BOX and BOX x cols, for rows x cols results of a block. */
export interface RingDecl {
  readonly type: WarpgroupType;
  /** a multiple of WARPGROUP_ROWS; one warpgroup for each, and one that loads */
  readonly rows: number;
  readonly cols: number;
  readonly stages: number;
  /** tiles of results along rows and columns; a block computes several of them where a device has fewer multiprocessors */
  readonly across: U32;
  readonly down: U32;
  /** the copy engine takes results to memory, from two boxes of WARPGROUP_ROWS for each warpgroup; absent: threads store them */
  readonly sends?: true;
  /**
   * Blocks run in pairs, whose tiles of results are neighbours along the rows: the tiles of BOX x cols are those of both, and each block
   * brings one half of them to both. Where the tiles along the rows are an odd number, the last block of a column has one beyond the matrix.
   */
  readonly pair?: true;
  /** some second operands are packed: the warpgroup that loads unpacks them, and each of its warps says that a tile is there */
  readonly unpacks?: true;
}

/** A matrix as the copy engine sees it: it loads boxes of `rows` x BOX elements; what lies outside is 0. */
export interface MapParam {
  readonly name: string;
  /** rows and columns as stored */
  readonly view: View;
  readonly rows: number;
}

/** What a map is made of, in elements, for bound lengths. */
export function mapLengths({ name, view, rows: box }: MapParam, bound: Readonly<Record<string, number>>) {
  const number = (extent: U32): number => {
    if (extent.e === 'lit') return extent.value;
    const length = extent.e === 'uniform' ? bound[extent.name] : undefined;
    if (length === undefined) throw new Error(`${name} has a length that is not known`);
    return length;
  };
  const [rows, cols] = view.extents.map(number) as [number, number];
  return { offset: number(view.offset), rows, cols, pitch: number(view.strides[0]!), box };
}

/** One operand of a product: a map, read as it is stored or `transposed`. */
export interface Boxed {
  readonly map: string;
  readonly transposed: boolean;
}

/** A second operand that is packed: where its words, scales and zero points are, by row, block and word of a block, and the array that codes are looked up in. */
export interface PackedOperand {
  readonly words: View;
  readonly scales: View;
  readonly zeros: View | null;
  readonly table: string | null;
  readonly how: Pick<Packed, 'bits' | 'block'>;
  readonly transposed: boolean;
}

export const isPackedOperand = (operand: Boxed | PackedOperand): operand is PackedOperand =>
  'words' in operand;

/** Tiles along a stretch of the inner dimension. */
export interface Tiles {
  readonly a: Boxed;
  readonly b: Boxed | PackedOperand;
  /** first row and column of the block's results */
  readonly row: U32;
  readonly col: U32;
  readonly inner: U32;
}

/**
 * - `ring`: makes the ring ready; all threads of a block execute it;
 * - `feed`: the first thread of a block has the copy engine load tiles, each as soon as there is room; all threads of its warpgroup write those
 *   of a packed operand, rounded to the ring's type, where the copy engine would bring them;
 * - `settle`: that thread waits until the launches before this one have ended; what is fed from then on, and what is stored of
 *   it, may be what they wrote or read. Of a launch that does not begin before they have ended it asks nothing;
 * - `drain`: warpgroups add the products of the same tiles to a register array, each as soon as it is there;
 * - `drained`: the sums may be read;
 * - `send`: results of a warpgroup are rounded and leave for their matrix, from a row and a column of the tile on; what lies
 *   outside of the matrix is left out. Registers may be written again;
 * - `sent`: all that was sent has arrived;
 * - `leave`: of a pair, both blocks are through with each other's memory; all threads of a block execute it, at the end;
 * - `registers`: a warpgroup releases registers, or takes registers that another one released.
 */
export type WarpgroupStmt =
  | { readonly s: 'ring' }
  | { readonly s: 'feed'; readonly tiles: Tiles }
  | { readonly s: 'settle' }
  | { readonly s: 'drain'; readonly tiles: Tiles; readonly acc: string }
  | { readonly s: 'drained'; readonly acc: string }
  | { readonly s: 'send'; readonly acc: string; readonly map: string; readonly row: U32; readonly col: U32 }
  | { readonly s: 'sent' }
  | { readonly s: 'leave' }
  | { readonly s: 'registers'; readonly count: number; readonly more: boolean };

const STATEMENTS: Readonly<Record<WarpgroupStmt['s'], true>> = {
  ...{ ring: true, feed: true, settle: true, drain: true, drained: true, send: true, sent: true },
  ...{ leave: true, registers: true },
};

/** Whether a statement is one of warpgroups. */
export const ofGroups = (stmt: Stmt): stmt is WarpgroupStmt => Object.hasOwn(STATEMENTS, stmt.s);

/** Bytes of workgroup memory: tiles from a multiple of TILE_ALIGNMENT on, boxes of results, and two barriers for each stage. */
export const ringBytes = ({ rows, cols, stages, sends }: RingDecl): number =>
  (stages * (rows + cols) + (sends ? 2 * rows : 0)) * BOX * 2 + stages * 16 + TILE_ALIGNMENT;

/** Rows of the boxes of an operand whose dimension other than the inner one is `outer`; of a pair, which brings it in halves. */
export const boxRows = (innerInRows: boolean, outer: number, inHalves = false): number =>
  innerInRows ? outer / (inHalves ? 2 : 1) : BOX;
