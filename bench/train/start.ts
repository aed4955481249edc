import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from '../../cli/bench/turns.js';
import { writeSafetensors } from '../../src/ir/files/safetensors.js';
import { i64Tensor } from '../../src/ir/tensor.js';
import { LOTRC, lotrc } from '../lotrc.js';
import { measure } from '../measure.js';
import { processor } from './processor.js';
import { BASE, writeRoberta } from './roberta.js';

/**
 * `start.js --python PATH`: seconds of a whole process that takes one training step at RoBERTa-base shapes: `lotrc train
 * --max-steps 1`, which ends with a checkpoint, an adapter file and a report, and PyTorch, which loads its model and
 * writes nothing. They take turns.
 */
const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    python: { type: 'string' },
    repeat: { type: 'string', default: '3' },
    layers: { type: 'string', default: String(BASE.layers) },
    batch: { type: 'string', default: '8' },
    seq: { type: 'string', default: '128' },
    threads: { type: 'string', default: '2' },
  },
});
const { python, layers, threads } = values;
const [batch, seq] = [Number(values.batch), Number(values.seq)];
const root = resolve(import.meta.dirname, '../../..');
mkdirSync(values.dir, { recursive: true });
const folder = mkdtempSync(join(values.dir, 'lotrc-bench-start-'));
const at = (name: string) => join(folder, name);
try {
  console.log(`${processor()}; ${threads} threads; ${layers} layers, ${batch} x ${seq}`);
  writeRoberta(at('roberta.onnx'), { ...BASE, layers: Number(layers) });
  const targets = ['--rank', '8', '--target', 'query', '--target', 'value', '--weights', 'link'];
  lotrc('rewrite', at('roberta.onnx'), ...targets);
  const dtypes = ['float32', 'int8'];
  for (const dtype of dtypes)
    lotrc('emit', 'onnx-train', at('roberta.lotr.onnx'), '-o', at(dtype), '--base-dtype', dtype);
  const ids = Array.from({ length: batch * seq }, (_, i) => 5 + ((i * 7919) % 50000));
  writeSafetensors(
    at('data.safetensors'),
    new Map([
      ['input_ids', i64Tensor([batch, seq], ids)],
      [
        'attention_mask',
        i64Tensor(
          [batch, seq],
          ids.map(() => 1),
        ),
      ],
      [
        'labels',
        i64Tensor(
          [batch],
          Array.from({ length: batch }, (_, i) => i % 2),
        ),
      ],
    ]),
  );
  const script = join(root, 'bench/train/torch_step.py');
  const torch = ['--layers', layers, '--batch', values.batch, '--seq', values.seq, '--threads', threads];
  if (python !== undefined) measure([python, script, ...torch, '--save', at('torch')]);
  let serial = 0;
  const columns = [
    ...dtypes.map((dtype) => ({
      who: `lotrc train, ${dtype}`,
      run: () => {
        const given = ['--batch-size', values.batch, '--max-steps', '1', '--threads', threads];
        const words = ['--data', at('data.safetensors'), ...given, '-o', at(`run${serial++}`)];
        return measure([process.execPath, LOTRC, 'train', at(dtype), ...words]);
      },
    })),
    ...(python === undefined
      ? []
      : [{ who: 'PyTorch float32', run: () => measure([python, script, ...torch, '--load', at('torch')]) }]),
  ].map((column) => ({ ...column, seconds: [] as number[] }));
  for (let n = 0; n < Number(values.repeat); n++)
    for (const { run, seconds } of columns) seconds.push(run().seconds);
  for (const { who, seconds } of columns) {
    const span = `${Math.min(...seconds).toFixed(2)} to ${Math.max(...seconds).toFixed(2)}`;
    console.log(`  ${who.padEnd(22)} ${median(seconds).toFixed(2)} s from start to end (${span})`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
