import type { AdapterSpec } from '../adapter/description.js';
import { DORA } from '../adapter/methods/dora.js';
import { IA3 } from '../adapter/methods/ia3.js';
import { IA3_IN } from '../adapter/methods/ia3-in.js';
import { LOHA } from '../adapter/methods/loha.js';
import { LOKR } from '../adapter/methods/lokr.js';
import { LORA } from '../adapter/methods/lora.js';
import { VERA } from '../adapter/methods/vera.js';
import { badPeft } from '../ir/codes/files.js';
import { fail } from '../ir/diagnostics.js';
import { ComputedTensor, type TensorData } from '../ir/tensor.js';
import { encodeFloats, toF64 } from '../ir/values.js';
import type { ForeignLayer } from './foreign.js';
import { matrixExtents, transposedF32 } from './matrices.js';
import { CONFIG_FILE, type PeftConfig } from './peft-config.js';

/** The tensors of one module, by what PEFT calls them: `lora_A`, `lora_B`. */
type Parts = ReadonlyMap<string, TensorData>;

/** A kind of adapter of PEFT (`peft_type`) that is a method of lotrc. */
export interface PeftKind {
  /** what its tensors are called after the module */
  readonly parts: readonly string[];
  /** tensors of the whole adapter, after `base_model.` */
  readonly shared?: readonly string[];
  /** settings under which a layer computes something else */
  readonly refused: readonly string[];
  /** Makes layers of modules; `wrong` refuses what does not fit together. */
  layers(config: PeftConfig, shared: Parts, file: string): (module: string, parts: Parts) => ForeignLayer;
}

/** Settings of LoRA under which a layer computes something else than W x + scale B A x, or not for every token. */
const LORA_VARIANTS = [
  'alora_invocation_tokens',
  'arrow_config',
  'kasa_config',
  'layer_replication',
  'lora_bias',
  'monteclora_config',
  'target_parameters',
  'trainable_token_indices',
  'use_bdlora',
  'use_qalora',
];

/** Reads the tensors of one module. */
class Module {
  constructor(
    readonly name: string,
    readonly parts: Parts,
    readonly file: string,
  ) {}

  wrong(why: string): never {
    return fail(badPeft({ file: this.file, why: `module "${this.name}" ${why}` }));
  }

  has(part: string): boolean {
    return this.parts.has(part);
  }

  /** A matrix, or filters as one. */
  matrix(part: string): TensorData {
    const data = this.parts.get(part) ?? this.wrong(`has no ${part}`);
    if (data.shape.length < 2 || data.byteLength === 0)
      this.wrong(`has ${part} of the shape [${data.shape}]`);
    return data;
  }

  /** Its numbers in a row, as float32, each with `add` added. */
  vector(part: string, add = 0): TensorData {
    return asVector(this.parts.get(part) ?? this.wrong(`has no ${part}`), add);
  }

  /** Two matrices whose product, first (m, k) then (k, n), is made. */
  fits(first: TensorData, second: TensorData, what: string): void {
    if (matrixExtents(first)[1] !== matrixExtents(second)[0])
      this.wrong(
        `has ${what} of the shapes [${first.shape}] and [${second.shape}], which do not fit together`,
      );
  }

  /** The rank that the configuration must say too. */
  rank(found: number, said: number): number {
    return found === said ? found : this.wrong(`has rank ${found}, and ${said} in ${CONFIG_FILE}`);
  }
}

function asVector(data: TensorData, add: number): TensorData {
  const count = data.shape.reduce((product, extent) => product * extent, 1);
  return new ComputedTensor('f32', [count], 'vector', () =>
    encodeFloats(
      'f32',
      toF64(data).map((value) => value + add),
    ),
  );
}

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
      const module = new Module(name, parts, file);
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
    const whole = new Module('base_model', shared, file);
    if (!whole.has('vera_A') || !whole.has('vera_B'))
      config.cannot(
        'save_projection false: the projections are not in the file, and follow from the seed of PyTorch alone',
      );
    // one object for all layers: they share it
    const [a, b] = [transposedF32(whole.matrix('vera_A')), transposedF32(whole.matrix('vera_B'))];
    return (name, parts) => {
      const module = new Module(name, parts, file);
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
      const module = new Module(name, parts, file);
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
      const module = new Module(name, parts, file);
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
      const module = new Module(name, parts, file);
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
]);
