import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { METHODS } from '../../src/adapter/methods/index.js';
import type { Grid, GridValues } from '../../src/build/study/grid.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { countTrainable } from '../../src/passes/sites/counts.js';
import { rewrite } from '../../src/rewrite.js';
import { QUALITY } from './names.js';

/** `grids.js`: writes the grids of the study into bench/quality, which are committed. */

/** Methods of the study; `train`: the one factor that is trained. */
const TRIED: readonly { readonly method: string; readonly train?: string }[] = [
  { method: 'lotr' },
  { method: 'lotr', train: 'M' },
  { method: 'lora' },
  { method: 'lora-xs' },
  { method: 'sharelora-a' },
  { method: 'vera' },
  { method: 'moslora' },
  { method: 'dora' },
  { method: 'fact-tt' },
];
/** A method takes part at a size that one of its ranks meets within this share. */
const NEAR = 0.25;

interface Base {
  readonly model: string;
  readonly targets: readonly string[];
  /** the least width of the layers: no rank is larger */
  readonly width: number;
  /** numbers of trained values of the adapters, without the head */
  readonly sizes: readonly number[];
  /** weights of the output head */
  readonly head: string;
  readonly options: GridValues;
}

const SENTIMENT: Base = {
  model: '../../models/sentiment/sentiment.onnx',
  targets: ['q_proj', 'v_proj'],
  width: 64,
  sizes: [1024, 2048, 4096, 8192],
  head: '^cls',
  options: { maxSteps: 150, evalEvery: 150, batchSize: 16, maxLength: 40 },
};
const CHARLM: Base = {
  model: '../../models/charlm/charlm.onnx',
  targets: ['c_attn'],
  width: 128,
  sizes: [3072, 6144, 12288, 24576],
  head: 'lm_head',
  options: { maxSteps: 60, evalEvery: 60, batchSize: 8, maxLength: 128 },
};

/** Rates that are tried: for adapters, and for weights of the model, which want smaller ones. */
const RATES = { adapters: [0.002, 0.008, 0.032], weights: [0.0005, 0.002, 0.008] };
const SEEDS = [0, 1, 2];

/** The rank whose count is nearest to a size; null where none is near. Counts grow with the rank. */
function rankOf(
  { model, targets, width }: Base,
  { method, train }: (typeof TRIED)[number],
  size: number,
): number | null {
  const known = METHODS.get(method)!;
  const spec =
    train === undefined
      ? known
      : {
          ...known,
          factors: known.factors.map((factor) =>
            factor.name === train ? factor : { ...factor, mode: 'frozen' as const },
          ),
        };
  const count = (rank: number): number =>
    countTrainable(
      rewrite(readModel(join(QUALITY, model)), { rank, spec, targets, withoutData: true }).plan.plans,
    );
  let [low, high] = [1, width];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (count(middle) < size) low = middle + 1;
    else high = middle;
  }
  const near = [low - 1, low]
    .filter((rank) => rank > 0)
    .map((rank) => [rank, Math.abs(count(rank) - size)] as const);
  const [rank, off] = near.reduce((a, b) => (b[1] < a[1] ? b : a));
  return off <= NEAR * size ? rank : null;
}

/** Adapters are scaled by 1 whatever their rank: `scale` is over the rank in all methods but VeRA. */
const scaleOf = (method: string, rank: number): number =>
  METHODS.get(method)!.scaling === 'rank' ? rank : 1;

function pointsOf(base: Base): readonly GridValues[] {
  const adapters = TRIED.flatMap((tried) =>
    base.sizes.flatMap((size) => {
      const rank = rankOf(base, tried, size);
      const { method, train } = tried;
      return rank === null
        ? []
        : [{ method, ...(train ? { train: [train] } : {}), rank, scale: scaleOf(method, rank) }];
    }),
  );
  // a frozen adapter that adds nothing, and weights of the model that are trained
  const weights = [
    { method: 'head.json', rank: 1, alsoTrain: [base.head] },
    { method: 'full.json', rank: 1, alsoTrain: ['.*'] },
  ];
  const tried = (points: readonly GridValues[], rates: readonly number[]): readonly GridValues[] =>
    points.flatMap((point) => rates.map((lr) => ({ ...point, lr })));
  return [...tried(adapters, RATES.adapters), ...tried(weights, RATES.weights)];
}

function gridOf(base: Base, task: GridValues): Grid {
  return {
    version: 1,
    model: base.model,
    options: { targets: base.targets, ...base.options, ...task },
    points: pointsOf(base),
    grid: { seed: SEEDS },
  };
}

const csv = (train: string, test: string): GridValues => ({ data: train, evalData: test });
const yelp = csv('../../models/sentiment/reviews.train.csv', '../../models/sentiment/reviews.test.csv');
const era = csv('data/era.train.csv', 'data/era.test.csv');
const RANKS = [1, 4, 8, 16, 32, 64];
const map = (options: GridValues, rest: Pick<Grid, 'grid' | 'points'>): Grid => ({
  version: 1,
  model: SENTIMENT.model,
  options: { targets: SENTIMENT.targets, ...SENTIMENT.options, ...era, ...options },
  ...rest,
});

const GRIDS: Readonly<Record<string, () => Grid>> = {
  yelp: () => gridOf(SENTIMENT, yelp),
  era: () => gridOf(SENTIMENT, era),
  party: () => gridOf(SENTIMENT, csv('data/party.train.csv', 'data/party.test.csv')),
  moby: () =>
    gridOf(CHARLM, {
      data: '../../models/charlm/moby-dick.train.txt',
      evalData: 'data/moby.test.txt',
      tokenizer: '../../models/charlm/vocab.json',
    }),
  // as the authors draw their factors
  'rank-scale': () =>
    map(
      { method: 'lotr', init: 'normal', lr: 0.002 },
      { grid: { rank: RANKS, scale: [0.1, 0.5, 1, 4, 16, 64], seed: SEEDS } },
    ),
  'rank-lr': () =>
    map(
      { method: 'lotr' },
      {
        points: RANKS.map((rank) => ({ rank, scale: rank })),
        grid: { lr: [0.0001, 0.0005, 0.002, 0.008, 0.032], seed: SEEDS },
      },
    ),
};

/** A value on each line that fits there. */
function gridText(grid: Grid): string {
  const line = ([key, value]: readonly [string, unknown]): string =>
    key === 'points'
      ? `  "points": [\n${(value as readonly GridValues[]).map((point) => `    ${JSON.stringify(point)}`).join(',\n')}\n  ]`
      : `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`;
  return `{\n${Object.entries(grid).map(line).join(',\n')}\n}\n`;
}

for (const [name, make] of Object.entries(GRIDS))
  writeFileSync(join(QUALITY, `${name}.json`), gridText(make()));
