import { SUBGROUP } from '../device/subgroup-matrices.js';
import { type ArrayDecl, add, type Expr, type Kernel, type U32, u32, type View } from './kir.js';
import { conjuncts, type Facts, isConstant, isMultiple, isWarpUniform } from './ranges.js';
import { elementOf, type FragmentDecl, fragmentReach, UNIT, UNIT_RESULTS, type UnitStmt } from './units.js';

/** What the checks of a statement need from the verifier. */
export interface UnitScope {
  readonly kernel: Kernel;
  readonly facts: Facts;
  readonly uniformFlow: boolean;
  broken(rule: string, where: string): void;
  /** checks an expression that is only evaluated */
  expr(expr: Expr): void;
  below(index: U32, extent: U32): boolean;
  access(view: View, at: readonly U32[], mask: readonly Expr[], kind?: 'read' | 'write'): void;
  reads(array: ArrayDecl): void;
  copies(array: ArrayDecl): void;
  writes(array: ArrayDecl): void;
  /** copies may have arrived */
  arrive(): void;
}

/**
 * Rules of matrix units and copies:
 *  - matrix unit: all threads of a workgroup execute it; fragments are declared, of the right part, type and number;
 *    the place of a tile is the same for a warp and its elements lie in the array; results are numbered by constants; of a subgroup, all
 *    fragments are of the matrix that the kernel says, and the invocations of the workgroup are whole subgroups;
 *  - copy: 16 bytes of one type, whose ends lie on multiples of 16 bytes provably, wholly inside or wholly outside;
 *  - eight: as many numbers lie together at a multiple of eight provably, wholly inside or wholly outside;
 *  - take and put: four numbers lie at a multiple of 16 bytes, and go to, or come from, a register array that is indexed by constants;
 *  - packed: words that are loaded at once lie together at a multiple of their size, and what they are unpacked to lies in the array
 *    at multiples of 16 bytes, or of all numbers of a word.
 */
export function verifyUnit(stmt: UnitStmt, scope: UnitScope): void {
  const alone = ['copy', 'fetch', 'unpack', 'load8', 'store8', 'take', 'put'].includes(stmt.s);
  if (!alone && !scope.uniformFlow)
    scope.broken('matrix unit', `a ${stmt.s} that some invocations may not reach`);
  switch (stmt.s) {
    case 'fragment':
      fragment(stmt, scope);
      return;
    case 'mma':
      multiply(stmt, scope);
      return;
    case 'spill':
      spill(stmt, scope);
      return;
    case 'clear':
      scope.expr(stmt.index);
      sums(stmt.fragment, stmt.index, scope);
      return;
    case 'copy':
      copy(stmt, scope);
      return;
    case 'fetch':
      fetch(stmt, scope);
      return;
    case 'unpack':
      unpack(stmt, scope);
      return;
    case 'load8':
    case 'store8':
      eight(stmt, scope);
      return;
    case 'take':
    case 'put': {
      const array = four(stmt, stmt.s === 'take' ? stmt.to : stmt.from, scope);
      if (array) scope[stmt.s === 'take' ? 'reads' : 'writes'](array);
      return;
    }
    case 'commit':
      return;
    case 'wait':
      scope.arrive();
      return;
  }
}

