import {
  type Arithmetic,
  type Expr,
  isVector,
  type Kernel,
  type Stmt,
  type U32,
  type View,
} from '../../../src/backends/kernel/ir/kir.js';
import { collective } from '../../../src/backends/kernel/ir/subgroups.js';
import { ofGroups } from '../../../src/backends/kernel/ir/warpgroups.js';
import { fromF16, toF16 } from '../../../src/ir/half.js';
import type { Banks } from './banks.js';
import type { Buffers, Counts, Thread } from './memory.js';
import type { Stop } from './subgroups.js';
import { unitCode } from './units.js';
import { groupCode } from './warpgroups.js';

/** What an invocation does, step by step; a barrier or a sum over a subgroup lies between two steps. */
type Steps = (thread: Thread) => Generator<Stop, void>;

/** What writes the code of expressions. */
export interface Machine {
  readonly kernel: Kernel;
  readonly memory: Buffers;
  readonly counts: Counts;
  readonly banks: Banks | null;
  /** the name in the code of a function or an object */
  constant(value: object | number): string;
  /** the name of a buffer in the code */
  buffer(name: string): string;
  value(expr: Expr): string;
  /** the index of an element in its buffer, after every coordinate was checked */
  address(view: View, at: readonly U32[]): string;
}

/** The code of a kernel, given its constants. */
type Made = (constants: readonly (object | number)[]) => Steps;

/** By text: what has run many times is fast, and most kernels have the code of others. */
const MADE = new Map<string, Made>();

/**
 * The code of a kernel in JavaScript, which runs many times faster than functions for its expressions. In the code `t` is the
 * invocation, `g` its number; `v_` begins variables, `a_` arrays, `f_` fragments, `b` buffers and `k`
 * constants.
 */
export class Compiler implements Machine {
  readonly #constants: (object | number)[] = [];
  /** operations that the code counts for the block, or the part of an expression, that is being written */
  #flops = 0;

  constructor(
    readonly kernel: Kernel,
    readonly memory: Buffers,
    readonly uniforms: Readonly<Record<string, number>>,
    readonly counts: Counts,
    readonly banks: Banks | null,
  ) {}

  steps(): Steps {
    const { kernel, memory } = this;
    const body = this.#block(kernel.body);
    const counts = this.constant(this.counts);
    const buffers = kernel.buffers.map(({ name }) => this.constant(memory.of(name)));
    const own = [
      ...buffers.map((constant, at) => `const b${at} = ${constant};`),
      ...kernel.arrays.map(({ name, space }) => `const a_${name} = t.${space}.get('${name}');`),
      ...(kernel.fragments ?? []).map(({ name }) => `const f_${name} = [];`),
    ];
    const text = [
      "'use strict';",
      `const [${this.#constants.map((_, at) => `k${at}`).join(', ')}] = constants;`,
      'return function* (t) {',
      'const g = t.global, [l0, l1, l2] = t.local, [g0, g1, g2] = t.group;',
      ...own,
      'let flops = 0;',
      body,
      `${counts}.flops += flops;`,
      '};',
    ].join('\n');
    const made = MADE.get(text) ?? (new Function('constants', text) as Made);
    MADE.set(text, made);
    return made(this.#constants);
  }

  constant(value: object | number): string {
    return `k${this.#constants.push(value) - 1}`;
  }

  /** Kernels with other lengths and numbers have the same code. */
  #number(value: number): string {
    return value === 0 || value === 1 ? String(value) : this.constant(value);
  }

  #block(stmts: readonly Stmt[]): string {
    const outside = this.#flops;
    this.#flops = 0;
    const lines = stmts.map((stmt) => this.#stmt(stmt));
    const counted = this.#flops > 0 ? [`flops += ${this.#flops};`] : [];
    this.#flops = outside;
    return [...counted, ...lines].join('\n');
  }

