import { effectiveScale } from '../adapter/description.js';
import { matrixProduct, transposeMatrix } from '../init/dense.js';
import { leadingOfRank } from '../init/leading-product.js';
import { RandomStream } from '../init/rng.js';
import { cannotCombine } from '../ir/codes/interop.js';
import { fail } from '../ir/diagnostics.js';
import { f32Tensor } from '../ir/tensor.js';
import { toF64 } from '../ir/values.js';
import type { COMBINE_WAYS } from '../options/words.js';
import { groupBy } from '../passes/sites/group-by.js';
import type { LoraLayer } from './to-lora.js';

export interface CombineOptions {
  readonly how: (typeof COMBINE_WAYS)[number];
  /** of `svd`, `ties` and `dare`; by default the largest of the adapters */
  readonly rank?: number | undefined;
  /** of `ties` and `dare`: the share of numbers that is kept of each update */
  readonly density: number;
  /** of `dare` */
  readonly seed: number;
}

/** An adapter and what its update is multiplied by. */
export interface WeightedAdapter {
  readonly layers: readonly LoraLayer[];
  readonly weight: number;
}

interface Part {
  readonly layer: LoraLayer;
  readonly scale: number;
  readonly weight: number;
  /** the number of the adapter */
  readonly of: number;
}

/** Adds adapters, each times its weight, layer by layer; a layer that some do not have is the sum of the others. Throws LOTR7601. */
export function combined(
  adapters: readonly WeightedAdapter[],
  options: CombineOptions,
): readonly LoraLayer[] {
  const all = adapters.flatMap(({ layers, weight }, of) =>
    layers.map((layer): Part => {
      const scale = effectiveScale({ scale: layer.alpha, scaling: layer.scaling }, layer.rank);
      return { layer, scale, weight, of };
    }),
  );
  return [...groupBy(all, ({ layer }) => layer.module)].map(([module, parts]) => {
    const [first, ...rest] = parts.map(({ layer }) => layer);
    const other = rest.find(
      ({ a, b }) => a.shape[1] !== first!.a.shape[1] || b.shape[0] !== first!.b.shape[0],
    );
    if (other) refuse(`"${module}" has other extents in one of them`, 'combine adapters of one network');
    return combinedLayer(parts, options);
  });
}

function refuse(why: string, hint: string): never {
  return fail(cannotCombine({ why, hint }));
}

function combinedLayer(parts: readonly Part[], options: CombineOptions): LoraLayer {
  const { module, a, b, window, expert } = parts[0]!.layer;
  const [inn, out] = [a.shape[1]!, b.shape[0]!];
  const layer = (rank: number, left: Float64Array, right: Float64Array, error: number | null): LoraLayer => ({
    module,
    rank,
    a: f32Tensor([rank, inn], left),
    b: f32Tensor([out, rank], right),
    alpha: rank,
    scaling: 'rank',
    error,
    window,
    expert,
  });
  if (options.how === 'cat') {
    const rank = parts.reduce((sum, part) => sum + part.layer.rank, 0);
    const left = new Float64Array(rank * inn);
    const right = new Float64Array(rank * out);
    let row = 0;
    for (const { layer: one, scale, weight } of parts) {
      left.set(toF64(one.a), row * inn);
      const turned = transposeMatrix(toF64(one.b), out, one.rank);
      right.set(
        turned.map((value) => weight * scale * value),
        row * out,
      );
      row += one.rank;
    }
    return layer(rank, left, transposeMatrix(right, rank, out), null);
  }
  if (options.how === 'linear') {
    const { rank } = parts[0]!.layer;
    if (parts.some((part) => part.layer.rank !== rank))
      refuse(`"${module}" has different ranks in them`, 'use --how cat or --how svd');
    const [left, right] = [new Float64Array(rank * inn), new Float64Array(rank * out)];
    for (const { layer: one, scale, weight } of parts) {
      const by = weight * scale;
      const root = Math.sqrt(Math.abs(by));
      addTimes(left, toF64(one.a), root);
      addTimes(right, toF64(one.b), by < 0 ? -root : root);
    }
    return layer(rank, left, right, null);
  }
  const deltas = parts.map(({ layer: one, scale, weight, of }) => {
    const turned = transposeMatrix(toF64(one.b), out, one.rank).map((value) => scale * value);
    const delta = matrixProduct(transposeMatrix(toF64(one.a), one.rank, inn), turned, inn, one.rank, out);
    return { kept: thinned(delta, options, `${of}/${module}`), by: weight };
  });
  const sum =
    options.how === 'ties'
      ? elected(deltas)
      : added(deltas.map(({ kept, by }) => kept.map((value) => by * value)));
  const wanted = options.rank ?? Math.max(...parts.map((part) => part.layer.rank));
  const found = leadingOfRank(sum, inn, out, Math.min(wanted, inn, out));
  return layer(found.rank, found.left, found.right, found.error);
}

function addTimes(to: Float64Array, from: Float64Array, by: number): void {
  for (let k = 0; k < to.length; k++) to[k]! += by * from[k]!;
}

function added(list: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(list[0]!.length);
  for (const each of list) addTimes(sum, each, 1);
  return sum;
}

/** `ties`: the largest numbers stay; `dare`: a random share stays, divided by the share; `svd`: all. */
function thinned(delta: Float64Array, { how, density, seed }: CombineOptions, name: string): Float64Array {
  if (how === 'ties') {
    const kept = Math.trunc(density * delta.length);
    const least = kept === 0 ? Infinity : delta.map(Math.abs).sort()[delta.length - kept]!;
    return delta.map((value) => (Math.abs(value) >= least ? value : 0));
  }
  if (how !== 'dare') return delta;
  const random = new RandomStream(seed, `dare/${name}`);
  return delta.map((value, k) => (random.uniform(k) < density ? value / density : 0));
}

/**
 * TIES: of each number the sign that has more in sum, and of those updates that have this sign the mean of what they are, times their
 * weights.
 */
function elected(deltas: readonly { readonly kept: Float64Array; readonly by: number }[]): Float64Array {
  const signs = added(deltas.map(({ kept }) => kept)).map((value) => (value >= 0 ? 1 : -1));
  const sum = new Float64Array(signs.length);
  const counts = new Float64Array(signs.length);
  for (const { kept, by } of deltas) {
    for (let k = 0; k < kept.length; k++) {
      if (kept[k]! * signs[k]! <= 0) continue;
      sum[k]! += by * kept[k]!;
      counts[k]! += 1;
    }
  }
  return sum.map((value, k) => value / Math.max(1, counts[k]!));
}
