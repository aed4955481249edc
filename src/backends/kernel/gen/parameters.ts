import { blockSizes } from '../../../ir/ops/core/number-blocks.js';
import {
  add,
  type BufferParam,
  define,
  div,
  id,
  loadIndex,
  lt,
  min,
  mul,
  ref,
  type Stmt,
  type U32,
  type UniformParam,
  u32,
  uniform,
  type View,
} from '../ir/kir.js';
import type { Extent, MatrixRef, Operand, Packed } from '../model/types.js';

type Elem = BufferParam['elem'];

/**
 * Buffers and uniforms of a kernel, collected while its operands are used: first the buffers that are read, in order of
 * use, then those that are written.
 */
export class Parameters {
  /** `vectors`: buffers of floats are read and written four elements at a time, but for scales and zero points of packed matrices */
  constructor(readonly width: 'elements' | 'vectors' = 'elements') {}

  readonly #buffers = new Map<string, { elem: Elem; read: boolean; written: boolean }>();
  readonly #uniforms = new Map<string, UniformParam>();
  /** buffers of which single elements are accessed */
  readonly #singles = new Set<string>();
  /** buffers of words that are read four at a time */
  readonly #fours = new Set<string>();
  /** definitions that the operands use; they follow the definition of `row0` */
  readonly lookups: Stmt[] = [];

  reads(name: string, elem: Elem): string {
    return this.#mention(name, elem, true, false);
  }

  writes(name: string, elem: Elem): string {
    return this.#mention(name, elem, false, true);
  }