function fragment(stmt: Extract<UnitStmt, { s: 'fragment' }>, scope: UnitScope): void {
  for (const part of [stmt.index, stmt.at]) scope.expr(part);
  const decl = numbered(stmt.fragment, stmt.index, scope);
  const tile = workgroupArray(stmt.tile, scope);
  if (!decl || !tile) return;
  const elem = elementOf(decl.type);
  const { matrix } = scope.kernel;
  if (matrix && (decl.part === 'sum' || decl.type !== matrix.type))
    scope.broken('matrix unit', `${decl.name} is not an operand in ${matrix.type}`);
  // units of CUDA load rows of 16 bytes, but for f32; those of devices of WebGPU may
  place(decl, tile, stmt, elem === 'f32' ? (matrix ? 4 : 1) : 8, scope);
  if (stmt.pair && (decl.part !== 'b' || elem === 'f32' || matrix))
    scope.broken('matrix unit', `${decl.name} is not loaded in pairs`);
  if (stmt.pair && !scope.below(add(stmt.index, u32(1)), u32(decl.count)))
    scope.broken('in range', `a number of ${decl.name}, of ${decl.count}`);
  const next = stmt.pair ? UNIT.cols * (stmt.transposed ? stmt.stride : 1) : 0;
  const last = add(stmt.at, u32(next + fragmentReach(decl, matrix, stmt.stride, stmt.transposed)));
  if (!scope.below(last, u32(tile.size)))
    scope.broken('in range', `${decl.name} reaches beyond ${tile.name}, of ${tile.size}`);
  scope.reads(tile);
}

/** Where a fragment lies in a tile: of its type, at one place for a warp, in rows that begin at multiples of `rows` elements. */
function place(
  { name, type }: FragmentDecl,
  tile: ArrayDecl,
  { at, stride }: { readonly at: U32; readonly stride: number },
  rows: number,
  scope: UnitScope,
): void {
  const elem = elementOf(type);
  if ((tile.elem ?? 'f32') !== elem || tile.vector)
    scope.broken('matrix unit', `${tile.name} is ${tile.elem ?? 'f32'}, ${name} wants ${elem}`);
  if (!isWarpUniform(at, scope.facts))
    scope.broken('matrix unit', `the threads of a warp load ${name} from different places`);
  if (stride % rows !== 0 || !isMultiple(at, rows, scope.facts))
    scope.broken('matrix unit', `rows of ${tile.name} do not begin at multiples of 16 bytes`);
}

/** The fragments of sums of a subgroup. */
function sums(name: string, index: U32, scope: UnitScope): FragmentDecl | null {
  const decl = numbered(name, index, scope);
  const { matrix, workgroup } = scope.kernel;
  if (!decl) return null;
  if (decl.part !== 'sum' || decl.type !== matrix?.result)
    scope.broken('matrix unit', `${name} has no sums of a subgroup in ${matrix?.result}`);
  const [x, y, z] = workgroup;
  if (x % SUBGROUP !== 0 || y * z !== 1)
    scope.broken(
      'matrix unit',
      `${workgroup.join(' x ')} invocations are not whole subgroups of ${SUBGROUP}`,
    );
  return decl;
}

function spill(stmt: Extract<UnitStmt, { s: 'spill' }>, scope: UnitScope): void {
  for (const part of [stmt.index, stmt.at]) scope.expr(part);
  const decl = sums(stmt.fragment, stmt.index, scope);
  const tile = workgroupArray(stmt.tile, scope);
  if (!decl || !tile) return;
  place(decl, tile, stmt, decl.type === 'f32' ? 4 : 8, scope);
  const last = add(stmt.at, u32(fragmentReach(decl, scope.kernel.matrix, stmt.stride, false)));
  if (!scope.below(last, u32(tile.size)))
    scope.broken('in range', `${decl.name} reaches beyond ${tile.name}, of ${tile.size}`);
  scope.writes(tile);
}

function multiply(stmt: Extract<UnitStmt, { s: 'mma' }>, scope: UnitScope): void {
  scope.expr(stmt.at);
  const [a, b] = [numbered(stmt.a, stmt.aIndex, scope), numbered(stmt.b, stmt.bIndex, scope)];
  if (a && b && (a.part !== 'a' || b.part !== 'b' || a.type !== b.type))
    scope.broken('matrix unit', `${a.name} and ${b.name} are not the two operands of a product`);
  if (scope.kernel.matrix) {
    sums(stmt.acc, stmt.at, scope);
    return;
  }
  const acc = scope.kernel.arrays.find(({ name, space }) => name === stmt.acc && space === 'register');
  if (!acc) {
    scope.broken('defined', `there is no register array ${stmt.acc}`);
    return;
  }
  if (!isConstant(stmt.at, scope.facts))
    scope.broken('constant index', `${acc.name} is indexed by a variable`);
  if (!scope.below(add(stmt.at, u32(UNIT_RESULTS - 1)), u32(acc.size)))
    scope.broken('in range', `an index of ${acc.name}, of ${acc.size}`);
}

