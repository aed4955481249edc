import { attrInt } from '../../ir/attr.js';
import { GraphBuilder } from '../../ir/builder.js';
import { dtypeToOnnx } from '../../ir/dtype.js';
import type { Graph, Node, Value } from '../../ir/model.js';
import { scalarTensor } from '../../ir/scalar.js';
import { i32Tensor, i64Tensor } from '../../ir/tensor.js';

/**
 * A prime p for which x - p floor(x fl(1/p)) is exact in float32 for every whole x below 4,400,000, which is more than p^2:
 * fl(1/p) lies above 1/p by less than what the next quotient is away. All else here is sums and products of whole numbers
 * below 2^24, so that a device may fuse them. 3 does not divide p - 1, so that cubes of residues are all different.
 */
export const PRIME = 2039;

/** Numbers of draws are whole numbers from 0 up to, not including, this: two residues. */
export const DRAWS = PRIME * PRIME;

/** Small enough for (residue + key)^2 to stay in the range that is exact. */
const ROUND_KEYS = [5, 37, 18, 52, 29, 44];

/** What the permutation below works on: a whole number below 3 p, and a residue or a little more. */
export type DrawState = readonly [Value, Value];

/** Nodes that compute with residues modulo `PRIME`, kept as float32. Constants are made once in the whole graph. */
export class MaskField extends GraphBuilder {
  readonly #constants: Map<string, Value>;

  constructor(graph: Graph, before: Node, constants: Map<string, Value>) {
    super(graph, { before, pass: 'dropout', from: [before.name], prefix: 'dropout' });
    this.#constants = constants;
  }

  f32(value: number): Value {
    return this.#once(`f32:${value}`, () => this.constant(scalarTensor('f32', value), 'dropout/f32'));
  }

  i32(value: number): Value {
    return this.#once(`i32:${value}`, () => this.constant(i32Tensor([], [value]), 'dropout/i32'));
  }

  ints(values: readonly number[]): Value {
    const make = () => this.constant(i64Tensor([values.length], values), 'dropout/ints');
    return this.#once(`i64:${values}`, make);
  }

  index(value: number): Value {
    return this.#once(`index:${value}`, () => this.constant(i64Tensor([], [value]), 'dropout/index'));
  }

  cast(x: Value, dtype: 'f32' | 'i32'): Value {
    return this.one('Cast', [x], { to: attrInt(dtypeToOnnx(dtype)) });
  }

  add(a: Value, b: Value): Value {
    return this.one('Add', [a, b]);
  }
  mul(a: Value, b: Value): Value {
    return this.one('Mul', [a, b]);
  }

  /** floor(x / p) of whole numbers below 4,400,000, as float32. */
  quotient(x: Value): Value {
    return this.one('Floor', [this.mul(x, this.f32(1 / PRIME))]);
  }

  /** x mod p of whole numbers below 4,400,000, as float32. */
  mod(x: Value): Value {
    return this.one('Sub', [x, this.mul(this.quotient(x), this.f32(PRIME))]);
  }

  cube(x: Value): Value {
    return this.mod(this.mul(this.mod(this.mul(x, x)), x));
  }

  /** Rounds of a Feistel network whose round function is (x + key)^3, as in MiMC (Albrecht et al., ASIACRYPT 2016). */
  rounds([s, t]: DrawState, count: number): DrawState {
    let state: DrawState = [s, t];
    for (const key of ROUND_KEYS.slice(0, count)) {
      const [left, right] = state;
      const x = this.add(right, this.f32(key));
      const square = this.mod(this.mul(x, x));
      state = [right, this.mod(this.add(this.mul(square, x), left))];
    }
    return state;
  }

  /** Mixes a residue into a state. */
  absorb([s, t]: DrawState, word: Value, count: number): DrawState {
    return this.rounds([this.add(s, word), t], count);
  }

  #once(key: string, make: () => Value): Value {
    const held = this.#constants.get(key) ?? make();
    this.#constants.set(key, held);
    return held;
  }
}
