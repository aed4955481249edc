import {
  type ArrayDecl,
  and,
  type Bool,
  bin,
  type Expr,
  type F32,
  f32,
  type Kernel,
  literalValue,
  NO_HALVES,
  ref,
  type Stmt,
  select,
  splat,
  type U32,
  u32,
  type View,
} from './kir.js';

/** Literals that replace the counters of written-out loops. */
type Known = ReadonlyMap<string, number>;

/**
 * The form that both targets print: loops marked `unroll` are written out, register arrays become named variables
 * (`acc_5`), a masked load becomes a choice between the element and 0, a masked store a guarded one. Throws a plain
 * Error where a register array is indexed by something that is not known then (verify.ts finds this first).
 *
 * A kernel for matrix units of CUDA keeps its loops and register arrays, as does one that loads eight numbers at once: a warp holds hundreds of
 * results, and only CUDA prints it, whose compiler writes out the loops that are so marked. Fragments of subgroups are numbered by literals.
 */
export function legalise(kernel: Kernel): Kernel {
  const units = kernel.fragments !== undefined && kernel.matrix === undefined;
  const whole = units || kernel.ring !== undefined || kernel.eights === true;
  const registers = new Map(
    kernel.arrays.filter(({ space }) => space === 'register').map((decl) => [decl.name, decl]),
  );
  const rewriter = new Rewriter(whole ? new Map() : registers, whole);
  const body = rewriter.block(kernel.body, new Map());
  if (whole) return { ...kernel, body };
  const zeros = [...registers].flatMap(([name, { size, vector, elem }]) =>
    Array.from(
      { length: size },
      (_, index): Stmt => ({
        s: 'var',
        name: `${name}_${index}`,
        init: !vector ? (elem === 'u32' ? u32(0) : f32(0)) : elem === 'f16' ? NO_HALVES : splat(f32(0)),
      }),
    ),
  );
  return {
    ...kernel,
    arrays: kernel.arrays.filter(({ space }) => space === 'workgroup'),
    body: [...zeros, ...body],
  };
}

class Rewriter {
  constructor(
    readonly registers: ReadonlyMap<string, ArrayDecl>,
    readonly keepLoops: boolean,
  ) {}

  block(stmts: readonly Stmt[], known: Known): Stmt[] {
    return stmts.flatMap((stmt) => this.stmt(stmt, known));
  }

  stmt(stmt: Stmt, known: Known): readonly Stmt[] {
    switch (stmt.s) {
      case 'let':
      case 'var':
        return [{ ...stmt, init: this.expr(stmt.init, known) }];
      case 'assign':
        return [{ ...stmt, value: this.expr(stmt.value, known) }];
      case 'poke': {
        const [index, value] = [this.expr(stmt.index, known), this.expr(stmt.value, known)];
        if (!this.registers.has(stmt.array)) return [{ ...stmt, index, value }];
        return [{ s: 'assign', name: this.#register(stmt.array, index), value }];
      }
      case 'store': {
        const { mask, ...bare } = stmt;
        const at = stmt.at.map((coordinate) => this.expr(coordinate, known));
        const stored: Stmt = {
          ...bare,
          at,
          view: this.#view(stmt.view, known),
          value: this.expr(stmt.value, known),
          ...(stmt.next ? { next: this.expr(stmt.next, known) } : {}),
        };
        return mask ? [{ s: 'if', cond: this.expr(mask, known), body: [stored] }] : [stored];
      }
      case 'if':
        return [{ ...stmt, cond: this.expr(stmt.cond, known), body: this.block(stmt.body, known) }];
      case 'roles':
        return [{ ...stmt, first: this.block(stmt.first, known), rest: this.block(stmt.rest, known) }];
      case 'each':
        return [{ ...stmt, body: this.block(stmt.body, known) }];
      case 'for': {
        const [from, to, step] = [stmt.from, stmt.to, stmt.step].map((bound) => this.expr(bound, known)) as [
          U32,
          U32,
          U32,
        ];
        if (!stmt.unroll || this.keepLoops)
          return [{ ...stmt, from, to, step, body: this.block(stmt.body, known) }];
        const written: Stmt[] = [];
        for (let at = constant(from); at < constant(to); at += constant(step)) {
          written.push(...this.block(stmt.body, new Map([...known, [stmt.name, at]])));
        }
        return written;
      }
      case 'fragment':
      case 'spill':
        return [{ ...stmt, index: this.expr(stmt.index, known), at: this.expr(stmt.at, known) }];
      case 'clear':
        return [{ ...stmt, index: this.expr(stmt.index, known) }];
      case 'mma': {
        const [at, aIndex, bIndex] = [stmt.at, stmt.aIndex, stmt.bIndex].map((one) => this.expr(one, known));
        return [{ ...stmt, at: at!, aIndex: aIndex!, bIndex: bIndex! }];
      }
      default:
        return [stmt];
    }
  }

  #register(array: string, index: U32): string {
    const at = literalValue(index);
    if (at === null || at >= this.registers.get(array)!.size)
      throw new Error(`${array} is indexed by what is not known`);
    return `${array}_${at}`;
  }

  #view(view: View, known: Known): View {
    return {
      ...view,
      offset: this.expr(view.offset, known),
      extents: view.extents.map((extent) => this.expr(extent, known)),
      strides: view.strides.map((stride) => this.expr(stride, known)),
    };
  }

