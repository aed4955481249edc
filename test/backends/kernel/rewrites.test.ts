import { describe, expect, test } from 'vitest';
import { operandsOf } from '../../../src/adapter/terms.js';
import type { Group } from '../../../src/backends/kernel/model/layers.js';
import type { EinsumStep, Strategy } from '../../../src/backends/kernel/model/types.js';
import { type LayerOperands, lowerTerms } from '../../../src/backends/kernel/plan/rewrites.js';
import { contractionOf, type Sketch } from '../../support/contraction.js';
import { einsum, inTurn, type Tensor } from '../../support/einsum.js';
import { KERNEL_METHODS } from '../../support/kernel-methods.js';
import { rounded } from '../../support/rounded.js';

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

/** q, k and v read one x and o another; W and dy of each, and all factors. */
function caseOf(sketch: Pick<Sketch, 'factors' | 'ownA'>) {
  const { m, k, n, r } = EXTENTS as { m: number; k: number; n: number; r: number };
  const inputs = [['q', 'k', 'v'], ['o']];
  const { groups, regions } = contractionOf({ ...sketch, in: k, out: n, rank: r, inputs });
  const [group] = groups as readonly [Group];
  const env: Env = new Map();
  for (const { name, tensors } of group.factors) {
    const letters = operandsOf(group)[group.factors.findIndex((factor) => factor.name === name)]!;
    for (const tensor of tensors) env.set(tensor, random(...letters.map((letter) => group.extents[letter]!)));
  }
  const layers = regions.flatMap((region) =>
    region.layers.map(({ id, x, weight, factors, down }): LayerOperands => {
      env.set(x, env.get(x) ?? random(m, k));
      env.set(weight, random(k, n));
      env.set(`dy.${id}`, random(m, n));
      return { id, x, w: weight, factors, down, group };
    }),
  );
  return { layers, env, inputs: ['x0', 'x1'], factors: group.factors.flatMap(({ tensors }) => tensors) };
}

/** y = x (W + s D), by the definition. */
function direct({ x, w, factors, group }: LayerOperands, env: Env): Tensor {
  const whole = inTurn(
    group.delta,
    factors.map((name) => env.get(name)!),
    group.scale,
  );
  addTo(whole, env.get(w)!);
  return einsum('mk,kn->mn', [env.get(x)!, whole]);
}

/** sum(dy * y) over the layers: its gradients are what backward must give. */
function loss(layers: readonly LayerOperands[], env: Env): number {
  return layers.reduce((total, layer) => {
    const dy = env.get(`dy.${layer.id}`)!.data;
    return direct(layer, env).data.reduce((sum, y, i) => sum + y * dy[i]!, total);
  }, 0);
}

const CASES: readonly (readonly [string, Pick<Sketch, 'factors' | 'ownA'>])[] = [
  ['three factors', { factors: 3 }],
  ['two factors', { factors: 2 }],
  ['two factors, A of each layer', { factors: 2, ownA: true }],
  ...KERNEL_METHODS.map((spec) => [spec.delta, { factors: spec }] as const),
];

/** Every seventh place of an operand, and the derivative of the loss there by finite differences. */
function slopes(name: string, layers: readonly LayerOperands[], env: Env): readonly [number, number][] {
  const point = env.get(name)!;
  // what the other layers add to the loss does not change
  const readers = layers.filter(({ x, factors }) => x === name || factors.includes(name));
  const places = Array.from({ length: Math.ceil(point.data.length / 7) }, (_, n) => 7 * n);
  return places.map((i) => {
    const side = (h: number) => {
      const data = point.data.slice();
      data[i]! += h;
      return loss(readers, new Map(env).set(name, { shape: point.shape, data }));
    };
    // the loss is linear in every single operand: a large step has no truncation error
    return [i, side(0.5) - side(-0.5)];
  });
}

describe.each(CASES)('%s', (_, one) => {
  const { layers, env, inputs, factors } = caseOf(one);
  let numeric: readonly (readonly [string, readonly [number, number][]])[] | undefined;

  describe.each(STRATEGIES)('%s', (strategy) => {
    const { prologue, forward, backward, epilogue } = lowerTerms(strategy, layers);
    const values: Env = new Map(env);
    run([...prologue, ...forward, ...backward, ...epilogue], values);

    test('forward is x W + s x R M L', () => {
      for (const layer of layers) {
        const expected = direct(layer, env).data;
        const got = values.get(`y.${layer.id}`)!.data;
        const errors = [...got].map((y, i) => Math.abs(y - expected[i]!));
        expect(errors).toHaveLength(expected.length);
        expect(Math.max(...errors)).toBeLessThan(2e-14 * 17);
      }
    });

    test('gradients are those of finite differences', () => {
      numeric ??= [...inputs, ...factors].map((name) => [name, slopes(name, layers, env)]);
      for (const [name, places] of numeric) {
        const gradient = values.get(`d.${name}`)!;
        expect(gradient.shape, name).toEqual(env.get(name)!.shape);
        for (const [i, slope] of places)
          expect(Math.abs(gradient.data[i]! - slope), `d.${name}[${i}]`).toBeLessThan(1e-11);
      }
    });
  });
});

test('P and what follows from it is computed once for layers that share x and R', () => {
  const { layers } = caseOf({ factors: 3 });
  const { forward, backward } = lowerTerms('L-fold', layers);
  const writes = (terms: readonly EinsumStep[], pattern: RegExp) =>
    terms.filter(({ out }) => pattern.test(out));
  expect(writes(forward, /^P\(/).map(({ out }) => out)).toEqual(['P(x0,R)', 'P(x1,R)']);
  expect(writes(backward, /^d\.R$/).length).toBe(2);
  expect(backward.filter(({ out, args }) => out === 'd.x0' && args[0] === 'd.P(x0,R)').length).toBe(1);
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
  const { groups } = contractionOf({ factors: 3, in: d, out: d, rank: r, inputs: [['q']] });
  const factors = ['R', 'M', 'L'];
  const layer: LayerOperands = { id: 'q', x: 'x', w: 'W', factors, down: 'R', group: groups[0]! };
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
