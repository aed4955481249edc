import { own } from '../../ir/keys.js';
import type { Value } from '../../ir/model.js';
import { scalarOf } from './constants.js';

/**
 * A polynomial in two values x and f: coefficients by "power of x, power of f". Arithmetic nodes with scalar constants
 * are read as one, whatever the order of their operands.
 */
export type Polynomial = ReadonlyMap<string, number>;

/** Values that are atoms of the polynomial. */
export interface Atoms {
  readonly x: Value;
  readonly f: Value | null;
}

const MOST_DEPTH = 8;
const MOST_TERMS = 8;
const MOST_POWER = 4;

const term = (x: number, f: number): string => `${x},${f}`;
const constant = (value: number): Polynomial => new Map([[term(0, 0), value]]);

/** The polynomial that a value is in the atoms; null when it is none, or reads anything else. */
export function polynomialOf(value: Value, atoms: Atoms, depth = 0): Polynomial | null {
  if (value === atoms.x) return new Map([[term(1, 0), 1]]);
  if (value === atoms.f) return new Map([[term(0, 1), 1]]);
  const scalar = scalarOf(value);
  if (scalar !== null) return constant(scalar);
  const rule = value.producer && own(RULES, value.producer.opKey);
  if (!rule || depth > MOST_DEPTH) return null;
  const parts = value.producer.inputs.map((input) => input && polynomialOf(input, atoms, depth + 1));
  if (parts.some((part) => part === null)) return null;
  const result = rule(parts as Polynomial[]);
  return result && result.size <= MOST_TERMS ? result : null;
}

type Rule = (parts: readonly Polynomial[]) => Polynomial | null;

const RULES: Readonly<Record<string, Rule>> = {
  Identity: ([a]) => a!,
  Neg: ([a]) => scaled(a!, -1),
  Add: ([a, b]) => sum(a!, b!),
  Sub: ([a, b]) => sum(a!, scaled(b!, -1)),
  Mul: ([a, b]) => product(a!, b!),
  Div: ([a, b]) => {
    const divisor = asConstant(b!);
    return divisor === null || divisor === 0 ? null : scaled(a!, 1 / divisor);
  },
  Pow: ([a, b]) => {
    const power = asConstant(b!);
    if (power === null || !Number.isInteger(power) || power < 1 || power > MOST_POWER) return null;
    let result: Polynomial | null = a!;
    for (let i = 1; i < power && result; i++) result = product(result, a!);
    return result;
  },
};

function asConstant(p: Polynomial): number | null {
  return p.size === 1 ? (p.get(term(0, 0)) ?? null) : null;
}

function scaled(p: Polynomial, by: number): Polynomial {
  return new Map([...p].map(([key, value]) => [key, value * by]));
}

function sum(a: Polynomial, b: Polynomial): Polynomial {
  const result = new Map(a);
  for (const [key, value] of b) result.set(key, (result.get(key) ?? 0) + value);
  return result;
}

function product(a: Polynomial, b: Polynomial): Polynomial | null {
  const result = new Map<string, number>();
  for (const [left, v] of a) {
    for (const [right, w] of b) {
      const [x, f] = [0, 1].map((i) => Number(left.split(',')[i]) + Number(right.split(',')[i])) as [
        number,
        number,
      ];
      if (x > MOST_POWER || f > MOST_POWER) return null;
      result.set(term(x, f), (result.get(term(x, f)) ?? 0) + v * w);
    }
  }
  return result;
}

/** Whether two polynomials have the same terms, each coefficient to that relative tolerance. */
export function matches(
  p: Polynomial | null,
  wanted: Readonly<Record<string, number>>,
  tolerance: number,
): boolean {
  if (!p || p.size !== Object.keys(wanted).length) return false;
  return Object.entries(wanted).every(([key, value]) => {
    const found = p.get(key);
    return found !== undefined && Math.abs(found - value) <= tolerance * Math.abs(value);
  });
}