  expr<T extends Expr>(expr: T, known: Known): T {
    return this.#expr(expr, known) as T;
  }

  #expr(expr: Expr, known: Known): Expr {
    switch (expr.e) {
      case 'ref': {
        const value = known.get(expr.name);
        return value === undefined ? expr : u32(value);
      }
      case 'bin':
        return bin(
          expr.op,
          this.expr(expr.a, known) as Expr<'u32' | 'f32' | 'f32x4'>,
          this.expr(expr.b, known) as Expr<'u32' | 'f32' | 'f32x4'>,
        );
      case 'cmp': {
        const [a, b] = [this.expr(expr.a, known), this.expr(expr.b, known)];
        const [x, y] = [literalValue(a), literalValue(b)];
        if (x === null || y === null) return { ...expr, a, b };
        return { type: 'bool', e: 'lit', value: Number(expr.op === '<' ? x < y : x === y) };
      }
      case 'and':
        return and(this.expr(expr.a, known), this.expr(expr.b, known));
      case 'fma':
        return {
          ...expr,
          a: this.expr(expr.a, known),
          b: this.expr(expr.b, known),
          c: this.expr(expr.c, known),
        };
      case 'vector': {
        const of = expr.of.map((one) => this.expr(one, known)) as [F32, F32, F32, F32];
        return { ...expr, of };
      }
      case 'splat':
        return { ...expr, of: this.expr(expr.of, known) };
      case 'part':
      case 'turned':
      case 'spread':
        return { ...expr, of: this.expr(expr.of, known) } as Expr;
      case 'call':
      case 'cast':
        return { ...expr, of: this.expr(expr.of, known) };
      case 'subgroupAdd':
        return { ...expr, of: this.expr(expr.of, known) };
      case 'select': {
        const [whenTrue, whenFalse] = [this.expr(expr.whenTrue, known), this.expr(expr.whenFalse, known)];
        return { ...expr, cond: this.expr(expr.cond, known), whenTrue, whenFalse };
      }
      case 'peek': {
        const index = this.expr(expr.index, known);
        return this.registers.has(expr.array)
          ? ref(expr.type, this.#register(expr.array, index))
          : { ...expr, index };
      }
      case 'load': {
        const { mask, ...bare } = expr;
        const at = expr.at.map((coordinate) => this.expr(coordinate, known));
        const read = { ...bare, at, view: this.#view(expr.view, known) } as Expr;
        return mask ? select(this.expr(mask, known) as Bool, read, nothing(read)) : read;
      }
      default:
        return expr;
    }
  }
}

/** What a load reads where its mask does not hold. */
function nothing({ type }: Expr): Expr {
  if (type === 'f32x4') return splat(f32(0));
  if (type === 'u32x4') return { type, e: 'lit', value: 0 };
  return type === 'f32' ? f32(0) : u32(0);
}

function constant(bound: U32): number {
  const value = literalValue(bound);
  if (value === null) throw new Error('a loop that is written out has bounds that are not literals');
  return value;
}
