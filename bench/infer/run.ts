import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { lotrcShown } from '../lotrc.js';
import { writeLlama } from '../train/llama.js';
import { processor } from '../train/processor.js';
import { BASE, writeRoberta } from '../train/roberta.js';

/** `run.js`: `lotrc bench` of an encoder and a decoder, generated. */
const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    repeat: { type: 'string', default: '5' },
    runs: { type: 'string', default: '3' },
    layers: { type: 'string', default: '12' },
    seq: { type: 'string', default: '128' },
    batches: { type: 'string', default: '1,16' },
    threads: { type: 'string', default: '2' },
    ranks: { type: 'string', default: '8' },
    methods: { type: 'string', default: 'lotr' },
    models: { type: 'string', default: 'encoder,decoder' },
  },
});
const layers = Number(values.layers);
mkdirSync(values.dir, { recursive: true });

const MODELS: Readonly<Record<string, { write(path: string): void; readonly targets: readonly string[] }>> = {
  encoder: {
    write: (path) => writeRoberta(path, { ...BASE, layers }),
    targets: ['query', 'value'],
  },
  decoder: {
    write: (path) =>
      writeLlama(path, {
        ...{ blocks: layers, width: 768, inner: 2048, heads: 12, groups: 12 },
        vocabulary: 32000,
      }),
    targets: ['q_proj', 'v_proj'],
  },
};

console.log(`${processor()}; ${values.threads} threads; ${layers} layers`);
for (const name of values.models.split(',')) {
  const { write, targets } = MODELS[name]!;
  const folder = mkdtempSync(join(values.dir, 'lotrc-bench-infer-'));
  try {
    const model = join(folder, 'base.onnx');
    write(model);
    console.log(name);
    const sizes = ['--seq', values.seq, '--batch', values.batches, '--ranks', values.ranks];
    const chosen = targets.flatMap((target) => ['--target', target]);
    const times = ['--repeat', values.repeat, '--runs', values.runs, '--threads', values.threads];
    lotrcShown('bench', model, ...sizes, '--methods', values.methods, ...chosen, ...times);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
