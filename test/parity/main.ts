import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { answerOf } from '../../bench/gpu/browser.js';
import { bundledScript, servedFiles } from '../../bench/gpu/bundle-page.js';
import { CONTEXT, Corpus, TRAINED_STEPS } from '../../cli/dev/demo/charlm.js';
import { type DemoRecipe, emitWords, filesOfRun, rateAt, rewriteWords } from '../../cli/dev/demo/tune.js';
import { main } from '../../cli/program.js';
import type { OrtTensor } from '../../src/backends/ort/tensor.js';
import type { GivenBatch } from '../../src/runtime/batch.js';
import { TrainingRun } from '../../src/train/run.js';
import type { Batch } from '../../src/train/training-steps.js';
import { chromium } from '../support/browser.js';
import { jsonBatch } from '../support/given-run.js';

/** How far the loss of a step may be from that in Node. */
const BOUNDS = { wasm: 1e-5, webgpu: 1e-4 } as const;
/** Of 200 steps of this recipe in PyTorch, and how far a run with other initial factors may end from it. */
const PYTORCH = { loss: 1.757, near: 0.02 };
/** Windows of a step of this recipe. */
const ROWS = 16;
const RECIPE: DemoRecipe = { method: 'lotr', rank: 8, rate: 1e-2, torch: PYTORCH.loss };

const { values } = parseArgs({
  options: {
    ep: { type: 'string', default: 'wasm' },
    steps: { type: 'string', default: '50' },
    threads: { type: 'string', default: '1' },
    rows: { type: 'string' },
    length: { type: 'string' },
  },
});
const { ep } = values;
if (ep !== 'wasm' && ep !== 'webgpu') throw new Error('--ep takes wasm or webgpu');
const [steps, threads] = [Number(values.steps), Number(values.threads)];
if (!(steps >= 1 && steps <= TRAINED_STEPS)) throw new Error(`--steps takes 1 to ${TRAINED_STEPS}`);

/** Windows of a step and their length: on WebGPU few, because without a GPU a step of all takes a minute. */
const whole = ep === 'wasm' ? { rows: ROWS, length: CONTEXT } : { rows: 4, length: 32 };
const [rows, length] = [Number(values.rows ?? whole.rows), Number(values.length ?? whole.length)];
if (!(rows >= 1 && rows <= ROWS)) throw new Error(`--rows takes 1 to ${ROWS}`);
if (!(length >= 1 && length <= CONTEXT)) throw new Error(`--length takes 1 to ${CONTEXT}`);
const isWhole = rows === ROWS && length === CONTEXT;

const root = resolve(import.meta.dirname, '../../..');
const browser = chromium();
if (!browser) throw new Error('Chromium is not installed');
const folder = mkdtempSync(join(tmpdir(), 'lotrc-parity-'));
try {
  const silent = { out: () => {}, err: (text: string) => process.stderr.write(text) };
  for (const words of [rewriteWords(RECIPE, folder), [...emitWords(RECIPE, folder), '--ep', ep]])
    if ((await main([...words], silent)) !== 0) throw new Error(`lotrc ${words.join(' ')} failed`);
  const corpus = new Corpus();
  const rates = Array.from({ length: steps }, (_, step) => rateAt(step, RECIPE.rate));
  const node = await inNode(corpus, rates);
  const page = await inPage(corpus, rates);
  let worst = 0;
  for (const [step, wanted] of node.losses.entries()) {
    const off = Math.abs(page.losses[step]! / wanted - 1);
    worst = Math.max(worst, off);
    if (steps <= 20 || step % 10 === 9)
      console.log(`step ${step + 1}: ${wanted.toFixed(6)} in Node, ${off.toExponential(1)} off on ${ep}`);
  }
  let faults = 0;
  const check = (holds: boolean, text: string) => {
    if (!holds) faults++;
    console.log(`${holds ? 'ok' : 'FAULT'}: ${text}`);
  };
  const [first = 0, ...later] = page.seconds;
  const rest = later.reduce((sum, one) => sum + one, 0) / Math.max(1, later.length);
  console.log(
    `${rows} windows of ${length}; ${page.opening.toFixed(1)} s to open, ${first.toFixed(1)} s for the first step, ${rest.toFixed(1)} s for each other one in the page`,
  );
  check(
    worst <= BOUNDS[ep],
    `losses of ${steps} steps differ by at most ${worst.toExponential(1)}, limit ${BOUNDS[ep]}`,
  );
  console.log(`validation loss ${page.after.toFixed(6)} in the page, ${node.after.toFixed(6)} in Node`);
  if (steps === TRAINED_STEPS && isWhole)
    check(
      Math.abs(page.after - PYTORCH.loss) <= PYTORCH.near,
      `PyTorch's is ${PYTORCH.loss}, limit +-${PYTORCH.near}`,
    );
  if (faults > 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

interface Trained {
  readonly losses: readonly number[];
  readonly after: number;
}

interface TrainedInPage extends Trained {
  /** until graphs and weights were there, and of each step */
  readonly opening: number;
  readonly seconds: readonly number[];
}

/** The first windows of a batch, and of each its first characters. Validation has four times as many windows as a step. */
function cut({ inputs, labels }: Batch): Batch {
  const part = <T extends OrtTensor>(tensor: T): T => {
    const [all = 0, wide = 0] = tensor.dims;
    const high = Math.ceil((all * rows) / ROWS);
    const data = (tensor.data as Int32Array).filter((_, k) => k < high * wide && k % wide < length);
    return { ...tensor, dims: [high, length], data };
  };
  return {
    inputs: Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, part(tensor)])),
    labels: part(labels),
  };
}

async function inNode(corpus: Corpus, rates: readonly number[]): Promise<Trained> {
  const run = TrainingRun.open(filesOfRun(RECIPE, folder).train, { threads: 1 });
  const losses: number[] = [];
  for (const [step, rate] of rates.entries())
    losses.push((await run.step(cut(corpus.batch(step)), rate)).loss);
  const { loss } = await run.evaluate(cut(corpus.validation()));
  await run.close();
  return { losses, after: loss };
}

async function inPage(corpus: Corpus, rates: readonly number[]): Promise<TrainedInPage> {
  const script = await bundledScript(root, join(root, 'test/parity/page.mjs'), {
    'lotrc/runtime': join(root, 'dist/src/runtime/index.js'),
  });
  const batches = rates.map((_, step) => plain(cut(corpus.batch(step))));
  const { train } = filesOfRun(RECIPE, folder);
  const place = `/${basename(train)}/`;
  const job = { ep, threads, place, batches, rates, validation: plain(cut(corpus.validation())) };
  const files = servedFiles(root, folder);
  return (await answerOf({ script, job, files }, { browser: browser! })) as TrainedInPage;
}

function plain({ inputs, labels }: Batch): GivenBatch {
  return jsonBatch({ ...inputs, labels });
}
