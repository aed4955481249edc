import { dtypeFromOnnx, isFloat } from '../../ir/dtype.js';
import type { Node, Value } from '../../ir/model.js';
import type { DeltaTerm } from '../terms.js';

/** What the reader has to know of the graph. */
export interface Leaves {
  /** the values of the factors, in the order of the delta */
  readonly factors: readonly Value[];
  readonly term: DeltaTerm;
  /** in and out of the layer */
  readonly shape: { readonly in: number; readonly out: number };
  /** the number that a stored value of one element holds; null for any other value */
  scalar(value: Value): number | null;
  /** the stored int64 numbers of a value; null when it has none */
  integers(value: Value): readonly number[] | null;
  /** x times a matrix, by a node that is not a MatMul: a convolution */
  multiplier?(node: Node, x: Value): { readonly factor: Value; readonly constants: readonly Value[] } | null;
}

/** A product of factors, and perhaps of x, that nodes compute: an einsum whose letters are numbers. */
export interface ReadTerm {
  /** axes of the value; null: an axis of extent 1. Those of x before the last are left out */
  readonly axes: readonly (number | null)[];
  /** of the factors read, by their index; a factor that is read twice is there twice */
  readonly factors: readonly { readonly factor: number; readonly axes: readonly number[] }[];
  /** the last axis of x, in its parts, where x is in the product */
  readonly x: readonly number[] | null;
  readonly scales: readonly Value[];
  /** stored numbers that nodes read on the way */
  readonly constants: readonly Value[];
}

/**
 * Reads what nodes compute from factors, and from x where it is given, back as an einsum, however its products are
 * bracketed. Returns the reason when a node is none that lowering writes.
 */
export function readTerm(value: Value, leaves: Leaves, x: Value | null = null): ReadTerm | string {
  return new Reader(leaves, x).read(value);
}

/** Whether a term that was read is the delta over the layer's factors, with x or without. */
export function isDelta({ axes, factors, x }: ReadTerm, term: DeltaTerm, withX: boolean): boolean {
  const letters = new Map<number, string>();
  const taken = new Set<string>();
  const same = (axis: number | null | undefined, letter: string): boolean => {
    if (axis === null || axis === undefined) return false;
    const held = letters.get(axis);
    if (held === undefined) {
      if (taken.has(letter)) return false;
      letters.set(axis, letter);
      taken.add(letter);
      return true;
    }
    return held === letter;
  };
  const held = term.operands.flat();
  // values repeat along a letter that no factor has: an axis of extent 1, or one of its own
  const repeats = (axis: number | null | undefined, letter: string): boolean =>
    axis === null || (axis !== undefined && !letters.has(axis) && same(axis, letter));
  const once = new Set(factors.map(({ factor }) => factor));
  if (once.size !== factors.length || factors.length !== term.operands.length) return false;
  for (const { factor, axes: own } of factors) {
    if (!term.operands[factor]!.every((letter, k) => same(own[k], letter))) return false;
  }
  const result = withX ? term.out : [...term.in, ...term.out];
  const fits = (axis: number | null | undefined, letter: string) =>
    held.includes(letter) ? same(axis, letter) : repeats(axis, letter);
  if (withX !== (x !== null) || (x !== null && x.length !== term.in.length)) return false;
  if (x?.some((axis, k) => !fits(axis, term.in[k]!))) return false;
  return axes.length === result.length && result.every((letter, k) => fits(axes[k], letter));
}

type Axis = number | null;

/** A term as it is read: the last axis of x may still be made of parts. */
type Reading = Omit<ReadTerm, 'x'> & { readonly x: number | null };

/** Nodes that one term is read through: far more than any that lotrc writes, and few enough where values depend on themselves. */
const MAX_VISITS = 1000;

class Reader {
  #next = 0;
  #visits = 0;
  /** axes that were found to be the same one */
  readonly #same = new Map<number, number>();
  /** what axes that a Reshape has made are made of */
  readonly #parts = new Map<number, readonly Axis[]>();

  constructor(
    readonly leaves: Leaves,
    readonly x: Value | null,
  ) {}

  read(value: Value): ReadTerm | string {
    const made = this.#read(value, true);
    if (typeof made === 'string') return made;
    const root = (axis: number) => this.#root(axis);
    return {
      ...made,
      axes: made.axes.flatMap((axis) => this.#partsOf(axis)),
      factors: made.factors.map(({ factor, axes }) => ({ factor, axes: axes.map(root) })),
      x: made.x === null ? null : this.#partsOf(made.x).map((axis) => axis ?? this.#fresh()),
    };
  }

  /** An axis in its parts, outer part first. */
  #partsOf(axis: Axis): readonly Axis[] {
    if (axis === null) return [null];
    const root = this.#root(axis);
    return this.#parts.get(root)?.flatMap((part) => this.#partsOf(part)) ?? [root];
  }

