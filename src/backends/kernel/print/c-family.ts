import {
  type Expr,
  flatIndex,
  isVector,
  type KType,
  quarter,
  type Stmt,
  type U32,
  type View,
} from '../ir/kir.js';
import type { UnitStmt } from '../ir/units.js';
import { ofGroups, type WarpgroupStmt } from '../ir/warpgroups.js';

/** What is written differently in WGSL and CUDA. */
export interface Spelling {
  literal(type: KType, value: number): string;
  type(type: KType): string;
  id(of: 'local' | 'group', axis: 0 | 1 | 2): string;
  uniform(name: string): string;
  fma(a: string, b: string, c: string): string;
  call(fn: string, of: string): string;
  minMax(op: 'min' | 'max', type: KType, a: string, b: string): string;
  /** one of two values; both can be evaluated whatever the condition is */
  select(cond: string, whenTrue: string, whenFalse: string): string;
  read(buffer: string, index: string): string;
  /** an element of an array */
  peek(array: string, index: string, type: KType): string;
  /** a vector of four numbers, or of one number four times */
  vector(of: readonly string[]): string;
  /** four words, each in the place before its own */
  turned(of: string): string;
  /** a vector of halves that are all one */
  halves(of: string): string;
  /** writes an element, or a pair from an even place on */
  write(buffer: string, index: string, value: string, next?: string): string;
  declare(kind: 'let' | 'var', type: KType, name: string, init: string): string;
  /** writes an element of an array */
  poke(array: string, index: string, value: string, type: KType): string;
  /** number of an invocation in its subgroup, how many there are, or number of the subgroup in its workgroup */
  subgroup(of: 'peer' | 'peers' | 'number'): string;
  subgroupAdd(of: string): string;
  /** a statement of matrix units; refused where the language has none */
  unit(stmt: UnitStmt, text: (expr: Expr) => string): string;
  /** a statement of warpgroups; likewise */
  group(stmt: WarpgroupStmt, text: (expr: Expr) => string): string;
  /** line before a loop that the compiler has to write out */
  readonly unroll: string;
  /** line before a loop that the compiler must not write out */
  readonly rolled?: string;
  readonly counter: string;
  /** the head of a loop over the tiles of a block */
  readonly each: readonly string[];
  readonly barrier: string;
}

const PRECEDENCE: Readonly<Record<string, number>> = {
  '*': 6,
  '/': 6,
  '%': 6,
  '+': 5,
  '-': 5,
  '<': 4,
  '==': 3,
  '&&': 2,
};
const ATOM = 9;

type Text = readonly [text: string, precedence: number];

/** Expressions and statements of the C family, two spaces per level; both targets differ only in their `Spelling`. */
export class CFamily {
  constructor(readonly spelling: Spelling) {}

  block(stmts: readonly Stmt[], depth: number): string[] {
    return stmts.flatMap((stmt) => this.#stmt(stmt, '  '.repeat(depth), depth));
  }

  #stmt(stmt: Stmt, indent: string, depth: number): string[] {
    const { spelling } = this;
    switch (stmt.s) {
      case 'comment':
        return [`${indent}// ${stmt.text}`];
      case 'barrier':
        return [`${indent}${spelling.barrier}`];
      case 'let':
      case 'var':
        return [`${indent}${spelling.declare(stmt.s, stmt.init.type, stmt.name, this.text(stmt.init))}`];
      case 'assign':
        return [`${indent}${stmt.name} = ${this.text(stmt.value)};`];
      case 'poke':
        return [
          `${indent}${spelling.poke(stmt.array, this.text(stmt.index), this.text(stmt.value), stmt.value.type)}`,
        ];
      case 'store': {
        const at = this.#index(stmt.view, stmt.at, stmt.value);
        const values = [this.text(stmt.value), ...(stmt.next ? [this.text(stmt.next)] : [])];
        return [`${indent}${spelling.write(stmt.view.buffer, at, ...(values as [string, string?]))}`];
      }
      case 'if':
        return [`${indent}if (${this.text(stmt.cond)}) {`, ...this.block(stmt.body, depth + 1), `${indent}}`];
      case 'roles': {
        const first = `${spelling.id('local', 0)} < ${spelling.literal('u32', stmt.threads)}`;
        const inner = (body: readonly Stmt[]) => this.block(body, depth + 1);
        return [
          `${indent}if (${first}) {`,
          ...inner(stmt.first),
          `${indent}} else {`,
          ...inner(stmt.rest),
          `${indent}}`,
        ];
      }
      case 'each':
        return [
          ...spelling.each.map((line) => `${indent}${line}`),
          ...this.block(stmt.body, depth + 1),
          `${indent}}`,
        ];
      case 'for': {
        const { name } = stmt;
        const head = `${spelling.counter} ${name} = ${this.text(stmt.from)}; ${name} < ${this.#part(stmt.to, 5)}; ${name} += ${this.text(stmt.step)}`;
        const loop = [`${indent}for (${head}) {`, ...this.block(stmt.body, depth + 1), `${indent}}`];
        const how = stmt.unroll ? spelling.unroll : spelling.rolled;
        return how === undefined ? loop : [`${indent}${how}`, ...loop];
      }
      default:
        if (ofGroups(stmt)) return [`${indent}${spelling.group(stmt, (expr) => this.text(expr))}`];
        return [`${indent}${spelling.unit(stmt, (expr) => this.text(expr))}`];
    }
  }

