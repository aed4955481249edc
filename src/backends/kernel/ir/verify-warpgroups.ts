import { type Expr, type Kernel, operands, type Stmt, type U32 } from './kir.js';
import { type Facts, isMultiple } from './ranges.js';
import { UNIT } from './units.js';
import {
  BOX,
  type Boxed,
  boxRows,
  isPackedOperand,
  type MapParam,
  type PackedOperand,
  type Tiles,
  WARPGROUP,
  WARPGROUP_ROWS,
  type WarpgroupStmt,
} from './warpgroups.js';

/** Which threads execute a statement: those that load, those that multiply, or all. */
export type ThreadRole = 'all' | 'first' | 'rest';

/** What the checks of a statement need from the verifier. */
export interface WarpgroupScope {
  readonly kernel: Kernel;
  readonly facts: Facts;
  readonly uniformFlow: boolean;
  readonly role: ThreadRole;
  /** statements are directly in their role, so that all its threads execute them */
  readonly direct: boolean;
  broken(rule: string, where: string): void;
  /** checks an expression that is only evaluated */
  expr(expr: Expr): void;
}

const RULE = 'warpgroup';
/** Registers of a multiprocessor; a thread has a multiple of 8. */
const REGISTERS = 65536;
/** Most rows of a box, and most results of a warpgroup along a row. */
const MOST = 256;
const ALIGNED = 8;

/**
 * Rules of warpgroups:
 *  - one ring, made ready where all threads execute it, of a shape that the hardware multiplies, with a warpgroup for every
 *    WARPGROUP_ROWS rows and one more;
 *  - registers that warpgroups take are those that others release, of what ptxas gives each thread of a block that has a multiprocessor to
 *    itself: a warpgroup waits for ever for more;
 *  - the first warpgroup feeds, the others drain, both the same tiles in the same order: otherwise one of them waits
 *    for ever; sums are read after `drained`;
 *  - what launches before may still run is waited for once, before the last tiles are fed: results, which are stored after
 *    `drained`, then come after it too;
 *  - what is sent has left before the block ends;
 *  - of a pair, tiles that are shared lie in halves of whole boxes and do not depend on the row, in which its blocks differ; the kernel ends
 *    when both are through;
 *  - what is unpacked comes in 16 bytes of one block, to a ring whose barriers count the warps that do;
 *  - maps are of the ring's type, their rows and first elements lie on multiples of 16 bytes, and their boxes are as the
 *    operand needs them; a buffer that is `mapped` has no other access.
 */
export function verifyGroup(stmt: WarpgroupStmt, scope: WarpgroupScope): void {
  const { kernel, role } = scope;
  if (!kernel.ring) {
    scope.broken('defined', `a ${stmt.s} and no ring`);
    return;
  }
  switch (stmt.s) {
    case 'ring':
      if (role !== 'all' || !scope.uniformFlow)
        scope.broken(RULE, 'a ring that some threads do not make ready');
      shapeOf(kernel, scope);
      return;
    case 'feed':
    case 'drain': {
      const wanted = stmt.s === 'feed' ? 'first' : 'rest';
      if (role !== wanted || !scope.direct)
        scope.broken(RULE, `a ${stmt.s} that not all of its threads reach`);
      tilesOf(stmt.tiles, scope);
      if (stmt.s === 'drain') sumsOf(stmt.acc, scope);
      return;
    }
    case 'settle':
      if (role !== 'first' || !scope.direct)
        scope.broken(RULE, 'a wait for launches of a thread that does not feed');
      return;
    case 'drained':
      if (role !== 'rest' || !scope.direct)
        scope.broken(RULE, 'an end of sums that not all of their threads reach');
      return;
    case 'send':
      if (role !== 'rest' || !scope.direct || !kernel.ring.sends)
        scope.broken(RULE, 'results are sent that not all threads bring, or from no place');
      for (const part of [stmt.row, stmt.col]) scope.expr(part);
      mapOf({ map: stmt.map, transposed: false }, WARPGROUP_ROWS, scope, 'write');
      sumsOf(stmt.acc, scope);
      return;
    case 'sent':
      if (role !== 'rest' || !scope.direct) scope.broken(RULE, 'not all threads wait for what they sent');
      return;
    case 'leave':
      if (role !== 'all' || !scope.uniformFlow || !kernel.ring.pair)
        scope.broken(RULE, 'an end of a pair that not all threads reach, or of none');
      return;
    case 'registers':
      if (role === 'all' || !scope.direct || stmt.count % 8 !== 0 || stmt.count < 24 || stmt.count > 240)
        scope.broken(RULE, `${stmt.count} registers`);
      return;
  }
}

