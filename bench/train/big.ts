import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Steps } from '../../cli/bench/turns.js';
import { LOTRC, lotrc } from '../lotrc.js';
import { lastJsonOf, measure } from '../measure.js';
import { LLAMA_1B, writeLlama } from './llama.js';
import { processor } from './processor.js';

/**
 * `big.js --dir FOLDER --size 1`: seconds and peak of resident memory of `lotrc emit onnx-train` on a llama of 1.1e9 parameters
 * (4.4 GB in float32, in FOLDER, deleted at the end) and of training steps with `--recompute block` on one row of 128 tokens,
 * with a base of float32 and of 4 bits; with `--python PATH` also of PyTorch's steps with checkpoints at blocks. A
 * smaller `--size` makes the layers narrower and keeps their number: the graphs have the same nodes.
 */
const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    size: { type: 'string', default: '1' },
    repeat: { type: 'string', default: '3' },
    steps: { type: 'string', default: '2' },
    threads: { type: 'string', default: '2' },
    python: { type: 'string' },
  },
});
const { python, steps, threads } = values;
const [batch, seq] = ['1', '128'];
const narrow = (extent: number, step: number) =>
  step * Math.max(1, Math.round((extent * Number(values.size)) / step));
const { width, inner, vocabulary, ...counts } = LLAMA_1B;
const size = {
  ...counts,
  width: narrow(width, 64),
  inner: narrow(inner, 64),
  vocabulary: narrow(vocabulary, 1000),
};
mkdirSync(values.dir, { recursive: true });
console.log(`${processor()}; ${threads} threads`);
for (const bits of [32, 4] as const) train(bits);
if (python !== undefined && Number(values.size) === 1) {
  const peer = [
    join(import.meta.dirname, '../../../bench/train/torch_step.py'),
    ...['--model', 'llama', '--blocks', '--batch', batch, '--seq', seq],
    ...['--steps', steps, '--threads', threads],
  ];
  report('PyTorch float32, checkpoints at blocks', python, peer);
}

function train(bits: 4 | 32): void {
  const folder = mkdtempSync(join(values.dir, 'lotrc-bench-big-'));
  try {
    const model = join(folder, 'llama.onnx');
    const rewritten = join(folder, 'llama.lotr.onnx');
    writeLlama(model, size, bits);
    const targets = ['--target', 'q_proj', '--target', 'v_proj', '--weights', 'link', '-o', rewritten];
    lotrc('rewrite', model, '--rank', '8', ...targets);
    const base = bits === 4 ? 'base of 4 bits' : 'float32';
    for (const recompute of ['cheap', 'block']) {
      for (let n = 0; n < Number(values.repeat); n++) {
        const emit = ['emit', 'onnx-train', rewritten, '-o', folder, '--shift', '--recompute', recompute];
        const { seconds, peak } = measure([process.execPath, LOTRC, ...emit]);
        const memory = peak === null ? '' : `, peak ${Math.round(peak / 1e6)} MB`;
        console.log(`${base}: emit onnx-train --recompute ${recompute}: ${seconds.toFixed(1)} s${memory}`);
      }
    }
    const sizes = [steps, batch, seq, String(size.vocabulary), threads];
    report(base, process.execPath, [join(import.meta.dirname, 'step.js'), folder, ...sizes]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs a process that prints what its steps took. */
function report(who: string, program: string, words: readonly string[]): void {
  const { step_s: seconds, peak_mb: peak } = lastJsonOf([program, ...words]) as Steps;
  console.log(`${who}: ${seconds.toFixed(1)} s a step, peak ${peak} MB`);
}
