import type { Diagnostic } from '../../../ir/diagnostics.js';
import { brokenRule } from '../../codes/kernel-ir.js';
import type { DeviceProfile } from '../model/types.js';
import {
  type Expr,
  isVector,
  type Kernel,
  type KType,
  neighbour,
  operands,
  ref,
  type Stmt,
  type U32,
  u32,
  type View,
} from './kir.js';
import {
  conjuncts,
  isBelow,
  isConstant,
  isMultiple,
  isRun,
  isUniform,
  type NameFact,
  rangeOf,
} from './ranges.js';
import { collective } from './subgroups.js';
import type { UnitStmt } from './units.js';
import { beyond } from './verify-device.js';
import { WorkgroupOrder } from './verify-order.js';
import { type UnitScope, verifyUnit } from './verify-units.js';
import { type ThreadRole, verifyGroup, verifyRoles } from './verify-warpgroups.js';
import { ofGroups, type WarpgroupStmt } from './warpgroups.js';

/**
 * Rules, each named in the diagnostic of a kernel that breaks it:
 *  - defined: a name is defined before it is used, once in its scope, does not hide another name, and is not the name
 *    of a parameter; a buffer, array or uniform is declared; only a `var` is assigned;
 *  - in range: every coordinate of an access is below its extent by interval arithmetic, or by a condition of the mask,
 *    of an enclosing `if` or of an enclosing loop; every index of an array is below its size likewise;
 *  - access: a read-only buffer is not stored to, a write-only buffer is not loaded from;
 *  - barrier: all invocations of a workgroup reach a barrier, through loops and branches that all take alike;
 *  - order: workgroup memory is written, then a barrier, then read, then a barrier before it is written again;
 *  - pair: two elements that are written at once lie side by side from an even place on;
 *  - vector: so do four, from a multiple of four on, in rows that are multiples of four long; a buffer or an array is accessed in vectors,
 *    or element by element;
 *  - half: halves are of arrays of float16, and are written to such;
 *  - word: words of packed numbers are of arrays of u32, and nothing else is;
 *  - constant index: register arrays are indexed by numbers once loops are written out;
 *  - subgroup: a subgroup operation is the whole value of a variable or an element, of f32 where it is a sum, and all
 *    invocations of a workgroup execute it;
 *  - matrix unit, copy, eight, packed: see verify-units.ts; warpgroup: see verify-warpgroups.ts.
 * LOTR6102, for a device: workgroup memory, invocations, bound buffers, subgroups.
 */
export function verifyKernel(kernel: Kernel, device?: DeviceProfile): readonly Diagnostic[] {
  const found = new Verifier(kernel).run();
  return device ? [...found, ...beyond(kernel, device)] : found;
}

class Verifier {
  readonly #found: Diagnostic[] = [];
  readonly #facts = new Map<string, NameFact>();
  readonly #variables = new Set<string>();
  readonly #order: WorkgroupOrder;
  readonly #conditions: Expr[] = [];
  #uniformFlow = true;
  #role: ThreadRole = 'all';
  #direct = false;
  /** the subgroup operation of the current statement */
  #own: Expr | null = null;

  constructor(readonly kernel: Kernel) {
    this.#order = new WorkgroupOrder(kernel.arrays, (where) => this.#broken('order', where));
  }

  run(): readonly Diagnostic[] {
    for (const { name } of this.#declared()) {
      if (!/^[A-Za-z][A-Za-z0-9_]*$/.test(name)) this.#broken('defined', `"${name}" is not a valid name`);
    }
    this.#block(this.kernel.body);
    const seen = new Set<string>();
    return this.#found.filter(({ message }) => !seen.has(message) && seen.add(message));
  }