function copy(stmt: Extract<UnitStmt, { s: 'copy' }>, scope: UnitScope): void {
  const { view, at, count } = stmt;
  for (const part of [stmt.index, ...at, ...(stmt.mask ? [stmt.mask] : [])]) scope.expr(part);
  scope.access(view, at, conjuncts(stmt.mask));
  const array = workgroupArray(stmt.array, scope);
  if (!array) return;
  const elem = array.elem ?? 'f32';
  if (scope.kernel.buffers.find(({ name }) => name === view.buffer)?.elem !== elem)
    scope.broken('copy', `${view.buffer} and ${array.name} differ in type`);
  if (count * (elem === 'f32' ? 4 : 2) !== 16) scope.broken('copy', `${count} elements are not 16 bytes`);
  const aligned = [
    view.offset,
    ...view.strides.slice(0, -1),
    view.extents.at(-1)!,
    at.at(-1)!,
    stmt.index,
  ].every((part) => isMultiple(part, count, scope.facts));
  const last = view.strides.at(-1)!;
  if (!aligned || last.e !== 'lit' || last.value !== 1)
    scope.broken('copy', `16 bytes of ${view.buffer} may not lie together at a multiple of 16 bytes`);
  if (!scope.below(add(stmt.index, u32(count - 1)), u32(array.size)))
    scope.broken('in range', `a copy reaches beyond ${array.name}, of ${array.size}`);
  scope.copies(array);
}

function fetch(stmt: Extract<UnitStmt, { s: 'fetch' }>, scope: UnitScope): void {
  const { view, coordinates, count, mask } = stmt;
  for (const part of [stmt.at, ...coordinates, mask]) scope.expr(part);
  scope.access(view, coordinates, conjuncts(mask));
  words(stmt.array, stmt.at, count, scope);
  if (scope.kernel.buffers.find(({ name }) => name === view.buffer)?.elem !== 'u32')
    scope.broken('packed', `${view.buffer} holds no words`);
  const together = [view.offset, ...view.strides.slice(0, -1), view.extents.at(-1)!, coordinates.at(-1)!];
  const last = view.strides.at(-1)!;
  if (!together.every((part) => isMultiple(part, count, scope.facts)) || last.e !== 'lit' || last.value !== 1)
    scope.broken('packed', `${count} words of ${view.buffer} may not lie together`);
}

function eight(stmt: Extract<UnitStmt, { s: 'load8' | 'store8' }>, scope: UnitScope): void {
  const { view, at, index, mask } = stmt;
  for (const part of [index, ...at, mask]) scope.expr(part);
  scope.access(view, at, conjuncts(mask), stmt.s === 'load8' ? 'read' : 'write');
  const array = scope.kernel.arrays.find(({ name, space }) => name === stmt.array && space === 'register');
  if (!array) scope.broken('defined', `there is no register array ${stmt.array}`);
  else if (!scope.below(add(index, u32(7)), u32(array.size)))
    scope.broken('in range', `an index of ${array.name}, of ${array.size}`);
  if (!isConstant(index, scope.facts))
    scope.broken('constant index', `${stmt.array} is indexed by a variable`);
  const together = [view.offset, ...view.strides.slice(0, -1), view.extents.at(-1)!, at.at(-1)!];
  const last = view.strides.at(-1)!;
  if (!together.every((part) => isMultiple(part, 8, scope.facts)) || last.e !== 'lit' || last.value !== 1)
    scope.broken('eight', `eight numbers of ${view.buffer} may not lie together`);
}