/** Rules of a kernel as a whole: every tile that is fed is drained. */
export function verifyRoles(
  { threads, first, rest }: Extract<Stmt, { s: 'roles' }>,
  scope: Pick<WarpgroupScope, 'kernel' | 'broken' | 'uniformFlow' | 'role'>,
): void {
  if (scope.role !== 'all' || !scope.uniformFlow) scope.broken(RULE, 'roles inside of something else');
  const all = scope.kernel.workgroup[0];
  const given = Math.floor(REGISTERS / all / 8) * 8;
  const taken = [first, rest].map((body) => {
    const [change] = body.flatMap((stmt) => (stmt.s === 'registers' ? [stmt] : []));
    if (change && change.more !== change.count > given)
      scope.broken(RULE, `${change.count} registers are not ${change.more ? 'more' : 'fewer'} than ${given}`);
    return change?.count ?? given;
  }) as [number, number];
  if (taken[0] * threads + taken[1] * (all - threads) > given * all)
    scope.broken(RULE, `${taken.join(' and ')} registers of a thread are more than ${given} for each`);
  if (threads % WARPGROUP !== 0) scope.broken(RULE, `${threads} threads are not a multiple of a warpgroup`);
  const within = (body: readonly Stmt[]): readonly Stmt[] =>
    body.flatMap((stmt) => (stmt.s === 'each' ? stmt.body : [stmt]));
  const tiles = (body: readonly Stmt[]) =>
    within(body).flatMap((stmt) =>
      stmt.s === 'feed' || stmt.s === 'drain' ? [JSON.stringify(stmt.tiles)] : [],
    );
  if (tiles(first).join() !== tiles(rest).join())
    scope.broken(RULE, 'what is brought is not what is multiplied: one waits for the other for ever');
  const fed = within(first).filter(({ s }) => s === 'feed' || s === 'settle');
  const waits = fed.findIndex(({ s }) => s === 'settle');
  if (
    fed.filter(({ s }) => s === 'settle').length > 1 ||
    waits === 0 ||
    (waits > 0 && waits !== fed.length - 2)
  )
    scope.broken(RULE, 'launches before are not waited for between the first and the last tiles');
  const ends = within(rest).findIndex(({ s }) => s === 'drained');
  const last = within(rest).findLastIndex(({ s }) => s === 'drain');
  if (last >= 0 && ends < last) scope.broken(RULE, 'sums are read while products are under way');
  if (
    rest.some((stmt) => stmt.s === 'each' && stmt.body.some(({ s }) => s === 'send')) !==
    (rest.at(-1)?.s === 'sent')
  )
    scope.broken(RULE, 'a block ends before its results have left');
  if ([...first, ...within(rest).slice(0, Math.max(0, ends))].some(stores))
    scope.broken(RULE, 'results are stored before all tiles have come');
}

function stores(stmt: Stmt): boolean {
  if (stmt.s === 'for' || stmt.s === 'if' || stmt.s === 'each') return stmt.body.some(stores);
  return stmt.s === 'store' || stmt.s === 'send';
}

function shapeOf({ ring, workgroup, body }: Kernel, scope: WarpgroupScope): void {
  const { rows, cols, stages, pair } = ring!;
  const whole =
    rows > 0 && rows % WARPGROUP_ROWS === 0 && rows <= MOST && cols > 0 && cols % BOX === 0 && cols <= MOST;
  if (!whole || stages < 2) scope.broken(RULE, `a ring of ${stages} tiles for ${rows} x ${cols}`);
  if (pair && cols % (2 * BOX) !== 0) scope.broken(RULE, `a pair with halves of ${cols} columns`);
  if (pair && body.at(-1)?.s !== 'leave')
    scope.broken(RULE, 'a block of a pair ends while the other may write to it');
  const threads = WARPGROUP * (1 + rows / WARPGROUP_ROWS);
  if (workgroup[0] !== threads)
    scope.broken(RULE, `${workgroup[0]} threads for ${rows} rows, which take ${threads}`);
}

