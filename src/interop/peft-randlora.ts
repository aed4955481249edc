import { type AdapterSpec, formFor } from '../adapter/description.js';
import { RANDLORA } from '../adapter/methods/randlora.js';
import { ComputedTensor, type TensorData } from '../ir/tensor.js';
import { encodeFloats, toF64 } from '../ir/values.js';
import type { ForeignLayer } from './foreign.js';
import { matrixExtents } from './matrices.js';
import { type PeftKind, PeftModule, SAVE_PROJECTION } from './peft-module.js';

const BASES = ['randlora_A', 'randlora_B'] as const;

/**
 * RandLoRA of PEFT. The bases A (r, 1, n) and B (m, j, r) are those of the largest layers: a layer with the smaller extent n and the
 * larger one m reads their leading parts. PEFT lays the matrices of B out by number and rank, and those of A by rank and number, and
 * multiplies the two as they lie: so B is laid out again for each number of matrices that layers have.
 */
export const RANDLORA_KIND: PeftKind = {
  parts: ['randlora_lambda', 'randlora_gamma', ...BASES],
  shared: BASES,
  refused: [],
  layers(config, shared, file) {
    const whole = new PeftModule('base_model', shared, file);
    if (!BASES.every((name) => whole.has(name)))
      config.cannot(
        'save_projection false: the bases are not in the file, and follow from the seed of PyTorch alone',
        SAVE_PROJECTION,
      );
    const [a, b] = BASES.map((name) => whole.cube(name)) as [TensorData, TensorData];
    const rank = whole.rank(a.shape[0]!, config.number('r'));
    if (a.shape[1] !== 1 || b.shape[2] !== rank)
      whole.wrong(`has randlora_A and randlora_B of the shapes [${a.shape}] and [${b.shape}]`);
    const scaled: AdapterSpec = { ...RANDLORA, scale: config.number('randlora_alpha'), scaling: 'rank' };
    const basis = asMatrix(a, rank, a.shape[2]!);
    const layouts = new Map<string, TensorData>();
    /** B of layers with so many matrices, the longer extent of the layer first or last; one object for those that share it. */
    const layout = (count: number, tall: boolean): TensorData => {
      const key = `${count} ${tall}`;
      const held = layouts.get(key) ?? arranged(b, count, tall);
      layouts.set(key, held);
      return held;
    };
    return (name, parts): ForeignLayer => {
      const module = new PeftModule(name, parts, file);
      for (const base of BASES)
        if (module.has(base) && parts.get(base)!.digest() !== shared.get(base)!.digest())
          module.wrong(`has ${base} with other values than the whole adapter`);
      const [d, g] = [module.matrix('randlora_lambda'), module.matrix('randlora_gamma')];
      module.fits(d, g, 'randlora_lambda and randlora_gamma');
      module.rank(d.shape[0]!, rank);
      const [count, narrow] = matrixExtents(g);
      if (count !== Math.ceil(narrow / rank) || count > b.shape[1]! || narrow > a.shape[2]!)
        module.wrong(`has randlora_gamma of the shape [${g.shape}], and rank ${rank}`);
      const [lambda, gains] = [asMatrix(d, rank, count), asMatrix(g, count, narrow)];
      return {
        ...{ module: name, in: null, out: null, rank, spec: scaled, factors: [] },
        inPlace: ({ in: inn, out }) => {
          if (Math.min(inn, out) !== narrow || Math.max(inn, out) > b.shape[0]!)
            return `its bases are for ${narrow} x ${narrow} to ${narrow} x ${b.shape[0]}`;
          const tall = inn > out;
          const big = layout(count, tall);
          const factors = tall ? [big, lambda, gains, basis] : [basis, lambda, gains, big];
          return { spec: formFor(scaled, { in: inn, out }), factors };
        },
      };
    };
  },
};

/** Numbers as a matrix of float32. */
function asMatrix(data: TensorData, rows: number, columns: number): TensorData {
  return new ComputedTensor('f32', [rows, columns], 'matrix', () => encodeFloats('f32', toF64(data)));
}

/** B (m, j, r) with the number of a row's matrix and its rank in PEFT's order for `count` matrices: (m, count, r), or (count, r, m). */
function arranged(b: TensorData, count: number, tall: boolean): TensorData {
  const [most, , rank] = b.shape as [number, number, number];
  const row = b.shape[1]! * rank;
  return new ComputedTensor('f32', tall ? [most, count, rank] : [count, rank, most], 'arranged', () => {
    const from = toF64(b);
    const made = new Float64Array(most * count * rank);
    for (let m = 0; m < most; m++) {
      for (let j = 0; j < count; j++) {
        for (let r = 0; r < rank; r++) {
          const at = tall ? (m * count + j) * rank + r : (j * rank + r) * most + m;
          made[at] = from[m * row + r * count + j]!;
        }
      }
    }
    return encodeFloats('f32', made);
  });
}