  #mention(name: string, elem: Elem, read: boolean, written: boolean): string {
    const known = this.#buffers.get(name);
    if (known && known.elem !== elem) throw new Error(`${name} is ${known.elem} and ${elem}`);
    this.#buffers.set(name, {
      elem,
      read: read || (known?.read ?? false),
      written: written || (known?.written ?? false),
    });
    return name;
  }

  /** A length: a number, or the uniform that holds it. */
  length(extent: Extent): U32 {
    if (typeof extent === 'number') return u32(extent);
    this.#uniforms.set(extent, { name: extent, type: 'u32' });
    return uniform('u32', extent);
  }

  /** Single elements of the buffer are read and written, whatever is done with the others. */
  single(name: string): void {
    this.#singles.add(name);
  }

  scalar(name: string) {
    this.#uniforms.set(name, { name, type: 'f32' });
    return uniform('f32', name);
  }

  /** The part of a stored matrix that is rows x cols (as stored), from an element on. */
  matrix(matrix: MatrixRef, rows: U32, cols: U32, shift: U32 = u32(0)): View {
    return {
      buffer: matrix.buffer,
      offset: add(u32(matrix.offset), shift),
      extents: [rows, cols],
      strides: [this.length(matrix.rowStride), u32(1)],
    };
  }

  /** The words, scales and zero points of a packed matrix, by row, block and word of a block. `fours`: words are read four at a time. */
  packed(
    { buffer, rows, cols }: MatrixRef,
    { bits, block, scales, zeros }: Packed,
    fours = false,
  ): PackedViews {
    const height = Number(rows);
    const { blocks, blockBytes, zeroBytes } = blockSizes({ in: Number(cols), bits, block });
    const words = blockBytes / 4;
    if (fours) this.#fours.add(buffer);
    const view = (name: string, elem: Elem, extents: readonly number[]): View => {
      this.reads(name, elem);
      this.single(name);
      const strides = extents.map((_, axis) =>
        extents.slice(axis + 1).reduce((all, extent) => all * extent, 1),
      );
      return { buffer: name, offset: u32(0), extents: extents.map(u32), strides: strides.map(u32) };
    };
    const zeroCols = zeros?.dtype === 'u8' ? zeroBytes : blocks;
    return {
      words: view(buffer, 'u32', [height, blocks, words]),
      scales: view(scales.buffer, scales.dtype, [height, blocks]),
      zeros: zeros && view(zeros.buffer, zeros.dtype, [height, zeroCols]),
    };
  }

  /**
   * An operand of logical size rows x cols and the way from logical to stored coordinates. `row` is any row of the
   * workgroup: with several adapters all its rows belong to one block of `rowBlock` rows.
   */
  operand({ matrix, transposed, perRowBlock }: Operand, rows: U32, cols: U32, row: U32): OrientedView {
    if (matrix.packed) throw new Error(`${matrix.buffer} is packed`);
    this.reads(matrix.buffer, matrix.dtype);
    const shift = perRowBlock
      ? mul(u32(perRowBlock.stride), this.#adapterOf(perRowBlock.table, row))
      : u32(0);
    const view = transposed ? this.matrix(matrix, cols, rows, shift) : this.matrix(matrix, rows, cols, shift);
    return { view, transposed };
  }

  /** The adapter of the workgroup's rows, looked up once; rows beyond the table are rows of padding. */
  #adapterOf(table: string, row: U32): U32 {
    const name = `adapter_in_${table}`;
    if (!this.lookups.some((stmt) => stmt.s === 'let' && stmt.name === name)) {
      this.reads(table, 'u32');
      const blocks = this.length('rowBlocks');
      const block = div(row, this.length('rowBlock'));
      const view: View = { buffer: table, offset: u32(0), extents: [blocks], strides: [u32(1)] };
      this.lookups.push(define(name, loadIndex(view, [block], lt(block, blocks))));
    }
    return ref('u32', name);
  }

  #inVectors(name: string, elem: Elem): boolean {
    if (elem === 'u32') return this.#fours.has(name);
    return this.width === 'vectors' && !this.#singles.has(name);
  }

  /** Parameters in binding order. */
  list(): { readonly buffers: readonly BufferParam[]; readonly uniforms: readonly UniformParam[] } {
    const all = [...this.#buffers].map(
      ([name, { elem, read, written }]): BufferParam => ({
        name,
        elem,
        access: read ? (written ? 'read_write' : 'read') : 'write',
        ...(this.#inVectors(name, elem) ? { vector: true } : {}),
      }),
    );
    return {
      buffers: [
        ...all.filter(({ access }) => access === 'read'),
        ...all.filter(({ access }) => access !== 'read'),
      ],
      // all kernels of a plan share one uniform buffer: each has a prefix of it
      uniforms: [...this.#uniforms.values()].sort((a, b) => rankOf(a) - rankOf(b)),
    };
  }
}

/** Order of the lengths that kernels share; others keep theirs. */
const SHARED = ['M', 'rowBlocks', 'rowBlock'];
const rankOf = ({ name }: UniformParam) => (SHARED.indexOf(name) + SHARED.length + 1) % (SHARED.length + 1);

/** A buffer as one row of `elements` elements. */
export const vectorOf = (buffer: string, elements: number): View => ({
  buffer,
  offset: u32(0),
  extents: [u32(elements)],
  strides: [u32(1)],
});

/**
 * The stretch of a segment's inner dimension that a workgroup takes of a sum in `parts`: what defines it, its first element, a multiple
 * of `least`, and the one after its last.
 */
export function partOfInner(
  parts: number,
  length: U32,
  segment: string,
  least = 1,
): { readonly share: readonly Stmt[]; readonly from: U32; readonly end: U32 } {
  if (parts === 1) return { share: [], from: u32(0), end: length };
  const own = segment === '0' ? '' : `_${segment}`;
  const [from, end] = [`part_from${own}`, `part_to${own}`];
  const share = mul(div(add(length, u32(parts * least - 1)), u32(parts * least)), u32(least));
  return {
    share: [define(from, mul(id('group', 2), share)), define(end, min(add(ref('u32', from), share), length))],
    from: ref('u32', from),
    end: ref('u32', end),
  };
}

/** Where the parts of a packed matrix are. */
export interface PackedViews {
  readonly words: View;
  readonly scales: View;
  /** null: zero is half of the range */
  readonly zeros: View | null;
}

/** A view and whether its coordinates are swapped. */
export interface OrientedView {
  readonly view: View;
  readonly transposed: boolean;
}

/** Coordinates of logical element (i, j). */
export const coordinates = ({ transposed }: OrientedView, i: U32, j: U32): readonly U32[] =>
  transposed ? [j, i] : [i, j];
