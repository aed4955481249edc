import type { AdapterSpec } from '../adapter/description.js';
import { DORA } from '../adapter/methods/dora.js';
import { IA3 } from '../adapter/methods/ia3.js';
import { IA3_IN } from '../adapter/methods/ia3-in.js';
import { LOHA } from '../adapter/methods/loha.js';
import { LOKR } from '../adapter/methods/lokr.js';
import { LORA } from '../adapter/methods/lora.js';
import { VERA } from '../adapter/methods/vera.js';
import type { TensorData } from '../ir/tensor.js';
import { matrixExtents, transposedF32 } from './matrices.js';
import { FOURIERFT_KIND } from './peft-fourier.js';
import { type PeftKind, PeftModule, SAVE_PROJECTION } from './peft-module.js';
import { RANDLORA_KIND } from './peft-randlora.js';

/** Settings of LoRA under which a layer computes something else than W x + scale B A x, or not for every token. */
const LORA_VARIANTS = [
  'alora_invocation_tokens',
  'arrow_config',
  'kasa_config',
  'layer_replication',
  'lora_bias',
  'monteclora_config',
  'trainable_token_indices',
  'use_bdlora',
  'use_qalora',
];

const LORA_KIND: PeftKind = {
  parts: ['lora_A.weight', 'lora_B.weight', 'lora_magnitude_vector', 'lora_magnitude_vector.weight'],
  refused: LORA_VARIANTS,
  layers(config, _shared, file) {
    const alphaOf = config.perModule('alpha_pattern', config.number('lora_alpha'));
    const rankOf = config.perModule('rank_pattern', config.number('r'));
    const rsLora = config.get('use_rslora') === true;
    const dora = config.get('use_dora') === true;
    const scaling = rsLora ? 'sqrt-rank' : 'rank';
    return (name, parts) => {
      const module = new PeftModule(name, parts, file);
      const [a, b] = [module.matrix('lora_A.weight'), module.matrix('lora_B.weight')];
      module.fits(b, a, 'lora_B and lora_A');
      const [rank, inn] = matrixExtents(a);
      const [out] = matrixExtents(b);
      module.rank(rank, rankOf(name));
      const factors = [transposedF32(a), transposedF32(b)];
      const layer = { module: name, in: inn, out, rank };
      const part = parts.has('lora_magnitude_vector')
        ? 'lora_magnitude_vector'
        : 'lora_magnitude_vector.weight';
      if (dora && a.shape.length === 2) {
        const spec: AdapterSpec = { ...DORA, scale: alphaOf(name), scaling };
        return { ...layer, spec, factors: [...factors, module.vector(part)] };
      }
      if (dora || parts.has(part)) config.cannot(`"${name}.${part}"`);
      const spec: AdapterSpec = {
        ...LORA,
        method: rsLora ? 'rslora' : 'lora',
        scale: alphaOf(name),
        scaling,
      };
      return { ...layer, spec, factors };
    };
  },
};

const VERA_KIND: PeftKind = {
  parts: ['vera_lambda_b', 'vera_lambda_d'],
  shared: ['vera_A', 'vera_B'],
  refused: ['layer_replication'],
  layers(config, shared, file) {
    const whole = new PeftModule('base_model', shared, file);
    if (!whole.has('vera_A') || !whole.has('vera_B'))
      config.cannot(
        'save_projection false: the projections are not in the file, and follow from the seed of PyTorch alone',
        SAVE_PROJECTION,
      );
    // one object for all layers: they share it
    const [a, b] = [transposedF32(whole.matrix('vera_A')), transposedF32(whole.matrix('vera_B'))];
    return (name, parts) => {
      const module = new PeftModule(name, parts, file);
      const [d, lambda] = [module.vector('vera_lambda_d'), module.vector('vera_lambda_b')];
      const rank = module.rank(d.shape[0]!, a.shape[1]!);
      return { module: name, in: null, out: lambda.shape[0]!, rank, spec: VERA, factors: [a, d, b, lambda] };
    };
  },
};

const LOHA_PARTS = ['hada_w1_a', 'hada_w1_b', 'hada_w2_a', 'hada_w2_b'] as const;

