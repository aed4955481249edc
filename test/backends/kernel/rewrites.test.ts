import { describe, expect, test } from 'vitest';
import type { EinsumStep, Strategy } from '../../../src/backends/kernel/model/types.js';
import { type LayerOperands, lowerTerms } from '../../../src/backends/kernel/plan/rewrites.js';
import { rounded } from '../../support/rounded.js';

interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}
type Env = Map<string, Tensor>;

/** FLOPs of a term: two per point of its index space, one where nothing is multiplied. */
function termFlops(term: EinsumStep, extents: Readonly<Record<string, number>>): number {
  const letters = new Set(term.einsum.replace(/[^a-z]/g, ''));
  let points = 1;
  for (const letter of letters) points *= extents[letter]!;
  return (term.args.length > 1 ? 2 : 1) * points;
}

// M, K, N, r: odd, all different, no divisor in common
const EXTENTS: Readonly<Record<string, number>> = { m: 13, k: 17, n: 11, r: 5, t: 5 };
const STRATEGIES: readonly Strategy[] = ['L-fold', 'token', 'merged'];

/** Sums the product of the arguments over all letters that the result lacks, point by point, in float64. */
function einsum(spec: string, args: readonly Tensor[], scale: number): Tensor {
  const [left, right] = spec.split('->') as [string, string];
  const operands = left.split(',');
  const extent = new Map<string, number>();
  operands.forEach((letters, a) => {
    [...letters].forEach((letter, axis) => {
      expect(args[a]!.shape[axis]).toBe(extent.get(letter) ?? args[a]!.shape[axis]);
      extent.set(letter, args[a]!.shape[axis]!);
    });
  });
  const all = [...extent.keys()];
  const shape = [...right].map((letter) => extent.get(letter)!);
  const data = new Float64Array(shape.reduce((a, b) => a * b, 1));
  /** elements by which each letter of `all` moves in an operand */
  const strides = (letters: string) =>
    all.map((letter) => {
      const at = letters.indexOf(letter);
      return at < 0 ? 0 : [...letters.slice(at + 1)].reduce((n, inner) => n * extent.get(inner)!, 1);
    });
  const moves = [...operands, right].map(strides);
  const lengths = all.map((letter) => extent.get(letter)!);
  const visit = (depth: number, offsets: readonly number[]): void => {
    if (depth === all.length) {
      data[offsets.at(-1)!]! += args.reduce((value, arg, a) => value * arg.data[offsets[a]!]!, scale);
      return;
    }
    for (let i = 0; i < lengths[depth]!; i++) {
      visit(
        depth + 1,
        offsets.map((offset, a) => offset + i * moves[a]![depth]!),
      );
    }
  };
  visit(
    0,
    moves.map(() => 0),
  );
  return { shape, data };
}

function run(terms: readonly EinsumStep[], env: Env): void {
  for (const { out, einsum: spec, args, scale, accumulate } of terms) {
    const value = einsum(
      spec,
      args.map((name) => env.get(name) ?? raise(`${name} is read before it is written`)),
      scale,
    );
    const before = env.get(out);
    expect(accumulate, `${out} assigns first and adds afterwards`).toBe(before !== undefined);
    if (before) addTo(value, before);
    env.set(out, value);
  }
}

function addTo(target: Tensor, other: Tensor): void {
  for (const [i, value] of other.data.entries()) target.data[i]! += value;
}

function raise(why: string): never {
  throw new Error(why);
}

let state = 12345;
/** in [-1, 1), never 0 */
function random(...shape: number[]): Tensor {
  const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state + 0.5) / 2 ** 31 - 1;
  });
  return { shape, data };
}

/** q, k and v read x and share R and L; o reads y of another input, with the same R and L; g has its own x. */
function caseOf(count: 2 | 3): { layers: LayerOperands[]; env: Env; inputs: string[]; factors: string[] } {
  const { m, k, n, r } = EXTENTS as { m: number; k: number; n: number; r: number };
  const env: Env = new Map();
  const layers = ['q', 'k', 'v', 'o'].map((id, index): LayerOperands => {
    const x = id === 'o' ? 'x2' : 'x';
    env.set(x, env.get(x) ?? random(m, k));
    env.set(`W.${id}`, random(k, n));
    env.set(`dy.${id}`, random(m, n));
    // with two factors q and k share A, v and o have their own
    const names = count === 3 ? ['R', `M.${id}`, 'L'] : [index < 2 ? 'A' : `A.${id}`, `B.${id}`];
    for (const [f, name] of names.entries()) {
      const shape = [f === 0 ? k : r, f === names.length - 1 ? n : r];
      env.set(name, env.get(name) ?? random(...shape));
    }
    return { id, x, w: `W.${id}`, factors: names, scale: 0.37 };
  });
  return {
    layers,
    env,
    inputs: ['x', 'x2'],
    factors: [...new Set(layers.flatMap(({ factors }) => factors))],
  };
}

