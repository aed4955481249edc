import {
  type Arithmetic,
  type Expr,
  flatIndex,
  type Kernel,
  type Stmt,
  wholeArithmetic,
} from '../../../src/backends/kernel/ir/kir.js';
import { collective } from '../../../src/backends/kernel/ir/subgroups.js';
import type { Banks } from './banks.js';
import type { Buffers, Counts, Thread } from './memory.js';
import type { Stop } from './subgroups.js';
import { unitCode } from './units.js';
import { groupCode } from './warpgroups.js';

type Value = (thread: Thread) => number;
type Run = (thread: Thread) => void;
type Stepwise = (thread: Thread) => Generator<Stop, void>;
/** A statement: one that a barrier or a sum over a subgroup can interrupt, or one that runs through. */
type Code = { readonly run: Run } | { readonly steps: Stepwise };

/** A statement as steps; a barrier may lie between two of them. */
export function stepwise(code: Code): Stepwise {
  if ('steps' in code) return code.steps;
  // a kernel without barriers runs through at once
  return function* (thread) {
    code.run(thread);
    yield* [];
  };
}

/** Turns statements into closures over numbered variables. Names are unique in a kernel (verify.ts). */
export class Compiler {
  readonly #slots = new Map<string, number>();

  constructor(
    readonly kernel: Kernel,
    readonly memory: Buffers,
    readonly uniforms: Readonly<Record<string, number>>,
    readonly counts: Counts,
    readonly banks: Banks | null,
  ) {}

  get slots(): number {
    return this.#slots.size;
  }

