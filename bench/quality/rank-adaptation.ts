import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { lotrc } from '../lotrc.js';
import { QUALITY } from './names.js';
import { factorsOf, type RankResult, rankTable, readRankResults } from './rank-table.js';

/**
 * `npm run quality:rank -- --out FOLDER`: is it better to train LoTR at a high rank and to cut it down, or to train it small? On the task
 * `era`, with the options of its grid. Writes FOLDER/rank-adaptation.jsonl, a line for each result, and prints a table. The same command
 * goes on where it was stopped.
 */
const { values } = parseArgs({
  options: { out: { type: 'string', short: 'o', default: 'rank-adaptation' } },
});

const HIGH = 25;
const SMALL = [16, 10, 6];
/** of those, the ones that are trained longer */
const LONGER = [16, 6];
const SEEDS = [0, 1, 2];
/** steps before the cut, and after it */
const [STEPS, MORE] = [150, 50];
const STEPS_OF_PASS = 50;
/** the best rate of LoTR in the study, at all of these sizes */
const RATE = 0.008;
/** after the cut */
const LOW_RATE = 0.002;

const SENTIMENT = join(QUALITY, '../../models/sentiment');
const MODEL = join(SENTIMENT, 'sentiment.onnx');
const TEST = join(QUALITY, 'data/era.test.csv');
const reading = [
  '--tokenizer',
  join(SENTIMENT, 'tokenizer.json'),
  '--max-length',
  '40',
  '--batch-size',
  '16',
];
const data = [
  '--data',
  join(QUALITY, 'data/era.train.csv'),
  '--eval-data',
  TEST,
  ...reading,
  '--threads',
  '1',
];

mkdirSync(values.out, { recursive: true });
const file = join(values.out, 'rank-adaptation.jsonl');
const results = existsSync(file) ? readRankResults(file) : [];

for (const seed of SEEDS) {
  const high = join(values.out, `high-${seed}`);
  measured({ how: 'high rank', seed, rank: HIGH, steps: STEPS }, () => tuned(high, HIGH, seed, STEPS));
  for (const rank of SMALL) {
    const [cut, graphs] = [
      join(values.out, `cut-${seed}-${rank}`),
      join(values.out, `graphs-${seed}-${rank}`),
    ];
    measured({ how: 'cut', seed, rank, steps: STEPS }, () => cutDown(high, cut, graphs, rank));
    measured({ how: 'small', seed, rank, steps: STEPS }, () => ofStudy(rank, seed));
    if (!LONGER.includes(rank)) continue;
    measured({ how: 'cut, trained on', seed, rank, steps: STEPS + MORE }, () => trainedOn(graphs, seed));
    measured({ how: 'small', seed, rank, steps: STEPS + MORE }, () =>
      tuned(join(values.out, 'small'), rank, seed, STEPS + MORE),
    );
  }
}
console.log(rankTable(results));

type Numbers = Pick<RankResult, 'loss' | 'accuracy'> & { readonly error?: number };

/** Does what has no line yet. */
function measured(what: Pick<RankResult, 'how' | 'seed' | 'rank' | 'steps'>, measure: () => Numbers): void {
  const { how, seed, rank, steps } = what;
  if (results.some((one) => one.how === how && one.seed === seed && one.rank === rank && one.steps === steps))
    return;
  const { loss, accuracy, error = null } = measure();
  const result: RankResult = { ...what, loss, accuracy, error };
  appendFileSync(file, `${JSON.stringify(result)}\n`);
  results.push(result);
  console.error(JSON.stringify(result));
}

/** The run of the grid. */
function ofStudy(rank: number, seed: number): Numbers {
  const name = `era/method=lotr/rank=${rank}/scale=${rank}/lr=${RATE}/seed=${seed}`;
  const line = readFileSync(join(QUALITY, 'results/era.jsonl'), 'utf8')
    .split('\n')
    .find((text) => text.includes(`"${name}"`));
  if (line === undefined) throw new Error(`results/era.jsonl has no ${name}`);
  const { train_info } = JSON.parse(line) as { train_info: { metrics: Record<string, number>[] } };
  const [{ 'test loss': loss, 'test accuracy': accuracy }] = train_info.metrics as [Record<string, number>];
  return { loss: loss!, accuracy: accuracy! };
}

/** `lotrc tune` as the runs of the grid. */
function tuned(folder: string, rank: number, seed: number, steps: number): Numbers {
  rmSync(folder, { recursive: true, force: true });
  // three passes by default, as in the grid
  const passes = ['--epochs', `${Math.max(3, Math.ceil(steps / STEPS_OF_PASS))}`];
  const layers = ['--target', 'q_proj', '--target', 'v_proj', '--rank', `${rank}`, '--scale', `${rank}`];
  const run = ['--lr', `${RATE}`, '--seed', `${seed}`, '--max-steps', `${steps}`, '--eval-every', `${steps}`];
  lotrc('tune', MODEL, ...layers, ...run, ...passes, ...data, '-o', folder);
  return lastOf(join(folder, 'run'));
}

/** The adapter of a folder of `lotrc tune` at a smaller rank, in `cut`, and graphs that train it. */
function cutDown(high: string, cut: string, graphs: string, rank: number): Numbers {
  const size = factorsOf(rank);
  const adapter = `${cut}.safetensors`;
  const { groups } = json(
    'compress',
    join(high, 'sentiment.safetensors'),
    '--to-parameters',
    `${size}`,
    '-o',
    adapter,
  ) as {
    groups: { rank: number; error: number }[];
  };
  if (groups[0]!.rank !== rank) throw new Error(`${size} values are rank ${groups[0]!.rank}, not ${rank}`);
  lotrc('apply', MODEL, adapter, '-o', `${cut}.onnx`);
  lotrc('emit', 'onnx-train', `${cut}.onnx`, '-o', graphs, '--also-train', '^cls');
  return { ...(json('eval', graphs, '--data', TEST, ...reading) as Numbers), error: groups[0]!.error };
}

function trainedOn(graphs: string, seed: number): Numbers {
  const run = [
    '--lr',
    `${LOW_RATE}`,
    '--seed',
    `${seed}`,
    '--max-steps',
    `${MORE}`,
    '--eval-every',
    `${MORE}`,
  ];
  rmSync(join(graphs, 'run'), { recursive: true, force: true });
  lotrc('train', graphs, ...data, ...run);
  return lastOf(join(graphs, 'run'));
}

/** The last evaluation of a run. */
function lastOf(run: string): Numbers {
  const { runs } = json('logs', 'show', run) as { runs: { values: Record<string, number> }[] };
  const { 'eval/loss': loss, 'eval/accuracy': accuracy } = runs[0]!.values;
  return { loss: loss!, accuracy: accuracy! };
}

function json(...args: readonly string[]): unknown {
  return JSON.parse(lotrc(...args, '--json'));
}