/** y = x W + s x F1 F2 ..., by the definition. */
function direct({ x, w, factors, scale }: LayerOperands, env: Env): Tensor {
  const y = einsum('mk,kn->mn', [env.get(x)!, env.get(w)!], 1);
  const product = factors.map((name) => env.get(name)!).reduce((a, b) => einsum('ab,bc->ac', [a, b], 1));
  const delta = einsum('mk,kn->mn', [env.get(x)!, product], scale);
  addTo(y, delta);
  return y;
}

/** sum(dy * y) over all layers: its gradients are what backward must give. */
function loss(layers: readonly LayerOperands[], env: Env): number {
  return layers.reduce((total, layer) => {
    const dy = env.get(`dy.${layer.id}`)!.data;
    return direct(layer, env).data.reduce((sum, y, i) => sum + y * dy[i]!, total);
  }, 0);
}

describe.each(STRATEGIES.flatMap((strategy) => [[strategy, 3] as const, [strategy, 2] as const]))(
  '%s, %i factors',
  (strategy, count) => {
    const { layers, env, inputs, factors } = caseOf(count);
    const { prologue, forward, backward, epilogue } = lowerTerms(strategy, layers);
    const values: Env = new Map(env);
    run([...prologue, ...forward, ...backward, ...epilogue], values);

    test('forward is x W + s x R M L', () => {
      for (const layer of layers) {
        const expected = direct(layer, env).data;
        const got = values.get(`y.${layer.id}`)!.data;
        for (const [i, y] of got.entries()) expect(Math.abs(y - expected[i]!)).toBeLessThan(2e-14 * 17);
      }
    });

    test('gradients are those of finite differences', () => {
      for (const name of [...inputs, ...factors]) {
        const point = env.get(name)!;
        const gradient = values.get(`d.${name}`)!;
        expect(gradient.shape, name).toEqual(point.shape);
        for (let i = 0; i < point.data.length; i += 7) {
          const side = (h: number) => {
            const data = point.data.slice();
            data[i]! += h;
            return loss(layers, new Map(env).set(name, { shape: point.shape, data }));
          };
          // the loss is linear in every single operand: a large step has no truncation error
          const numeric = side(0.5) - side(-0.5);
          expect(Math.abs(gradient.data[i]! - numeric), `d.${name}[${i}]`).toBeLessThan(1e-11);
        }
      }
    });
  },
);

test('P and what follows from it is computed once for layers that share x and R', () => {
  const { layers } = caseOf(3);
  const { forward, backward } = lowerTerms('L-fold', layers);
  const writes = (terms: readonly EinsumStep[], pattern: RegExp) =>
    terms.filter(({ out }) => pattern.test(out));
  expect(writes(forward, /^P\(/).map(({ out }) => out)).toEqual(['P(x,R)', 'P(x2,R)']);
  expect(writes(backward, /^d\.R$/).length).toBe(2);
  expect(backward.filter(({ out, args }) => out === 'd.x' && args[0] === 'd.P(x,R)').length).toBe(1);
});

/** Overhead in FLOPs: [d, r, forward %, backward %], one square layer at 8192 tokens. */
const OVERHEAD: readonly (readonly [d: number, r: number, forward: string, backward: string])[] = [
  [768, 8, '2.1', '4.2'],
  [768, 32, '8.4', '16.7'],
  [768, 64, '16.7', '33.5'],
  [768, 128, '33.6', '67'],
  [1024, 8, '1.6', '3.1'],
  [1024, 32, '6.3', '12.5'],
  [1024, 64, '12.6', '25'],
  [1024, 128, '25', '50'],
  [4096, 8, '0.39', '0.78'],
  [4096, 32, '1.6', '3.1'],
  [4096, 64, '3.1', '6.3'],
  [4096, 128, '6.3', '12.6'],
];

test.each(OVERHEAD)('FLOPs at d = %i, r = %i', (d, r, forward, backward) => {
  const layer: LayerOperands = { id: 'q', x: 'x', w: 'W', factors: ['R', 'M', 'L'], scale: 1 };
  const lowered = lowerTerms('L-fold', [layer]);
  const extents = { m: 8192, k: d, n: d, r, t: r };
  const sum = (terms: readonly EinsumStep[]) =>
    terms.reduce((total, term) => total + termFlops(term, extents), 0);
  const base = 2 * 8192 * d * d;
  expect(rounded(100 * ((sum(lowered.prologue) + sum(lowered.forward)) / base - 1), forward)).toContain(
    forward,
  );
  expect(rounded(100 * ((sum(lowered.backward) + sum(lowered.epilogue)) / base - 1), backward)).toContain(
    backward,
  );
});
