import type { AdapterSpec, FactorSpec } from '../adapter/description.js';
import { ComputedTensor, type TensorData } from '../ir/tensor.js';
import { encodeFloats } from '../ir/values.js';
import type { ForeignLayer } from './foreign.js';
import { CONFIG_FILE } from './peft-config.js';
import { type PeftKind, PeftModule } from './peft-module.js';
import { leadingPermutation, MOST_PERMUTED } from './torch-random.js';

/** Cosines and sines of the frequencies, which follow from the seed of the adapter and the extents of a layer. */
const waves = (name: string): FactorSpec => ({
  name,
  share: 'group',
  init: 'zeros',
  mode: 'frozen',
  lrMultiplier: 1,
});

/**
 * FourierFT (arXiv 2405.03003): the real part of the inverse Fourier transform of a spectrum with few entries, (1 / nm) of the sum over
 * the entries of s cos(2 pi (o u / m + i v / n)), which is cos cos - sin sin. Layers of one shape have their entries in one place.
 */
const FOURIERFT: AdapterSpec = {
  method: 'fourierft',
  delta: 'cif,f,cfo->io',
  scale: 1,
  scaling: 'none',
  extents: { c: 2 },
  factors: [
    waves('C'),
    { name: 's', share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 },
    waves('D'),
  ],
};

export const FOURIERFT_KIND: PeftKind = {
  parts: ['fourierft_spectrum'],
  refused: [],
  layers(config, _shared, file) {
    const seed = config.number('random_loc_seed');
    if (!Number.isSafeInteger(seed) || seed < 0) config.refuse(`random_loc_seed ${seed} is not a seed`);
    const spec = { ...FOURIERFT, scale: config.number('scaling') };
    const countOf = config.perModule('n_frequency_pattern', config.number('n_frequency'));
    const held = new Map<string, readonly [TensorData, TensorData]>();
    return (name, parts): ForeignLayer => {
      const module = new PeftModule(name, parts, file);
      const s = module.vector('fourierft_spectrum');
      const count = s.shape[0]!;
      if (count === 0 || count !== countOf(name))
        module.wrong(`has ${count} frequencies, and ${countOf(name)} in ${CONFIG_FILE}`);
      return {
        ...{ module: name, in: null, out: null, rank: count, spec, factors: [] },
        inPlace: ({ in: inn, out }) => {
          if (count > inn * out) return `it has ${count} frequencies, and there are ${inn * out}`;
          if (inn * out > MOST_PERMUTED)
            return `PyTorch draws the places of frequencies otherwise for more than ${MOST_PERMUTED} numbers`;
          const key = `${inn} ${out} ${count}`;
          const [c, d] = held.get(key) ?? wavesOf(inn, out, leadingPermutation(seed, inn * out, count));
          held.set(key, [c, d]);
          return { spec, factors: [c, s, d] };
        },
      };
    };
  },
};

/** Waves over the inputs (2, in, f) and over the outputs (2, f, out) of entries at `row * in + column` of (out, in). */
function wavesOf(inn: number, out: number, entries: readonly number[]): readonly [TensorData, TensorData] {
  const count = entries.length;
  const angle = (at: number, frequency: number, extent: number) =>
    (2 * Math.PI * ((at * frequency) % extent)) / extent;
  const c = new ComputedTensor('f32', [2, inn, count], 'waves', () => {
    const made = new Float64Array(2 * inn * count);
    for (let i = 0; i < inn; i++) {
      for (const [f, entry] of entries.entries()) {
        const at = angle(i, entry % inn, inn);
        made[i * count + f] = Math.cos(at);
        made[(inn + i) * count + f] = -Math.sin(at);
      }
    }
    return encodeFloats('f32', made);
  });
  const d = new ComputedTensor('f32', [2, count, out], 'waves', () => {
    const made = new Float64Array(2 * count * out);
    for (const [f, entry] of entries.entries()) {
      const row = Math.floor(entry / inn);
      for (let o = 0; o < out; o++) {
        const at = angle(o, row, out);
        made[f * out + o] = Math.cos(at) / (inn * out);
        made[(count + f) * out + o] = Math.sin(at) / (inn * out);
      }
    }
    return encodeFloats('f32', made);
  });
  return [c, d];
}
