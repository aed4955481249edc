import { kebab } from '../../../options/flags.js';
import type { Elementwise, ElementwiseDef } from '../../../train/optimizers/define.js';
import {
  add,
  call,
  define,
  div,
  type Expr,
  type F32,
  f32,
  id,
  type Kernel,
  load,
  lt,
  mul,
  operands,
  ref,
  type Stmt,
  select,
  store,
  sub,
  u32,
} from '../ir/kir.js';
import { Parameters, vectorOf } from './parameters.js';

/** Invocations of a workgroup; each updates one number. */
export const STEP_WIDTH = 64;

/** The name of a number in kernels, and in C and Python: `weight_decay`. */
export const snake = (name: string): string => kebab(name).replaceAll('-', '_');

/** What a kernel of a step calls the things that an optimizer declares, by their names in the declaration. */
export function stepNames({ hyper, slots, corrections }: ElementwiseDef) {
  const numbered = (names: readonly string[], prefix: string) =>
    new Map(names.map((name, i) => [name, `${prefix}${i + 1}`]));
  return {
    /** the numbers that a user sets */
    hyper: new Map(Object.keys(hyper).map((name) => [name, snake(name)])),
    slots: numbered(slots, 'moment'),
    corrections: numbered(Object.keys(corrections), 'correction'),
  };
}

/**
 * One step of an optimizer, as its declaration has it, on a factor of `elements` numbers in f32, in place: buffers
 * gradient, parameter, moment1 and so on for the slots; uniforms learning_rate, the optimizer's numbers, correction1 and
 * so on. `lrMultiplier` multiplies the learning rate, for the decay too.
 */
export function stepKernel(def: ElementwiseDef, name: string, elements: number, lrMultiplier = 1): Kernel {
  const params = new Parameters();
  const names = stepNames(def);
  const states = [...names.slots.values()];
  params.reads('gradient', 'f32');
  for (const own of ['parameter', ...states]) {
    params.reads(own, 'f32');
    params.writes(own, 'f32');
  }
  const given = params.scalar('learning_rate');
  const valuesOf = (of: ReadonlyMap<string, string>, make: (name: string) => F32) =>
    Object.fromEntries([...of].map(([declared, own]) => [declared, make(own)]));
  const hyper = valuesOf(names.hyper, (own) => params.scalar(own));
  const corrections = valuesOf(names.corrections, (own) => params.scalar(own));
  const at = [ref('u32', 'element')];
  const old = (buffer: string) => load(vectorOf(buffer, elements), at);
  const { buffers, uniforms } = params.list();
  const values = new Values(['element', ...[...buffers, ...uniforms].map((own) => own.name)]);
  const next = def.update<Operand>(arithmetic(values), {
    param: old('parameter'),
    grad: values.once('g', old('gradient')),
    lr: lrMultiplier === 1 ? given : mul(given, f32(lrMultiplier)),
    hyper,
    slots: valuesOf(names.slots, old),
    corrections,
  });
  const written = [
    ...[...names.slots].map(([slot, buffer]) => ({ buffer, value: asF32(next.slots[slot]!) })),
    { buffer: 'parameter', value: asF32(next.param) },
  ];
  // every value is computed from the old numbers, also after some of them are replaced
  const stores = written.map(({ buffer, value }, index) => {
    const replaced = written.slice(0, index).some((before) => loads(value, before.buffer));
    return store(vectorOf(buffer, elements), at, replaced ? values.once('next', value) : value);
  });
  const rate = lrMultiplier === 1 ? '' : `, at ${lrMultiplier} times the learning rate`;
  return {
    name,
    about: [`One ${def.title} step on ${elements} numbers${rate}.`],
    workgroup: [STEP_WIDTH, 1, 1],
    buffers,
    uniforms,
    arrays: [],
    body: [
      define('element', add(mul(id('group', 0), u32(STEP_WIDTH)), id('local', 0))),
      {
        s: 'if',
        cond: lt(ref('u32', 'element'), u32(elements)),
        body: [...values.defined, ...stores],
      },
    ],
  };
}

/** A value of the kernel, or a number that is known when the kernel is made. */
type Operand = F32 | number;

const asF32 = (x: Operand): F32 => (typeof x === 'number' ? f32(x) : x);

/** Words of C++ and WGSL that a declaration could give a value as its name. */
const KEYWORDS =
  'auto bool case char class const default delete double else enable float fn for if inline int let long loop new null operator override private public register return short signed sizeof static struct switch template this union unsigned var void volatile while'.split(
    ' ',
  );

/** Values that are computed once, in the order of their definitions. */
class Values {
  readonly defined: Stmt[] = [];
  readonly #taken: Set<string>;

  /** `taken`: names that the kernel has already */
  constructor(taken: readonly string[]) {
    this.#taken = new Set([...KEYWORDS, ...taken]);
  }

  once(name: string, value: F32): F32 {
    let free = name;
    for (let n = 2; this.#taken.has(free); n++) free = `${name}${n}`;
    this.#taken.add(free);
    this.defined.push(define(free, value));
    return ref('f32', free);
  }
}

/** Updates as expressions on single elements. Numbers are folded in double, and become f32 where they meet a value. */
function arithmetic(values: Values): Elementwise<Operand> {
  const binary =
    (make: (a: F32, b: F32) => F32, fold: (a: number, b: number) => number) => (a: Operand, b: Operand) =>
      typeof a === 'number' && typeof b === 'number' ? fold(a, b) : make(asF32(a), asF32(b));
  return {
    number: (x) => x,
    named: (name, x) => (typeof x === 'number' ? x : values.once(name, x)),
    add: binary(add, (a, b) => a + b),
    sub: binary(sub, (a, b) => a - b),
    mul: binary(mul, (a, b) => a * b),
    div: binary(div, (a, b) => a / b),
    sqrt: (a) => (typeof a === 'number' ? Math.sqrt(a) : call('sqrt', a)),
    // of comparisons, as in training graphs; 0 for NaN
    sign: (a) => {
      if (typeof a === 'number') return Math.sign(a);
      const of = values.once('argument', a);
      return select(lt(f32(0), of), f32(1), select(lt(of, f32(0)), f32(-1), f32(0)));
    },
  };
}

/** Whether an expression reads a buffer. */
function loads(expr: Expr, buffer: string): boolean {
  return (expr.e === 'load' && expr.view.buffer === buffer) || operands(expr).some((of) => loads(of, buffer));
}