function tilesOf({ a, b, row, col, inner }: Tiles, scope: WarpgroupScope): void {
  for (const part of [row, col, inner]) scope.expr(part);
  const { rows, cols, pair } = scope.kernel.ring!;
  if (pair && [col, inner].some((part) => dependsOnRow(part, scope.facts)))
    scope.broken(RULE, 'the blocks of a pair share tiles of different columns');
  // in memory the inner dimension runs along the rows of a, and of b where that is transposed
  mapOf(a, boxRows(!a.transposed, rows), scope);
  if (isPackedOperand(b)) unpackedOf(b, scope);
  else mapOf(b, boxRows(b.transposed, cols, pair), scope);
}

/** What is unpacked: words lie together in 16 bytes of one block, and every buffer is one that pointers reach. */
function unpackedOf({ words, scales, zeros, table, how }: PackedOperand, scope: WarpgroupScope): void {
  const { kernel, broken } = scope;
  if (!kernel.ring!.unpacks) broken(RULE, 'words are unpacked to a ring whose barriers do not count them');
  if ((how.bits * how.block) % 128 !== 0) broken(RULE, `blocks of ${words.buffer} have no whole 16 bytes`);
  for (const { buffer, offset, extents, strides } of zeros ? [words, scales, zeros] : [words, scales]) {
    for (const part of [offset, ...extents, ...strides]) scope.expr(part);
    const param = kernel.buffers.find(({ name }) => name === buffer);
    if (!param || param.mapped || param.access !== 'read')
      broken('access', `${buffer} is not read by pointer`);
  }
  if (kernel.buffers.find(({ name }) => name === words.buffer)?.elem !== 'u32')
    broken('packed', `${words.buffer} holds no words`);
  if (table !== null && !kernel.arrays.some(({ name, space }) => name === table && space === 'workgroup'))
    broken('defined', `there is no workgroup array ${table}`);
}

/** Whether something may differ between tiles of one column; what is not known may. */
function dependsOnRow(expr: Expr, facts: Facts): boolean {
  if (expr.e === 'id') return expr.of === 'local' || expr.axis !== 0;
  if (expr.e !== 'ref') return expr.e === 'load' || operands(expr).some((part) => dependsOnRow(part, facts));
  const init = facts.get(expr.name)?.init;
  return init === undefined || dependsOnRow(init, facts);
}

function mapOf(
  { map: name }: Boxed,
  rows: number,
  scope: WarpgroupScope,
  access: 'read' | 'write' = 'read',
): void {
  const map = scope.kernel.maps?.find((candidate) => candidate.name === name);
  if (!map) {
    scope.broken('defined', `there is no map ${name}`);
    return;
  }
  for (const part of [map.view.offset, ...map.view.extents, ...map.view.strides]) scope.expr(part);
  if (map.rows !== rows) scope.broken(RULE, `boxes of ${map.name} have ${map.rows} rows, not ${rows}`);
  aligned(map, scope);
  const buffer = scope.kernel.buffers.find((candidate) => candidate.name === map.view.buffer);
  if (buffer?.elem !== scope.kernel.ring!.type || (access === 'write') !== (buffer.access === 'write'))
    scope.broken(RULE, `${map.view.buffer} has no ${access} access as ${scope.kernel.ring!.type}`);
}

function aligned({ name, view }: MapParam, scope: WarpgroupScope): void {
  const parts: readonly U32[] = [view.offset, view.strides[0]!];
  const last = view.strides[1];
  if (!parts.every((part) => isMultiple(part, ALIGNED, scope.facts)) || last?.e !== 'lit' || last.value !== 1)
    scope.broken(RULE, `rows of ${name} do not begin at multiples of 16 bytes`);
}

function sumsOf(acc: string, { kernel, broken }: WarpgroupScope): void {
  const array = kernel.arrays.find(({ name, space }) => name === acc && space === 'register');
  const size = (kernel.ring!.cols * UNIT.rows) / 32;
  if (array?.size !== size) broken(RULE, `${acc} does not hold the ${size} results of a thread`);
}