const LOHA_KIND: PeftKind = {
  parts: LOHA_PARTS,
  refused: [],
  layers(config, _shared, file) {
    const alphaOf = config.perModule('alpha_pattern', config.number('alpha'));
    const rankOf = config.perModule('rank_pattern', config.number('r'));
    return (name, parts) => {
      const module = new PeftModule(name, parts, file);
      const [w1a, w1b, w2a, w2b] = LOHA_PARTS.map((part) => module.matrix(part)) as [
        TensorData,
        TensorData,
        TensorData,
        TensorData,
      ];
      module.fits(w1a, w1b, 'hada_w1_a and hada_w1_b');
      module.fits(w2a, w2b, 'hada_w2_a and hada_w2_b');
      const [rank, inn] = matrixExtents(w1b);
      const [out] = matrixExtents(w1a);
      module.rank(rank, rankOf(name));
      if (`${w1a.shape}` !== `${w2a.shape}` || `${w1b.shape}` !== `${w2b.shape}`)
        module.wrong('has matrices of different shapes in its two products');
      const factors = [w1b, w1a, w2b, w2a].map(transposedF32);
      return { module: name, in: inn, out, rank, spec: { ...LOHA, scale: alphaOf(name) }, factors };
    };
  },
};

const LOKR_KIND: PeftKind = {
  parts: ['lokr_w1', 'lokr_w1_a', 'lokr_w1_b', 'lokr_w2', 'lokr_w2_a', 'lokr_w2_b'],
  refused: [],
  layers(config, _shared, file) {
    const alphaOf = config.perModule('alpha_pattern', config.number('alpha'));
    const rankOf = config.perModule('rank_pattern', config.number('r'));
    return (name, parts) => {
      const module = new PeftModule(name, parts, file);
      const rank = rankOf(name);
      /** One side of the product: one matrix, or two; its factors are (in, out), or (in, r) and (r, out). */
      const side = (
        part: string,
        letters: readonly [string, string, string],
        names: readonly [string, string, string],
      ) => {
        const trained = { share: 'site', init: 'zeros', mode: 'trainable', lrMultiplier: 1 } as const;
        if (module.has(part)) {
          const whole = module.matrix(part);
          const [out, inn] = matrixExtents(whole);
          const specs = [{ ...trained, name: names[0] }];
          return { in: inn, out, text: letters[0] + letters[1], specs, factors: [transposedF32(whole)] };
        }
        const [a, b] = [module.matrix(`${part}_a`), module.matrix(`${part}_b`)];
        module.fits(a, b, `${part}_a and ${part}_b`);
        module.rank(matrixExtents(b)[0], rank);
        const [[out], [, inn]] = [matrixExtents(a), matrixExtents(b)];
        const specs = [names[1], names[2]].map((factor) => ({ ...trained, name: factor }));
        const text = `${letters[0]}${letters[2]},${letters[2]}${letters[1]}`;
        return { in: inn, out, text, specs, factors: [transposedF32(b), transposedF32(a)] };
      };
      const first = side('lokr_w1', ['a', 'b', 'p'], ['C', 'CA', 'CB']);
      const second = side('lokr_w2', ['c', 'd', 'r'], ['W', 'A', 'B']);
      const spec: AdapterSpec = {
        ...LOKR,
        delta: `${first.text},${second.text}->(ac)(bd)`,
        scale: alphaOf(name),
        extents: { a: first.in, b: first.out },
        factors: [...first.specs, ...second.specs],
      };
      const factors = [...first.factors, ...second.factors];
      return { module: name, in: first.in * second.in, out: first.out * second.out, rank, spec, factors };
    };
  },
};

const IA3_KIND: PeftKind = {
  parts: ['ia3_l'],
  refused: [],
  layers(config, _shared, file) {
    const feeds = config.names('feedforward_modules') ?? (() => false);
    return (name, parts) => {
      const module = new PeftModule(name, parts, file);
      const l = module.vector('ia3_l', -1);
      const [count] = l.shape as [number];
      // PEFT multiplies what enters a feedforward module, and else what leaves the layer, its bias too
      return feeds(name)
        ? { module: name, in: count, out: null, rank: 1, spec: IA3_IN, factors: [l] }
        : { module: name, in: null, out: count, rank: 1, spec: IA3, factors: [l] };
    };
  },
};

/** The kinds that are read, by `peft_type`. */
export const PEFT_KINDS: ReadonlyMap<string, PeftKind> = new Map([
  ['LORA', LORA_KIND],
  ['VERA', VERA_KIND],
  ['LOHA', LOHA_KIND],
  ['LOKR', LOKR_KIND],
  ['IA3', IA3_KIND],
  ['RANDLORA', RANDLORA_KIND],
  ['FOURIERFT', FOURIERFT_KIND],
]);