  #slot(name: string): number {
    const known = this.#slots.get(name) ?? this.#slots.size;
    this.#slots.set(name, known);
    return known;
  }

  block(stmts: readonly Stmt[]): Code {
    const codes = stmts.map((stmt) => this.stmt(stmt));
    if (codes.every((code) => 'run' in code)) {
      const runs = codes.map(({ run }) => run);
      return {
        run: (thread) => {
          for (const run of runs) run(thread);
        },
      };
    }
    return {
      steps: function* (thread) {
        for (const code of codes) {
          if ('run' in code) code.run(thread);
          else yield* code.steps(thread);
        }
      },
    };
  }

  stmt(stmt: Stmt): Code {
    const sum = collective(stmt);
    if (sum?.e === 'subgroupAdd') return this.#together(stmt, sum);
    return this.#single(stmt);
  }

  /** Stores the value to add and waits for the other invocations; the statement then continues with the sum. */
  #together(stmt: Stmt, sum: Extract<Expr, { e: 'subgroupAdd' }>): Code {
    const { counts } = this;
    const of = this.value(sum.of);
    const taken = this.#single(stmt);
    if (!('run' in taken)) throw new Error('a sum over a subgroup is a simple statement');
    return {
      steps: function* (thread) {
        thread.subgroup.waiting.set(thread.peer, { value: of(thread), at: stmt });
        counts.flops += 1;
        yield 'subgroup';
        taken.run(thread);
      },
    };
  }

  #single(stmt: Stmt): Code {
    switch (stmt.s) {
      case 'let':
      case 'var': {
        const [slot, value] = [this.#slot(stmt.name), this.value(stmt.init)];
        return { run: (thread) => void (thread.vars[slot] = value(thread)) };
      }
      case 'assign': {
        const [slot, value] = [this.#slot(stmt.name), this.value(stmt.value)];
        return { run: (thread) => void (thread.vars[slot] = value(thread)) };
      }
      case 'poke': {
        const [index, value] = [this.value(stmt.index), this.value(stmt.value)];
        return {
          run: (thread) => {
            const sum = value(thread);
            const at = index(thread);
            this.banks?.touch(stmt.array, at, thread);
            arraysOf(thread, stmt.array).write(stmt.array, at, sum, thread);
          },
        };
      }
      case 'store': {
        const [at, value] = [this.address(stmt.view, stmt.at), this.value(stmt.value)];
        const mask = stmt.mask ? this.value(stmt.mask) : null;
        const next = stmt.next ? this.value(stmt.next) : null;
        return {
          run: (thread) => {
            if (mask && !mask(thread)) return;
            this.memory.write(stmt.view.buffer, at(thread), value(thread), thread);
            if (next) this.memory.write(stmt.view.buffer, at(thread) + 1, next(thread), thread);
          },
        };
      }
      case 'if': {
        const [cond, body] = [this.value(stmt.cond), this.block(stmt.body)];
        if ('run' in body) return { run: (thread) => void (cond(thread) && body.run(thread)) };
        return {
          steps: function* (thread) {
            if (cond(thread)) yield* body.steps(thread);
          },
        };
      }
      case 'roles': {
        const [first, rest] = [stepwise(this.block(stmt.first)), stepwise(this.block(stmt.rest))];
        return {
          steps: (thread) => (thread.local[0] < stmt.threads ? first(thread) : rest(thread)),
        };
      }
      case 'for':
        return this.#loop(stmt);
      case 'ring':
      case 'feed':
      case 'drain':
      case 'drained':
      case 'registers':
        return { run: groupCode(stmt, this) };
      case 'barrier':
        return {
          steps: function* () {
            yield;
          },
        };
      case 'comment':
        return { run: () => {} };
      default:
        return { run: unitCode(stmt, this) };
    }
  }

  #loop({ name, from, to, step, body }: Extract<Stmt, { s: 'for' }>): Code {
    const slot = this.#slot(name);
    const [first, end, by] = [this.value(from), this.value(to), this.value(step)];
    const inner = this.block(body);
    if ('run' in inner) {
      return {
        run: (thread) => {
          for (let at = first(thread); at < end(thread); at += by(thread)) {
            thread.vars[slot] = at;
            inner.run(thread);
          }
        },
      };
    }
    return {
      steps: function* (thread) {
        for (let at = first(thread); at < end(thread); at += by(thread)) {
          thread.vars[slot] = at;
          yield* inner.steps(thread);
        }
      },
    };
  }

  /** Checks every coordinate against its extent, then gives the element's index. */
  address(view: Parameters<typeof flatIndex>[0], at: Parameters<typeof flatIndex>[1]): Value {
    const flat = this.value(flatIndex(view, at));
    const coordinates = at.map((coordinate) => this.value(coordinate));
    const extents = view.extents.map((extent) => this.value(extent));
    return (thread) => {
      for (const [axis, coordinate] of coordinates.entries()) {
        const [value, extent] = [coordinate(thread), extents[axis]!(thread)];
        if (value >= extent) {
          this.memory.fault('bounds', `${view.buffer}: ${value} on axis ${axis} of ${extent}`);
        }
      }
      return flat(thread);
    };
  }

  value(expr: Expr): Value {
    switch (expr.e) {
      case 'lit':
        return () => expr.value;
      case 'ref': {
        const slot = this.#slot(expr.name);
        return (thread) => thread.vars[slot]!;
      }
      case 'uniform': {
        const value = this.uniforms[expr.name];
        if (value === undefined) throw new Error(`no value for the uniform ${expr.name}`);
        return () => value;
      }
      case 'id':
        return (thread) => thread[expr.of][expr.axis];
      case 'bin':
        return this.#arithmetic(expr.type === 'f32', expr.op, this.value(expr.a), this.value(expr.b));
      case 'cmp': {
        const [a, b] = [this.value(expr.a), this.value(expr.b)];
        return expr.op === '<' ? (t) => Number(a(t) < b(t)) : (t) => Number(a(t) === b(t));
      }
      case 'and': {
        const [a, b] = [this.value(expr.a), this.value(expr.b)];
        return (t) => (a(t) ? b(t) : 0);
      }
      case 'fma': {
        const [a, b, c] = [this.value(expr.a), this.value(expr.b), this.value(expr.c)];
        return (t) => {
          this.counts.flops += 2;
          return Math.fround(a(t) * b(t) + c(t));
        };
      }
      case 'call': {
        const of = this.value(expr.of);
        return (t) => {
          this.counts.flops += 1;
          return Math.fround(Math[expr.fn](of(t)));
        };
      }
      case 'cast': {
        const of = this.value(expr.of);
        return expr.type === 'f32' ? (t) => Math.fround(of(t)) : (t) => Math.trunc(of(t)) >>> 0;
      }
      case 'select': {
        const [cond, whenTrue, whenFalse] = [
          this.value(expr.cond),
          this.value(expr.whenTrue),
          this.value(expr.whenFalse),
        ];
        return (t) => (cond(t) ? whenTrue(t) : whenFalse(t));
      }
      case 'load': {
        const at = this.address(expr.view, expr.at);
        const mask = expr.mask ? this.value(expr.mask) : null;
        return (t) => (mask && !mask(t) ? 0 : this.memory.read(expr.view.buffer, at(t), t));
      }
      case 'peek': {
        const index = this.value(expr.index);
        return (t) => {
          const at = index(t);
          this.banks?.touch(expr.array, at, t);
          return arraysOf(t, expr.array).read(expr.array, at, t);
        };
      }
      case 'subgroup':
        return expr.of === 'peer' ? ({ peer }) => peer : ({ subgroup }) => subgroup.size;
      case 'subgroupAdd':
        return ({ subgroup }) => subgroup.sum;
    }
  }

  #arithmetic(float: boolean, op: Arithmetic, a: Value, b: Value): Value {
    if (!float) return (t) => wholeArithmetic(op, a(t), b(t));
    const apply = FLOAT[op];
    return (t) => {
      this.counts.flops += 1;
      return Math.fround(apply(a(t), b(t)));
    };
  }
}

const FLOAT: Readonly<Record<Arithmetic, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
  min: Math.min,
  max: Math.max,
};

const arraysOf = (thread: Thread, array: string) =>
  thread.shared.has(array) ? thread.shared : thread.registers;