function unpack(stmt: Extract<UnitStmt, { s: 'unpack' }>, scope: UnitScope): void {
  const { count, bits, index } = stmt;
  for (const part of [stmt.at, index, stmt.scale]) scope.expr(part);
  words(stmt.from, stmt.at, count, scope);
  if ('zero' in stmt.of) scope.expr(stmt.of.zero);
  else codes(stmt.of.table, bits, scope);
  const array = workgroupArray(stmt.array, scope);
  if (!array) return;
  const numbers = 32 / bits;
  const together = (array.elem ?? 'f32') === 'f32' ? 4 : numbers;
  if (!isMultiple(index, together, scope.facts))
    scope.broken('packed', `the numbers of a word may not lie together in ${array.name}`);
  if (!scope.below(add(index, u32(count * numbers - 1)), u32(array.size)))
    scope.broken('in range', `unpacked numbers reach beyond ${array.name}, of ${array.size}`);
  scope.writes(array);
}

/** A table for codes of this number of bits. */
function codes(name: string, bits: number, scope: UnitScope): void {
  const table = workgroupArray(name, scope);
  if (!table) return;
  if ((table.elem ?? 'f32') !== 'f32' || table.size < 2 ** bits)
    scope.broken('in range', `${name} has no number in f32 for every code of ${bits} bits`);
  scope.reads(table);
}

/** Four numbers between an array of the workgroup, which it gives, and a register array. */
function four(
  stmt: Extract<UnitStmt, { s: 'take' | 'put' }>,
  own: string,
  scope: UnitScope,
): ArrayDecl | null {
  for (const part of [stmt.at, stmt.index]) scope.expr(part);
  const array = workgroupArray(stmt.array, scope);
  const registers = scope.kernel.arrays.find(({ name, space }) => name === own && space === 'register');
  if (!registers) scope.broken('defined', `there is no register array ${own}`);
  if (!array || !registers) return null;
  if ((array.elem ?? 'f32') !== 'f32' || array.vector)
    scope.broken('copy', `${array.name} holds no single numbers of f32`);
  if (!isMultiple(stmt.index, 4, scope.facts))
    scope.broken('copy', `four numbers of ${array.name} may not lie together at a multiple of 16 bytes`);
  if (!scope.below(add(stmt.index, u32(3)), u32(array.size)))
    scope.broken('in range', `four numbers reach beyond ${array.name}, of ${array.size}`);
  if (!isConstant(stmt.at, scope.facts))
    scope.broken('constant index', `${registers.name} is indexed by a variable`);
  if (!scope.below(add(stmt.at, u32(3)), u32(registers.size)))
    scope.broken('in range', `an index of ${registers.name}, of ${registers.size}`);
  return array;
}

/** `count` words of a register array. */
function words(name: string, at: U32, count: number, scope: UnitScope): void {
  const array = scope.kernel.arrays.find((decl) => decl.name === name && decl.space === 'register');
  if (array?.elem !== 'u32') {
    scope.broken('defined', `there is no register array of words ${name}`);
    return;
  }
  if (!isConstant(at, scope.facts)) scope.broken('constant index', `${name} is indexed by a variable`);
  if (!scope.below(add(at, u32(count - 1)), u32(array.size)))
    scope.broken('in range', `an index of ${name}, of ${array.size}`);
}

function numbered(name: string, index: U32, scope: UnitScope): FragmentDecl | null {
  const decl = scope.kernel.fragments?.find((candidate) => candidate.name === name);
  if (!decl) {
    scope.broken('defined', `there is no fragment ${name}`);
    return null;
  }
  if (!isConstant(index, scope.facts)) scope.broken('constant index', `${name} is numbered by a variable`);
  if (!scope.below(index, u32(decl.count))) scope.broken('in range', `a number of ${name}, of ${decl.count}`);
  return decl;
}

function workgroupArray(name: string, scope: UnitScope): ArrayDecl | null {
  const array = scope.kernel.arrays.find((decl) => decl.name === name && decl.space === 'workgroup');
  if (!array) scope.broken('defined', `there is no workgroup array ${name}`);
  return array ?? null;
}