  /** Code that may not run: it counts its operations itself. */
  #perhaps(make: () => string): string {
    const outside = this.#flops;
    this.#flops = 0;
    const code = make();
    const own = this.#flops;
    this.#flops = outside;
    return own > 0 ? `(flops += ${own}, ${code})` : code;
  }

  #stmt(stmt: Stmt): string {
    const sum = collective(stmt);
    if (sum?.e !== 'subgroupAdd') return this.#single(stmt);
    // the invocation waits for the others, and continues with the sum
    this.#flops += 1;
    const waiting = `{ value: ${this.value(sum.of)}, at: ${this.constant(stmt)} }`;
    return `t.subgroup.waiting.set(t.peer, ${waiting}); yield 'subgroup';\n${this.#single(stmt)}`;
  }

  #single(stmt: Stmt): string {
    switch (stmt.s) {
      case 'let':
      case 'var':
        return `let v_${stmt.name} = ${this.value(stmt.init)};`;
      case 'assign':
        return `v_${stmt.name} = ${this.value(stmt.value)};`;
      case 'poke': {
        const [index, value] = [this.value(stmt.index), this.value(stmt.value)];
        const array = this.#array(stmt.array);
        const put = isFour(stmt.value) ? 'write4' : 'write';
        if (!this.banks) return `${array}.${put}(${index}, ${value}, g);`;
        const touched = `${this.constant(this.banks)}.touch('${stmt.array}', at, t);`;
        return `{ const sum = ${value}, at = ${index}; ${touched} ${array}.${put}(at, sum, g); }`;
      }
      case 'store': {
        const { view, at, mask, next } = stmt;
        const buffer = this.buffer(view.buffer);
        const put = stmt.value.type === 'f32x4' ? 'write4' : 'write';
        const write = (index: string, value: Expr) => `${buffer}.${put}(${index}, ${this.value(value)}, g);`;
        const make = () => {
          const index = this.address(view, at);
          if (!next) return write(index, stmt.value);
          return `const at = ${index}; ${write('at', stmt.value)} ${write('at + 1', next)}`;
        };
        return mask ? this.#conditional(mask, make) : `{ ${make()} }`;
      }
      case 'if':
        return this.#conditional(stmt.cond, () => this.#block(stmt.body));
      case 'roles':
        return `if (l0 < ${stmt.threads}) {\n${this.#block(stmt.first)}\n} else {\n${this.#block(stmt.rest)}\n}`;
      case 'each':
        return `{\n${this.#block(stmt.body)}\n}`;
      case 'for': {
        const [from, to, step] = [stmt.from, stmt.to, stmt.step].map((part) => this.value(part));
        const at = `v_${stmt.name}`;
        return `for (let ${at} = ${from}; ${at} < ${to}; ${at} += ${step}) {\n${this.#block(stmt.body)}\n}`;
      }
      case 'barrier':
        return 'yield;';
      case 'comment':
        return '';
      default:
        return ofGroups(stmt) ? groupCode(stmt, this) : unitCode(stmt, this);
    }
  }

  #conditional(cond: Expr, make: () => string): string {
    const test = this.value(cond);
    const outside = this.#flops;
    this.#flops = 0;
    const code = make();
    const counted = this.#flops > 0 ? `flops += ${this.#flops}; ` : '';
    this.#flops = outside;
    return `if (${test}) {\n${counted}${code}\n}`;
  }

  /** A function of vectors, which makes so many operations. */
  #vectors(name: keyof typeof VECTORS, flops: number, ...given: readonly string[]): string {
    this.#flops += flops;
    return `${this.constant(VECTORS)}.${name}(${given.join(', ')})`;
  }

  #array(name: string): string {
    if (!this.kernel.arrays.some((decl) => decl.name === name))
      throw new Error(`the kernel declares no array ${name}`);
    return `a_${name}`;
  }

  buffer(name: string): string {
    const at = this.kernel.buffers.findIndex((param) => param.name === name);
    if (at < 0) throw new Error(`the kernel binds no buffer ${name}`);
    return `b${at}`;
  }

  address(view: View, at: readonly U32[]): string {
    const numbers = (list: readonly U32[]) => list.map((part) => this.value(part)).join(', ');
    const buffer = this.buffer(view.buffer);
    const offset = this.value(view.offset);
    if (at.length === 2)
      return `${buffer}.at(${[numbers(at), numbers(view.extents), numbers(view.strides), offset].join(', ')})`;
    const lists = [at, view.extents, view.strides].map((list) => `[${numbers(list)}]`);
    return `${buffer}.place(${[...lists, offset].join(', ')})`;
  }

  value(expr: Expr): string {
    switch (expr.e) {
      case 'lit':
        return isFour(expr) ? '[0, 0, 0, 0]' : this.#number(expr.value);
      case 'ref':
        return `v_${expr.name}`;
      case 'uniform': {
        const value = this.uniforms[expr.name];
        if (value === undefined) throw new Error(`no value for the uniform ${expr.name}`);
        return this.constant(value);
      }
      case 'id':
        return `${expr.of === 'local' ? 'l' : 'g'}${expr.axis}`;
      case 'bin': {
        const [a, b] = [this.value(expr.a), this.value(expr.b)];
        if (expr.type === 'f32x4') return this.#vectors(expr.op === '+' ? 'add' : 'mul', 4, a, b);
        if (expr.type !== 'f32') return WHOLE[expr.op](a, b);
        this.#flops += 1;
        return `Math.fround(${FLOAT[expr.op](a, b)})`;
      }
      case 'cmp':
        return `(${this.value(expr.a)} ${expr.op === '<' ? '<' : '==='} ${this.value(expr.b)})`;
      case 'and':
        return `(${this.value(expr.a)} && ${this.#perhaps(() => this.value(expr.b))})`;
      case 'vector':
        return `[${expr.of.map((one) => this.value(one)).join(', ')}]`;
      case 'splat':
        return this.#vectors('splat', 0, this.value(expr.of));
      case 'spread':
        return this.#vectors('splat', 0, `${this.value(expr.of)}[${expr.at}]`);
      case 'turned':
        return this.#vectors('turned', 0, this.value(expr.of));
      case 'part':
        return `${this.value(expr.of)}[${expr.at}]`;
      case 'fma':
        if (isFour(expr))
          return this.#vectors(
            expr.type === 'f32x4' ? 'fma' : 'fmaHalves',
            8,
            this.value(expr.a),
            this.value(expr.b),
            this.value(expr.c),
          );
        this.#flops += 2;
        return `Math.fround(${this.value(expr.a)} * ${this.value(expr.b)} + ${this.value(expr.c)})`;
      case 'call':
        this.#flops += 1;
        return `Math.fround(Math.${expr.fn}(${this.value(expr.of)}))`;
      case 'cast':
        if (isFour(expr)) return this.value(expr.of);
        return expr.type === 'f32'
          ? `Math.fround(${this.value(expr.of)})`
          : `(Math.trunc(${this.value(expr.of)}) >>> 0)`;
      case 'select': {
        const [first, second] = [expr.whenTrue, expr.whenFalse].map((one) =>
          this.#perhaps(() => this.value(one)),
        );
        return `(${this.value(expr.cond)} ? ${first} : ${second})`;
      }
      case 'load': {
        const four = isFour(expr);
        const get = four ? 'read4' : 'read';
        const read = () => `${this.buffer(expr.view.buffer)}.${get}(${this.address(expr.view, expr.at)}, g)`;
        const nothing = four ? '[0, 0, 0, 0]' : '0';
        return expr.mask ? `(${this.value(expr.mask)} ? ${this.#perhaps(read)} : ${nothing})` : read();
      }
      case 'peek': {
        const [index, array] = [this.value(expr.index), this.#array(expr.array)];
        const get = isFour(expr) ? 'read4' : 'read';
        if (!this.banks) return `${array}.${get}(${index}, g)`;
        return `${array}.${get}(${this.constant(this.banks)}.touch('${expr.array}', ${index}, t), g)`;
      }
      case 'subgroup':
        return { peer: 't.peer', peers: 't.subgroup.size', number: 't.subgroup.number' }[expr.of];
      case 'subgroupAdd':
        return 't.subgroup.sum';
    }
  }
}

