import { copyFileSync, mkdtempSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compareModels } from '../../../src/backends/ort/compare.js';
import { readModel } from '../../../src/ir/onnx/reader.js';
import { i64Tensor } from '../../../src/ir/tensor.js';
import { table } from '../../text.js';
import { wrap } from '../../wrap.js';
import { CONTEXT, Corpus, MODEL, TRAINED_STEPS } from './charlm.js';
import { picture } from './picture.js';
import { continuedText } from './sample.js';
import { command, Show } from './show.js';
import { type DemoRecipe, emitWords, filesOfRun, rewriteWords, type TuneResult, tune } from './tune.js';

/**
 * `npm run demo`: a small language model moves from one author to another, and the cost is shown. `npm run demo -- --all` also
 * trains LoRA at equal rank, and LoTR of its size, all in 200 steps; `--picture FILE` writes the curves as SVG, `--report FILE`
 * the report of the first run: docs/images/demo.svg and site/demo-report.html are of one run.
 */
const { values: asked } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    picture: { type: 'string' },
    report: { type: 'string' },
  },
});

/** a quarter of them show as much */
const STEPS = asked.all ? TRAINED_STEPS : TRAINED_STEPS / 4;
const PYTORCH_BEFORE = 2.331;
/** how far from PyTorch's loss a run may end: its initial factors are other draws of the same distribution */
const NEAR = 0.02;
const PROMPT = 'In the year ';

const main: DemoRecipe = { method: 'lotr', rank: 8, rate: 1e-2, torch: asked.all ? 1.757 : 1.913 };
const equalSize: DemoRecipe = { method: 'lora', rank: 1, rate: 1e-2, torch: asked.all ? 1.764 : 1.889 };
const larger: readonly DemoRecipe[] = [
  { method: 'lotr', rank: 32, rate: 1e-2, torch: 1.659 },
  { method: 'lora', rank: 8, rate: 5e-3, torch: 1.664 },
];

const folder = mkdtempSync(join(tmpdir(), 'lotrc-demo-'));
const show = new Show(
  new Map([
    [`${folder}/`, ''],
    [MODEL, 'charlm.onnx'],
  ]),
);
const corpus = new Corpus();
const threads = Math.min(4, availableParallelism());
const file = (name: string) => join(folder, name);
const started = performance.now();

show.heading(
  '1. A character model of 1.2 million weights that has only read speeches of American presidents.\n' +
    '   Its 24 linear layers get adapters of rank 8; the model is frozen, and computes the same as before:',
);
await show.run(rewriteWords(main, folder));

show.heading('2. Its training step as ordinary ONNX operators, gradients and optimizer included:');
await show.run(emitWords(main, folder));

show.heading(
  `3. ${STEPS} steps on Moby-Dick, 16 windows of 128 characters each, in ONNX Runtime; at the same time and on the same\n` +
    '   windows, LoRA of about the same size:',
);
await prepared(equalSize);
// each step is small: two runs on half of the threads take less time than one after the other
const [first, lora] = await Promise.all([trained(main, 2), trained(equalSize, 2)]);
show.say(`   validation loss ${first.before.toFixed(3)} -> ${first.after.toFixed(3)}`);
show.check(Math.abs(first.before - PYTORCH_BEFORE) < 0.001, `before: as in PyTorch, ${PYTORCH_BEFORE}`);
near(first);
show.say(`   the curves: ${join(filesOfRun(main, folder).logs, 'report.html')}`);

show.heading('4. The adapter applied to the base, and merged into its weights:');
const { trained: adapter, model: rewritten } = filesOfRun(main, folder);
await show.run(['apply', MODEL, adapter, '-o', file('adapted.onnx')], /^wrote/);
await show.run(['merge', rewritten, '--adapter', adapter, '-o', file('merged.onnx')]);
const { data: windows } = corpus.validation().inputs.input_ids!;
const some = Array.from(windows.subarray(0, 4 * CONTEXT), Number);
const ids = new Map([['input_ids', i64Tensor([4, CONTEXT], some)]]);
const {
  outputs: [difference],
} = await compareModels(
  { path: file('adapted.onnx'), model: readModel(file('adapted.onnx')) },
  { path: file('merged.onnx'), model: readModel(file('merged.onnx')) },
  { inputs: ids },
);
show.check(
  difference!.relative < 1e-5,
  `merged equals adapted: largest relative difference ${difference!.relative.toExponential(1)}, limit 1e-5`,
);

show.heading('5. Both models continue the same words, with the same random numbers:');
for (const [name, model] of [
  ['before', MODEL],
  ['after', file('merged.onnx')],
] as const) {
  const text = (await continuedText(model, PROMPT, 200)).replace(/\s+/g, ' ');
  show.say(`   ${name}:\n${wrap(text, 90).replace(/^/gm, '     ')}`);
}

show.heading(
  asked.all
    ? '6. LoRA at equal size and at equal rank, and LoTR of the size of LoRA:'
    : '6. Next to LoRA of about the same size (npm run demo -- --all: also at equal rank, and LoTR of that size):',
);
const all = [first, lora];
for (const recipe of asked.all ? larger : []) {
  await prepared(recipe);
  all.push(await trained(recipe, 1));
}
if (asked.all) show.say();
const rows = all.map(({ recipe, parameters, after, stepTime }) => [
  label(recipe),
  parameters.toLocaleString('en-US'),
  after.toFixed(3),
  recipe.torch.toFixed(3),
  `${stepTime.toFixed(3)} s`,
]);
const columns = ['adapter', 'trainable', 'validation loss', 'PyTorch', 'a step'];
show.say(table([columns, ['none', '0', first.before.toFixed(3), PYTORCH_BEFORE.toFixed(3), ''], ...rows]));
for (const tuned of all.slice(1)) near(tuned);

if (asked.picture !== undefined) {
  const curves = all.map(({ recipe, curve }) => ({
    name: label(recipe),
    points: curve,
    torch: recipe.torch,
  }));
  writeFileSync(asked.picture, picture(curves));
}
if (asked.report !== undefined)
  copyFileSync(join(filesOfRun(main, folder).logs, 'report.html'), asked.report);
const seconds = (performance.now() - started) / 1000;
show.say(`\n${seconds.toFixed(0)} s on ${threads} threads. The files are in ${folder}`);

/** The same two commands as above, without showing them. */
async function prepared(recipe: DemoRecipe): Promise<void> {
  await command(rewriteWords(recipe, folder));
  await command(emitWords(recipe, folder));
}

/** `beside`: how many runs there are at a time. */
async function trained(recipe: DemoRecipe, beside: number): Promise<TuneResult> {
  return tune(recipe, {
    folder,
    corpus,
    threads: Math.max(1, Math.floor(threads / beside)),
    steps: STEPS,
    onProgress: (step, training, validation) => {
      const place = `${label(recipe).padEnd(9)}  step ${String(step).padStart(3)} of ${STEPS}`;
      show.say(`   ${place}  training loss ${training.toFixed(3)}, validation loss ${validation.toFixed(3)}`);
    },
  });
}

function near({ recipe, after }: TuneResult): void {
  // better than PyTorch is not a failure
  const what = `${label(recipe)}: ${after.toFixed(3)} against PyTorch's ${recipe.torch.toFixed(3)}, limit +${NEAR}`;
  show.check(after < recipe.torch + NEAR, what);
}

function label({ method, rank }: DemoRecipe): string {
  return `${method === 'lotr' ? 'LoTR' : 'LoRA'} r=${rank}`;
}