  #read(value: Value, whole = false): Reading | string {
    if (++this.#visits > MAX_VISITS) return `"${value.name}" is computed by more than ${MAX_VISITS} nodes`;
    if (value === this.x) {
      const axis = this.#fresh();
      return { axes: [axis], factors: [], x: axis, scales: [], constants: [] };
    }
    const factor = this.leaves.factors.indexOf(value);
    if (factor >= 0) {
      const axes = this.leaves.term.operands[factor]!.map(() => this.#fresh());
      return { axes, factors: [{ factor, axes }], x: null, scales: [], constants: [] };
    }
    const node = value.producer;
    const made = node ? this.#node(node) : null;
    if (made) return made;
    return whole && this.x
      ? `"${value.name}" is not a product with x`
      : `"${value.name}" is neither a factor nor a product of factors`;
  }

  #node(node: Node): Reading | string | null {
    const [a, b] = node.inputs;
    if (!a) return null;
    switch (node.opKey) {
      case 'Cast': {
        const to = node.attrs.get('to');
        return to?.kind === 'int' && isFloat(dtypeFromOnnx(Number(to.value))) ? this.#read(a) : null;
      }
      case 'Transpose': {
        const perm = intsOf(node, 'perm');
        return this.#through(a, ({ axes }) => (perm ?? [...axes.keys()].reverse()).map((k) => axes[k]!));
      }
      case 'Unsqueeze': {
        const places = intsOf(node, 'axes') ?? (b ? this.leaves.integers(b) : null);
        if (!places) return null;
        return this.#through(a, ({ axes }) => widened(axes, places), b ? [b] : []);
      }
      case 'Expand': {
        const wide = b ? this.leaves.integers(b) : null;
        if (!b || !wide) return null;
        return this.#through(
          a,
          ({ axes }) => axes.map((axis, k) => (axis === null && wide[k] !== 1 ? this.#fresh() : axis)),
          [b],
        );
      }
      case 'Reshape': {
        const given = b ? this.leaves.integers(b) : null;
        return b && given ? this.#matrix(a, given, b) : null;
      }
      case 'Mul': {
        if (!b) return null;
        const scale = this.leaves.factors.includes(b) || this.leaves.scalar(b) === null ? null : b;
        if (scale) return this.#with(this.#read(a), { scales: [scale] });
        return this.#both(a, b, (left, right) => this.#repeated(left, right));
      }
      case 'MatMul':
        return b ? this.#both(a, b, (left, right) => this.#product(left, right)) : null;
      case 'Gemm': {
        if (!b || node.inputs[2] || ['alpha', 'beta'].some((name) => node.attrs.has(name))) return null;
        const flip = (axes: readonly Axis[], name: string) =>
          intOf(node, name) === 0 ? axes : [...axes].reverse();
        return this.#both(a, b, (left, right) =>
          left.length === 2 && right.length === 2
            ? this.#product(flip(left, 'transA'), flip(right, 'transB'))
            : null,
        );
      }
      case 'Einsum': {
        const equation = node.attrs.get('equation');
        if (!b || equation?.kind !== 'string') return null;
        return this.#both(a, b, (left, right) =>
          this.#einsum(left, right, new TextDecoder().decode(equation.value)),
        );
      }
      default: {
        const found = this.x ? this.leaves.multiplier?.(node, this.x) : null;
        if (!found) return null;
        const product = this.#both(a, found.factor, (left, right) => this.#product(left, right));
        return this.#with(product ?? 'a convolution of no factor', { constants: found.constants });
      }
    }
  }

  #through(
    value: Value,
    axesOf: (read: Reading) => readonly Axis[],
    constants: readonly Value[] = [],
  ): Reading | string {
    const read = this.#read(value);
    if (typeof read === 'string') return read;
    return this.#with({ ...read, axes: axesOf(read) }, { constants });
  }

  #with(
    read: Reading | string,
    {
      scales = [],
      constants = [],
    }: { readonly scales?: readonly Value[]; readonly constants?: readonly Value[] },
  ): Reading | string {
    if (typeof read === 'string') return read;
    return { ...read, scales: [...read.scales, ...scales], constants: [...read.constants, ...constants] };
  }

  #both(
    a: Value,
    b: Value,
    axesOf: (left: readonly Axis[], right: readonly Axis[]) => readonly Axis[] | null,
  ): Reading | string | null {
    const [left, right] = [this.#read(a), this.#read(b)];
    if (typeof left === 'string') return left;
    if (typeof right === 'string') return right;
    if (left.x !== null && right.x !== null) return null;
    const axes = axesOf(left.axes, right.axes);
    if (!axes) return null;
    return {
      axes,
      factors: [...left.factors, ...right.factors],
      x: left.x ?? right.x,
      scales: [...left.scales, ...right.scales],
      constants: [...left.constants, ...right.constants],
    };
  }

  /** A value whose last axes become one, and its first ones too where it has those of the layer's inputs. */
  #matrix(value: Value, given: readonly number[], shape: Value): Reading | string | null {
    const { term, shape: layer } = this.leaves;
    const [rows, columns, ...more] = given;
    const whole = rows === layer.in;
    if (columns !== layer.out || (rows !== 0 && !whole) || more.length > 0) return null;
    const read = this.#read(value);
    if (typeof read === 'string') return read;
    const at = read.axes.length - term.out.length;
    if (at !== (whole ? term.in.length : 1)) return null;
    const axes = [read.axes.slice(0, at), read.axes.slice(at)].map((parts) => this.#joined(parts));
    return this.#with({ ...read, axes }, { constants: [shape] });
  }

  #joined(parts: readonly Axis[]): Axis {
    if (parts.length === 1) return parts[0]!;
    const axis = this.#fresh();
    this.#parts.set(axis, parts);
    return axis;
  }

  /** Axes of a product of matrices; a vector is a row on the left and a column on the right. */
  #product(left: readonly Axis[], right: readonly Axis[]): readonly Axis[] | null {
    if (left.length === 0 || right.length === 0 || left.length > 2 || right.length > 2) return null;
    if (!this.#unite(left.at(-1)!, right[0]!)) return null;
    return [...left.slice(0, -1), ...right.slice(1)];
  }

  /** Axes of a product number by number, aligned at the end. */
  #repeated(left: readonly Axis[], right: readonly Axis[]): readonly Axis[] | null {
    const rank = Math.max(left.length, right.length);
    const axes: Axis[] = [];
    for (let k = 0; k < rank; k++) {
      const [a, b] = [left[k - rank + left.length] ?? null, right[k - rank + right.length] ?? null];
      if (a !== null && b !== null && !this.#unite(a, b)) return null;
      axes.push(a ?? b);
    }
    return axes;
  }

  #einsum(left: readonly Axis[], right: readonly Axis[], equation: string): readonly Axis[] | null {
    const [operands, result] = equation.split('->');
    const [a, b] = (operands ?? '').split(',');
    if (a?.length !== left.length || b?.length !== right.length || result === undefined) return null;
    const letters = new Map<string, Axis>();
    for (const [k, letter] of [...a, ...b].entries()) {
      const axis = [...left, ...right][k]!;
      const held = letters.get(letter);
      if (held !== undefined && !this.#unite(held, axis)) return null;
      letters.set(letter, axis);
    }
    return [...result].map((letter) => letters.get(letter) ?? null);
  }

  #fresh(): number {
    return this.#next++;
  }

  #root(axis: number): number {
    let at = axis;
    for (let next = this.#same.get(at); next !== undefined; next = this.#same.get(at)) at = next;
    return at;
  }

  #unite(a: Axis, b: Axis): boolean {
    if (a === null || b === null) return false;
    const [left, right] = [this.#root(a), this.#root(b)];
    // what is made of parts stays the root
    const [from, to] = this.#parts.has(left) ? [right, left] : [left, right];
    if (from !== to && this.#parts.has(from)) return false;
    if (from !== to) this.#same.set(from, to);
    return true;
  }
}

function widened(axes: readonly Axis[], places: readonly number[]): readonly Axis[] {
  const rank = axes.length + places.length;
  const at = new Set(places.map((place) => (place < 0 ? place + rank : place)));
  const rest = [...axes];
  return Array.from({ length: rank }, (_, k) => (at.has(k) ? null : (rest.shift() ?? null)));
}

function intsOf(node: Node, name: string): readonly number[] | null {
  const attr = node.attrs.get(name);
  return attr?.kind === 'ints' ? attr.value.map(Number) : null;
}

function intOf(node: Node, name: string): number {
  const attr = node.attrs.get(name);
  return attr?.kind === 'int' ? Number(attr.value) : 0;
}