/** Whether a value is a vector. */
const isFour = ({ type }: Expr): boolean => isVector(type);

type Four = readonly [number, number, number, number];
const four = (of: (k: number) => number): Four => [of(0), of(1), of(2), of(3)];

/** Arithmetic of vectors, number by number. */
const VECTORS = {
  turned: ([a, b, c, d]: Four): Four => [b, c, d, a],
  splat: (value: number): Four => [value, value, value, value],
  add: (a: Four, b: Four): Four => four((k) => Math.fround(a[k]! + b[k]!)),
  mul: (a: Four, b: Four): Four => four((k) => Math.fround(a[k]! * b[k]!)),
  /** rounded once; WGSL also allows a rounding of the product */
  fmaHalves: (a: Four, b: Four, c: Four): Four => four((k) => fromF16(toF16(a[k]! * b[k]! + c[k]!))),
  fma: (a: Four, b: Four, c: Four): Four => four((k) => Math.fround(a[k]! * b[k]! + c[k]!)),
} as const;

type Written = Readonly<Record<Arithmetic, (a: string, b: string) => string>>;

/** Unsigned numbers of 32 bits, as both targets compute with them. */
const WHOLE: Written = {
  '+': (a, b) => `((${a} + ${b}) >>> 0)`,
  '-': (a, b) => `((${a} - ${b}) >>> 0)`,
  '*': (a, b) => `(Math.imul(${a}, ${b}) >>> 0)`,
  '/': (a, b) => `((${a} / ${b}) >>> 0)`,
  '%': (a, b) => `((${a} % ${b}) >>> 0)`,
  min: (a, b) => `Math.min(${a}, ${b})`,
  max: (a, b) => `Math.max(${a}, ${b})`,
};

const FLOAT: Written = {
  '+': (a, b) => `${a} + ${b}`,
  '-': (a, b) => `${a} - ${b}`,
  '*': (a, b) => `${a} * ${b}`,
  '/': (a, b) => `${a} / ${b}`,
  '%': (a, b) => `${a} % ${b}`,
  min: (a, b) => `Math.min(${a}, ${b})`,
  max: (a, b) => `Math.max(${a}, ${b})`,
};