  /** The place of an element, or of a vector, in its buffer. */
  #index(view: View, at: readonly U32[], { type }: Expr): string {
    const index = flatIndex(view, at);
    return this.text(isVector(type) ? quarter(index) : index);
  }

  text(expr: Expr): string {
    return this.#text(expr)[0];
  }

  /** The expression as an operand: in parentheses when it binds less than `precedence`. */
  #part(expr: Expr, precedence: number): string {
    const [text, own] = this.#text(expr);
    return own < precedence ? `(${text})` : text;
  }

  #text(expr: Expr): Text {
    const { spelling } = this;
    switch (expr.e) {
      case 'lit':
        return [spelling.literal(expr.type, expr.value), ATOM];
      case 'ref':
        return [expr.name, ATOM];
      case 'uniform':
        return [spelling.uniform(expr.name), ATOM];
      case 'id':
        return [spelling.id(expr.of, expr.axis), ATOM];
      case 'bin':
        if (expr.op === 'min' || expr.op === 'max') {
          return [spelling.minMax(expr.op, expr.type, this.text(expr.a), this.text(expr.b)), ATOM];
        }
        return this.#infix(expr.op, expr.a, expr.b);
      case 'cmp':
        return this.#infix(expr.op, expr.a, expr.b);
      case 'and':
        return this.#infix('&&', expr.a, expr.b);
      case 'fma':
        return [spelling.fma(this.text(expr.a), this.text(expr.b), this.text(expr.c)), ATOM];
      case 'call':
        return [spelling.call(expr.fn, this.text(expr.of)), ATOM];
      case 'cast':
        return [`${spelling.type(expr.type)}(${this.text(expr.of)})`, ATOM];
      case 'select':
        return [
          spelling.select(this.text(expr.cond), this.text(expr.whenTrue), this.text(expr.whenFalse)),
          ATOM,
        ];
      case 'load':
        return [spelling.read(expr.view.buffer, this.#index(expr.view, expr.at, expr)), ATOM];
      case 'peek':
        return [spelling.peek(expr.array, this.text(expr.index), expr.type), ATOM];
      case 'vector':
        return [spelling.vector(expr.of.map((one) => this.text(one))), ATOM];
      case 'splat':
        return [spelling.vector([this.text(expr.of)]), ATOM];
      case 'part':
        return [`${this.#part(expr.of, ATOM)}.${'xyzw'[expr.at]}`, ATOM];
      case 'turned':
        return [spelling.turned(this.#part(expr.of, ATOM)), ATOM];
      case 'spread':
        return [spelling.halves(`${this.#part(expr.of, ATOM)}.${'xyzw'[expr.at]}`), ATOM];
      case 'subgroup':
        return [spelling.subgroup(expr.of), PRECEDENCE['%']!];
      case 'subgroupAdd':
        return [spelling.subgroupAdd(this.text(expr.of)), ATOM];
    }
  }

  #infix(op: string, a: Expr, b: Expr): Text {
    const own = PRECEDENCE[op]!;
    // whole numbers add up the same in any order
    const right = op === '+' && a.type === 'u32' ? own : own + 1;
    return [`${this.#part(a, own)} ${op} ${this.#part(b, right)}`, own];
  }
}
