import type { KernelDtype } from '../../src/backends/kernel/model/types.js';
import type { PlanOptions } from '../../src/backends/kernel/plan/choose.js';
import type { Sketch } from './contraction.js';
import { profile } from './devices.js';

export interface Drawn {
  readonly name: string;
  readonly sketch: Sketch;
  readonly options: PlanOptions;
}

const WIDTHS = [1, 2, 3, 7, 8, 11, 16, 17, 24, 31, 32, 37, 40];
const RANKS = [1, 2, 3, 5, 8, 13, 16, 17, 31, 64, 127, 128];
const TOKENS = [1, 2, 5, 8, 13, 31, 64, 65, 300];
const INPUTS: readonly Sketch['inputs'][] = [
  [['q']],
  [['q', 'k', 'v']],
  [['q', 'k'], ['o']],
  [['q', 'k'], ['q#2']],
  [['q', 'k', 'v', 'g', 'u']],
];
const DEVICES = {
  webgpu: ['webgpu-laptop', 'apple-m1', 'intel-xe'],
  cuda: ['h100', 'a100', 'rtx-5090'],
  hip: ['mi300x', 'mi250x', 'rx-7900-xtx'],
} as const;

/** Most multiplications that a drawn case may cost, as far as they are known in advance. */
const MOST = 2e6;

/** Layers, a device and a strategy at random, the same for a seed; small enough to be interpreted in a moment. */
export function draw(seed: number, api: keyof typeof DEVICES): Drawn {
  for (let attempt = 0; ; attempt++) {
    const drawn = once(seed, attempt, api);
    const { sketch, options } = drawn;
    // matrices are as large as the tiles that cover them
    const [rows, inn, out, rank] = [options.tokens, sketch.in, sketch.out, sketch.rank].map(
      (length) => 32 * Math.ceil(length / 32),
    ) as [number, number, number, number];
    const [layers, passes] = [sketch.inputs.flat().length, options.purpose === 'train' ? 3 : 1];
    const work = layers * passes * (rows * (inn * out + rank * (inn + out)) + rank * rank * out);
    if (work <= MOST) return drawn;
  }
}

function once(seed: number, attempt: number, api: keyof typeof DEVICES): Drawn {
  let state = (Math.imul(seed, 2654435761) + 7919 * attempt + 97) >>> 0;
  const below = (count: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
  const one = <T>(of: readonly T[]): T => of[below(of.length)]!;
  const inputs = one(INPUTS);
  const rank = one(RANKS);
  const tokens = one(rank > 31 || inputs[0]!.length > 2 ? TOKENS.slice(0, -1) : TOKENS);
  const purpose = one(['train', 'train', 'serve'] as const);
  const factors = one([3, 3, 2] as const);
  const adapters = purpose === 'serve' ? one([1, 1, 3]) : 1;
  const dtype: KernelDtype = api === 'webgpu' ? one(['f32', 'f32', 'f16']) : one(['f32', 'f16', 'bf16']);
  const open: readonly (PlanOptions['strategy'] | undefined)[] =
    purpose === 'train'
      ? ['split', 'merged']
      : adapters > 1
        ? [undefined]
        : tokens <= 64 && rank <= 16 && factors === 3
          ? ['split', 'widen']
          : ['split'];
  const strategy = one(open);
  const activation = purpose === 'serve' ? one([null, 'relu', 'gelu', 'gelu-tanh', 'silu'] as const) : null;
  const sketch: Sketch = {
    factors,
    in: one(WIDTHS),
    out: one(WIDTHS),
    rank,
    inputs,
    stored: one(['io', 'oi']),
    activation,
    ...(factors === 2 && below(2) === 0 ? { ownA: true } : {}),
  };
  const device = profile(one(DEVICES[api]), api);
  const tf32 = api === 'cuda' && dtype === 'f32' && below(2) === 0;
  const name = `${seed}: ${purpose} ${strategy ?? 'any form'} ${factors} factors ${sketch.in}x${sketch.out} rank ${rank}, ${tokens} tokens, ${adapters} adapters, ${tf32 ? 'tf32' : dtype}, ${device.name}`;
  return {
    name,
    sketch,
    options: {
      device,
      tokens,
      purpose,
      adapters,
      dtype,
      ...(tf32 ? { rounding: 'tf32' as const } : {}),
      ...(strategy ? { strategy } : {}),
    },
  };
}