  #declared() {
    const { buffers, uniforms, arrays } = this.kernel;
    return [...buffers, ...uniforms, ...arrays];
  }

  #broken(rule: string, where: string): void {
    this.#found.push(brokenRule({ kernel: this.kernel.name, rule, where }));
  }

  /** A scope: its definitions end with it. */
  #block(stmts: readonly Stmt[]): void {
    const outer = new Map(this.#facts);
    const own = new Set<string>();
    for (const stmt of stmts) {
      if (stmt.s === 'let' || stmt.s === 'var') {
        if (this.#declared().some(({ name }) => name === stmt.name)) {
          this.#broken('defined', `${stmt.name} is a parameter and a variable`);
        }
        if (own.has(stmt.name)) this.#broken('defined', `${stmt.name} is defined twice`);
        else if (this.#facts.has(stmt.name)) this.#broken('defined', `${stmt.name} hides another`);
        own.add(stmt.name);
      }
      this.#stmt(stmt);
    }
    this.#facts.clear();
    for (const [name, fact] of outer) this.#facts.set(name, fact);
  }

  #stmt(stmt: Stmt): void {
    this.#own = collective(stmt);
    switch (stmt.s) {
      case 'let':
      case 'var': {
        this.#expr(stmt.init);
        const { type } = stmt.init;
        if (stmt.s === 'var') this.#variables.add(stmt.name);
        this.#facts.set(
          stmt.name,
          stmt.s === 'var'
            ? { type, uniform: false, constant: false }
            : { type, init: stmt.init, uniform: isUniform(stmt.init, this.#facts), constant: false },
        );
        return;
      }
      case 'assign':
        this.#expr(stmt.value);
        if (!this.#variables.has(stmt.name) || !this.#facts.has(stmt.name)) {
          this.#broken('defined', `${stmt.name} is not a variable`);
        }
        return;
      case 'poke':
        this.#expr(stmt.value);
        this.#element(stmt.array, stmt.index, stmt.value, stmt.value.type);
        return;
      case 'store':
        this.#expr(stmt.value);
        if (stmt.mask) this.#expr(stmt.mask);
        this.#access(stmt.view, stmt.at, conjuncts(stmt.mask), 'write', isVector(stmt.value.type));
        if (stmt.next) this.#pair(stmt, stmt.next);
        return;
      case 'if':
        this.#expr(stmt.cond);
        this.#within(conjuncts(stmt.cond), isUniform(stmt.cond, this.#facts), () => this.#branch(stmt.body));
        return;
      case 'for':
        this.#loop(stmt);
        return;
      case 'barrier':
        if (!this.#uniformFlow) this.#broken('barrier', 'a barrier that some invocations may not reach');
        this.#order.barrier();
        return;
      case 'comment':
        return;
      case 'roles':
        this.#roles(stmt);
        return;
      case 'each':
        if (!this.#direct) this.#broken('warpgroup', 'tiles that not all threads of a role reach');
        this.#block(stmt.body);
        return;
      default:
        if (ofGroups(stmt)) this.#group(stmt);
        else this.#unit(stmt);
    }
  }

  #roles(stmt: Extract<Stmt, { s: 'roles' }>): void {
    verifyRoles(stmt, {
      kernel: this.kernel,
      uniformFlow: this.#uniformFlow,
      role: this.#role,
      broken: (rule, where) => this.#broken(rule, where),
    });
    for (const role of ['first', 'rest'] as const) {
      this.#within([], false, () => {
        [this.#role, this.#direct] = [role, true];
        this.#block(stmt[role]);
        [this.#role, this.#direct] = ['all', false];
      });
    }
  }

  #group(stmt: WarpgroupStmt): void {
    verifyGroup(stmt, {
      kernel: this.kernel,
      facts: this.#facts,
      uniformFlow: this.#uniformFlow,
      role: this.#role,
      direct: this.#direct,
      broken: (rule, where) => this.#broken(rule, where),
      expr: (expr) => this.#expr(expr),
    });
  }

  /** Statements of matrix units and copies: the accesses they make, then their own rules. */
  #unit(stmt: UnitStmt): void {
    const scope: UnitScope = {
      kernel: this.kernel,
      facts: this.#facts,
      uniformFlow: this.#uniformFlow,
      broken: (rule, where) => this.#broken(rule, where),
      expr: (expr) => this.#expr(expr),
      below: (index, extent) => this.#below(index, extent, []),
      access: (view, at, mask, kind = 'read') => this.#access(view, at, mask, kind),
      reads: (array) => this.#order.reads(array),
      writes: (array) => this.#order.writes(array),
      copies: (array) => this.#order.writes(array, 'copying'),
      arrive: () => this.#order.arrive(),
    };
    verifyUnit(stmt, scope);
  }

  #within(conditions: readonly Expr[], uniform: boolean, body: () => void): void {
    const [count, flow, direct] = [this.#conditions.length, this.#uniformFlow, this.#direct];
    this.#conditions.push(...conditions);
    this.#uniformFlow = flow && uniform;
    this.#direct = false;
    body();
    this.#conditions.length = count;
    this.#uniformFlow = flow;
    this.#direct = direct;
  }

  /** Statements that all invocations may skip: the state after them is used only where it held before them too. */
  #branch(stmts: readonly Stmt[]): void {
    const forget = this.#order.unwritten();
    this.#block(stmts);
    if (stmts.some(hasBarrier)) forget();
  }

  #loop({ name, from, to, step, unroll, body }: Extract<Stmt, { s: 'for' }>): void {
    for (const bound of [from, to, step]) this.#expr(bound);
    const uniform = [from, to, step].every((bound) => isUniform(bound, this.#facts));
    const range = (bound: U32) => rangeOf(bound, this.#facts, this.kernel.workgroup);
    if (this.#facts.has(name) || this.#declared().some((declared) => declared.name === name)) {
      this.#broken('defined', `the counter ${name} hides another`);
    }
    this.#facts.set(name, {
      type: 'u32',
      range: { low: range(from).low, high: range(to).high - 1 },
      uniform,
      constant: unroll,
      ...(from.e === 'lit' && step.e === 'lit' ? { multipleOf: common(from.value, step.value) } : {}),
    });
    // after a loop that certainly runs, the state is that after its body
    const runs = from.e === 'lit' && to.e === 'lit' && from.value < to.value;
    this.#within([{ type: 'bool', e: 'cmp', op: '<', a: ref('u32', name), b: to }], uniform, () => {
      // the second time, the body starts with the state at its end
      if (runs) this.#block(body);
      else this.#branch(body);
      if (body.some(hasBarrier)) this.#branch(body);
    });
    this.#facts.delete(name);
  }

  #expr(expr: Expr): void {
    for (const part of operands(expr)) this.#expr(part);
    switch (expr.e) {
      case 'ref':
        if (!this.#facts.has(expr.name)) this.#broken('defined', `${expr.name} is used before it is defined`);
        return;
      case 'uniform':
        if (!this.kernel.uniforms.some(({ name }) => name === expr.name)) {
          this.#broken('defined', `there is no uniform ${expr.name}`);
        }
        return;
      case 'load':
        this.#access(expr.view, expr.at, conjuncts(expr.mask), 'read', isVector(expr.type));
        return;
      case 'peek':
        this.#element(expr.array, expr.index, null, expr.type);
        return;
      case 'subgroup':
      case 'subgroupAdd':
        this.#together(expr);
        return;
      default:
        return;
    }
  }

  #together(expr: Extract<Expr, { e: 'subgroup' | 'subgroupAdd' }>): void {
    if (!this.#uniformFlow) this.#broken('subgroup', `a ${expr.e} that some invocations may not reach`);
    if (expr !== this.#own) this.#broken('subgroup', `a ${expr.e} is part of an expression`);
    if (expr.e === 'subgroupAdd' && expr.of.type !== 'f32')
      this.#broken('subgroup', `a sum over a subgroup of ${expr.of.type}`);
  }

  #access(
    view: View,
    at: readonly U32[],
    mask: readonly Expr[],
    kind: 'read' | 'write',
    vector = false,
  ): void {
    const buffer = this.kernel.buffers.find(({ name }) => name === view.buffer);
    if (!buffer) {
      this.#broken('defined', `there is no buffer ${view.buffer}`);
      return;
    }
    if (buffer.mapped) this.#broken('access', `${view.buffer} is reached through maps only`);
    if (buffer.access !== kind && buffer.access !== 'read_write') {
      this.#broken('access', `${view.buffer} is bound for ${buffer.access} only`);
    }
    this.#vector(view, at, buffer.vector ?? false, vector);
    if (kind === 'write') for (const coordinate of at) this.#expr(coordinate);
    for (const [axis, coordinate] of at.entries()) {
      if (!this.#below(coordinate, view.extents[axis]!, mask)) {
        this.#broken('in range', `axis ${axis} of ${view.buffer} is neither bounded nor masked`);
      }
    }
  }

  /** `four`: the buffer is of vectors; `vector`: one of them is accessed. */
  #vector(view: View, at: readonly U32[], four: boolean, vector: boolean): void {
    if (four !== vector) this.#broken('vector', `${view.buffer} is ${four ? '' : 'not '}of vectors`);
    if (!vector) return;
    const lies = isRun(view, at, 4, this.#facts) && isMultiple(view.extents.at(-1)!, 4, this.#facts);
    if (!lies) this.#broken('vector', `four elements of ${view.buffer} may not lie together`);
  }

  #pair({ view, at }: Extract<Stmt, { s: 'store' }>, next: Expr): void {
    this.#expr(next);
    this.#access(view, neighbour(at), [], 'write');
    if (!isRun(view, at, 2, this.#facts))
      this.#broken('pair', `two elements of ${view.buffer} may not lie together`);
  }

  #below(coordinate: U32, extent: U32, mask: readonly Expr[]): boolean {
    if (this.#varies(extent)) return false;
    // conditions on an assigned variable may no longer hold
    const conditions = [...this.#conditions, ...mask].filter((condition) => !this.#varies(condition));
    return isBelow(coordinate, extent, conditions, this.#facts, this.kernel.workgroup);
  }

  #varies(expr: Expr): boolean {
    return expr.e === 'ref'
      ? this.#variables.has(expr.name)
      : operands(expr).some((part) => this.#varies(part));
  }

  /** An element that is written, or read where no value is given. */
  #element(name: string, index: U32, value: Expr | null, type: KType): void {
    const vector = isVector(type);
    if (value) this.#expr(index);
    const array = this.kernel.arrays.find((decl) => decl.name === name);
    if (!array) {
      this.#broken('defined', `there is no array ${name}`);
      return;
    }
    if ((array.vector ?? false) !== vector)
      this.#broken('vector', `${name} is ${array.vector ? '' : 'not '}of vectors`);
    if (type === 'f16x4' && array.elem !== 'f16') this.#broken('half', `${name} is not of float16`);
    if ((type === 'u32') !== (array.elem === 'u32'))
      this.#broken('word', `${name} is ${array.elem === 'u32' ? '' : 'not '}of words`);
    if (!this.#below(index, u32(array.size), []))
      this.#broken('in range', `an index of ${name}, of ${array.size}`);
    if (array.space === 'register') {
      if (!isConstant(index, this.#facts)) this.#broken('constant index', `${name} is indexed by a variable`);
      return;
    }
    if (value) this.#order.writes(array);
    else this.#order.reads(array);
  }
}

/** Greatest common divisor. */
const common = (a: number, b: number): number => (b === 0 ? a : common(b, a % b));

function hasBarrier(stmt: Stmt): boolean {
  if (stmt.s === 'barrier') return true;
  if (stmt.s === 'roles') return [...stmt.first, ...stmt.rest].some(hasBarrier);
  return (stmt.s === 'if' || stmt.s === 'for' || stmt.s === 'each') && stmt.body.some(hasBarrier);
}
